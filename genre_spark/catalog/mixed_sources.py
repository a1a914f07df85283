"""Features of several sources in one column, which a table shows by a column that names them."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_spark.catalog.inspection_results import Column
from genre_spark.schema import FEATURE_SOURCE

_WORDS = {"source", "sources", "provider", "analyser", "analyzer", "extractor", "service", "origin"}
_MOST_SOURCES = 9
# Of each source, so that one is known by more than chance.
_FEWEST = 50
# `distance` of sources that clearly differ, and what it leaves to chance, by numbers of values.
_CLEAR, _BY_CHANCE = 0.15, 1.36


def columns(found: Iterable[Column]) -> list[Column]:
    """Columns that may name the source of a track's features."""
    return [
        one
        for one in found
        if _WORDS.intersection(re.split(r"[^a-z]+", one.name.lower()))
        and 1 < len(one.values) <= _MOST_SOURCES
    ]


def question(values: pa.ChunkedArray, by: Mapping[str, pa.ChunkedArray]) -> str:
    """What to ask of a feature that is clearly distributed otherwise in another source; else empty.

    Parameters
    ----------
    values : pa.ChunkedArray
        Of the feature, in a sample of rows.
    by : mapping of str to pa.ChunkedArray
        The same rows' values of `columns`, by name.
    """
    for name, sources in by.items():
        rows = pa.table({"source": sources, "value": values}).drop_null()
        rows = rows.filter(pc.is_finite(rows["value"]))
        source, value = (column.to_numpy() for column in rows.columns)
        sides = {one: value[source == one] for one in pc.unique(rows["source"]).to_pylist()}
        sides = {one: side for one, side in sides.items() if len(side) >= _FEWEST}
        first, *others = sorted(sides, key=lambda one: (-len(sides[one]), one)) or [""]
        for other in others:
            if distance(sides[first], sides[other]) > _CLEAR:
                medians = " and ".join(f"{np.median(sides[one]):.3g}" for one in (first, other))
                return (
                    f"rows with {name} {first!r} and {other!r} are distributed differently (medians"
                    f" {medians}). If they were measured in different ways, map that column (columns:"
                    f" {FEATURE_SOURCE}: {name}): cluster then brings them onto one scale"
                )
    return ""


def distance(
    one: np.ndarray,
    other: np.ndarray,
    weights: np.ndarray | None = None,
    others: np.ndarray | None = None,
) -> float:
    """Kolmogorov-Smirnov distance of two samples, beyond what chance gives (95 %).

    Parameters
    ----------
    one, other : np.ndarray [shape=(n,), shape=(m,)]
    weights, others : np.ndarray [shape=(n,), shape=(m,)], optional
        Of their values; without them each counts alike.
    """
    at = np.concatenate([one, other])
    shares, chance = [], 0.0
    for values, given in ((one, weights), (other, others)):
        w = np.ones(len(values)) if given is None else given
        order = np.argsort(values)
        sums = np.concatenate([[0.0], np.cumsum(w[order])])
        shares.append(sums[np.searchsorted(values[order], at, side="right")] / sums[-1])
        chance += (w**2).sum() / w.sum() ** 2
    return float(np.abs(shares[0] - shares[1]).max() - _BY_CHANCE * chance**0.5)
