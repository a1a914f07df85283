"""Words of titles and album names, looked up in bulk with Arrow."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_spark.features.track_inputs import TrackInputs

_PUNCTUATION = "()[]{}.,;:!?\"'`’‘“”/\\&-–—_*#+|"
MAX_WORDS = 20_000
# A word of fewer labelled tracks says nothing that holds for others.
_MIN_TRACKS = 3


@dataclass(frozen=True)
class WordColumns:
    """Occurrences of known words.

    Attributes
    ----------
    tracks : np.ndarray [shape=(n_occurrences,), dtype=int64]
        Track of each occurrence, in order.
    words : np.ndarray [shape=(n_occurrences,), dtype=int64]
        Place in the vocabulary.
    """

    tracks: np.ndarray
    words: np.ndarray


class Vocabulary:
    """Known words of titles, then known words of album names.

    `titles`, `albums`: Lower-case words. A word of a title and the same word of an album name are
        different features.
    """

    def __init__(self, titles: list[str], albums: list[str]):
        self.titles, self.albums = titles, albums
        self._known = [pa.array(words, pa.string()) for words in (titles, albums)]

    def __len__(self) -> int:
        return len(self.titles) + len(self.albums)

    @classmethod
    def of(cls, inputs: TrackInputs, artists: np.ndarray) -> "Vocabulary":
        """Collect words that at least three tracks and two artists use, the most frequent first.

        Parameters
        ----------
        artists : np.ndarray [shape=(n_tracks,), dtype=int64]
            Equal for tracks of one artist.
        """
        found = [_frequent(column, artists) for column in (inputs.title, inputs.album_name)]
        counts = sorted((-n, i, word) for i, one in enumerate(found) for word, n in one.items())
        kept = counts[:MAX_WORDS]
        return cls(*[[word for _, at, word in kept if at == i] for i in (0, 1)])

    def look_up(self, inputs: TrackInputs) -> WordColumns:
        """Find the known words of tracks."""
        tracks, words, first = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for known, column in zip(self._known, (inputs.title, inputs.album_name), strict=True):
            if column is not None and len(known):
                rows, values = split_words(column)
                places = pc.index_in(values, known)
                is_known = places.is_valid().to_numpy(zero_copy_only=False)
                tracks.append(rows[is_known])
                words.append(places.drop_null().to_numpy().astype(np.int64) + first)
            first += len(known)
        return WordColumns(np.concatenate(tracks), np.concatenate(words))


def split_words(column: pa.StringArray) -> tuple[np.ndarray, pa.StringArray]:
    """Split texts into lower-case words without punctuation around them.

    Returns
    -------
    tracks : np.ndarray [dtype=int64]
        Row of each word.
    words : pa.StringArray
    """
    lists = pc.utf8_split_whitespace(pc.utf8_lower(column.cast(pa.string())).fill_null(""))
    words = pc.utf8_trim(lists.flatten(), characters=_PUNCTUATION)
    tracks = np.repeat(np.arange(len(column)), lists.value_lengths().to_numpy())
    return tracks, words


def _frequent(column: pa.StringArray | None, artists: np.ndarray) -> dict[str, int]:
    if column is None:
        return {}
    tracks, words = split_words(column)
    encoded = words.dictionary_encode()
    codes = encoded.indices.to_numpy()
    once = np.unique(np.stack([codes, tracks]), axis=1)
    n_tracks = np.bincount(once[0], minlength=len(encoded.dictionary))
    of_artists = np.unique(np.stack([codes, artists[tracks]]), axis=1)[0]
    n_artists = np.bincount(of_artists, minlength=len(encoded.dictionary))
    names = encoded.dictionary.to_pylist()
    kept = np.flatnonzero((n_tracks >= _MIN_TRACKS) & (n_artists > 1))
    return {names[i]: int(n_tracks[i]) for i in kept if names[i]}
