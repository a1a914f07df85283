"""Features of several sources in one column, which a table shows by a column that names them."""

import re
from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from genre_spark.catalog.inspection_results import Column
from genre_spark.schema import FEATURE_SOURCE

_WORDS = {"source", "sources", "provider", "analyser", "analyzer", "extractor", "service", "origin"}
_MOST_SOURCES = 9
# Of each source, so that one is known by more than chance.
_FEWEST = 50
# Kolmogorov-Smirnov distance of sources that clearly differ, beyond what chance gives (95 %).
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
        rows = pd.DataFrame({"source": sources.to_pandas(), "value": values.to_pandas()}).dropna()
        sides = {source: one["value"].to_numpy() for source, one in rows.groupby("source")}
        sides = {source: one for source, one in sides.items() if len(one) >= _FEWEST}
        first, *others = sorted(sides, key=lambda source: -len(sides[source])) or [""]
        for other in others:
            n = 1 / len(sides[first]) + 1 / len(sides[other])
            apart = _distance(sides[first], sides[other])
            if apart - _BY_CHANCE * n**0.5 > _CLEAR:
                medians = " and ".join(f"{np.median(sides[one]):.3g}" for one in (first, other))
                return (
                    f"rows with {name} {first!r} and {other!r} are distributed differently (medians"
                    f" {medians}). If they were measured in different ways, map that column (columns:"
                    f" {FEATURE_SOURCE}: {name}): cluster then brings them onto one scale"
                )
    return ""


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of two samples; `inspect` does without scipy, as `score` does."""
    at = np.concatenate([one, other])
    shares = [np.searchsorted(np.sort(side), at, side="right") / len(side) for side in (one, other)]
    return float(np.abs(shares[0] - shares[1]).max())
