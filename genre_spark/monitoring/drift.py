"""Holds a catalogue to the one that its model was made from, by what a bundle keeps of that."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from genre_spark.bundle.catalogue_profile import (
    CONFIDENCE_BINS,
    Binned,
    FeatureProfile,
    LabelProfile,
)
from genre_spark.config import DriftSettings
from genre_spark.errors import GateError

# Jeffreys' prior: a bin that is empty by chance is no infinite distance.
_PRIOR = 0.5

CONFIDENCE = "confidence"
MIXES = ("synthetic_genres", "genres")
OK, WARN, STOP = "ok", "warn", "stop"
_MOST_NAMED = 5
_MOST_LABELS = 2


def psi(expected: Sequence[int], found: Sequence[int]) -> float:
    """Population stability index of two counts over the same bins.

    Parameters
    ----------
    expected, found : sequence of int [shape=(n_bins,)]

    Returns
    -------
    float
        At least 0; symmetric. For equal distributions about
        ``(n_bins - 1) * (1 / n_expected + 1 / n_found)``.

    References
    ----------
    Siddiqi (2006), "Credit Risk Scorecards", Wiley; Yurdakul (2018), "Statistical Properties of
    Population Stability Index", Western Michigan University.
    """
    p, q = (_smoothed(counts) for counts in (expected, found))
    return float(((q - p) * np.log(q / p)).sum())


def ks(expected: Sequence[int], found: Sequence[int]) -> float:
    """Kolmogorov-Smirnov distance of two counts over the same ordered bins, in [0, 1].

    The largest difference of the shares at or below an edge; between edges it may be larger by
    what one bin holds.
    """
    p, q = (np.cumsum(counts) / max(1, sum(counts)) for counts in (expected, found))
    return float(np.abs(p - q).max())


def of_features(
    before: Mapping[str, FeatureProfile], found: Mapping[str, Binned]
) -> dict[str, dict[str, Any]]:
    """Distance of each of the bundle's features.

    Returns
    -------
    dict
        Per feature ``psi`` and ``ks``, None where either catalogue has no value; ``missing`` here
        and ``missing_before``, in [0, 1]; ``direction``, whether most values are higher or lower.
    """
    return {
        name: {
            **_distances(one.counts, found[name].counts),
            "missing": round(found[name].missing, 6),
            "missing_before": round(one.missing, 6),
            "direction": _direction(one.counts, found[name].counts),
        }
        for name, one in before.items()
    }


def of_labels(before: LabelProfile, found: LabelProfile) -> dict[str, dict[str, Any]]:
    """Distance of the label mixes (``psi``) and of the confidence (``psi`` and ``ks``).

    ``largest`` names the labels whose shares differ most.
    """
    mixes = {name: _aligned(getattr(before, name), getattr(found, name)) for name in MIXES}
    distances: dict[str, dict[str, Any]] = {
        name: {
            "psi": _psi(*counts),
            "ks": None,
            "largest": _largest(getattr(before, name), getattr(found, name)),
        }
        for name, counts in mixes.items()
    }
    sure = _distances(_confidence_counts(before), _confidence_counts(found))
    distances[CONFIDENCE] = {
        **sure, "mean": found.mean_confidence, "mean_before": before.mean_confidence
    }  # fmt: skip
    return {name: one for name, one in distances.items() if one["psi"] is not None}


def judge(
    tracks: int,
    measured: Mapping[str, Mapping[str, Any]],
    settings: DriftSettings,
    absent: Collection[str] = (),
) -> dict[str, Any]:
    """What was measured, each distance with its level, for the manifest.

    Parameters
    ----------
    tracks : int
        In the smaller of the two catalogues; of too few nothing can be said.
    measured : mapping
        By part (``features``, ``labels``), then by name.
    settings : DriftSettings
    absent : collection of str
        Features that the catalogue has no column of: they are imputed, as was announced, and only
        warn.

    Returns
    -------
    dict
        ``judged``; ``level``, the worst of all; the parts; ``limits``.
    """
    judged = tracks >= settings.min_tracks
    # A model is always less sure of artists that it does not know: that is no fault of the
    # catalogue, and what `genre_accepted` is for. And a part of a catalogue, such as the new
    # releases or one genre, has another mix of labels than the whole.
    harmless = {CONFIDENCE, *MIXES, *absent}
    parts = {
        part: {
            name: {**one, "level": _level(one, settings, name in harmless) if judged else OK}
            for name, one in distances.items()
        }
        for part, distances in measured.items()
    }
    levels = {one["level"] for distances in parts.values() for one in distances.values()}
    worst = max(levels, key=(OK, WARN, STOP).index, default=OK)
    return {"judged": judged, "level": worst, **parts, "limits": settings.model_dump()}


def check(judged: Mapping[str, Any], path: str) -> None:
    """Stops where a catalogue is too unlike the one that the model was made from.

    Raises
    ------
    GateError
        Where any distance is beyond its limit.
    """
    if judged["level"] == STOP:
        limits = judged["limits"]
        raise GateError(
            f"{path}: too unlike the catalogue that the model was made from:"
            f" {', '.join(beyond(judged, STOP))}; the limits are PSI {limits['stop_psi']:g},"
            f" KS {limits['stop_ks']:g}, missing {limits['stop_missing']:g} more. Nothing was"
            " published. Check units and mapping, train anew, or allow more with"
            " --set stop_psi=X, stop_ks=X or stop_missing=X"
        )


def ranked(judged: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Features and labels by name with what `judge` gave of each, the farthest first."""
    parts = (judged.get(part, {}) for part in ("features", "labels"))
    found = [item for part in parts for item in part.items()]
    return sorted(found, key=lambda item: -(item[1]["psi"] or 0.0))


