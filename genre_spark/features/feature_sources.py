"""Features of several sources on one scale: a monotone map of each feature from each source.

What sources measure under one name may differ in unit, range and curve. The source of most tracks is
the reference. Another one's values become those of the same rank in the reference, compared over
artists that both know, which have about the same music in both.
"""

import itertools
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import model_validator

from genre_spark._model import Finite, StrictModel
from genre_spark.catalog.columns import literal, sql_name
from genre_spark.catalog.mixed_sources import distance, of_common_artists
from genre_spark.platform.safe_text import plain
from genre_spark.schema import ARTIST, FEATURE_SOURCE, feature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

logger = logging.getLogger(__name__)

# Tracks on the driver, about: those of whole artists.
_ENOUGH = 200_000
# Quantiles that a map goes through.
_LEVELS = np.linspace(0.0, 1.0, 33)
# Values of each side that a map needs.
_FEWEST = 100
# Unknown sources that a message names.
_MOST_NAMED = 3
# `distance` of distributions that are taken as equal.
_EQUAL = 0.05


class MonotoneMap(StrictModel):
    """A piecewise linear map; beyond its ends it is constant.

    `given`, `becomes`: Values of the source, in order without repetition, and of the reference.
    """

    given: tuple[Finite, ...]
    becomes: tuple[Finite, ...]

    @model_validator(mode="after")
    def _is_monotone(self) -> "MonotoneMap":
        x, y = np.array(self.given), np.array(self.becomes)
        if len(x) != len(y) or len(x) < 2 or (np.diff(x) <= 0).any() or (np.diff(y) < 0).any():
            raise ValueError("a map of a source's feature is not monotone")
        return self

    @property
    def _steps(self) -> list[tuple[float, float, float]]:
        """First and last value of each step, and its slope."""
        slopes = np.diff(self.becomes) / np.diff(self.given)
        return [
            (low, high, float(slope))
            for (low, high), slope in zip(itertools.pairwise(self.given), slopes, strict=True)
        ]

    def to_numpy(self, values: np.ndarray) -> np.ndarray:
        """The mapped values [dtype=float64]; added up as in `to_sql`, to the last bit."""
        found = np.full(len(values), self.becomes[0])
        for low, high, slope in self._steps:
            found = found + slope * (np.minimum(np.maximum(values, low), high) - low)
        return found

    def to_sql(self, column: str) -> str:
        """SQL of the mapped value of a column that is not null."""
        steps = "".join(
            f" + ({slope!r}D) * (least(greatest({column}, ({low!r}D)), ({high!r}D)) - ({low!r}D))"
            for low, high, slope in self._steps
        )
        return f"({self.becomes[0]!r}D){steps}"


class FeatureSources(StrictModel):
    """What other sources' features become.

    `reference`: The source whose features stay as they are, as do those of sources that are not
        known.
    `maps`: By known source, then by feature. Features that are not listed are distributed alike.
    """

    reference: str
    maps: dict[str, dict[str, MonotoneMap]]

    def apply(self, table: "DataFrame") -> "DataFrame":
        """A table with `FEATURE_SOURCE` and its features on the reference's scale."""
        if FEATURE_SOURCE not in table.columns:
            logger.warning(
                "no column %s: all features are read as those of %s",
                FEATURE_SOURCE,
                plain(self.reference),
            )
            return table
        return table.selectExpr(
            *[f"{self._to_sql(name)} AS {sql_name(name)}" for name in table.columns]
        )

    def _to_sql(self, name: str) -> str:
        """SQL of a column on the reference's scale."""
        column = sql_name(name)
        cases = [
            f"WHEN {FEATURE_SOURCE} = {literal(source)} AND {column} IS NOT NULL"
            f" THEN {maps[name].to_sql(column)}"
            for source, maps in self.maps.items()
            if name in maps
        ]
        return f"CASE {' '.join(cases)} ELSE {column} END" if cases else column

    def warn_of_unknown(self, sources: pa.ChunkedArray) -> None:
        """Logs which sources of a sample of tracks are not known; null is the reference."""
        known = pa.array([self.reference, *self.maps], pa.string())
        unknown = sources.filter(pc.invert(pc.is_in(sources, known))).drop_null()
        if len(unknown):
            named = unknown.unique().to_pylist()
            logger.warning(
                "features of %.1f %% of the tracks are of sources that the model does not know (%s)"
                " and are read as those of %s: cluster a catalogue with them to compare them",
                100 * len(unknown) / len(sources),
                ", ".join(plain(name) for name in sorted(named)[:_MOST_NAMED]),
                plain(self.reference),
            )

    def to_numpy(self, raw: np.ndarray, features: Sequence[str], sources: np.ndarray) -> np.ndarray:
        """Raw features [shape=(n_tracks, n_features), dtype=float64] of sources [dtype=object], mapped."""
        found = raw.copy()
        for source, maps in self.maps.items():
            rows = np.flatnonzero(sources == source)
            for name, one in maps.items():
                at = list(features).index(name)
                found[rows, at] = one.to_numpy(raw[rows, at])
        return found


