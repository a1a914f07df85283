"""The report: one self-contained page on a bundle, and on a catalogue labelled with it."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from matplotlib.figure import Figure

from genre_spark import pictures
from genre_spark.bundle import Bundle, Manifest
from genre_spark.schema import AudioFeature, feature

_PROTOCOLS = {"known": "Known artists", "new": "New artists"}
_NONE = "–"
# More would not be legible in a picture; the tables have them all.
_MOST_CONFUSED = 30
_MOST_HELD = 20
_MOST_MIXED = 30
_MOST_PAIRS = 10
_ANNOTATED = 15
_SURE = 0.9
_DIGITS = {"BPM": 0, "dB": 1, "min": 1}


@dataclass(frozen=True)
class Picture:
    """An answer, drawn: what is to be seen in words, and the image in base64 with its pixels."""

    finding: str
    png: str
    width: int
    height: int


def render(bundle: Bundle, labels: dict[str, Any] | None) -> str:
    """The page.

    Parameters
    ----------
    bundle : Bundle
        Of either kind; what it does not have is left out of the page.
    labels : dict or None
        Manifest of a labelled catalogue.

    Returns
    -------
    str
        HTML that needs nothing beside itself.
    """
    manifest, labels = bundle.manifest, labels or {}
    environment = Environment(
        loader=PackageLoader("genre_spark"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(
        count=_count, percent=_percent, ratio=_ratio, plain=_plain, in_units=_in_units, place=_place
    )
    catalogues = _catalogues(manifest, labels)
    reasons = [reason for rows in catalogues.values() for reason in rows["reasons"]]
    return environment.get_template("report.html").render(
        manifest=manifest,
        labels=labels,
        same_tracks=_same_tracks(manifest, labels),
        catalogues=catalogues,
        reasons=list(dict.fromkeys(reasons)),
        synthetic=_synthetic(manifest),
        genres=_genres(manifest),
        labelled=_labelled(manifest, labels.get("labels") or {}),
        thresholds=_thresholds(manifest),
        settings=dict(_flat(labels.get("settings") or {})),
    )


# What the page's parts are made of.


def _catalogues(manifest: Manifest, labels: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Counts of rows by title of the catalogue."""
    found = {"Model’s catalogue": dict(manifest.data["rows"])}
    if labels:
        # There, `labelled` counts the rows that got labels: all the accepted ones.
        rows = {key: n for key, n in labels["rows"].items() if key != "labelled"}
        found["Scored catalogue"] = rows
    for rows in found.values():
        rows["quarantined"] = rows["read"] - rows["accepted"]
        rows.setdefault("reasons", {})
    return found


def _same_tracks(manifest: Manifest, labels: Mapping[str, Any]) -> bool:
    scored = (labels.get("rows") or {}).get("fingerprint")
    return scored is not None and scored == manifest.data["rows"].get("fingerprint")


def _synthetic(manifest: Manifest) -> dict[str, Any]:
    found, space = manifest.clusters["synthetic_genres"], manifest.scoring.space
    declared = [feature(name) for name in space.features]
    names = [f"{genre['id']} {genre['name']}" for genre in found]
    return {
        "genres": dict(zip(names, found, strict=True)),
        # A circle has no median.
        "features": [one for one in declared if one.encoding != "circular"],
        "has_circle": any(one.encoding == "circular" for one in declared),
        "sizes": _sizes(names, [genre["size"] for genre in found]),
        "centroids": _centroids(manifest, names),
        "held": _held(names, found, manifest.clusters.get("nmi_with_genres")),
        "candidates": _candidates(manifest.clusters),
    }


def _genres(manifest: Manifest) -> dict[str, Any] | None:
    """What is known of accuracy; None for a bundle without it."""
    measured = (manifest.genres or {}).get("protocols") or {}
    protocols = {title: measured[name] for name, title in _PROTOCOLS.items() if measured.get(name)}
    if not protocols:
        return None
    part, shown = manifest.scoring.genres, list(protocols)[-1]
    counts = np.array(protocols[shown]["confusion"])
    return {
        "protocols": protocols,
        "best": {title: best for title, of in protocols.items() if (best := _best(of))},
        "baselines": _baselines(protocols),
        "shown": shown,
        "drawn": min(len(part.classes), _MOST_CONFUSED),
        "confusion": _confusion(counts, part.classes),
        "pairs": _pairs(counts, part.classes),
        "reliability": _reliability(protocols),
        "risk_coverage": _risk_coverage(protocols, part.target_precision),
    }


