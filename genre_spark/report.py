"""The report: one self-contained page on a bundle, and on a catalogue labelled with it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from genre_spark import findings, influence, wording
from genre_spark.bundle import Bundle, Manifest
from genre_spark.canvas import Picture
from genre_spark.schema import feature

_PROTOCOLS = {"known": "Known artists", "new": "New artists"}
_MOST_PAIRS = 10


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
        count=wording.count,
        percent=wording.percent,
        ratio=wording.ratio,
        plain=wording.plain,
        in_units=wording.in_units,
        place=wording.place,
        never_learned=wording.never_learned,
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
        "sizes": findings.sizes(names, [genre["size"] for genre in found]),
        "centroids": findings.centroids(manifest, names),
        "held": findings.held(names, found, manifest.clusters.get("nmi_with_genres")),
        "candidates": findings.candidates(manifest.clusters),
    }


def _genres(manifest: Manifest) -> dict[str, Any] | None:
    """What is known of accuracy; None for a bundle without it."""
    measured = (manifest.genres or {}).get("protocols") or {}
    protocols = {title: measured[name] for name, title in _PROTOCOLS.items() if measured.get(name)}
    if not protocols:
        return None
    part, shown = manifest.scoring.genres, list(protocols)[-1]
    counts = np.array(protocols[shown]["confusion"])
    best = {title: one for title, of in protocols.items() if (one := _best_baseline(of))}
    return {
        "protocols": protocols,
        "best": best,
        "baselines": findings.baselines(protocols, best),
        "shown": shown,
        "drawn": min(len(part.classes), findings.MOST_CONFUSED),
        "confusion": findings.confusion(counts, part.classes),
        "pairs": _pairs(counts, part.classes),
        "reliability": findings.reliability(protocols),
        "risk_coverage": findings.risk_coverage(protocols, part.target_precision),
        "features": influence.features(protocols),
        "scopes": influence.scopes(protocols),
        "features_of_genres": influence.features_of_genres(protocols[shown], part.classes),
    }


def _best_baseline(metrics: Mapping[str, Any]) -> tuple[str, float] | None:
    return max((metrics.get("baselines") or {}).items(), key=lambda one: one[1], default=None)


def _pairs(counts: np.ndarray, classes: Sequence[str]) -> list[tuple[str, str, int, float]]:
    """The most frequent mistakes: true genre, label given, tracks, share of the true genre's."""
    wrong = findings.mistakes(counts)
    order = np.argsort(-wrong, axis=None, kind="stable")[:_MOST_PAIRS]
    pairs = [np.unravel_index(i, counts.shape) for i in order if wrong.flat[i]]
    return [
        (classes[t], classes[g], counts[t, g], counts[t, g] / counts[t].sum()) for t, g in pairs
    ]


def _labelled(manifest: Manifest, mix: Mapping[str, Any]) -> dict[str, Picture | None]:
    drawn = manifest.scoring.genres and mix.get("genres")
    return {
        "confidence": findings.confidence(mix, _thresholds(manifest)) if drawn else None,
        "mix": findings.mix(mix.get("genres") or mix.get("synthetic_genres") or {}),
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
