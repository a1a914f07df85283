"""Names that are true."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_tracks

from genre_spark.clustering import naming
from genre_spark.clustering.naming import Word
from genre_spark.schema import FEATURE_NAMES

RAW = make_tracks(400, seed=3)[list(FEATURE_NAMES)].to_numpy(float)
WORDS = naming.vocabulary(RAW, FEATURE_NAMES)
BY_TEXT = {word.text: word for word in WORDS}


@given(st.integers(0, 2**32 - 1), st.integers(1, 24))
def test_each_word_is_true_of_most_of_its_tracks_and_of_fewer_others(seed, k):
    genres = np.random.default_rng(seed).integers(k, size=len(RAW))
    names = naming.name_all(RAW, genres, k, WORDS)
    assert len(set(names)) == len(names) == k
    for row, name in enumerate(names):
        own = genres == row
        said = [text for text in name.split() if text in BY_TEXT]
        for text in said:
            true = BY_TEXT[text].holds(RAW)
            assert true[own].mean() > 0.5
            assert own.all() or true[own].mean() > true[~own].mean()


@given(st.integers(0, 2**32 - 1))
def test_names_have_two_to_four_words(seed):
    groups = np.array([word.holds(RAW) for word in WORDS[:8]]).T @ (2 ** np.arange(8))
    genres = np.unique(groups, return_inverse=True)[1] % (5 + seed % 20)
    for name in naming.name_all(RAW, genres, genres.max() + 1, WORDS):
        words = [word for word in name.split() if not word.isdigit()]
        assert 2 <= len(words) <= 4


def test_a_name_says_what_sets_a_genre_apart_the_most_telling_first():
    raw = np.zeros((100, 3))
    raw[:50] = [1, 1, 0]
    raw[40:50, 1] = 0
    raw[50:60, 2] = 1
    words = [Word("loud", 1, True, 0.5), Word("fast", 0, True, 0.5), Word("dark", 2, False, 0.5)]
    genres = (np.arange(100) >= 50).astype(int)
    names = naming.name_all(raw, genres, 2, words)
    assert names == ["fast loud dark", "mixed music"]


def test_equal_groups_get_numbers_at_last_and_kept_names_stay():
    genres = np.arange(len(RAW)) % 3
    assert naming.name_all(RAW, genres, 3, []) == ["mixed music", "mixed music 2", "mixed music 3"]
    kept = {1: "old name"}
    assert naming.name_all(RAW, genres, 3, [], kept)[1] == "old name"


def test_no_track_is_called_instrumental_or_acoustic_for_being_less_vocal_than_others():
    raw = RAW.copy()
    column = FEATURE_NAMES.index("instrumentalness")
    raw[:, column] = np.linspace(0, 0.1, len(raw))
    words = {word.text: word for word in naming.vocabulary(raw, FEATURE_NAMES)}
    assert not words["instrumental"].holds(raw).any()
    assert words["vocal"].holds(raw).mean() < 0.6


def test_a_feature_that_never_varies_has_no_word():
    raw = RAW.copy()
    raw[:, FEATURE_NAMES.index("mode")] = 1
    texts = {word.text for word in naming.vocabulary(raw, FEATURE_NAMES)}
    assert {"major", "minor"} & texts == set()
    assert {"loud", "quiet"} <= texts
