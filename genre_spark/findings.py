"""Findings: each picks what a picture is to show, and pairs the picture with the sentence on it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from genre_spark import pictures
from genre_spark.bundle import Manifest
from genre_spark.canvas import Picture
from genre_spark.wording import MODEL, count, percent, plain, said

# More would not be legible in a picture; the tables have them all.
MOST_CONFUSED = 30
_MOST_HELD = 20
_MOST_MIXED = 30
_SURE = 0.9


# On synthetic genres.


def sizes(names: Sequence[str], tracks: Sequence[int]) -> Picture:
    """How many tracks each synthetic genre holds."""
    order = np.argsort(-np.array(tracks), kind="stable")
    ordered = [tracks[i] for i in order]
    finding = (
        f"The largest, {said(names[order[0]])}, holds {count(ordered[0])} tracks"
        f" ({percent(ordered[0] / max(1, sum(tracks)))}), the smallest {count(ordered[-1])}."
    )
    return Picture(finding, pictures.bars([names[i] for i in order], ordered))


def centroids(manifest: Manifest, names: Sequence[str]) -> Picture:
    """What sets each synthetic genre apart."""
    values = manifest.scoring.centroids
    axes = [plain(axis.name) for axis in manifest.scoring.space.axes]
    row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
    far = values[row, column]
    finding = (
        f"{said(names[row])} stands out most: its {axes[column]} lies {abs(far):.1f} spreads"
        f" {'above' if far > 0 else 'below'} the average track."
    )
    return Picture(finding, pictures.centroids(values, names, axes))


def held(
    names: Sequence[str], found: Sequence[Mapping[str, Any]], nmi: float | None
) -> Picture | None:
    """Which real genres each synthetic genre holds; None where no track has one."""
    tables = [genre.get("genres") or {} for genre in found]
    columns = _largest(tables, _MOST_HELD)
    others = len(set().union(*tables)) - len(columns)
    totals = np.array([sum(table.values()) for table in tables])
    if not totals.any():
        return None
    counts = np.array([[table.get(name, 0) for name in columns] for table in tables])
    row, column = np.unravel_index((counts / np.maximum(1, totals)[:, None]).argmax(), counts.shape)
    if others:
        counts = np.column_stack([counts, totals - counts.sum(axis=1)])
        columns.append(f"other ({others})")
    shares = counts / np.maximum(1, totals)[:, None]
    finding = (
        f"The purest is {said(names[row])}: {percent(shares[row, column])} of its labelled tracks"
        f" are {said(columns[column])}." + ("" if nmi is None else f" NMI over all: {nmi:.2f}.")
    )
    return Picture(finding, pictures.shares(shares, names, columns))


def candidates(clusters: Mapping[str, Any]) -> Picture | None:
    """Why there are this many synthetic genres; None where no other number was tried."""
    tried = {one["k"]: one for one in clusters.get("candidates") or () if "silhouette" in one}
    if not tried:
        return None
    k = clusters["k"]
    values = {n: one["silhouette"] for n, one in tried.items()}
    best, worst = max(values, key=values.get), min(values, key=values.get)
    finding = (
        f"Of {len(tried)} numbers tried, {best} has the best silhouette ({values[best]:.3f}), {worst}"
        f" the worst ({values[worst]:.3f}); {k} was chosen."
    )
    return Picture(finding, pictures.candidates(list(tried.values()), k))


# On accuracy and confidence.


def baselines(
    protocols: Mapping[str, Any], best: Mapping[str, tuple[str, float]]
) -> Picture | None:
    """Whether the CNN is better than the `best` baseline, by protocol; None without any."""
    findings, panels = [], {}
    for title, (name, accuracy) in best.items():
        own = protocols[title]["accuracy"]
        findings.append(
            f"{title}: the CNN ({percent(own)}) is {100 * abs(own - accuracy):.1f} points"
            f" {'behind' if own < accuracy else 'ahead of'} the best baseline, {name}"
            f" ({percent(accuracy)})."
        )
        found = {MODEL: own} | protocols[title]["baselines"]
        tracks = protocols[title]["tracks"]
        panels[title] = {name: pictures.interval(share, tracks) for name, share in found.items()}
    if not panels:
        return None
    return Picture(" ".join(findings), pictures.accuracies(panels))


def confusion(counts: np.ndarray, classes: Sequence[str]) -> Picture:
    """Which genres are taken for which; of many, those with the most mistakes."""
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    wrong = mistakes(counts)
    order = np.argsort(-(wrong.sum(axis=0) + wrong.sum(axis=1)), kind="stable")
    shown = np.sort(order[:MOST_CONFUSED])
    names = [classes[i] for i in shown]
    finding = "No held-out track has a wrong label."
    if wrong.any():
        true, given = np.unravel_index(wrong.argmax(), wrong.shape)
        finding = (
            f"Most often {said(classes[true])} is taken for {said(classes[given])}:"
            f" {count(wrong[true, given])} of {count(counts[true].sum())} tracks."
        )
    values = shares[np.ix_(shown, shown)]
    return Picture(finding, pictures.shares(values, names, names))


def reliability(protocols: Mapping[str, Any]) -> Picture | None:
    """Whether confidence is as high as accuracy; None where it was not measured."""
    curves = {title: of["reliability"] for title, of in protocols.items() if of.get("reliability")}
    if not curves:
        return None
    findings = []
    for title, points in curves.items():
        sure, right, _ = min(points, key=lambda point: abs(point[0] - 0.8))
        findings.append(
            f"{title}: labels of {percent(sure, 0)} confidence are {percent(right, 0)} right"
        )
        if (ece := protocols[title].get("ece")) is not None:
            findings[-1] += f"; over all, confidence is off by {100 * ece:.1f} points"
    return Picture(". ".join(findings) + ".", pictures.reliability(curves))


def risk_coverage(protocols: Mapping[str, Any], target: float) -> Picture | None:
    """How accurate the surest labels are; None where it was not measured."""
    curves = {
        title: of["risk_coverage"] for title, of in protocols.items() if of.get("risk_coverage")
    }
    if not curves:
        return None
    findings, accepted = [], {}
    for title in curves:
        coverage, precision = (protocols[title].get(key) for key in ("coverage", "precision"))
        if coverage and precision is not None:
            accepted[title] = (coverage, precision)
            findings.append(
                f"{title}: {percent(coverage)} of the labels are accepted,"
                f" of which {percent(precision)} are right."
            )
        else:
            findings.append(f"{title}: no label is sure enough to be accepted.")
    return Picture(" ".join(findings), pictures.risk_coverage(curves, accepted, target))


# On what was labelled.


def confidence(labels: Mapping[str, Any], thresholds: Mapping[str, float]) -> Picture | None:
    """How sure the labels of a catalogue are; None where there are none."""
    bins = labels.get("confidence") or {}
    counts = [bins.get(str(i), 0) for i in range(pictures.BINS)]
    if not sum(counts):
        return None
    sure = sum(counts[round(_SURE * pictures.BINS) :]) / sum(counts)
    finding = (
        f"{percent(sure)} of the tracks have a label of {percent(_SURE, 0)} confidence or more"
    )
    if labels.get("accepted") is not None:
        finding += f"; {percent(labels['accepted'])} of the labels are accepted"
    return Picture(finding + ".", pictures.confidence(counts, thresholds))


def mix(counts: Mapping[str, int]) -> Picture | None:
    """How often each label was given; None where there are none."""
    if not counts:
        return None
    names, total = _largest([counts], _MOST_MIXED), sum(counts.values())
    values = [counts[name] for name in names]
    finding = (
        f"The most frequent label is {said(names[0])}: {count(values[0])} of {count(total)} tracks"
        f" ({percent(values[0] / max(1, total))})."
    )
    if len(counts) > len(names):
        values.append(total - sum(values))
        names.append(f"other ({len(counts) - len(names)})")
    return Picture(finding, pictures.bars(names, values))


def mistakes(counts: np.ndarray) -> np.ndarray:
    """The confusion matrix without what is right."""
    return counts * ~np.eye(len(counts), dtype=bool)


def _largest(tables: Iterable[Mapping[str, int]], most: int) -> list[str]:
    """The names with the largest counts over all tables, the largest first."""
    totals: dict[str, int] = {}
    for table in tables:
        for name, n in table.items():
            totals[name] = totals.get(name, 0) + n
    return sorted(totals, key=lambda name: (-totals[name], name))[:most]
