"""What the models read of tracks, as arrays: the same for training, clustering and scoring."""

from dataclasses import dataclass, fields, replace
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

    @property
    def lists(self) -> pa.ListArray:
        """The same as an Arrow column of lists."""
        return pa.ListArray.from_arrays(
            pa.array(self.offsets.astype(np.int32)), pa.array(self.values)
        )

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


def lists(values: np.ndarray) -> pa.ListArray:
    """Rows of an array [shape=(n_lists, length)] as an Arrow column of lists."""
    return Keys(np.arange(len(values) + 1) * values.shape[1], values.ravel()).lists


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
    artist_tracks : np.ndarray [shape=(n_tracks,), dtype=int64]
        Tracks of the artist in the catalogue; at least 1.
    artist_counts, album_counts : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Tracks of the artist, and of the artist's album, that have the feature, which the statistics
        are of.
    artist_mean, artist_deviation : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Mean and standard deviation of the artist's tracks; NaN where none has the feature.
    album_mean, album_deviation : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Of the artist's album, alike.
    title, album_name : pa.StringArray or None
        Words; None where no model reads them.
    """

    scaled: np.ndarray
    artist: np.ndarray
    album: np.ndarray
    other_artists: Keys
    artist_tracks: np.ndarray
    artist_counts: np.ndarray
    album_counts: np.ndarray
    artist_mean: np.ndarray
    artist_deviation: np.ndarray
    album_mean: np.ndarray
    album_deviation: np.ndarray
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

    def without(self, rows: np.ndarray, artists: np.ndarray) -> "TrackInputs":
        """The tracks as if some of them had no features, which statistics do not count then.

        Parameters
        ----------
        rows : np.ndarray [shape=(n_tracks,), dtype=bool]
            Tracks that lose their features.
        artists : np.ndarray [shape=(n_tracks,), dtype=int64]
            Equal for tracks of one artist.
        """
        # Parts of a large artist have statistics of their own.
        part = np.ascontiguousarray(self.artist_mean[:, :1]).view(np.int32)[:, 0]
        own = np.where(self.album == 0, -1 - np.arange(len(self)), self.album)
        changed: dict[str, Any] = {
            "scaled": np.where(rows[:, None], np.float32(np.nan), self.scaled)
        }
        for name, keys in {
            "artist": (artists, self.artist_tracks, part),
            "album": (artists, self.artist_tracks, part, own),
        }.items():
            group = np.unique(np.stack(keys), axis=1, return_inverse=True)[1]
            fields = [f"{name}_{one}" for one in ("mean", "deviation", "counts")]
            found = _left_over(self.scaled, rows, group, *[getattr(self, one) for one in fields])
            changed |= dict(zip(fields, found, strict=True))
        return replace(self, **changed)

    def without_columns(self, own: np.ndarray, groups: np.ndarray) -> "TrackInputs":
        """The tracks without some scaled features, each mask [shape=(n_scaled,) or (n_tracks, n_scaled)].

        Parameters
        ----------
        own : np.ndarray [dtype=bool]
            What the track lacks.
        groups : np.ndarray [dtype=bool]
            What all tracks of its artist lack.
        """
        gaps = {"scaled": (own, np.nan)}
        for name in ("artist", "album"):
            gaps |= {f"{name}_mean": (groups, np.nan), f"{name}_deviation": (groups, np.nan)}
            gaps[f"{name}_counts"] = (groups, 0.0)
        changed: dict[str, Any] = {
            name: np.where(mask, np.float32(value), getattr(self, name))
            for name, (mask, value) in gaps.items()
        }
        return replace(self, **changed)

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


def _left_over(
    scaled: np.ndarray,
    removed: np.ndarray,
    group: np.ndarray,
    mean: np.ndarray,
    deviation: np.ndarray,
    counts: np.ndarray,
) -> tuple[np.ndarray, ...]:
    """Mean, standard deviation and number of each track's group without the removed tracks.

    The groups' other tracks need not be there: statistics are of the whole catalogue.

    Parameters
    ----------
    scaled : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
    removed : np.ndarray [shape=(n_tracks,), dtype=bool]
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
    mean, deviation, counts : np.ndarray [shape=(n_tracks, n_scaled), dtype=float32]
        Of the groups with all of their tracks.
    """
    known = removed[:, None] & ~np.isnan(scaled)
    values = np.where(known, scaled, 0.0).astype(np.float64)

    def sums(columns: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(group, one) for one in columns.T], axis=1)[group]

    left = np.maximum(counts - sums(known), 0.0)
    means, squares = (np.nan_to_num(one).astype(np.float64) for one in (mean, deviation))
    with np.errstate(invalid="ignore", divide="ignore"):  # no track is left: 0 / 0
        found = (means * counts - sums(values)) / left
        square = ((means**2 + squares**2) * counts - sums(values**2)) / left
        # The difference of rounded numbers is no deviation of a single track.
        spread = np.where(left > 1, np.sqrt(np.maximum(square - found**2, 0.0)), 0.0)
    nothing = left == 0
    found[nothing] = spread[nothing] = np.nan
    return tuple(one.astype(np.float32) for one in (found, spread, left))
