"""Fits classifiers on some labelled tracks and predicts the others."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from genre_spark.bundle.genre_metrics import GenreScores, HeldOutMetrics
from genre_spark.classifier import estimator
from genre_spark.classifier.calibration import PRECISIONS
from genre_spark.classifier.estimator import FittedClassifier
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.config import Settings
from genre_spark.evaluation import baselines, metrics
from genre_spark.platform.progress import ReportProgress


@dataclass(frozen=True)
class HeldOut:
    """Predictions of held-out tracks by classifiers that did not learn from them.

    Attributes
    ----------
    rows : np.ndarray [shape=(n_test,), dtype=int64]
        Of the labelled tracks.
    probabilities, accepted : np.ndarray [shape=(n_test, n_classes)], [shape=(n_test,)]
        Of the classifier that would be shipped.
    accepted_at : dict of float to np.ndarray [shape=(n_test,), dtype=bool]
        Accepted labels by target precision.
    linked : np.ndarray [shape=(n_test,), dtype=bool]
        Whether other artists, or albums, of the artist have tracks that were learned from.
    ladder, baselines : dict of str to np.ndarray [shape=(n_test, n_classes)]
    never_learned : tuple of str
        Genres of which all tracks were held out.
    """

    rows: np.ndarray
    probabilities: np.ndarray
    accepted: np.ndarray
    accepted_at: dict[float, np.ndarray]
    linked: np.ndarray
    ladder: dict[str, np.ndarray]
    baselines: dict[str, np.ndarray]
    never_learned: tuple[str, ...]

    def take(self, kept: np.ndarray) -> "HeldOut":
        """Some of the tracks, by mask [shape=(n_test,), dtype=bool]."""
        return _combined([self], lambda arrays: arrays[0][kept], self.never_learned)

    def measure(self, tracks: LabelledTracks, target: float) -> HeldOutMetrics:
        """All metrics of the classifier that would be shipped, accepted at a precision."""
        from sklearn.metrics import classification_report, confusion_matrix

        labels, names = tracks.labels[self.rows], tracks.classes
        winners, confidence = self.probabilities.argmax(axis=1), self.probabilities.max(axis=1)
        correct, codes = winners == labels, np.arange(len(names))
        per_genre = classification_report(
            labels, winners, labels=codes, target_names=names, output_dict=True, zero_division=0
        )
        accepted = metrics.acceptance(correct, self.accepted)
        return HeldOutMetrics(
            **dict(metrics.scores(self.probabilities, labels)),
            tracks=len(labels),
            coverage=accepted.coverage,
            precision=accepted.precision,
            attainable=metrics.attainable_coverage(confidence, correct, target),
            confusion=confusion_matrix(labels, winners, labels=codes).tolist(),
            per_genre={name: GenreScores.model_validate(per_genre[name]) for name in names},
            reliability=metrics.reliability(confidence, correct),
            risk_coverage=metrics.risk_coverage(confidence, correct),
            interval=metrics.interval([correct], [tracks.artists[self.rows]]),
            coverage_at={
                f"{goal:.2f}": metrics.acceptance(correct, mask)
                for goal, mask in self.accepted_at.items()
            },
            linked=float(self.linked.mean()),
            never_learned=self.never_learned,
        )


def join(parts: list[HeldOut]) -> HeldOut:
    """Join folds that held out different tracks."""
    never_learned = tuple(sorted({name for part in parts for name in part.never_learned}))
    return _combined(parts, np.concatenate, never_learned)


def _combined(
    parts: list[HeldOut],
    how: Callable[[list[np.ndarray]], np.ndarray],
    never_learned: tuple[str, ...],
) -> HeldOut:
    """One of several: each array, and each of a dictionary of arrays, is made of theirs."""
    found: dict[str, Any] = {}
    for name in ("rows", "probabilities", "accepted", "linked"):
        found[name] = how([getattr(part, name) for part in parts])
    for name in ("accepted_at", "ladder", "baselines"):
        given = [getattr(part, name) for part in parts]
        found[name] = {key: how([one[key] for one in given]) for key in given[0]}
    return HeldOut(**found, never_learned=never_learned)


def hold_out(
    tracks: LabelledTracks,
    test: np.ndarray,
    settings: Settings,
    seed: int,
    report_progress: ReportProgress,
    everything: bool = True,
) -> tuple[HeldOut, HeldOut, FittedClassifier]:
    """Fit on all other tracks, and predict these.

    `test`: Rows to hold out [dtype=int64], in order. Those under several genres are not predicted.
    `everything`: Whether the slow baselines are fitted too.

    Returns
    -------
    with_features : HeldOut
        Tracks with features, where all are as they are.
    without_features : HeldOut
        Tracks without, where a third of all tracks has none; baselines learn from such tracks too.
    fitted : FittedClassifier
    """
    train = np.setdiff1d(np.arange(len(tracks)), test)
    target = settings.training.target_precision
    fitted = estimator.fit(tracks.take(train), settings.network, target, seed, report_progress)
    report_progress("baselines")
    # An artist's tracks inform each other, on whichever side of the split they are.
    asked = np.flatnonzero(np.isin(tracks.artists, tracks.artists[test]))
    held_out = np.searchsorted(asked, test)
    found = []
    for own in (tracks, tracks.without_features(seed)):
        artists = own.take(asked)
        predicted, terms = fitted.predict(artists), fitted.terms(artists)
        side = HeldOut(
            rows=test,
            probabilities=predicted.probabilities[held_out],
            accepted=predicted.accepted[held_out],
            accepted_at={
                level: predicted.precision[held_out] >= level for level in sorted(PRECISIONS)
            },
            linked=fitted.is_linked(artists)[held_out],
            ladder=fitted.climb(terms[:, held_out], fitted.kinds(artists)[held_out]),
            baselines=dict(
                baselines.predict(own, test, fitted, terms[:, held_out], seed, everything)
            ),
            never_learned=tuple(metrics.never_learned(own, train, test)),
        )
        is_kept = own.inputs.has_features[test] == (own is tracks)
        found.append(side.take(is_kept & own.certain[test]))
    return found[0], found[1], fitted
