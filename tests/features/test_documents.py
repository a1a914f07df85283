import itertools
from types import SimpleNamespace

import numpy as np
import pyarrow as pa

from genre_spark.classifier import text_models
from genre_spark.features import documents
from genre_spark.features.group_statistics import Groups


def document(titles, albums=None, artists=None):
    n = len(titles)
    names = pa.array(albums, pa.string()) if albums else None
    keys = [0] * n if albums is None else [hash(one or "") for one in albums]
    inputs = SimpleNamespace(
        title=pa.array(titles, pa.string()), album_name=names, album=np.array(keys)
    )
    groups = Groups.of(np.zeros(n, int) if artists is None else np.array(artists))
    found = documents.of_artists(inputs, groups)
    return [sorted(found.values[a:b].tolist()) for a, b in itertools.pairwise(found.offsets)]


def test_each_three_letters_of_a_text_count_once_in_any_case_and_never_across_texts():
    # An edge, the text and an edge: "\nab", "abc", "bc\n".
    (once,) = document(["abc"])
    assert len(once) == 3
    assert document(["abc", "ABC"]) == [once]
    (both,) = document(["abc", "bcd"])
    # "\nbc", "bcd" and "cd\n" besides, but nothing like "c\nb".
    assert len(both) == 6
    assert document(["Été"]) == document(["été"])


def test_the_order_of_tracks_and_repeated_album_names_change_nothing():
    titles, albums = ["one", "two", "three"], ["first", "first", "second"]
    found = document(titles, albums)
    assert document(titles[::-1], albums[::-1]) == found
    assert document(["one two", None], ["first", None])[0] != found[0]
    assert found[0] == sorted(set(document([*titles, "first", "second"])[0]))


def test_artists_have_documents_of_their_own_and_some_have_none():
    found = document(["abc", None, "", "abc"], artists=[1, 2, 3, 4])
    assert found[0] == found[3]
    assert found[1] == found[2] == []
    many = document(["abc"] * 200_000, artists=np.arange(200_000))
    assert many[0] == many[-1] == found[0]


def test_a_document_stands_on_the_first_row_of_its_artist():
    inputs = SimpleNamespace(title=pa.array(["abc", "x", "xyz"]), album_name=None)
    found = documents.of_artists(inputs, Groups.of(np.array([1, 1, 2])))
    rows = documents.on_first(found, np.array([0, 0, 1]))
    assert np.diff(rows.offsets).tolist() == [4, 0, 3]
    assert documents.on_first(found, np.array([1, 1])).offsets.tolist() == [0, 3, 3]


def test_a_model_of_documents_learns_what_artists_of_a_genre_are_called():
    titles = [f"{word} {i}" for i in range(30) for word in ("remix", "ballad")]
    inputs = SimpleNamespace(title=pa.array(titles), album_name=None)
    texts = documents.of_artists(inputs, Groups.of(np.arange(60)))
    targets = np.tile(np.eye(2), (30, 1))
    part = text_models.fit_documents(texts, targets, np.ones(60))
    logs = text_models.document_log_probabilities(part, texts)
    assert (logs.argmax(axis=1) == targets.argmax(axis=1)).all()
    asked = documents.of_artists(
        SimpleNamespace(title=pa.array(["a remix", None]), album_name=None),
        Groups.of(np.arange(2)),
    )
    told = np.exp(text_models.document_log_probabilities(part, asked))
    assert told[0, 0] > 0.6
    np.testing.assert_allclose(told[1], [0.5, 0.5], atol=1e-6)
