"""Label evidence: labelled tracks of each genre among a track's artist, other artists, album, group.

Counts are held by 64-bit keys and looked up in bulk. While weights are fitted, a track's own labels
are left out: those of its recording, or all of its artist's.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genre_spark.features.track_inputs import Keys, TrackInputs

# Evidence groups in the order of the arrays.
EVIDENCE = (BY_ARTIST, BY_OTHERS, BY_ALBUM, BY_SYNTHETIC) = (
    "artist", "other artists", "album", "synthetic genre",
)  # fmt: skip
# Odd constants that mix two keys into one (Knuth, TAOCP 3, multiplicative hashing).
_MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))


@dataclass(frozen=True)
class CountTable:
    """Labelled tracks per key and genre, sparse.

    Attributes
    ----------
    keys : np.ndarray [shape=(n_keys,), dtype=int64]
        In order, without repetition.
    offsets : np.ndarray [shape=(n_keys + 1,), dtype=int64]
        Key i has the entries ``offsets[i]:offsets[i + 1]``.
    genres : np.ndarray [shape=(n_entries,), dtype=int64]
    counts : np.ndarray [shape=(n_entries,), dtype=float32]
        A track under two genres counts for each in part.
    n_genres : int
    """

    keys: np.ndarray
    offsets: np.ndarray
    genres: np.ndarray
    counts: np.ndarray
    n_genres: int

    @classmethod
    def of(cls, keys: np.ndarray, targets: np.ndarray) -> "CountTable":
        """Count tracks by key.

        Parameters
        ----------
        keys : np.ndarray [shape=(n,), dtype=int64]
            One per track and thing that it belongs to.
        targets : np.ndarray [shape=(n, n_genres), dtype=float32]
        """
        found, code = np.unique(keys, return_inverse=True)
        rows, genres = np.nonzero(targets)
        n_genres = targets.shape[1]
        cells, at = np.unique(code[rows] * n_genres + genres, return_inverse=True)
        counts = np.bincount(at, targets[rows, genres], minlength=len(cells))
        offsets = np.searchsorted(cells, np.arange(len(found) + 1) * n_genres)
        return cls(found, offsets, cells % n_genres, counts.astype(np.float32), n_genres)

    def look_up(self, asked: Keys) -> np.ndarray:
        """Sum the counts of each track's keys [shape=(n_tracks, n_genres), dtype=float32]."""
        n = len(asked.offsets) - 1
        if not len(self.keys) or not len(asked.values):
            return np.zeros((n, self.n_genres), np.float32)
        place = np.minimum(np.searchsorted(self.keys, asked.values), len(self.keys) - 1)
        is_known = self.keys[place] == asked.values
        place, tracks = place[is_known], asked.tracks[is_known]
        lengths = self.offsets[place + 1] - self.offsets[place]
        ends = np.cumsum(lengths)
        entries = np.arange(ends[-1] if len(ends) else 0) + np.repeat(
            self.offsets[place] - ends + lengths, lengths
        )
        cells = np.repeat(tracks, lengths) * self.n_genres + self.genres[entries]
        sums = np.bincount(cells, self.counts[entries], minlength=n * self.n_genres)
        return sums.reshape(n, self.n_genres).astype(np.float32)


@dataclass(frozen=True)
class Evidence:
    """Counts of the labelled tracks that a model learned from.

    Attributes
    ----------
    artist, named, album, synthetic : CountTable
        By the first artist; by artists named behind the first one; by album; by synthetic genre.
    """

    artist: CountTable
    named: CountTable
    album: CountTable
    synthetic: CountTable

    @classmethod
    def of(cls, inputs: TrackInputs, synthetic: np.ndarray, targets: np.ndarray) -> "Evidence":
        """Count labelled tracks.

        Parameters
        ----------
        inputs : TrackInputs
        synthetic : np.ndarray [shape=(n_tracks,), dtype=int64]
            Row of each track's synthetic genre; -1 without one.
        targets : np.ndarray [shape=(n_tracks, n_genres), dtype=float32]
        """
        asked = _keys(inputs, synthetic)
        return cls(*[CountTable.of(one.values, targets[one.tracks]) for one in asked])

    def look_up(self, inputs: TrackInputs, synthetic: np.ndarray) -> np.ndarray:
        """Count the labelled tracks that tell of each track.

        Returns
        -------
        np.ndarray [shape=(n_tracks, 4, n_genres), dtype=float32]
            In the order of `EVIDENCE`.
        """
        return _sum_up(self._tables, _keys(inputs, synthetic))

    @property
    def _tables(self) -> tuple[CountTable, ...]:
        return self.artist, self.named, self.album, self.synthetic


