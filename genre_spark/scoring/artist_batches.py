"""Batches of whole artists, in numpy: what an artist's tracks say of each other.

What `context` makes of partial sums in Spark, made where all of an artist's tracks stand beside each
other; the same to the last bit but for the last digit of logarithms.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa

from genre_spark.features.tensor import FIXED_UNIT, STATISTICS, Context, alone, bins, unpack
from genre_spark.schema import ALBUM, ARTIST, context_column, key_column

# Of whom a track is: its artist's key, and for a track without an artist its own.
GATHER = "_gather"
# Sums over a track's album, and over its artist's tracks: what its hash hangs on beside itself.
ALBUM_SUM, ARTIST_SUM, ARTIST_ALBUM_SUM = "_album_sum", "_artist_sum", "_artist_album_sum"
# Tracks, of which each takes some 2 kB on its way.
_ROWS = 2048
SUMS = (ALBUM_SUM, ARTIST_SUM, ARTIST_ALBUM_SUM)


def whole(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """The same rows, cut so that nobody's tracks are parted, into small batches where that allows.

    Parameters
    ----------
    batches : iterator of pa.RecordBatch
        In the order of `GATHER`.
    """
    held: list[pa.RecordBatch] = []
    for batch in batches:
        if not batch.num_rows:
            continue
        keys = batch[GATHER].to_numpy()
        # Whoever is last may go on in the next batch; who was last before may go on in this one.
        last = int(np.searchsorted(keys, keys[-1]))
        goes_on = held and held[-1][GATHER][-1].as_py() == keys[0]
        if held and not (last == 0 and goes_on):
            yield from _pieces([*held, batch.slice(0, last)])
            held = []
        elif last:
            yield from _pieces([batch.slice(0, last)])
        held.append(batch.slice(last))
    if held:
        yield from _pieces(held)


def _pieces(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Their rows, cut where somebody's tracks begin, after at least `_ROWS` of them."""
    batch = pa.concat_batches(batches)
    starts = np.flatnonzero(_changes(batch[GATHER].to_numpy()))
    wanted = np.searchsorted(starts, np.arange(_ROWS, batch.num_rows, _ROWS))
    cuts = [0, *np.unique(starts[wanted[wanted < len(starts)]]).tolist(), batch.num_rows]
    for first, end in itertools.pairwise(cuts):
        yield batch.slice(first, end - first)


class Gathered:
    """A batch of whole artists, in the order of `GATHER`, then of the album's key.

    Parameters
    ----------
    batch : pa.RecordBatch
        `GATHER`, the keys of artists and albums, ``input_hash``.
    """

    def __init__(self, batch: pa.RecordBatch):
        self._batch = batch
        owners = batch[GATHER].to_numpy()
        self._named = batch[key_column(ARTIST)].is_valid().to_numpy(zero_copy_only=False)
        albums = batch[key_column(ALBUM)]
        self._on_album = albums.is_valid().to_numpy(zero_copy_only=False)
        keys = albums.fill_null(0).to_numpy(zero_copy_only=False)
        # A track without an artist is an artist of its own, even where another has its key.
        self._new_owner = _changes(owners) | ~self._named
        self._new_album = self._new_owner | _changes(keys) | _changes(self._on_album)

    def contexts(
        self, groups: Sequence[str], axes: np.ndarray, edges: np.ndarray, heard: np.ndarray
    ) -> dict[str, Context]:
        """The context of each track.

        Parameters
        ----------
        groups : sequence of str
        axes : np.ndarray [shape=(n_tracks, n_axes)]
        edges : np.ndarray [shape=(N_BINS + 1, n_axes)]
        heard : np.ndarray [shape=(n_tracks,), dtype=bool]
            Tracks of which anybody reads how their artist sounds; 0 stands for it in the others.
        """
        found = {}
        if ARTIST in groups:
            found[ARTIST] = self._of_artists(axes, edges, heard)
        if ALBUM in groups:
            # What stands there is of albums with tracks of others, too.
            column = self._batch[context_column(ALBUM)]
            found[ALBUM] = unpack(ALBUM, column, axes, edges)
            own = self._on_album & column.is_null().to_numpy(zero_copy_only=False)
            _fill(found[ALBUM], ALBUM, own, self._new_album, axes, edges)
        return found

    def _of_artists(self, axes: np.ndarray, edges: np.ndarray, heard: np.ndarray) -> Context:
        starts, owner = self._owners()
        albums = np.maximum(_sums(self._new_album & self._on_album, starts), 1)
        counts = np.stack([np.bincount(owner), albums], axis=1).astype(float)[owner]
        context = Context(counts, np.zeros((len(axes), len(STATISTICS[ARTIST]), axes.shape[1])))
        lone = heard & ~self._named
        context.statistics[lone] = alone(ARTIST, axes[lone], edges).statistics
        _fill(context, ARTIST, heard & self._named, self._new_owner, axes, edges)
        return context

    def means(self, values: np.ndarray, unit: float) -> np.ndarray:
        """For each track the mean over its artist's tracks, of whole numbers of ``1 / unit``."""
        starts, owner = self._owners()
        sums = np.add.reduceat(np.rint(values * unit).astype(np.int64), starts, axis=0)
        means = sums / np.bincount(owner)[:, None] / unit
        return np.where(self._named[:, None], means[owner], values)

    def sums(self, groups: Sequence[str], by_artist: bool) -> dict[str, pa.Array]:
        """`SUMS` of each track; 0 where it has no such group.

        Parameters
        ----------
        groups : sequence of str
        by_artist : bool
            Whether an artist's tracks inform each other.
        """
        hashes = self._batch["input_hash"].to_numpy()
        of_album = np.zeros_like(hashes)
        if ALBUM in groups:
            given = self._batch[ALBUM_SUM]
            shared = given.is_valid().to_numpy(zero_copy_only=False)
            code = np.cumsum(self._new_album) - 1
            own = _sums(hashes, np.flatnonzero(self._new_album))[code]
            of_album = np.where(self._on_album, own, 0)
            of_album[shared] = given.fill_null(0).to_numpy(zero_copy_only=False)[shared]
        starts, owner = self._owners()
        counts = self._named if by_artist else np.zeros_like(self._named)
        by_owner = [np.where(counts, _sums(one, starts)[owner], 0) for one in (hashes, of_album)]
        return dict(zip(SUMS, map(pa.array, (of_album, *by_owner)), strict=True))

    def _owners(self) -> tuple[np.ndarray, np.ndarray]:
        return np.flatnonzero(self._new_owner), np.cumsum(self._new_owner) - 1


