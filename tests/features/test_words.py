import numpy as np
import pyarrow as pa
from support.samples import make_inputs

from genre_spark.features.words import Vocabulary, split_words


def with_texts(titles, albums):
    n = len(titles)
    return make_inputs(
        np.zeros((n, 3), np.float32), np.arange(1, n + 1), np.zeros(n), titles, albums
    )


def test_words_are_lower_case_and_without_punctuation_around_them():
    tracks, words = split_words(pa.array(["Don't Stop (Live)", None, "  ", "ÉTÉ, 99!"]))
    found = zip(tracks.tolist(), words.to_pylist(), strict=True)
    assert [(track, word) for track, word in found if word] == [
        (0, "don't"), (0, "stop"), (0, "live"), (3, "été"), (3, "99"),
    ]  # fmt: skip


def test_only_words_of_three_tracks_and_two_artists_are_known():
    given = with_texts(["blues a", "blues b", "blues c", "own", "own", "own"], ["x"] * 6)
    artists = np.array([1, 2, 3, 4, 4, 4])
    found = Vocabulary.of(given, artists)
    assert found.titles == ["blues"]
    assert found.albums == ["x"]


def test_a_word_of_a_title_and_one_of_an_album_name_are_apart():
    known = Vocabulary(["live", "blues"], ["live"])
    found = known.look_up(with_texts(["Blues live", "other"], ["Live", None]))
    assert sorted(zip(found.tracks.tolist(), found.words.tolist(), strict=True)) == [
        (0, 0), (0, 1), (0, 2),
    ]  # fmt: skip


def test_a_catalogue_without_texts_has_no_words():
    given = make_inputs(np.zeros((2, 3), np.float32), np.arange(1, 3), np.zeros(2))
    assert len(Vocabulary.of(given, np.arange(2))) == 0
    assert len(Vocabulary(["live"], []).look_up(given).words) == 0
