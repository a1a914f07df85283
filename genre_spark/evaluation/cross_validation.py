"""The study: how good the classifier is, over several seeds, beside baselines and with fewer labels."""

import logging
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from genre_spark.bundle.genre_metrics import Protocol
from genre_spark.classifier import estimator
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.config import Settings
from genre_spark.errors import InputError
from genre_spark.evaluation import metrics as evaluation
from genre_spark.evaluation.held_out import HeldOut, hold_out, join
from genre_spark.evaluation.metrics import gain, interval, reliability, risk_coverage, scores
from genre_spark.evaluation.study_results import (
    AcceptanceOverSeeds,
    ClassifierOverSeeds,
    ComparedOverSeeds,
    CurvePoint,
    OverSeeds,
    StudiedProtocol,
    Study,
)
from genre_spark.evaluation.training import by_protocol
from genre_spark.platform.progress import ReportProgress, after, plainly

logger = logging.getLogger(__name__)
_log = plainly(logger.info)

_CURVE = (100, 300, 1000, 3000)


def run(
    tracks: LabelledTracks,
    settings: Settings,
    n_seeds: int,
    report_progress: ReportProgress = _log,
    n_repetitions: int = 2,
    with_curve: bool = True,
) -> Study:
    """Evaluate all protocols, with baselines on the same rows.

    Known artists: one split per seed. New artists: in each repetition every artist is held out
    exactly once, by one of five folds (as `test_share` has it), and metrics are pooled over them.

    `settings`: The first seed is the settings' own, the others follow it.
    `n_seeds`: At least 1.
    `report_progress`: Receives progress as one line.
    `n_repetitions`: Of the folds of new artists; at most `n_seeds`.
    `with_curve`: Whether the classifier is also fitted on fewer labels.

    Returns
    -------
    Study
        Per protocol the classifier, its ladder and the baselines, each measure over the seeds.
    """
    started = time.monotonic()
    protocols = evaluation.protocols(tracks)
    if all(protocols.values()):
        raise InputError(f"cannot evaluate: {protocols['known']}; label more")
    seeds = [settings.seed + i for i in range(n_seeds)]
    found: dict[Protocol, StudiedProtocol] = {}
    for protocol in (name for name, reason in protocols.items() if not reason):
        used = seeds if protocol == "known" else seeds[:n_repetitions]
        held_out = [
            by_protocol(protocol, *_repetition(tracks, protocol, settings, seed, report_progress))
            for seed in used
        ]
        for name in dict.fromkeys(name for one in held_out for name in one):
            found[name] = _summary(tracks, [one[name] for one in held_out if name in one], settings)
    return Study(
        classes=tracks.classes,
        tracks=len(tracks),
        artists=len(np.unique(tracks.artists)) if tracks.has_artists else None,
        target_precision=settings.training.target_precision,
        seeds=tuple(seeds),
        repetitions=len(seeds[:n_repetitions]),
        skipped={name: reason for name, reason in protocols.items() if reason},
        protocols=found,
        learning_curve=learning_curve(tracks, settings, report_progress) if with_curve else (),
        seconds=round(time.monotonic() - started, 1),
    )


def learning_curve(
    tracks: LabelledTracks, settings: Settings, report_progress: ReportProgress
) -> tuple[CurvePoint, ...]:
    """Accuracy on new artists by number of labels, with and without synthetic genres' labels.

    One fold of the artists is held out. Of the others' labelled tracks the first so many in random
    order are learned from.
    """
    protocol: Protocol = "known" if evaluation.protocols(tracks)["new"] else "new"
    fold = evaluation.folds(tracks, protocol, settings.training.test_share, settings.seed)
    test, rest = np.flatnonzero(fold == 0), np.flatnonzero(fold != 0)
    order = np.random.default_rng(settings.seed).permutation(rest)
    found, held_out = [], tracks.take(test)
    for n in [*(n for n in _CURVE if n < len(rest)), len(rest)]:
        report_progress(f"learning curve, {n:,} labels")
        learned = tracks.take(np.sort(order[:n]))
        target = settings.training.target_precision
        fitted = estimator.fit(learned, settings.network, target, settings.seed, lambda *_: None)
        steps = fitted.climb(fitted.terms(held_out), fitted.kinds(held_out))
        right = {name: one.argmax(axis=1) == held_out.labels for name, one in steps.items()}
        *_, without, everything = right.values()
        found.append(
            CurvePoint(
                labels=n,
                ladder={name: float(one.mean()) for name, one in right.items()},
                gain_by_synthetic_genres=gain([everything], [without], [held_out.artists], 0),
            )
        )
    return tuple(found)


