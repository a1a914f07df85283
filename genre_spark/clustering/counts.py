"""What is counted of synthetic genres over all tracks, partition by partition."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.features.artist_batches import ArtistBatch
from genre_spark.schema import GENRE

# One row per count; `row` is -1 where all rows count. `sums` are of points, or of scaled features and
# then of the tracks that have them.
SCHEMA = "kind string, row int, key string, n bigint, sums array<double>"
_COLUMNS = {
    "kind": pa.string(),
    "row": pa.int32(),
    "key": pa.string(),
    "n": pa.int64(),
    "sums": pa.list_(pa.float64()),
}
_SIZE, _GENRE, _ARTIST, _LARGEST = "size", "genre", "artist", "largest"
# Artists that a partition reports per synthetic genre, and in all; there are many times as many.
_ARTISTS = 20
_All = list[tuple[str, int, str, int, list[float]]]


@dataclass(frozen=True)
class GroupCounts:
    """Counts by row of the fit.

    Attributes
    ----------
    sizes : np.ndarray [shape=(k,), dtype=int64]
    centroids : np.ndarray [shape=(k, n_scaled), dtype=float64]
        Means of scaled features.
    genres : list of Counter of str
        Labelled tracks per real genre.
    artists : list of Counter of int
        Tracks of artists with many tracks, by key.
    largest : dict of int to (int, np.ndarray)
        Tracks and mean point of the largest artists, by key.
    """

    sizes: np.ndarray
    centroids: np.ndarray
    genres: list[Counter[str]]
    artists: list[Counter[int]]
    largest: dict[int, tuple[int, np.ndarray]]

    @classmethod
    def of(cls, table: pa.Table, part: SyntheticPart, n_scaled: int) -> "GroupCounts":
        """Adds up what partitions counted."""
        k = len(part.ids)
        sizes, sums = np.zeros(k, np.int64), np.zeros((k, 2 * n_scaled))
        genres: list[Counter[str]] = [Counter() for _ in range(k)]
        artists: list[Counter[int]] = [Counter() for _ in range(k)]
        largest: dict[int, tuple[int, np.ndarray]] = {}
        for one in table.to_pylist():
            row, key, n = one["row"], one["key"], one["n"]
            if one["kind"] == _SIZE:
                sizes[row] += n
                sums[row] += one["sums"]
            elif one["kind"] == _GENRE:
                genres[row][key] += n
            elif one["kind"] == _ARTIST:
                artists[row][int(key)] += n
            else:
                before, total = largest.get(int(key), (0, np.zeros(len(one["sums"]))))
                largest[int(key)] = (before + n, total + one["sums"])
        means = {key: (n, total / n) for key, (n, total) in largest.items()}
        totals, known = sums[:, :n_scaled], sums[:, n_scaled:]
        return cls(sizes, totals / np.maximum(1, known), genres, artists, means)


def of_partition(batches: Iterator[ArtistBatch], part: SyntheticPart) -> Iterator[pa.RecordBatch]:
    """Counts of one partition's tracks, as `SCHEMA` has them.

    Parameters
    ----------
    batches : iterator of ArtistBatch
        With `GENRE` among the columns of their rows.
    part : SyntheticPart
    """
    k = len(part.ids)
    sizes, sums = np.zeros(k, np.int64), None
    genres: Counter[tuple[int, str]] = Counter()
    artists: _All = []
    largest: _All = []
    for batch in batches:
        rows, _ = part.assign(batch.inputs)
        assigned = rows >= 0
        sizes += np.bincount(rows[assigned], minlength=k)
        added = _sums(batch.inputs.scaled[assigned], rows[assigned], k)
        sums = added if sums is None else sums + added
        genres.update(_pairs(batch.rows[GENRE], rows))
        artists = _most(artists + _artists(batch, rows, k))
        largest = _most(largest + _largest(batch, part))
    if sums is None:
        return
    found: _All = [(_SIZE, row, "", int(sizes[row]), sums[row].tolist()) for row in range(k)]
    found += [(_GENRE, row, genre, n, []) for (row, genre), n in genres.items()]
    columns = zip(*(found + artists + largest), strict=True)
    arrays = [pa.array(v, kind) for v, kind in zip(columns, _COLUMNS.values(), strict=True)]
    yield pa.RecordBatch.from_arrays(arrays, list(_COLUMNS))


def _sums(values: np.ndarray, rows: np.ndarray, k: int) -> np.ndarray:
    """Sums of values [shape=(n_tracks, m)] per row, and their numbers [shape=(k, 2 * m)]."""
    both = np.concatenate([np.nan_to_num(values, nan=0.0), ~np.isnan(values)], axis=1)
    return np.stack([np.bincount(rows, column, k) for column in both.T], axis=1)


def _pairs(genres: pa.Array, rows: np.ndarray) -> dict[tuple[int, str], int]:
    """Labelled tracks of each row and real genre."""
    coded = genres.dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    named, n = (codes >= 0) & (rows >= 0), len(coded.dictionary)
    both, times = np.unique(rows[named] * n + codes[named], return_counts=True)
    names = coded.dictionary.to_pylist()
    return {(int(b // n), names[b % n]): int(t) for b, t in zip(both, times, strict=True)}


def _artists(batch: ArtistBatch, rows: np.ndarray, k: int) -> _All:
    """Tracks of each named artist in each row; of a part of an artist, those of the part."""
    named = (batch.inputs.artist != 0) & (rows >= 0)
    both, times = np.unique(batch.groups.code[named] * k + rows[named], return_counts=True)
    keys = batch.inputs.artist[batch.groups.starts]
    order = np.argsort(-times, kind="stable")
    return [
        (_ARTIST, int(both[i] % k), str(keys[both[i] // k]), int(times[i]), [])
        for i in _first_of_each(both[order] % k, order)
    ]


def _first_of_each(rows: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Of an order, the first `_ARTISTS` of each row."""
    chosen = [order[rows == row][:_ARTISTS] for row in np.unique(rows)]
    return np.concatenate([order[:0], *chosen])


def _largest(batch: ArtistBatch, part: SyntheticPart) -> _All:
    """The largest artists' tracks of which all dimensions are known, and the sums of their points."""
    groups, points = batch.groups, part.points(batch.inputs).astype(np.float64)
    keys, unknown = batch.inputs.artist[groups.starts], np.isnan(points).any(axis=1, keepdims=True)
    sizes = groups.sums(np.where(unknown, 0, 1))[:, 0]
    named = np.flatnonzero((keys != 0) & (sizes > 0))
    order = named[np.argsort(-sizes[named], kind="stable")][:_ARTISTS]
    sums = groups.sums(np.where(unknown, 0.0, points))
    return [(_LARGEST, -1, str(keys[i]), int(sizes[i]), sums[i].tolist()) for i in order]


def _most(found: _All) -> _All:
    """Those with the most tracks, `_ARTISTS` for each row."""
    kept: Counter[int] = Counter()
    most = []
    for one in sorted(found, key=lambda one: (-one[3], one[2])):
        kept[one[1]] += 1
        if kept[one[1]] <= _ARTISTS:
            most.append(one)
    return most
