"""Findings on genres and labels: each picks what a picture is to show, with a sentence."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from genre_spark.bundle.catalogue_profile import LabelProfile
from genre_spark.bundle.genre_metrics import HeldOutMetrics, ProtocolMetrics
from genre_spark.reporting import charts
from genre_spark.reporting.style import Picture
from genre_spark.reporting.text import count, in_text, percent, plain
from genre_spark.schema import MODEL

# More would not be legible in a picture; the tables have them all.
MOST_CONFUSED = 30
_MOST_MIXED = 30
_SURE = 0.9


@dataclass(frozen=True)
class Curves:
    """Curves of held-out tracks, and the numbers beside them; see `genre_metrics.HeldOutMetrics`."""

    reliability: Sequence[tuple[float, float, float]]
    risk_coverage: Sequence[tuple[float, float]]
    ece: float | None
    coverage: float | None
    precision: float | None

    @classmethod
    def of(cls, metrics: HeldOutMetrics) -> "Curves":
        """Of one split."""
        return cls(
            metrics.reliability,
            metrics.risk_coverage,
            metrics.ece,
            metrics.coverage,
            metrics.precision,
        )


def baselines(protocols: Mapping[str, ProtocolMetrics]) -> Picture:
    """Whether the CNN is better than the best baseline, by protocol."""
    findings, panels = [], {}
    for title, metrics in protocols.items():
        own, (name, accuracy) = metrics.accuracy, metrics.best_baseline
        findings.append(
            f"{title}: the CNN ({percent(own)}) is {100 * abs(own - accuracy):.1f} points"
            f" {'behind' if own < accuracy else 'ahead of'} the best baseline, {name}"
            f" ({percent(accuracy)})."
        )
        found = {MODEL: own} | metrics.baselines
        panels[title] = {
            name: charts.interval(share, metrics.tracks) for name, share in found.items()
        }
    return Picture(" ".join(findings), charts.accuracies(panels))


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Picture:
    """Which genres are taken for which; of many, those with the most mistakes."""
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    wrong = mistakes(counts)
    order = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")
    shown = np.sort(order[:MOST_CONFUSED])
    names = [classes[i] for i in shown]
    finding = "No held-out track has a wrong label."
    if wrong.any():
        true, given = map(int, np.unravel_index(wrong.argmax(), wrong.shape))
        finding = (
            f"Most often {in_text(classes[true])} is taken for {in_text(classes[given])}:"
            f" {count(wrong[true, given])} of {count(counts[true].sum())} tracks."
        )
    values = shares[np.ix_(shown, shown)]
    return Picture(finding, charts.shares(values, names, names))


def reliability(protocols: Mapping[str, Curves]) -> Picture:
    """Whether confidence is as high as accuracy."""
    findings = []
    for title, of in protocols.items():
        sure, right, _ = min(of.reliability, key=lambda point: abs(point[0] - 0.8))
        findings.append(
            f"{title}: labels of {percent(sure, 0)} confidence are {percent(right, 0)} right"
        )
        if of.ece is not None:
            findings[-1] += f"; over all, confidence is off by {100 * of.ece:.1f} points"
    curves = {title: of.reliability for title, of in protocols.items()}
    return Picture(". ".join(findings) + ".", charts.reliability(curves))


def risk_coverage(protocols: Mapping[str, Curves], target: float) -> Picture:
    """How accurate the surest labels are."""
    findings, accepted = [], {}
    for title, of in protocols.items():
        if of.coverage and of.precision is not None:
            accepted[title] = (of.coverage, of.precision)
            findings.append(
                f"{title}: {percent(of.coverage)} of the labels are accepted,"
                f" of which {percent(of.precision)} are right."
            )
        else:
            findings.append(f"{title}: no label is sure enough to be accepted.")
    curves = {title: of.risk_coverage for title, of in protocols.items()}
    return Picture(" ".join(findings), charts.risk_coverage(curves, accepted, target))


def confidence(labels: LabelProfile, thresholds: Mapping[str, float]) -> Picture | None:
    """How sure the labels of a catalogue are; None where there are none."""
    counts = [labels.confidence.get(str(i), 0) for i in range(charts.BINS)]
    if not sum(counts):
        return None
    sure = sum(counts[round(_SURE * charts.BINS) :]) / sum(counts)
    finding = (
        f"{percent(sure)} of the tracks have a label of {percent(_SURE, 0)} confidence or more"
    )
    if labels.accepted is not None:
        finding += f"; {percent(labels.accepted)} of the labels are accepted"
    return Picture(finding + ".", charts.confidence(counts, thresholds))


def mix(counts: Mapping[str, int]) -> Picture | None:
    """How often each label was given; None where there are none."""
    if not counts:
        return None
    names, total = charts.largest([counts], _MOST_MIXED), sum(counts.values())
    values = [counts[name] for name in names]
    finding = (
        f"The most frequent label is {in_text(names[0])}: {count(values[0])} of {count(total)} tracks"
        f" ({percent(values[0] / max(1, total))})."
    )
    if len(counts) > len(names):
        values.append(total - sum(values))
        names.append(f"other ({len(counts) - len(names)})")
    return Picture(finding, charts.bars(names, values))


def reasons(tables: Mapping[str, Mapping[str, int]], features: Sequence[str]) -> Picture | None:
    """Which feature speaks most for each label; None where no reasons were asked for.

    Parameters
    ----------
    tables : dict of str to dict of str to int
        By label, and by feature: tracks for which it speaks most.
    features : sequence of str
        In the model's order.
    """
    if not tables:
        return None
    names = sorted(tables, key=lambda name: (-sum(tables[name].values()), name))[:_MOST_MIXED]
    counts = np.array([[tables[name].get(feature, 0) for feature in features] for name in names])
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    row, column = np.unravel_index(shares.argmax(), shares.shape)
    columns = [plain(feature) for feature in features]
    overall = np.array([sum(of.get(feature, 0) for of in tables.values()) for feature in features])
    finding = (
        f"Over all tracks {columns[overall.argmax()]} speaks most often for the label"
        f" ({percent(overall.max() / max(1, overall.sum()))}). The clearest case is"
        f" {in_text(names[row])}: {columns[column]}, for {percent(shares[row, column])} of its tracks."
    )
    return Picture(finding, charts.shares(shares, names, columns))


def mistakes(counts: np.ndarray) -> np.ndarray:
    """The confusion matrix without what is right."""
    return counts * ~np.eye(len(counts), dtype=bool)
