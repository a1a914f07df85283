"""From a track and its context to the tensor that the network reads, in numpy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

# Steps in which an axis is also given, so that a network can tell apart what lies close together.
N_BINS = 6
_BINS = tuple(f"bin{i + 1}" for i in range(N_BINS))

# What the catalogue says of a group of tracks: numbers of things, and statistics of each axis.
COUNTS = {"artist": ("tracks", "albums"), "album": ("tracks", "artists")}
# Means are sums of whole numbers: the same in whatever order they are added, so that the same
# catalogue gives the same context to the last bit, and labels do not flicker from night to night.
# At 2^-16 of a unit, sums of squares hold 2^63 / (LIMIT * 2^16)^2, that is some 60 million tracks
# of one artist.
FIXED_UNIT = 2.0**16
STATISTICS = {"artist": ("mean", "spread", "low", "high", *_BINS), "album": ("mean", "spread")}


@dataclass(frozen=True)
class Context:
    """What the catalogue says of each track's artist, or album.

    Attributes
    ----------
    counts : np.ndarray [shape=(n_tracks, n_counts)]
        As `COUNTS` has them; 1 for a track without such a group.
    statistics : np.ndarray [shape=(n_tracks, n_statistics, n_axes)]
        As `STATISTICS` has them, in scaled units, bins in [0, 1]; a track without a group is a
        group of its own.
    """

    counts: np.ndarray
    statistics: np.ndarray

    def take(self, rows: np.ndarray) -> "Context":
        """That of some of the tracks, by index or mask."""
        return Context(self.counts[rows], self.statistics[rows])

    def packed(self) -> np.ndarray:
        """What `unpack` reads [shape=(n_tracks, packed_length)]."""
        n, n_statistics, n_axes = self.statistics.shape
        flat = self.statistics.reshape(n, n_statistics * n_axes)
        return np.concatenate([self.counts, flat], axis=1)


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
    # Not `@`: BLAS gives other last digits for a track alone than for the same track among others.
    products = np.einsum("ij,kj->ik", axes, centroids)
    relative = (centroids**2).sum(axis=1) - 2.0 * products
    nearest = relative.argmin(axis=1)
    return nearest, np.linalg.norm(axes - centroids[nearest], axis=1)


def bins(axes: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How far each axis is through each of its steps: a thermometer.

    Parameters
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes)]
    edges : np.ndarray [shape=(N_BINS + 1, n_axes)]
        Quantiles of the catalogue.

    Returns
    -------
    np.ndarray [shape=(n_tracks, N_BINS, n_axes)]
        In [0, 1].

    References
    ----------
    Gorishniy et al. (2022), "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS: piecewise linear encoding.
    """
    widths = np.maximum(edges[1:] - edges[:-1], MIN_WIDTH)
    return np.clip((axes[:, None, :] - edges[:-1]) / widths, 0.0, 1.0)


# Steps of no width (an axis of two values has some) become a jump.
MIN_WIDTH = 1e-6


def packed_length(group: str, n_axes: int) -> int:
    """Numbers in a group's packed context."""
    return len(COUNTS[group]) + len(STATISTICS[group]) * n_axes


def unpack(group: str, column: pa.Array, axes: np.ndarray, edges: np.ndarray) -> Context:
    """A group's context from what `context.add_context` packed.

    Parameters
    ----------
    group : str
    column : pa.Array [list of `packed_length` numbers, or null]
        Null for a track without such a group.
    axes : np.ndarray [shape=(n_tracks, n_axes)]
        The tracks themselves.
    edges : np.ndarray [shape=(N_BINS + 1, n_axes)]
    """
    n_axes = axes.shape[1]
    known = column.is_valid().to_numpy(zero_copy_only=False)
    values = column.flatten().to_numpy(zero_copy_only=False)
    values = values.reshape(known.sum(), packed_length(group, n_axes))
    found, n_counts = alone(group, axes, edges), len(COUNTS[group])
    found.counts[known] = values[:, :n_counts]
    found.statistics[known] = values[:, n_counts:].reshape(-1, len(STATISTICS[group]), n_axes)
    return found


def channel_names(groups: Sequence[str]) -> list[str]:
    """Scopes in the order of the tensor's channels: the track's own, then each group's."""
    return [name for names in layout(groups).values() for name in names]


def layout(groups: Sequence[str]) -> dict[str, list[str]]:
    """Channels by the scope they belong to: ``track``, then each group."""
    own = ["track", *(f"track_{name}" for name in _BINS), "synthetic_genre"]
    of_groups = {g: [f"{g}_{name}" for name in (*STATISTICS[g], *COUNTS[g])] for g in groups}
    return {"track": own, **of_groups}


def build(
    axes: np.ndarray, centroids: np.ndarray, edges: np.ndarray, contexts: Mapping[str, Context]
) -> np.ndarray:
    """The network's input: one row per axis, one channel per scope of it.

    Parameters
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes)]
        The tracks.
    centroids : np.ndarray [shape=(n_tracks, n_axes)]
        Of each track's synthetic genre.
    edges : np.ndarray [shape=(N_BINS + 1, n_axes)]
    contexts : mapping of str to Context
        In the order of the model's groups.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_axes, n_channels), dtype=float32]
        Channels as `channel_names` has them.
    """
    channels = [axes[:, None], _centered(bins(axes, edges)), centroids[:, None]]
    for group, context in contexts.items():
        n_plain = len([name for name in STATISTICS[group] if name not in _BINS])
        channels.append(context.statistics[:, :n_plain])
        channels.append(_centered(context.statistics[:, n_plain:]))
        # A count is the same for every axis. Half of all groups have few tracks: log(n) - 1/2
        # lies around 0.
        counts = np.log(context.counts)[:, :, None] - 0.5
        channels.append(np.broadcast_to(counts, (*counts.shape[:2], axes.shape[1])))
    narrow = np.concatenate(channels, axis=1, dtype=np.float32, casting="same_kind")
    # As the network reads it; ONNX Runtime would otherwise put it in that order itself.
    return np.ascontiguousarray(narrow.transpose(0, 2, 1))


def _centered(shares: np.ndarray) -> np.ndarray:
    return 2.0 * shares - 1.0


def alone(group: str, axes: np.ndarray, edges: np.ndarray) -> Context:
    """The context of tracks without such a group: each is a group of its own, without any spread.

    Parameters are those of `unpack`.
    """
    statistics = np.repeat(axes[:, None, :], len(STATISTICS[group]), axis=1)
    statistics[:, STATISTICS[group].index("spread")] = 0.0
    if _BINS[0] in STATISTICS[group]:
        statistics[:, -N_BINS:] = bins(axes, edges)
    return Context(np.ones((len(axes), len(COUNTS[group]))), statistics)
