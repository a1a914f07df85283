"""Which tracks to ask about: all regions, unsure ones first, each artist once."""

import dataclasses
import sys

import numpy as np
import pyarrow as pa
import pytest
from support.samples import make_inputs

from genre_spark.classifier import questions, representation, similar_artists
from genre_spark.classifier.genre_part import PackedArray, SimilarPart
from genre_spark.classifier.questions import LabelledArtists
from genre_spark.classifier.representation import Artists
from genre_spark.classifier.similar_artists import Space
from genre_spark.features import documents
from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import Keys

N = 240


def make_artists(seed=1):
    """Artists of three kinds, of which one has as many tracks as the others together."""
    rng = np.random.default_rng(seed)
    kind = np.arange(N) % 3
    tracks = np.where(kind == 0, 8, 4)
    mean = (np.eye(3)[kind] * 4 + rng.normal(size=(N, 3)) * 0.3).astype(np.float32)
    difference = rng.normal(size=(N, 3)).astype(np.float32)
    return Artists(tracks, tracks.astype(float), mean, difference, Keys.none(N)), kind


@pytest.fixture(scope="module")
def made():
    artists, kind = make_artists()
    return Space.of(artists, seed=3), artists, kind


def ask(made, number, labelled=None, askable=None):
    space, artists, _ = made
    none = LabelledArtists.of([[]] * N)
    free = np.ones(N, bool) if askable is None else askable
    return questions.choose(space, artists, free, labelled or none, number, seed=5)


def test_questions_cover_the_catalogue_by_its_tracks(made):
    found = ask(made, 40)
    asked = [one.artist for one in found]
    assert len(set(asked)) == 40
    shares = np.bincount(made[2][asked], minlength=3) / 40
    np.testing.assert_allclose(shares, [0.5, 0.25, 0.25], atol=0.13)
    assert sum(one.tracks for one in found) == made[1].tracks.sum()
    assert found == ask(made, 40)
    assert all(one.candidates == () for one in found)


def test_who_was_asked_about_is_not_asked_again_and_few_artists_are_all_asked(made):
    askable = np.arange(N) < 7
    assert sorted(one.artist for one in ask(made, 40, askable=askable)) == list(range(7))
    assert ask(made, 5, askable=np.zeros(N, bool)) == []


def test_after_some_answers_unsure_regions_are_asked_about(made):
    kind = made[2]
    # Answers on the third kind contradict each other.
    said = [["rock"] if k == 0 else ["jazz"] if k == 1 else [("rock", "jazz")[i % 2]]
            for i, k in enumerate(kind)]  # fmt: skip
    asked = np.arange(N) < 120
    labelled = LabelledArtists.of([one if a else [] for one, a in zip(said, asked, strict=True)])
    found = ask(made, 20, labelled, ~asked)
    assert all(one.artist >= 120 for one in found)
    assert np.mean([kind[one.artist] == 2 for one in found]) > 0.6
    assert set(found[0].candidates) == {"rock", "jazz"}


def test_artists_of_one_track_each_are_compared_by_their_features(made):
    single = dataclasses.replace(made[1], difference=np.zeros((N, 3), np.float32))
    space = Space.of(single, seed=3)
    points = space.representation.artists(single.mean, single.tracks, single.documents)
    inner = np.linalg.norm(points[0] - points[3])
    assert inner < np.linalg.norm(points[0] - points[1]) / 2


def fitted(made):
    space, artists, kind = made
    points = space.representation.artists(artists.mean, artists.tracks, artists.documents)
    known = np.arange(9)
    each = Groups.of(known)
    return similar_artists.fit(
        space, points[:9], artists.mean[:9], np.eye(3)[kind[:9]], each
    ), points


def test_few_labels_reach_all_similar_artists(made):
    model, points = fitted(made)
    found = model.predict(points, made[1].mean)
    assert (found.argmax(axis=1) == made[2]).mean() > 0.95
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-5)


def test_a_packed_model_gives_an_artist_alone_the_same_to_the_last_bit(made):
    model, artists = SimilarPart.of(fitted(made)[0]).unpack(), made[1]
    inputs = make_inputs(artists.mean, np.arange(1, N + 1), np.arange(1, N + 1))

    def logs(rows):
        own = Groups.of(inputs.artist[rows])
        return model.log_probabilities(inputs.take(rows), own, Keys.none(len(rows)))

    alone = [logs(np.array([row])) for row in range(N)]
    np.testing.assert_array_equal(logs(np.arange(N)), np.concatenate(alone, axis=1))


