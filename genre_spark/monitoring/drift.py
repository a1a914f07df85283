"""Compares a catalogue with the one that its model was made from, by the bundle's profile."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from genre_spark._model import Finite, Share, SparseModel, StrictModel
from genre_spark.bundle.manifest import CONFIDENCE_BINS, Binned, FeatureProfile, LabelProfile
from genre_spark.config import DriftSettings
from genre_spark.errors import GateError

Level = Literal["ok", "warn", "stop"]
LEVELS: tuple[Level, ...] = ("ok", "warn", "stop")
OK, WARN, STOP = LEVELS


class FeatureShift(StrictModel):
    """How far a feature is from the model's catalogue."""

    psi: Finite | None
    ks: Share | None
    missing: Share
    missing_before: Share
    direction: Literal["higher", "lower"] | None
    level: Level


class LabelShift(SparseModel):
    """How far a label mix, or the confidence, is from the model's catalogue."""

    psi: Finite
    ks: Share | None
    mean: Share | None = None
    mean_before: Share | None = None
    largest: tuple[str, ...] = ()
    level: Level


class Drift(StrictModel):
    """How unlike the model's catalogue this one is.

    Features are compared over the tracks that have any; `without_features` is the share of the others.
    """

    assessed: bool
    level: Level
    without_features: Share = 0.0
    without_features_before: Share = 0.0
    features: dict[str, FeatureShift]
    labels: dict[str, LabelShift]
    limits: DriftSettings

    @property
    def shifts(self) -> list[tuple[str, FeatureShift | LabelShift]]:
        """All of them by name."""
        return [*self.features.items(), *self.labels.items()]


# Jeffreys' prior: a bin that is empty by chance is no infinite distance.
_PRIOR = 0.5

CONFIDENCE = "confidence"
MIXES = ("synthetic_genres", "genres")
_MOST_NAMED = 5
_MOST_LABELS = 2
_Shift = TypeVar("_Shift", FeatureShift, LabelShift)


@dataclass(frozen=True)
class Coverage:
    """How many tracks of a catalogue, and of its model's, have features.

    `tracks`: With features, in the smaller of the two catalogues; of too few nothing can be said.
    `without_features`, `without_features_before`: Share of the tracks of either that have none.
    """

    tracks: int
    without_features: float = 0.0
    without_features_before: float = 0.0


def psi(expected: Sequence[int], found: Sequence[int]) -> float:
    """Population stability index of two counts [shape=(n_bins,)] over the same bins.

    At least 0; symmetric. For equal distributions about
    ``(n_bins - 1) * (1 / n_expected + 1 / n_found)``.

    References
    ----------
    Siddiqi (2006), "Credit Risk Scorecards", Wiley; Yurdakul (2018), "Statistical Properties of
    Population Stability Index", Western Michigan University.
    """
    raised = (np.asarray(counts, dtype=float) + _PRIOR for counts in (expected, found))
    p, q = (counts / counts.sum() for counts in raised)
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
) -> dict[str, FeatureShift]:
    """Distance of each of the bundle's features; `assess` gives levels.

    ``psi`` and ``ks`` are None where either catalogue has no value.
    """
    shifts = {}
    for name, one in before.items():
        counts_before, counts = one.counts, found[name].counts
        shifts[name] = FeatureShift(
            **_distances(counts_before, counts),
            missing=round(found[name].missing, 6),
            missing_before=round(one.missing, 6),
            direction=_direction(counts_before, counts),
            level=OK,
        )
    return shifts


def of_labels(before: LabelProfile, found: LabelProfile) -> dict[str, LabelShift]:
    """Distance of the label mixes (``psi``) and of the confidence (``psi`` and ``ks``).

    ``largest`` names the labels whose shares differ most. What either catalogue lacks is left out.
    """
    shifts = {}
    for name in MIXES:
        counts, counts_before = getattr(found, name), getattr(before, name)
        names = sorted({*counts, *counts_before})
        both = ([of.get(one, 0) for one in names] for of in (counts_before, counts))
        psi = _distances(*both)["psi"]
        if psi is not None:
            largest = tuple(_largest(counts_before, counts))
            shifts[name] = LabelShift(psi=psi, ks=None, largest=largest, level=OK)
    bins_before, bins = (
        [of.confidence.get(str(i), 0) for i in range(CONFIDENCE_BINS)] for of in (before, found)
    )
    if sum(bins_before) and sum(bins):
        shifts[CONFIDENCE] = LabelShift(
            **_distances(bins_before, bins),
            mean=found.mean_confidence,
            mean_before=before.mean_confidence,
            level=OK,
        )
    return shifts