def left_out(
    inputs: TrackInputs, synthetic: np.ndarray, targets: np.ndarray, together: np.ndarray
) -> np.ndarray:
    """Count the labelled tracks that tell of each one, without those that belong together with it.

    Parameters
    ----------
    inputs, synthetic, targets
        As in `Evidence.of`.
    together : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks of one recording, or of one artist.

    Returns
    -------
    np.ndarray [shape=(n_tracks, 4, n_genres), dtype=float32]
    """
    counts = Evidence.of(inputs, synthetic, targets).look_up(inputs, synthetic)
    # The same sums, over pairs of key and group, are what a track's own group adds to them.
    asked = [_pairs(one, together) for one in _keys(inputs, synthetic)]
    tables = [CountTable.of(one.values, targets[one.tracks]) for one in asked]
    return np.maximum(counts - _sum_up(tables, asked), 0.0)


def by_folds(
    inputs: TrackInputs, synthetic: np.ndarray, targets: np.ndarray, fold: np.ndarray
) -> np.ndarray:
    """Count the labelled tracks of the other folds that tell of each one.

    From `left_out` anything with more freedom than a few weights reads a track's own label: it is
    what is missing. Here all tracks of a fold miss the same ones.

    Parameters
    ----------
    inputs, synthetic, targets
        As in `Evidence.of`.
    fold : np.ndarray [shape=(n_tracks,), dtype=int64]

    Returns
    -------
    np.ndarray [shape=(n_tracks, 4, n_genres), dtype=float32]
    """
    counts = np.zeros((len(inputs), len(EVIDENCE), targets.shape[1]), np.float32)
    for number in np.unique(fold):
        told, asked = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        others = Evidence.of(inputs.take(told), synthetic[told], targets[told])
        counts[asked] = others.look_up(inputs.take(asked), synthetic[asked])
    return counts


def _keys(inputs: TrackInputs, synthetic: np.ndarray) -> list[Keys]:
    """What each track is counted by, table by table; a missing name (0) is no key."""
    return [
        _single(inputs.artist, inputs.artist != 0),
        inputs.other_artists,
        _single(inputs.album, inputs.album != 0),
        _single(synthetic, synthetic >= 0),
    ]


def _sum_up(tables: Sequence[CountTable], asked: Sequence[Keys]) -> np.ndarray:
    artist, named, album, synthetic = tables
    first, others = asked[:2]
    # Other artists count by their own tracks and by those that name them; the first artist by
    # tracks of others that name it.
    found = [
        artist.look_up(first),
        artist.look_up(others) + named.look_up(others) + named.look_up(first),
        album.look_up(asked[2]),
        synthetic.look_up(asked[3]),
    ]
    return np.stack(found, axis=1)


def _single(values: np.ndarray, named: np.ndarray) -> Keys:
    offsets = np.concatenate([[0], np.cumsum(named)])
    return Keys(offsets, values[named])


def _pairs(keys: Keys, together: np.ndarray) -> Keys:
    """One key for each pair of a key and the group of the track that has it."""
    return Keys(keys.offsets, mix(keys.values, together[keys.tracks]))


def mix(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """One 64-bit key for each pair of keys [dtype=int64]."""
    mixed = first.astype(np.uint64) * _MIX[0] ^ second.astype(np.uint64) * _MIX[1]
    return mixed.astype(np.int64)