def _labelled(manifest: Manifest, mix: Mapping[str, Any]) -> dict[str, Picture | None]:
    drawn = manifest.scoring.genres and mix.get("genres")
    return {
        "confidence": _confidence(mix, _thresholds(manifest)) if drawn else None,
        "mix": _mix(mix.get("genres") or mix.get("synthetic_genres") or {}),
    }


def _thresholds(manifest: Manifest) -> dict[str, float]:
    """Least confidence of an accepted label, by the artists that it holds for."""
    part = manifest.scoring.genres
    if part is None:
        return {}
    if not part.known_artists:
        return {"all artists": part.new.threshold}
    return {"known artists": part.known.threshold, "new artists": part.new.threshold}


def _flat(settings: Mapping[str, Any], start: str = "") -> Iterable[tuple[str, str]]:
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{start}{name}.")
        else:
            yield start + name, str(value)


# Pictures of synthetic genres, each with its finding.


def _picture(finding: str, figure: Figure) -> Picture:
    width, height = (round(inches * pictures.DPI) for inches in figure.get_size_inches())
    return Picture(finding, pictures.png(figure), width, height)


def _sizes(names: Sequence[str], sizes: Sequence[int]) -> Picture:
    order = np.argsort(-np.array(sizes), kind="stable")
    ordered = [sizes[i] for i in order]
    finding = (
        f"The largest, {_said(names[order[0]])}, holds {_count(ordered[0])} tracks"
        f" ({_percent(ordered[0] / max(1, sum(sizes)))}), the smallest {_count(ordered[-1])}."
    )
    return _picture(finding, pictures.bars([names[i] for i in order], ordered))


def _centroids(manifest: Manifest, names: Sequence[str]) -> Picture:
    values = manifest.scoring.centroids
    axes = [_plain(axis.name) for axis in manifest.scoring.space.axes]
    row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
    far = values[row, column]
    finding = (
        f"{_said(names[row])} stands out most: its {axes[column]} lies {abs(far):.1f} spreads"
        f" {'above' if far > 0 else 'below'} the average track."
    )
    return _picture(finding, pictures.centroids(values, names, axes))


def _held(
    names: Sequence[str], found: Sequence[Mapping[str, Any]], nmi: float | None
) -> Picture | None:
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
        f"The purest is {_said(names[row])}: {_percent(shares[row, column])} of its labelled tracks"
        f" are {_said(columns[column])}." + ("" if nmi is None else f" NMI over all: {nmi:.2f}.")
    )
    label, annotate = "share of the row", len(columns) <= _ANNOTATED
    return _picture(finding, pictures.shares(shares, names, columns, label, annotate))


def _candidates(clusters: Mapping[str, Any]) -> Picture | None:
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
    return _picture(finding, pictures.candidates(list(tried.values()), k))


# Pictures of accuracy and confidence, each with its finding.


def _baselines(protocols: Mapping[str, Any]) -> Picture | None:
    findings, panels = [], {}
    for title, metrics in protocols.items():
        if best := _best(metrics):
            own = metrics["accuracy"]
            findings.append(
                f"{title}: the CNN ({_percent(own)}) is {100 * abs(own - best[1]):.1f} points"
                f" {'behind' if own < best[1] else 'ahead of'} the best baseline, {best[0]}"
                f" ({_percent(best[1])})."
            )
            panels[title] = {pictures.MODEL: own} | metrics["baselines"]
    if not panels:
        return None
    tracks = {title: protocols[title]["tracks"] for title in panels}
    return _picture(" ".join(findings), pictures.accuracies(panels, tracks))


def _confusion(counts: np.ndarray, classes: Sequence[str]) -> Picture:
    """Of many genres, those with the most mistakes."""
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    mistakes = _mistakes(counts)
    order = np.argsort(-(mistakes.sum(axis=0) + mistakes.sum(axis=1)), kind="stable")
    shown = np.sort(order[:_MOST_CONFUSED])
    names = [classes[i] for i in shown]
    finding = "No held-out track has a wrong label."
    if mistakes.any():
        true, given = np.unravel_index(mistakes.argmax(), mistakes.shape)
        finding = (
            f"Most often {_said(classes[true])} is taken for {_said(classes[given])}:"
            f" {_count(mistakes[true, given])} of {_count(counts[true].sum())} tracks."
        )
    label, annotate = "share of the row", len(names) <= _ANNOTATED
    values = shares[np.ix_(shown, shown)]
    return _picture(finding, pictures.shares(values, names, names, label, annotate))


