"""From a track and its context to the tensor that the network reads, in numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Statistics:
    """What the catalogue says of each track's artist, or album.

    Attributes
    ----------
    counts : np.ndarray [shape=(n_tracks,)]
        Tracks of the group; 1 for a track without one.
    means, spreads : np.ndarray [shape=(n_tracks, n_axes)]
        In scaled units; a track without a group is a group of its own.
    """

    counts: np.ndarray
    means: np.ndarray
    spreads: np.ndarray

    def take(self, rows: np.ndarray) -> "Statistics":
        """Those of some of the tracks, by index or mask."""
        return Statistics(self.counts[rows], self.means[rows], self.spreads[rows])


def assign(axes: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centroid of each track.

    Parameters
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes), dtype=float64]
    centroids : np.ndarray [shape=(k, n_axes), dtype=float64]

    Returns
    -------
    nearest : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of the centroid; of equally near ones the first, as MLlib has it.
    distances : np.ndarray [shape=(n_tracks,), dtype=float64]
        Euclidean, in scaled units.
    """
    # |x - c|^2 without |x|^2, which is the same for every centroid of a track.
    relative = (centroids**2).sum(axis=1) - 2.0 * (axes @ centroids.T)
    nearest = relative.argmin(axis=1)
    return nearest, np.linalg.norm(axes - centroids[nearest], axis=1)


def packed(column: pa.ListArray) -> tuple[np.ndarray, np.ndarray]:
    """A column of equally long lists as an array, and which of its rows are not null.

    Returns
    -------
    values : np.ndarray [shape=(n_tracks, length), dtype=float64]
        0 where null.
    known : np.ndarray [shape=(n_tracks,), dtype=bool]
    """
    known = column.is_valid().to_numpy(zero_copy_only=False)
    flat = column.flatten().to_numpy(zero_copy_only=False)
    values = np.zeros((len(column), len(flat) // max(1, known.sum())))
    values[known] = flat.reshape(known.sum(), -1)
    return values, known


def unpack(values: np.ndarray, known: np.ndarray, axes: np.ndarray) -> Statistics:
    """Statistics from what `context.add_context` packed.

    Parameters
    ----------
    values : np.ndarray [shape=(n_tracks, 1 + 2 n_axes)]
        Count, means, spreads; rows that are not known may hold anything.
    known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Which tracks have the group at all.
    axes : np.ndarray [shape=(n_tracks, n_axes)]
        The tracks themselves.
    """
    n_axes = axes.shape[1]
    if not known.any():
        return Statistics(np.ones(len(axes)), axes, np.zeros_like(axes))
    return Statistics(
        counts=np.where(known, values[:, 0], 1.0),
        means=np.where(known[:, None], values[:, 1 : 1 + n_axes], axes),
        spreads=np.where(known[:, None], values[:, 1 + n_axes :], 0.0),
    )


def channel_names(groups: Sequence[str]) -> list[str]:
    """Scopes in the order of the tensor's channels."""
    of_group = ("mean", "spread", "others", "count")
    return ["track", "synthetic_genre", *(f"{g}_{what}" for g in groups for what in of_group)]


def build(axes: np.ndarray, centroids: np.ndarray, groups: Mapping[str, Statistics]) -> np.ndarray:
    """The network's input: one row per axis, one channel per scope of it.

    Parameters
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes)]
        The tracks.
    centroids : np.ndarray [shape=(n_tracks, n_axes)]
        Of each track's synthetic genre.
    groups : mapping of str to Statistics
        In the order of the model's groups.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_axes, n_channels), dtype=float32]
    """
    channels = [axes, centroids]
    for statistics in groups.values():
        counts = statistics.counts[:, None]
        others = (statistics.means * counts - axes) / np.maximum(counts - 1, 1)
        others = np.where(counts > 1, others, axes)
        count = np.broadcast_to(np.log(counts), axes.shape)
        channels += [statistics.means, statistics.spreads, others, count]
    return np.stack(channels, axis=2).astype(np.float32)
