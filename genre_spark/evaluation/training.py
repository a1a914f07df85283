"""From labelled tracks to a fitted, calibrated and evaluated classifier."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from genre_spark.bundle.genre_metrics import GenreMetrics, Importance, Protocol, ProtocolMetrics
from genre_spark.classifier import estimator
from genre_spark.classifier.estimator import FittedClassifier
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.config import Settings
from genre_spark.evaluation import metrics as evaluation
from genre_spark.evaluation import permutation_importance
from genre_spark.evaluation.held_out import HeldOut, hold_out
from genre_spark.evaluation.metrics import scores
from genre_spark.platform.progress import ReportProgress, after, plainly

logger = logging.getLogger(__name__)
_log = plainly(logger.info)

# Of fewer held-out tracks of a special kind, no accuracy is published.
_FEWEST_OF_KIND = 50


@dataclass(frozen=True)
class Trained:
    """What training gives to the bundle; the classifier is fitted on all labelled tracks."""

    classifier: FittedClassifier
    metrics: GenreMetrics


def train(
    tracks: LabelledTracks, settings: Settings, report_progress: ReportProgress = _log
) -> Trained:
    """Evaluate on known and on new artists, then fit on all labels.

    One fold of each protocol is held out; `evaluate` holds out every artist. The published metrics
    come from weights and thresholds that were fitted on the training side alone. `report_progress`
    receives progress as one line.
    """
    protocols = evaluation.protocols(tracks)
    skipped = {name: reason for name, reason in protocols.items() if reason}
    target = settings.training.target_precision
    measured: dict[Protocol, ProtocolMetrics] = {}
    for name, reason in skipped.items():
        logger.warning("not evaluated on %s artists: %s", name, reason)
    for protocol in (name for name in protocols if name not in skipped):
        measured |= _evaluate(tracks, protocol, settings, report_progress)
    final = estimator.fit(
        tracks,
        settings.network,
        target,
        settings.seed,
        after("fitting on all labels: ", report_progress),
    )
    for kind, best in final.part.acceptance.rejecting.items():
        first, *rest = kind.split("_")
        named = " ".join([first, "artists", *rest])
        can = f"{best:.2f} can be, so set training.target_precision" if best else "label more"
        logger.warning(
            "%s: genres are given, but none is accepted; %d labelled tracks cannot"
            " promise a precision of %.2f; %s", named, len(tracks), target, can,
        )  # fmt: skip
    metrics = GenreMetrics(
        classes=tracks.classes, target_precision=target, protocols=measured, skipped=skipped
    )
    return Trained(final, metrics)


def summarise(
    tracks: LabelledTracks, found: HeldOut, target: float, importance: Importance | None = None
) -> ProtocolMetrics:
    """Metrics of held-out tracks, with the accuracies of baselines and of the ladder's steps."""
    labels = tracks.labels[found.rows]

    def accuracies(predicted: Mapping[str, np.ndarray]) -> dict[str, float]:
        return {name: scores(one, labels).accuracy for name, one in predicted.items()}

    return ProtocolMetrics(
        **dict(found.measure(tracks, target)),
        # By which another bundle's accuracy is known to be of the same tracks.
        held_out=tracks.take(np.sort(found.rows)).fingerprint(),
        baselines=accuracies(found.baselines),
        ladder=accuracies(found.ladder),
        **({"importance": importance} if importance else {}),
    )


def by_protocol(
    protocol: Protocol, with_features: HeldOut, without: HeldOut
) -> dict[Protocol, HeldOut]:
    """Held-out tracks by what they stand for: as they are; without a link, or features, if enough."""
    found: dict[Protocol, HeldOut] = {protocol: with_features}
    if protocol == "new":
        found["unlinked"] = with_features.take(~with_features.linked)
    found["new_without_features" if protocol == "new" else "known_without_features"] = without
    fewest = dict.fromkeys(found, _FEWEST_OF_KIND) | {protocol: 1}
    return {name: one for name, one in found.items() if len(one.rows) >= fewest[name]}


def _evaluate(
    tracks: LabelledTracks, protocol: Protocol, settings: Settings, report_progress: ReportProgress
) -> dict[Protocol, ProtocolMetrics]:
    """Metrics of one split, by protocol."""
    fold = evaluation.folds(tracks, protocol, settings.training.test_share, settings.seed)
    test = np.flatnonzero(fold == 0)
    report = after(f"fitting on {protocol} artists: ", report_progress)
    heard, bare, fitted = hold_out(tracks, test, settings, settings.seed, report, everything=False)
    report("which features decide")
    target = settings.training.target_precision
    importance = permutation_importance.importance(fitted, tracks, test, settings.seed)
    return {
        name: summarise(tracks, found, target, importance if name == protocol else None)
        for name, found in by_protocol(protocol, heard, bare).items()
    }
