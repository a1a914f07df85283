"""Names of synthetic genres: words that people use of music, true of most of its tracks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, combinations, count

import numpy as np

from genre_spark.schema import AudioFeature, feature

# Numbers of adjectives, in the order in which they are tried, and of words to choose from.
_LENGTHS = (2, 3, 1)
_MOST_WORDS = 7
# Used if no adjective is true of most tracks.
_FILLER = "mixed"
# Unusual words for music: used only if no other words distinguish two genres.
_WEAK = {"major", "minor", "electric", "studio", "vocal"}
# Position of a word before the noun, from 0 to 3: age and length, tempo, all others, instruments.
_PLACES = {"old": 0, "recent": 0, "short": 0, "long": 0, "fast": 1, "slow": 1} | dict.fromkeys(
    ("acoustic", "electric", "live", "studio", "instrumental"), 3
)
# Features with nearly synonymous words, of which a name has one, are a family.
_FAMILIES = {"energy": -1, "loudness": -1}
_NOUN = "tracks"
# Words that a noun makes superfluous.
_SAID_BY = {"instrumentals": ("instrumental",), "songs": ("vocal",), "speech": ("wordy", "vocal")}


@dataclass(frozen=True)
class Word:
    """A word, and of which tracks it is true.

    `column`: Of the feature that it is about.
    `above`: True of values above the limit, else of those up to it.
    `limit`: In the feature's unit.
    `family`: Words of one family are near synonyms or opposites.
    """

    text: str
    column: int
    above: bool
    limit: float
    family: int

    def holds(self, raw: np.ndarray) -> np.ndarray:
        """Whether it is true of each track [shape=(n_tracks, n_features)]: 1, 0, or NaN if unknown."""
        values = raw[:, self.column]
        true = values > self.limit if self.above else values <= self.limit
        return np.where(np.isnan(values), np.nan, true)


def vocabulary(raw: np.ndarray, features: Sequence[str]) -> list[Word]:
    """Every adjective that can describe tracks of this catalogue.

    A word compares with the catalogue's median and with the value that bounds its meaning: no track
    is energetic, in whatever catalogue, with an energy below 0.5.

    `raw`: A sample of the catalogue [shape=(n_tracks, n_features)]; NaN where missing.
    """
    words = []
    for column, declared in enumerate(map(feature, features)):
        values = raw[~np.isnan(raw[:, column]), column]
        if not len(values) or np.ptp(values) == 0:
            continue
        median = float(np.median(values))
        family = _FAMILIES.get(declared.name, column)
        for text, above in ((declared.high_word, True), (declared.low_word, False)):
            if text:
                limit = _limit(declared, median, above)
                words.append(Word(text, column, above, limit, family))
    return words


def nouns(raw: np.ndarray, features: Sequence[str]) -> dict[str, np.ndarray]:
    """Nouns, each with the tracks of which it is true; "tracks" is true of all."""
    of_all = {_NOUN: np.ones(len(raw), dtype=bool)}
    if "instrumentalness" not in features:
        return of_all
    bound = feature("instrumentalness").word_bound
    values = raw[:, list(features).index("instrumentalness")]
    instrumental, sung = values > bound, values <= bound
    spoken = np.zeros(len(raw), dtype=bool)
    if "speechiness" in features:
        # Above it a track is "probably made entirely of spoken words" (Spotify for Developers).
        spoken = raw[:, list(features).index("speechiness")] > 0.66
    return {
        "instrumentals": instrumental & ~spoken,
        "songs": sung & ~spoken,
        "speech": spoken,
        **of_all,
    }


def name_all(
    raw: np.ndarray,
    genres: np.ndarray,
    k: int,
    features: Sequence[str],
    kept: dict[int, str] | None = None,
) -> list[str]:
    """A name for each synthetic genre; no two differ only in near synonyms or in order.

    Names have adjectives, the most telling first, and a noun: two to four words; at last a number,
    where words do not suffice.

    `raw`: A sample of the catalogue [shape=(n_tracks, n_features)]; NaN where missing.
    `genres`: Row of each track's synthetic genre [shape=(n_tracks,), dtype=int64].
    `kept`: Names that rows have already.
    """
    names = dict(kept or {})
    words, things = vocabulary(raw, features), nouns(raw, features)
    true = np.array([word.holds(raw) for word in words]).reshape(len(words), len(raw))
    for row in range(k):
        if row not in names:
            own = genres == row
            mostly = (n for n, is_one in things.items() if own.any() and is_one[own].mean() > 0.5)
            taken = {_meaning(name, words) for name in names.values()}
            combined = list(_combined(_telling(true, own, words), next(mostly, _NOUN)))
            attempts = chain(combined, (f"{combined[0]} {number}" for number in count(2)))
            names[row] = next(name for name in attempts if _meaning(name, words) not in taken)
    return [names[row] for row in range(k)]


def _telling(true: np.ndarray, own: np.ndarray, words: Sequence[Word]) -> list[Word]:
    """Words true of most of the own tracks and less often of others, the most telling first."""
    inside, outside = _means(true[:, own]), _means(true[:, ~own])
    gains = np.where(inside > 0.5, inside - outside, 0.0)
    order = np.argsort(-gains, kind="stable")
    return [words[i] for i in order if gains[i] > 0]


def _means(true: np.ndarray) -> np.ndarray:
    """Mean of each row without NaN; 0 for a row without values."""
    return np.nansum(true, axis=1) / np.maximum(1, (~np.isnan(true)).sum(axis=1))


def _meaning(name: str, words: Sequence[Word]) -> frozenset[object]:
    """What a name tells, equal for names that differ in near synonyms or in order only."""
    known = {word.text: (word.family, word.above) for word in words}
    return frozenset(known.get(text, text) for text in name.split())


def _combined(words: Sequence[Word], noun: str) -> Iterator[str]:
    """Names of these words, the most telling ones first."""
    words = [word for word in words if word.text not in _SAID_BY.get(noun, ())]
    strong = [word for word in words if word.text not in _WEAK]
    for usable in (strong, words):
        for length in _LENGTHS:
            for chosen in combinations(usable[:_MOST_WORDS], length):
                if len({word.family for word in chosen}) == length:
                    placed = sorted((w.text for w in chosen), key=lambda text: _PLACES.get(text, 2))
                    yield " ".join([*placed, noun])
    if not words:
        yield f"{_FILLER} {noun}"


def _limit(declared: AudioFeature, median: float, above: bool) -> float:
    if declared.integer and (declared.low, declared.high) == (0, 1):
        return 0.5
    if declared.word_bound is None:
        return median
    return max(median, declared.word_bound) if above else min(median, declared.word_bound)