def beyond(judged: Mapping[str, Any], level: str) -> list[str]:
    """What is at a level, the farthest first, in words for people."""
    found = [(name, one) for name, one in ranked(judged) if one["level"] == level]
    more = [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    return [_said(name, one) for name, one in found[:_MOST_NAMED]] + more


# What a reader calls the parts that are no feature.
_CALLED = {
    "synthetic_genres": "other shares of synthetic genres",
    "genres": "other shares of genres",
    CONFIDENCE: "another confidence",
}


def _said(name: str, one: Mapping[str, Any]) -> str:
    parts = {"PSI": one["psi"], "KS": one["ks"], "missing": one.get("missing") or None}
    told = ", ".join(f"{what} {n:.2f}" for what, n in parts.items() if n is not None)
    differs = ", ".join(one.get("largest") or ()) or one.get("direction") or ""
    return f"{_CALLED.get(name, name)}{': ' if differs else ''}{differs} ({told})"


def _level(one: Mapping[str, Any], settings: DriftSettings, harmless: bool) -> str:
    lost = one.get("missing", 0.0) - one.get("missing_before", 0.0)
    for level in (WARN,) if harmless else (STOP, WARN):
        for what, distance in (("psi", one["psi"]), ("ks", one["ks"]), ("missing", lost)):
            if (distance or 0.0) > getattr(settings, f"{level}_{what}"):
                return level
    return OK


def _distances(before: Sequence[int], found: Sequence[int]) -> dict[str, float | None]:
    distance = _psi(before, found)
    return {"psi": distance, "ks": None if distance is None else round(ks(before, found), 6)}


def _psi(before: Sequence[int], found: Sequence[int]) -> float | None:
    return round(psi(before, found), 6) if sum(before) and sum(found) else None


def _direction(before: Sequence[int], found: Sequence[int]) -> str | None:
    """Whether values lie in higher or lower bins than before, None where either has none."""
    if not sum(before) or not sum(found):
        return None
    bins = np.arange(len(before))
    return (
        "higher" if np.average(bins, weights=found) > np.average(bins, weights=before) else "lower"
    )


def _largest(before: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """The labels whose shares differ most, with both shares."""
    total, total_before = sum(found.values()), sum(before.values())
    if not total or not total_before:
        return []
    shares = {
        n: (found.get(n, 0) / total, before.get(n, 0) / total_before) for n in {*before, *found}
    }
    far = sorted(shares, key=lambda name: (-abs(shares[name][0] - shares[name][1]), name))
    return [f"{n} {shares[n][0]:.0%} instead of {shares[n][1]:.0%}" for n in far[:_MOST_LABELS]]


def _aligned(*tables: Mapping[str, int]) -> list[list[int]]:
    """Counts of several tables over all of their names, in the same order."""
    names = sorted(set().union(*tables))
    return [[table.get(name, 0) for name in names] for table in tables]


def _confidence_counts(labels: LabelProfile) -> list[int]:
    """Tracks per bin of confidence [shape=(CONFIDENCE_BINS,)]."""
    return [labels.confidence.get(str(i), 0) for i in range(CONFIDENCE_BINS)]


def _smoothed(counts: Sequence[int]) -> np.ndarray:
    raised = np.asarray(counts, dtype=float) + _PRIOR
    return raised / raised.sum()
