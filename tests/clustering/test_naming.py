"""Names that are true."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_tracks

from genre_spark.clustering import naming
from genre_spark.schema import AUDIO_FEATURES, FEATURE_NAMES, KNOWN_EXTRAS

RAW = make_tracks(400, seed=3)[list(FEATURE_NAMES)].to_numpy(float)
BY_TEXT = {word.text: word for word in naming.vocabulary(RAW, FEATURE_NAMES)}
NOUNS = naming.nouns(RAW, FEATURE_NAMES)


def column(name):
    return FEATURE_NAMES.index(name)


@given(st.integers(0, 2**32 - 1), st.integers(1, 24))
def test_each_word_is_true_of_most_of_its_tracks_and_adjectives_of_fewer_others(seed, k):
    genres = np.random.default_rng(seed).integers(k, size=len(RAW))
    names = naming.name_all(RAW, genres, k, FEATURE_NAMES)
    assert len(set(names)) == len(names) == k
    for row, name in enumerate(names):
        own = genres == row
        words = [text for text in name.split() if not text.isdigit()]
        assert NOUNS[words[-1]][own].mean() > 0.5
        for text in [text for text in words[:-1] if text in BY_TEXT]:
            true = BY_TEXT[text].holds(RAW)
            assert true[own].mean() > 0.5
            assert own.all() or true[own].mean() > true[~own].mean()


@given(st.integers(0, 2**32 - 1))
def test_names_have_two_to_four_words_that_are_no_synonyms(seed):
    words = naming.vocabulary(RAW, FEATURE_NAMES)
    groups = np.array([word.holds(RAW) for word in words[:8]]).T @ (2 ** np.arange(8))
    genres = np.unique(groups, return_inverse=True)[1] % (5 + seed % 20)
    for name in naming.name_all(RAW, genres, genres.max() + 1, FEATURE_NAMES):
        said = [word for word in name.split() if not word.isdigit()]
        assert 2 <= len(said) <= 4
        families = [BY_TEXT[text].family for text in said if text in BY_TEXT]
        assert len(set(families)) == len(families)


def test_a_name_says_what_sets_a_genre_apart_the_most_telling_first():
    raw = RAW.copy()
    genres = (np.arange(len(raw)) >= 200).astype(int)
    raw[:, column("tempo")] = np.where(genres, 80, 150)
    raw[:, column("acousticness")] = np.where(np.arange(len(raw)) < 180, 0.9, 0.1)
    raw[:, column("instrumentalness")] = np.where(genres, 0.9, 0.0)
    names = naming.name_all(raw, genres, 2, FEATURE_NAMES)
    assert names == ["fast acoustic songs", "slow electric instrumentals"]


def test_equal_groups_get_numbers_at_last_and_kept_names_stay():
    genres, raw = np.arange(300) % 3, np.ones((300, 1))
    names = naming.name_all(raw, genres, 3, ("energy",))
    assert names == ["mixed tracks", "mixed tracks 2", "mixed tracks 3"]
    kept = {1: "old name"}
    assert naming.name_all(RAW, np.arange(len(RAW)) % 3, 3, FEATURE_NAMES, kept)[1] == "old name"


@pytest.mark.parametrize(
    ("feature", "values", "word"),
    [
        ("instrumentalness", (0, 0.1), "instrumental"),
        ("energy", (0.7, 1), "calm"),
        ("valence", (0, 0.4), "cheerful"),
        ("tempo", (140, 180), "slow"),
    ],
)
def test_no_track_gets_a_word_for_having_less_or_more_than_others_alone(feature, values, word):
    raw = RAW.copy()
    raw[:, column(feature)] = np.linspace(*values, len(raw))
    words = {one.text: one for one in naming.vocabulary(raw, FEATURE_NAMES)}
    assert not words[word].holds(raw).any()


def test_a_feature_that_never_varies_has_no_word():
    raw = RAW.copy()
    raw[:, column("mode")] = 1
    texts = {word.text for word in naming.vocabulary(raw, FEATURE_NAMES)}
    assert {"major", "minor"} & texts == set()
    assert {"loud", "quiet"} <= texts


def test_no_word_is_a_negation():
    words = [
        word for one in AUDIO_FEATURES + KNOWN_EXTRAS for word in (one.low_word, one.high_word)
    ]
    assert not [word for word in words if word.startswith(("un", "non", "not "))]