def _pairs(counts: np.ndarray, classes: Sequence[str]) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: true genre, label given, tracks, share of the true genre's."""
    mistakes = _mistakes(counts)
    order = np.argsort(-mistakes, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [np.unravel_index(i, counts.shape) for i in order if mistakes.flat[i]]
    return [
        (classes[t], classes[g], counts[t, g], counts[t, g] / counts[t].sum()) for t, g in pairs
    ]


def _reliability(protocols: Mapping[str, Any]) -> Picture | None:
    curves = {title: of["reliability"] for title, of in protocols.items() if of.get("reliability")}
    if not curves:
        return None
    findings = []
    for title, points in curves.items():
        sure, right, _ = min(points, key=lambda point: abs(point[0] - 0.8))
        findings.append(
            f"{title}: labels of {_percent(sure, 0)} confidence are {_percent(right, 0)} right"
        )
        if (ece := protocols[title].get("ece")) is not None:
            findings[-1] += f"; over all, confidence is off by {100 * ece:.1f} points"
    return _picture(". ".join(findings) + ".", pictures.reliability(curves))


def _risk_coverage(protocols: Mapping[str, Any], target: float) -> Picture | None:
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
                f"{title}: {_percent(coverage)} of the labels are accepted,"
                f" of which {_percent(precision)} are right."
            )
        else:
            findings.append(f"{title}: no label is sure enough to be accepted.")
    return _picture(" ".join(findings), pictures.risk_coverage(curves, accepted, target))


def _confidence(mix: Mapping[str, Any], thresholds: Mapping[str, float]) -> Picture | None:
    bins = mix.get("confidence") or {}
    counts = [bins.get(str(i), 0) for i in range(pictures.BINS)]
    if not sum(counts):
        return None
    sure = sum(counts[round(_SURE * pictures.BINS) :]) / sum(counts)
    finding = (
        f"{_percent(sure)} of the tracks have a label of {_percent(_SURE, 0)} confidence or more"
    )
    if mix.get("accepted") is not None:
        finding += f"; {_percent(mix['accepted'])} of the labels are accepted"
    return _picture(finding + ".", pictures.confidence(counts, thresholds))


def _mix(counts: Mapping[str, int]) -> Picture | None:
    if not counts:
        return None
    names, total = _largest([counts], _MOST_MIXED), sum(counts.values())
    values = [counts[name] for name in names]
    finding = (
        f"The most frequent label is {_said(names[0])}: {_count(values[0])} of {_count(total)} tracks"
        f" ({_percent(values[0] / max(1, total))})."
    )
    if len(counts) > len(names):
        values.append(total - sum(values))
        names.append(f"other ({len(counts) - len(names)})")
    return _picture(finding, pictures.bars(names, values))


def _best(metrics: Mapping[str, Any]) -> tuple[str, float] | None:
    return max((metrics.get("baselines") or {}).items(), key=lambda one: one[1], default=None)


def _mistakes(counts: np.ndarray) -> np.ndarray:
    return counts * ~np.eye(len(counts), dtype=bool)


def _largest(tables: Iterable[Mapping[str, int]], most: int) -> list[str]:
    """The names with the largest counts over all tables, the largest first."""
    totals: dict[str, int] = {}
    for table in tables:
        for name, n in table.items():
            totals[name] = totals.get(name, 0) + n
    return sorted(totals, key=lambda name: (-totals[name], name))[:most]


# Words and numbers.


def _said(name: str) -> str:
    return pictures.one_line(name, 80)


def _plain(name: str) -> str:
    return name.removesuffix("_ms").replace("_", " ")


def _in_units(declared: AudioFeature, raw: float | None) -> str:
    """A raw value as people read it, in the feature's unit for display."""
    if raw is None:
        return _NONE
    if declared.name == "mode":
        return declared.high_word if raw >= 0.5 else declared.low_word
    shown = raw / declared.per_unit
    if declared.integer or declared.display_unit in _DIGITS:
        text = f"{shown:.{_DIGITS.get(declared.display_unit, 0)}f}"
    elif declared.low >= 0 and declared.high <= 1:
        text = f"{shown:.2f}"
    else:
        text = f"{shown:,.0f}" if abs(shown) >= 1000 else f"{shown:.3g}"
    return text.replace("-", "−")


def _place(source: str | None) -> str | None:
    """A source that may be shown to anyone: a file by its name, a URI without its password."""
    if source and "://" in source and not source.startswith("file:"):
        return re.sub(r"//[^/@]*@", "//", source)
    return source and source.rstrip("/").rsplit("/", 1)[-1]


def _count(n: int | None) -> str:
    return _NONE if n is None else f"{int(n):,}"


def _percent(share: float | None, digits: int = 1) -> str:
    return _NONE if share is None else f"{100 * share:.{digits}f}\u00a0%"


def _ratio(value: float | None) -> str:
    return _NONE if value is None else f"{value:.3f}"