@pytest.mark.parametrize("name", ["grams", "weights", "shares", "units", "anchors"])
def test_a_packed_model_of_other_shapes_is_refused(made, name):
    given = SimilarPart.of(fitted(made)[0]).model_dump()
    array = PackedArray(**given[name])
    given[name] = PackedArray.of(array.array[:-1], array.dtype).model_dump()
    with pytest.raises(ValueError, match="similar artists: "):
        SimilarPart.model_validate(given)
    given[name] = PackedArray.of(np.array(1.0), array.dtype).model_dump()
    with pytest.raises(ValueError, match="similar artists: "):
        SimilarPart.model_validate(given)


def test_titles_of_a_kind_lie_together_and_their_order_plays_no_part():
    words = [["corazón", "amor", "noche", "cielo"], ["groove", "funky", "bass", "drop"]]
    titles = [f"{words[i // 40][i % 4]} {words[i // 40][i % 3]}" for i in range(80)]
    artist = np.repeat(np.arange(1, 41), 2)
    scaled = np.zeros((80, 2), np.float32)
    groups = Groups.of(artist)
    texts = documents.of_artists(make_inputs(scaled, artist, artist, title=titles), groups)
    ones = np.ones(40, np.int64)
    space = representation.fit(Artists(ones, ones, scaled[:40], scaled[:40], texts), seed=1)
    points = space.artists(scaled[:40], ones, texts)
    kind = np.arange(40) // 20
    gaps = np.linalg.norm(points[:, None] - points, axis=2)
    alike = kind[:, None] == kind
    assert gaps[~alike].min() > np.median(gaps[alike])
    turned = [
        texts.values[a:b][::-1] for a, b in zip(texts.offsets, texts.offsets[1:], strict=False)
    ]
    other = space.artists(scaled[:40], ones, Keys(texts.offsets, np.concatenate(turned)))
    np.testing.assert_array_equal(points, other)
    assert (space.artists(scaled[:1], ones[:1], Keys.none(1))[:, -3:] == 0).all()


def test_documents_are_added_up_without_scipy_which_workers_lack(made, monkeypatch):
    space, rng = made[0].representation, np.random.default_rng(4)
    grams = rng.integers(-(2**15), 2**15, (representation.N_GRAMS, 3)).astype(np.int16)
    space = dataclasses.replace(
        space, grams=grams, units=np.ones(3, np.float32), offset=np.zeros(2)
    )
    lengths = np.array([0, 5, 0, 0, 700, 1, 0])
    texts = Keys(np.append(0, np.cumsum(lengths)), rng.integers(2**documents.BITS, size=706))
    model = dataclasses.replace(fitted(made)[0], **vars(space))
    for name in ("scipy", "scipy.sparse", "sklearn"):
        monkeypatch.setitem(sys.modules, name, None)
    points = model.artists(made[1].mean[:7], np.ones(7, np.int64), texts)[:, -2:]
    by_hand = [
        grams[np.sort(texts.values[a:b]) // 8].sum(axis=0, dtype=np.int64)
        for a, b in zip(texts.offsets, texts.offsets[1:], strict=False)
    ]
    expected = [one[:2] / max(one[2], 1) ** 0.5 * (one[2] > 0) for one in by_hand]
    np.testing.assert_allclose(points, expected, rtol=1e-5)


def test_artists_are_drawn_in_proportion_to_their_tracks(monkeypatch):
    monkeypatch.setattr(representation, "MOST_ARTISTS", 500)
    artist = np.repeat(np.arange(1, 2001), np.tile([1, 3], 1000))
    inputs = make_inputs(np.zeros((4000, 2), np.float32), artist, artist)
    rows = pa.RecordBatch.from_pydict({"_group": pa.array(artist * 7919)})
    batch = representation.ArtistBatch(rows, inputs, Groups.of(artist))
    drawn = representation.draw(batch, 4000)
    np.testing.assert_allclose(np.mean(drawn % 2), 0.75, atol=0.06)
    np.testing.assert_allclose(len(drawn), 500, rtol=0.12)
