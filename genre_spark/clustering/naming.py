"""Names of synthetic genres: a few words, each true of most of its tracks and of fewer others."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from genre_spark.clustering.metric import split
from genre_spark.schema import AudioFeature, feature

# Two to four words; of the many that may be true, those that say most.
_LENGTHS = (3, 2, 4)
_MOST_WORDS = 7
# What may always be said.
_FILLER = ("mixed", "music")


@dataclass(frozen=True)
class Word:
    """A word, and of which tracks it is true.

    Attributes
    ----------
    text : str
    column : int
        Of the feature that it is about.
    above : bool
        True of values above the limit, else of those below.
    limit : float
        In the feature's unit.
    """

    text: str
    column: int
    above: bool
    limit: float

    def holds(self, raw: np.ndarray) -> np.ndarray:
        """Whether it is true of each track [shape=(n_tracks, n_features)]."""
        values = raw[:, self.column]
        return values > self.limit if self.above else values < self.limit


def vocabulary(raw: np.ndarray, features: Sequence[str]) -> list[Word]:
    """Every word that can be said of tracks of this catalogue.

    A word compares with the catalogue's middle, and where a feature has a value that bounds the
    word's meaning (no track is instrumental below it), with that too.

    Parameters
    ----------
    raw : np.ndarray [shape=(n_tracks, n_features)]
        A sample of the catalogue, nothing missing.
    features : sequence of str
    """
    words = []
    for column, declared in enumerate(map(feature, features)):
        parts = split(raw[:, column])
        if parts is None:
            continue
        middle = (parts[0] + parts[1]) / 2
        for text, above in ((declared.high_word, True), (declared.low_word, False)):
            if text:
                words.append(Word(text, column, above, _limit(declared, middle, above)))
    return words


def name_all(
    raw: np.ndarray,
    genres: np.ndarray,
    k: int,
    words: Sequence[Word],
    kept: dict[int, str] | None = None,
) -> list[str]:
    """A name for each synthetic genre, all distinct.

    Parameters
    ----------
    raw : np.ndarray [shape=(n_tracks, n_features)]
        A sample of the catalogue, nothing missing.
    genres : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of each track's synthetic genre.
    k : int
    words : sequence of Word
    kept : dict of int to str, optional
        Names that rows have already.

    Returns
    -------
    list of str
        Two to four words, the most telling first; at last a number, where words do not suffice.
    """
    names = dict(kept or {})
    true = np.array([word.holds(raw) for word in words]).reshape(len(words), len(raw))
    for row in range(k):
        if row not in names:
            names[row] = _name(_telling(true, genres == row, words), set(names.values()))
    return [names[row] for row in range(k)]


def _telling(true: np.ndarray, own: np.ndarray, words: Sequence[Word]) -> list[str]:
    """Words true of most of the own tracks and less often of others, the most telling first."""
    if not own.any() or not len(words):
        return []
    inside = true[:, own].mean(axis=1)
    outside = true[:, ~own].mean(axis=1) if not own.all() else np.zeros(len(words))
    gains = np.where((inside > 0.5) & (inside > outside), inside - outside, 0.0)
    order = np.argsort(-gains, kind="stable")
    return [words[i].text for i in order if gains[i] > 0]


def _name(words: Sequence[str], taken: Collection[str]) -> str:
    for name in _attempts(words):
        if name not in taken:
            return name
    first, number = next(_attempts(words)), 2
    while f"{first} {number}" in taken:
        number += 1
    return f"{first} {number}"


def _attempts(words: Sequence[str]) -> Iterator[str]:
    """Names of these words, the most telling ones first."""
    words = words[:_MOST_WORDS]
    if len(words) < 2:
        words = [*(words or _FILLER[:1]), _FILLER[1]]
    for length in _LENGTHS:
        yield from (" ".join(chosen) for chosen in combinations(words, length))


def _limit(declared: AudioFeature, middle: float, above: bool) -> float:
    if declared.word_bound is None:
        return middle
    return max(middle, declared.word_bound) if above else min(middle, declared.word_bound)