def _repetition(
    tracks: LabelledTracks,
    protocol: Protocol,
    settings: Settings,
    seed: int,
    report_progress: ReportProgress,
) -> list[HeldOut]:
    """One split of known artists, or all folds of new ones: with features, and without."""
    fold = evaluation.folds(tracks, protocol, settings.training.test_share, seed)
    numbers = np.unique(fold).tolist() if protocol == "new" else [0]
    parts = []
    for i, number in enumerate(numbers, start=1):
        report = after(
            f"{protocol} artists, seed {seed}, fold {i} of {len(numbers)}: ", report_progress
        )
        test = np.flatnonzero(fold == number)
        parts.append(hold_out(tracks, test, settings, seed, report)[:2])
    return [join(list(side)) for side in zip(*parts, strict=True)]


def _summary(
    tracks: LabelledTracks, splits: Sequence[HeldOut], settings: Settings
) -> StudiedProtocol:
    target = settings.training.target_precision
    own = [split.measure(tracks, target) for split in splits]
    right = [_right(tracks, split, split.probabilities) for split in splits]
    artists = [tracks.artists[split.rows] for split in splits]
    confidence = np.concatenate([split.probabilities.max(axis=1) for split in splits])
    correct = np.concatenate(right)
    return StudiedProtocol(
        tracks=tuple(len(split.rows) for split in splits),
        linked=float(np.mean([split.linked.mean() for split in splits])),
        never_learned=tuple(sorted({name for split in splits for name in split.never_learned})),
        cnn=ClassifierOverSeeds(**_over_seeds([dict(one) for one in own])),
        interval=interval(right, artists),
        coverage_at={
            goal: AcceptanceOverSeeds(**_over_seeds([dict(one.coverage_at[goal]) for one in own]))
            for goal in own[0].coverage_at
        },
        ladder=_others(tracks, splits, "ladder"),
        baselines=_others(tracks, splits, "baselines"),
        confusion=np.sum([one.confusion for one in own], axis=0).tolist(),
        per_genre={
            genre: _over_seeds([one.per_genre[genre].model_dump(by_alias=True) for one in own])
            for genre in tracks.classes
        },
        reliability=reliability(confidence, correct),
        risk_coverage=risk_coverage(confidence, correct),
    )


def _others(
    tracks: LabelledTracks, splits: Sequence[HeldOut], part: Literal["ladder", "baselines"]
) -> dict[str, ComparedOverSeeds]:
    """Measures of baselines or of the ladder, and what the classifier gains over each."""
    found = {}
    ours = [_right(tracks, split, split.probabilities) for split in splits]
    artists = [tracks.artists[split.rows] for split in splits]
    for name in getattr(splits[0], part):
        theirs = [getattr(split, part)[name] for split in splits]
        measured = [
            dict(scores(one, tracks.labels[split.rows]))
            for one, split in zip(theirs, splits, strict=True)
        ]
        right = [_right(tracks, split, one) for one, split in zip(theirs, splits, strict=True)]
        found[name] = ComparedOverSeeds(
            **_over_seeds(measured), cnn_gain=gain(ours, right, artists, seed=0)
        )
    return found


def _right(tracks: LabelledTracks, split: HeldOut, probabilities: np.ndarray) -> np.ndarray:
    return probabilities.argmax(axis=1) == tracks.labels[split.rows]


def _over_seeds(measured: Sequence[Mapping[str, Any]]) -> dict[str, OverSeeds]:
    """Mean, standard deviation and values of each measure that is a number, or None in some splits."""
    found = {}
    for name, first in measured[0].items():
        if first is None or isinstance(first, int | float):
            values = [one[name] for one in measured]
            numbers = [value for value in values if value is not None]
            found[name] = OverSeeds(
                mean=float(np.mean(numbers)) if numbers else None,
                std=float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
                values=tuple(values),
            )
    return found
