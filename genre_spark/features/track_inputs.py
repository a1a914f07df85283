"""What the models read of tracks, as arrays: the same for training, clustering and scoring."""

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Keys:
    """Any number of 64-bit keys per track.

    Attributes
    ----------
    offsets : np.ndarray [shape=(n_tracks + 1,), dtype=int64]
        Track i has ``values[offsets[i]:offsets[i + 1]]``.
    values : np.ndarray [dtype=int64]
    """

    offsets: np.ndarray
    values: np.ndarray

    @classmethod
    def of(cls, column: pa.ListArray) -> "Keys":
        """From an Arrow column of lists; null is no key."""
        lengths = column.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
        offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
        return cls(offsets, column.flatten().to_numpy(zero_copy_only=False))

    @classmethod
    def none(cls, n: int) -> "Keys":
        """No key for any of so many tracks."""
        return cls(np.zeros(n + 1, np.int64), np.zeros(0, np.int64))

    @property
    def tracks(self) -> np.ndarray:
        """The track of each value [dtype=int64]."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def take(self, rows: np.ndarray) -> "Keys":
        """Those of some of the tracks, by index."""
        starts, lengths = self.offsets[rows], self.offsets[rows + 1] - self.offsets[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], lengths)
        return Keys(offsets, self.values[np.repeat(starts, lengths) + within])


@dataclass(frozen=True)
class TrackInputs:
    """Tracks, and statistics of the groups that they belong to.

    An artist is a track's first one. "The artist's album" holds the tracks of this artist on it. A
    track without an artist (album) is a group of its own.

    Attributes
    ----------
    scaled : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Scaled features; see `scaling.FeatureScaler`. NaN where missing.
    artist, album : np.ndarray [shape=(n_tracks,), dtype=int64]
        Keys (hashes) of the artist's and the album's name; 0 where there is none.
    other_artists : Keys
        Of the further artists named on the track.
    artist_tracks, album_tracks : np.ndarray [shape=(n_tracks,), dtype=int64]
        Tracks of the artist, and of the artist's album, in the catalogue; at least 1.
    artist_counts, album_counts : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Of these, those that have the feature, which the statistics are of.
    artist_mean : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Mean of the artist's tracks; NaN where none has the feature.
    album_mean, album_deviation : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Mean and standard deviation of the artist's album, alike.
    artist_deviation : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32] or None
        Standard deviation of the artist's tracks; None where no model reads it.
    title, album_name : pa.StringArray or None
        Words; None where no model reads them.
    """

    scaled: np.ndarray
    artist: np.ndarray
    album: np.ndarray
    other_artists: Keys
    artist_tracks: np.ndarray
    album_tracks: np.ndarray
    artist_counts: np.ndarray
    album_counts: np.ndarray
    artist_mean: np.ndarray
    album_mean: np.ndarray
    album_deviation: np.ndarray
    artist_deviation: np.ndarray | None = None
    title: pa.StringArray | None = None
    album_name: pa.StringArray | None = None

    def __len__(self) -> int:
        return len(self.scaled)

    @property
    def has_artist(self) -> np.ndarray:
        """Whether a track names an artist [shape=(n_tracks,), dtype=bool]."""
        return self.artist != 0

    @property
    def has_features(self) -> np.ndarray:
        """Whether a track has any feature [shape=(n_tracks,), dtype=bool]."""
        return ~np.isnan(self.scaled).all(axis=1)

    def take(self, rows: np.ndarray) -> "TrackInputs":
        """Some of the tracks, by index [dtype=int64]; statistics stay those of whole groups."""
        taken: dict[str, Any] = {}
        for field in fields(self):
            values = getattr(self, field.name)
            if isinstance(values, np.ndarray):
                taken[field.name] = values[rows]
            elif values is not None:
                taken[field.name] = values.take(rows)
        return TrackInputs(**taken)
