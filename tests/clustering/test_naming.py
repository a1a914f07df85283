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


@given(st.integers(0, 2**32 - 1), st.integers(2, 24))
def test_no_two_names_differ_only_in_near_synonyms_or_in_order(seed, k):
    genres = np.random.default_rng(seed).integers(k, size=len(RAW))
    kept = {0: "danceable loud songs"}
    names = naming.name_all(RAW, genres, k, FEATURE_NAMES, kept)
    alike = {"energetic": "loud", "calm": "quiet"}
    meanings = [frozenset(alike.get(text, text) for text in name.split()) for name in names]
    assert len(set(meanings)) == k


def test_a_name_says_what_sets_a_genre_apart_the_most_telling_first():
    raw = RAW.copy()
    genres = (np.arange(len(raw)) >= 200).astype(int)
    raw[:, column("tempo")] = np.where(genres, 80, 150)
    raw[:, column("acousticness")] = np.where(np.arange(len(raw)) < 180, 0.9, 0.1)
    raw[:, column("instrumentalness")] = np.where(genres, 0.9, 0.0)
    names = naming.name_all(raw, genres, 2, FEATURE_NAMES)
    assert names == ["fast acoustic songs", "slow danceable instrumentals"]


def test_equal_groups_get_numbers_at_last_and_kept_names_stay():
    genres, raw = np.arange(300) % 3, np.ones((300, 1))
    names = naming.name_all(raw, genres, 3, ("energy",))
    assert names == ["mixed tracks", "mixed tracks 2", "mixed tracks 3"]
    assert naming.name_all(RAW, np.zeros(len(RAW), int), 2, FEATURE_NAMES)[1] == "mixed tracks"
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


def test_a_feature_that_never_varies_has_no_word_and_hides_no_other():
    raw = RAW.copy()
    raw[:, [0, column("mode")]] = [0.5, 1]
    texts = {word.text for word in naming.vocabulary(raw, FEATURE_NAMES)}
    assert {"major", "minor"} & texts == set()
    assert {"loud", "quiet", "energetic", "calm", "fast", "slow"} <= texts


def test_no_word_is_a_negation():
    words = [
        word for one in AUDIO_FEATURES + KNOWN_EXTRAS for word in (one.low_word, one.high_word)
    ]
    assert not [word for word in words if word.startswith(("un", "non", "not "))]


def test_a_word_is_true_above_its_limit_and_its_contrary_up_to_it():
    raw = np.array([[0.2], [0.5], [0.9]])
    above = naming.Word("loud", 0, True, 0.5, 0)
    below = naming.Word("quiet", 0, False, 0.5, 0)
    assert above.holds(raw).tolist() == [False, False, True]
    assert below.holds(raw).tolist() == [True, True, False]


def test_tracks_of_words_alone_are_speech_and_no_songs():
    raw = np.array([[0.66, 0.0], [0.67, 0.0], [0.67, 0.9], [0.1, 0.9], [0.1, 0.5]])
    found = naming.nouns(raw, ("speechiness", "instrumentalness"))
    assert {noun: true.tolist() for noun, true in found.items()} == {
        "instrumentals": [False, False, False, True, False],
        "songs": [True, False, False, False, True],
        "speech": [False, True, True, False, False],
        "tracks": [True] * 5,
    }
    without = naming.nouns(raw[:, 1:], ("instrumentalness",))
    assert without["songs"].tolist() == [True, True, False, False, True]
    assert not without["speech"].any()
    assert {true.dtype for true in (*found.values(), *without.values())} == {np.dtype(bool)}
    assert list(naming.nouns(raw[:, :1], ("speechiness",))) == ["tracks"]


def test_a_group_of_words_alone_is_called_speech_without_a_word_that_repeats_it():
    raw, genres = RAW.copy(), np.arange(len(RAW)) % 2
    raw[:, column("speechiness")] = np.where(genres, 0.9, 0.05)
    raw[:, column("instrumentalness")] = 0.0
    names = naming.name_all(raw, genres, 2, FEATURE_NAMES)
    assert names[1].endswith(" speech")
    assert not {"wordy", "vocal"} & set(names[1].split())
    assert names[0].endswith(" songs")


def test_of_energy_and_loudness_a_name_has_one_word_even_if_a_third_feature_lies_between():
    families = {one.text: one.family for one in naming.vocabulary(RAW, FEATURE_NAMES)}
    alike = {families[word] for word in ("energetic", "calm", "loud", "quiet")}
    assert len(alike) == 1
    others = {family for word, family in families.items() if family not in alike}
    assert len(others) == len(FEATURE_NAMES) - 2 - sum(
        not (one.low_word or one.high_word) for one in AUDIO_FEATURES
    )