def assess(
    coverage: Coverage,
    features: Mapping[str, FeatureShift],
    settings: DriftSettings,
    absent: Collection[str] = (),
) -> Drift:
    """What was measured of features, each distance with its level; the worst is that of all.

    `coverage`: More tracks without features than before only warn: sources of features cover what
        they cover, and such tracks are labelled by what else is known.
    `absent`: Features that the catalogue has no column of: they are missing, as was announced, and
        only warn.
    """
    assessed = coverage.tracks >= settings.min_tracks
    found = {
        name: _levelled(one, assessed, settings, harmless=name in absent)
        for name, one in features.items()
    }
    more = coverage.without_features - coverage.without_features_before
    levels = [WARN if more > settings.warn_missing else OK, *(one.level for one in found.values())]
    return Drift(
        assessed=assessed,
        level=max(levels, key=LEVELS.index),
        without_features=round(coverage.without_features, 6),
        without_features_before=round(coverage.without_features_before, 6),
        features=found,
        labels={},
        limits=settings,
    )


def with_labels(found: Drift, labels: Mapping[str, LabelShift]) -> Drift:
    """The drift of features with that of labels, which warns and never stops.

    A model is always less sure of artists that it does not know: that is no fault of the
    catalogue, and what `genre_accepted` is for. And a part of a catalogue, such as the new releases
    or one genre, has another mix of labels than the whole.
    """
    levelled = {
        name: _levelled(one, found.assessed, found.limits, harmless=True)
        for name, one in labels.items()
    }
    levels = [found.level, *(one.level for one in levelled.values())]
    level = max(levels, key=LEVELS.index)
    return found.model_copy(update={"labels": levelled, "level": level})


def check(drift: Drift, path: str) -> None:
    """Stops where a catalogue is too unlike the one that the model was made from.

    Raises `GateError` if any distance is beyond its limit.
    """
    if drift.level == STOP:
        limits = drift.limits
        raise GateError(
            f"{path}: too unlike the catalogue that the model was made from:"
            f" {', '.join(beyond(drift, STOP))}; the limits are PSI {limits.stop_psi:g},"
            f" KS {limits.stop_ks:g}, missing {limits.stop_missing:g} more. Nothing was"
            " published. Check units and mapping, train again, or allow more with"
            " --set stop_psi=X, stop_ks=X or stop_missing=X"
        )


def ranked(drift: Drift) -> list[tuple[str, FeatureShift | LabelShift]]:
    """Features and labels by name, the farthest first."""
    return sorted(drift.shifts, key=lambda item: -(item[1].psi or 0.0))


def beyond(drift: Drift, level: Level) -> list[str]:
    """What is at a level, the farthest first, in words for people."""
    found = [(name, one) for name, one in ranked(drift) if one.level == level]
    more = [f"{len(found) - _MOST_NAMED} more"] if len(found) > _MOST_NAMED else []
    without, before = drift.without_features, drift.without_features_before
    few = [f"{without:.0%} of the tracks have no features, {before:.0%} in the model's catalogue"]
    is_few = level == WARN and without - before > drift.limits.warn_missing
    return (few if is_few else []) + [_in_words(*one) for one in found[:_MOST_NAMED]] + more


# What a reader calls the parts that are no feature.
_CALLED = {
    "synthetic_genres": "other shares of synthetic genres",
    "genres": "other shares of genres",
    CONFIDENCE: "another confidence",
}


def _in_words(name: str, one: FeatureShift | LabelShift) -> str:
    parts = {"PSI": one.psi, "KS": one.ks}
    if isinstance(one, FeatureShift):
        parts["missing"] = one.missing or None
        differs: str = one.direction or ""
    else:
        differs = ", ".join(one.largest)
    distances = ", ".join(f"{what} {n:.2f}" for what, n in parts.items() if n is not None)
    return f"{_CALLED.get(name, name)}{': ' if differs else ''}{differs} ({distances})"


def _levelled(one: _Shift, assessed: bool, settings: DriftSettings, *, harmless: bool) -> _Shift:
    """A shift with its level; a harmless one only warns."""
    lost = one.missing - one.missing_before if isinstance(one, FeatureShift) else 0.0
    distances = {"psi": one.psi, "ks": one.ks, "missing": lost}
    reached = OK
    for level in (WARN,) if harmless else (WARN, STOP):
        if any((n or 0.0) > getattr(settings, f"{level}_{name}") for name, n in distances.items()):
            reached = level
    return one.model_copy(update={"level": reached if assessed else OK})


def _distances(before: Sequence[int], found: Sequence[int]) -> dict[str, float | None]:
    """``psi`` and ``ks``; None where either has no value."""
    known = sum(before) and sum(found)
    return {of.__name__: round(of(before, found), 6) if known else None for of in (psi, ks)}


def _direction(before: Sequence[int], found: Sequence[int]) -> Literal["higher", "lower"] | None:
    """Whether values lie in higher or lower bins than before, None where either has none."""
    if not sum(before) or not sum(found):
        return None
    mean, mean_before = (np.average(range(len(of)), weights=of) for of in (found, before))
    return "higher" if mean > mean_before else "lower"


def _largest(before: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """The labels whose shares differ most, with both shares."""
    total, total_before = sum(found.values()), sum(before.values())
    shares = {
        n: (found.get(n, 0) / total, before.get(n, 0) / total_before) for n in {*before, *found}
    }
    far = sorted(shares, key=lambda name: (-abs(shares[name][0] - shares[name][1]), name))
    return [f"{n} {shares[n][0]:.0%} instead of {shares[n][1]:.0%}" for n in far[:_MOST_LABELS]]
