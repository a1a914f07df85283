"""From tracks and artists to the inputs of the networks, in numpy."""

import numpy as np

from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import TrackInputs

# Steps in which a scaled feature is also given, so that a network can separate what lies close
# together.
N_BINS = 6
# Steps of no width (a feature of two values has some) become a jump.
MIN_WIDTH = 1e-6

_BINS = tuple(f"track_bin{i + 1}" for i in range(N_BINS))
# The statistics of the artist are left out: all tracks of an artist share them, so a network learns
# from them who the artist is, and nothing that serves other artists.
CHANNELS = (
    "track", *_BINS, "album_mean", "album_deviation", "artist_tracks", "album_tracks",
)  # fmt: skip


def build(inputs: TrackInputs, edges: np.ndarray) -> np.ndarray:
    """Build the network's input: one row per scaled feature, one channel per statistic of it.

    Parameters
    ----------
    inputs : TrackInputs
        Of n tracks.
    edges : np.ndarray [shape=(N_BINS + 1, n_scaled)]
        Quantiles of the catalogue.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_scaled, n_channels), dtype=float32]
        Channels in the order of `CHANNELS`; 0, the catalogue's mean, where a value is unknown.
    """
    n, n_scaled = inputs.scaled.shape
    tensor = np.empty((n, n_scaled, len(CHANNELS)), np.float32)
    scaled, mean, deviation = (
        np.nan_to_num(one, nan=0.0)
        for one in (inputs.scaled, inputs.album_mean, inputs.album_deviation)
    )
    tensor[:, :, 0] = scaled
    tensor[:, :, 1 : N_BINS + 1] = _bins(scaled, edges)
    tensor[:, :, -4] = mean
    tensor[:, :, -3] = deviation
    # A count is the same for every row. Half of all groups have few tracks: log(n) - 1/2 lies
    # around 0.
    tensor[:, :, -2] = (np.log(inputs.artist_tracks) - 0.5)[:, None]
    tensor[:, :, -1] = (np.log(inputs.album_tracks) - 0.5)[:, None]
    return tensor


def n_statistics(n_scaled: int) -> int:
    """Count the columns of `artist_statistics`."""
    return 2 * n_scaled + 2


def artist_statistics(inputs: TrackInputs, groups: Groups) -> np.ndarray:
    """Build the artist network's input.

    Parameters
    ----------
    inputs : TrackInputs
    groups : Groups
        Consecutive tracks of one artist.

    Returns
    -------
    np.ndarray [shape=(n_groups, n_statistics), dtype=float32]
        Means and standard deviations of the artist's scaled features (0 where no track has one),
        the logarithm of its number of tracks with features, and whether it has one alone.
    """
    first = groups.starts
    n = np.maximum(inputs.artist_counts[first].max(axis=1, keepdims=True), 1.0)
    if inputs.artist_deviation is None:
        raise ValueError("the tracks come without their artists' deviations")
    known = (np.nan_to_num(one[first]) for one in (inputs.artist_mean, inputs.artist_deviation))
    parts = (*known, np.log(n) - 0.5, n == 1)
    return np.concatenate(parts, axis=1, dtype=np.float32)


def _bins(scaled: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """How far each scaled feature is through its steps, in [-1, 1] [shape=(n, n_scaled, N_BINS)].

    References
    ----------
    Gorishniy et al. (2022), "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS: piecewise linear encoding.
    """
    low = np.ascontiguousarray(edges[:-1].T, dtype=np.float32)
    width = np.maximum(np.diff(edges, axis=0).T, MIN_WIDTH).astype(np.float32)
    steps = (scaled[:, :, None] - low) * (2.0 / width) - np.float32(1.0)
    return np.clip(steps, -1.0, 1.0, out=steps)


def assign(points: np.ndarray, centroids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest centroid of each track.

    Parameters
    ----------
    points : np.ndarray [shape=(n_tracks, n_scaled), dtype=float64]
    centroids : np.ndarray [shape=(k, n_scaled), dtype=float64]

    Returns
    -------
    nearest : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of the centroid; of equally near ones the first, as MLlib has it.
    distances : np.ndarray [shape=(n_tracks,), dtype=float64]
        Euclidean, in scaled units.
    """
    # |x - c|^2 without |x|^2, which is the same for every centroid of a track.
    # Not `@`: BLAS gives other last digits for a track alone than for the same track among others.
    products = np.einsum("ij,kj->ik", points, centroids)
    relative = (centroids**2).sum(axis=1) - 2.0 * products
    nearest = relative.argmin(axis=1)
    return nearest, np.linalg.norm(points - centroids[nearest], axis=1)