def fit(tracks: "DataFrame", n_tracks: int, features: Sequence[str]) -> FeatureSources | None:
    """Fit maps to a catalogue; None where it has no column `FEATURE_SOURCE`, or one source alone.

    `tracks`: Accepted tracks.
    `n_tracks`: How many there are.
    `features`: Those of whole numbers, as keys and modes, mean the same everywhere.
    """
    from pyspark.sql import functions as F

    if FEATURE_SOURCE not in tracks.columns:
        return None
    owner = F.coalesce(F.xxhash64(ARTIST), F.lit(0))
    share = max(1, n_tracks // _ENOUGH)
    known = tracks.filter(F.col(FEATURE_SOURCE).isNotNull() & (F.pmod(owner, F.lit(share)) == 0))
    measured = [name for name in features if not feature(name).integer]
    table = known.select(owner.alias("_owner"), FEATURE_SOURCE, *map(sql_name, measured)).toArrow()
    artists = table["_owner"].to_numpy()
    columns = {name: table[name].to_numpy().astype(np.float64) for name in measured}
    return of_columns(table[FEATURE_SOURCE].to_numpy().astype(object), artists, columns)


def of_columns(
    sources: np.ndarray, artists: np.ndarray, columns: Mapping[str, np.ndarray]
) -> FeatureSources | None:
    """Fit maps to tracks' sources [dtype=object], artists [dtype=int64] and features (NaN: missing)."""
    names, counts = np.unique(sources.astype(str), return_counts=True)
    if len(names) < 2:
        return None
    reference = str(names[counts.argmax()])
    maps = {
        source: {
            name: one
            for name, values in columns.items()
            if (one := _map(values, artists, sources == source, sources == reference))
        }
        for source in names[names != reference].tolist()
    }
    return FeatureSources(reference=reference, maps=maps)


def _map(
    values: np.ndarray, artists: np.ndarray, own: np.ndarray, reference: np.ndarray
) -> MonotoneMap | None:
    """From one source's values to the reference's; None where they are distributed alike."""
    sides = [np.flatnonzero(side & ~np.isnan(values)) for side in (own, reference)]
    if min(map(len, sides)) < _FEWEST:
        return None
    weights = of_common_artists(*[artists[side] for side in sides]) or [
        np.ones(len(side)) for side in sides
    ]
    given, becomes = (values[side] for side in sides)
    if distance(given, becomes, *weights) <= _EQUAL:
        return None
    x, y = (_quantiles(one, w) for one, w in zip((given, becomes), weights, strict=True))
    # Several levels may fall on one value, such as 0: it becomes their mean.
    once, at = np.unique(x, return_inverse=True)
    if len(once) < 2:
        return None
    mean = np.bincount(at, y) / np.bincount(at)
    return MonotoneMap(
        given=tuple(once.tolist()), becomes=tuple(np.maximum.accumulate(mean).tolist())
    )


def _quantiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    kept = np.flatnonzero(weights)
    order = kept[np.argsort(values[kept])]
    middle = np.cumsum(weights[order]) - weights[order] / 2
    return np.interp(_LEVELS * weights.sum(), middle, values[order])
