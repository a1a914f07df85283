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
# Tracks' worth of common artists by which sources are compared.
_FEWEST_COMMON = 100
# What `question` calls the files of a table.
FILE = "file"
# `distance` of sources that clearly differ, and what it leaves to chance, by numbers of values.
_CLEAR, _BY_CHANCE = 0.15, 1.36


def columns(found: Iterable[Column]) -> list[Column]:
    """Columns that may name the source of a track's features."""
    return [
        one
        for one in found
        if _WORDS.intersection(re.split(r"[^a-z]+", one.name.lower())) - one.shared
        and 1 < len(one.values) <= _MOST_SOURCES
    ]


def question(
    values: pa.ChunkedArray, by: Mapping[str, pa.ChunkedArray], artists: pa.ChunkedArray | None
) -> str:
    """What to ask of a feature that is clearly distributed otherwise in another source; else empty.

    `values` are of the feature, in a sample of rows; `by` has the same rows' values of `columns`, by name, and
    their files by `FILE`. Files hold different music, so they are compared over the `artists` of both.
    """
    for name, sources in by.items():
        of_files = name == FILE
        if of_files and artists is None:
            continue
        sides = _sides(values, sources, artists if of_files else sources)
        first, *others = sides or [""]
        for other in others:
            pair = [sides[one][1] for one in (first, other)]
            weights = of_common_artists(*pair) if of_files else [np.ones_like(one) for one in pair]
            if weights and distance(sides[first][0], sides[other][0], *weights) > _CLEAR:
                medians = " and ".join(f"{np.median(sides[one][0]):.3g}" for one in (first, other))
                told = "a column that tells" if of_files else "that column"
                return (
                    f"rows with {name} {first!r} and {other!r} are distributed differently (medians"
                    f" {medians}). If they were measured in different ways, map {told} (columns:"
                    f" {FEATURE_SOURCE}: {'…' if of_files else name}): cluster then brings them onto one scale"
                )
    return ""


def _sides(
    values: pa.ChunkedArray, sources: pa.ChunkedArray, artists: pa.ChunkedArray
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Values of each source, and keys of their artists; the source with most of them first."""
    rows = pa.table({"source": sources, "value": values, "artist": artists}).drop_null()
    rows = rows.filter(pc.is_finite(rows["value"]))
    source, value = rows["source"].to_numpy(), rows["value"].to_numpy()
    artist = rows["artist"].combine_chunks().dictionary_encode().indices.to_numpy() + 1
    names, counts = np.unique(source, return_counts=True)
    order = [i for i in np.argsort(-counts, kind="stable")[:_MOST_SOURCES] if counts[i] >= _FEWEST]
    return {names[i]: (value[source == names[i]], artist[source == names[i]]) for i in order}


def of_common_artists(own: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Weights of the tracks of two sides under which each artist counts alike on both.

    An artist counts as many tracks as its smaller side tells about. None where that is fewer than
    100 in all.

    Parameters
    ----------
    own, other : np.ndarray [shape=(n,), shape=(m,), dtype=int64]
        Keys of the artists; 0 is none.
    """
    codes = np.unique(np.concatenate([own, other]), return_inverse=True)[1]
    sides = codes[: len(own)], codes[len(own) :]
    n = [np.bincount(side, minlength=codes.max() + 1) for side in sides]
    common = n[0] * n[1] / np.maximum(n[0] + n[1], 1)
    common[codes[np.concatenate([own, other]) == 0]] = 0.0  # no artist
    if common.sum() < _FEWEST_COMMON:
        return None
    first, second = (common[side] / one[side] for side, one in zip(sides, n, strict=True))
    return first, second


def distance(one: np.ndarray, other: np.ndarray, weights: np.ndarray, others: np.ndarray) -> float:
    """Kolmogorov-Smirnov distance of two weighted samples, beyond what chance gives (95 %).

    Parameters
    ----------
    one, other : np.ndarray [shape=(n,), shape=(m,)]
    weights, others : np.ndarray [shape=(n,), shape=(m,)]
        Of their values.
    """
    at = np.concatenate([one, other])
    shares, chance = [], 0.0
    for values, w in ((one, weights), (other, others)):
        order = np.argsort(values)
        sums = np.concatenate([[0.0], np.cumsum(w[order])])
        shares.append(sums[np.searchsorted(values[order], at, side="right")] / sums[-1])
        chance += (w**2).sum() / w.sum() ** 2
    return float(np.abs(shares[0] - shares[1]).max() - _BY_CHANCE * chance**0.5)
