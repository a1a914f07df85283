"""From tracks and artists to the inputs of the networks, in numpy."""

import numpy as np

from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import TrackInputs

# Steps in which a scaled feature is also given, so that a network can separate what lies close
# together.
N_BINS = 6
# Steps of no width (a feature of two values has some) become a jump.
MIN_WIDTH = 1e-6

# Marks features that no track of an artist has.
_UNKNOWN_DEVIATION = -1.0

_BINS = tuple(f"track_bin{i + 1}" for i in range(N_BINS))
# The statistics of the artist are left out: all tracks of an artist share them, so a network learns
# from them who the artist is, and nothing that serves other artists.
CHANNELS = (
    "track", *_BINS, "known", "album_mean", "album_deviation", "artist_tracks", "album_tracks",
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
        Channels in the order of `CHANNELS`. Of a feature that a track lacks, its own channels are 0,
        ``known`` as well; the numbers of tracks say whether artist and album have it.
    """
    n, n_scaled = inputs.scaled.shape
    tensor = np.empty((n, n_scaled, len(CHANNELS)), np.float32)
    tensor[:, :, 0] = inputs.scaled
    tensor[:, :, 1 : N_BINS + 1] = steps(inputs.scaled, edges)
    tensor[:, :, -5] = 1.0
    tensor[:, :, -4] = inputs.album_mean
    tensor[:, :, -3] = inputs.album_deviation
    unknown = np.isnan(inputs.scaled)
    if unknown.any():
        tensor[unknown, : N_BINS + 2] = 0.0
        tensor[np.isnan(inputs.album_mean), -4:-2] = 0.0
    tensor[:, :, -2] = _log_number(inputs.artist_counts)
    tensor[:, :, -1] = _log_number(inputs.album_counts)
    return tensor


def _log_number(tracks: np.ndarray) -> np.ndarray:
    """Half of all groups have few tracks: log(n) - 1/2 lies around 0. No track counts as half a one."""
    return np.log(np.maximum(tracks, np.float32(0.5))) - np.float32(0.5)


def n_statistics(n_scaled: int) -> int:
    """Count the columns of `artist_statistics`."""
    return 2 * n_scaled + 2


def artist_statistics(inputs: TrackInputs, groups: Groups) -> np.ndarray:
    """Build the artist network's input.

    `groups`: Consecutive tracks of one artist.

    Returns
    -------
    np.ndarray [shape=(n_groups, n_statistics), dtype=float32]
        Means and standard deviations of the artist's scaled features (0 and -1 where no track has
        one), the logarithm of its number of tracks with features, and whether it has one alone.
    """
    first = groups.starts
    n = inputs.artist_counts[first].max(axis=1, keepdims=True)
    mean = np.nan_to_num(inputs.artist_mean[first], nan=0.0)
    deviation = np.nan_to_num(inputs.artist_deviation[first], nan=_UNKNOWN_DEVIATION)
    parts = (mean, deviation, _log_number(n), n == 1)
    return np.concatenate(parts, axis=1, dtype=np.float32)


def steps(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Compute how far each value is through its steps, in [-1, 1] [shape=(n, n_columns, n_steps)].

    Parameters
    ----------
    values : np.ndarray [shape=(n, n_columns)]
    edges : np.ndarray [shape=(n_steps + 1, n_columns)]

    References
    ----------
    Gorishniy et al. (2022), "On Embeddings for Numerical Features in Tabular Deep Learning",
    NeurIPS: piecewise linear encoding.
    """
    low = np.ascontiguousarray(edges[:-1].T, dtype=np.float32)
    width = np.maximum(np.diff(edges, axis=0).T, MIN_WIDTH).astype(np.float32)
    found = (values[:, :, None] - low) * (2.0 / width) - np.float32(1.0)
    return np.clip(found, -1.0, 1.0, out=found)