def of_groups(
    group: str, axes: np.ndarray, edges: np.ndarray, starts: np.ndarray, others: np.ndarray
) -> Context:
    """The context of groups whose tracks stand beside each other, one row per group.

    Parameters
    ----------
    group : str
    axes : np.ndarray [shape=(n_tracks, n_axes)]
    edges : np.ndarray [shape=(N_BINS + 1, n_axes)]
    starts : np.ndarray [shape=(n_groups,), dtype=int64]
        First track of each group.
    others : np.ndarray [shape=(n_groups,)]
        The artist's albums, or the album's artists.
    """
    n = np.diff(starts, append=len(axes))
    found = {"mean": _means(axes, starts, n)}
    squares = np.add.reduceat(_fixed(axes) ** 2, starts, axis=0) / n[:, None] / FIXED_UNIT**2
    found["spread"] = np.sqrt(np.maximum(squares - found["mean"] * found["mean"], 0.0))
    if "low" in STATISTICS[group]:
        found["low"] = np.minimum.reduceat(axes, starts, axis=0)
        found["high"] = np.maximum.reduceat(axes, starts, axis=0)
    if "bin1" in STATISTICS[group]:
        steps = bins(axes, edges)
        found |= {f"bin{i + 1}": _means(steps[:, i], starts, n) for i in range(steps.shape[1])}
    statistics = np.stack([found[name] for name in STATISTICS[group]], axis=1)
    return Context(np.stack([n, np.maximum(others, 1)], axis=1).astype(float), statistics)


def _fill(
    context: Context,
    group: str,
    rows: np.ndarray,
    first: np.ndarray,
    axes: np.ndarray,
    edges: np.ndarray,
) -> None:
    """Gives some tracks what their groups say; `first` tells where in the batch groups start.

    How many albums an artist has, or artists an album, stands there.
    """
    if not rows.any():
        return
    starts, code = np.flatnonzero(first[rows]), np.cumsum(first[rows]) - 1
    found = of_groups(group, axes[rows], edges, starts, context.counts[rows, 1][starts])
    context.counts[rows] = found.counts[code]
    context.statistics[rows] = found.statistics[code]


def _changes(values: np.ndarray) -> np.ndarray:
    """Whether a value differs from the one before."""
    return np.concatenate([[True], values[1:] != values[:-1]])[: len(values)]


def _sums(values: np.ndarray, starts: np.ndarray) -> np.ndarray:
    return np.add.reduceat(values.astype(np.int64), starts) if len(starts) else values[:0]


def _means(values: np.ndarray, starts: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.add.reduceat(_fixed(values), starts, axis=0) / n[:, None] / FIXED_UNIT


def _fixed(values: np.ndarray) -> np.ndarray:
    return np.rint(values * FIXED_UNIT).astype(np.int64)
