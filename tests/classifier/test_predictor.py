import dataclasses

import numpy as np
import pyarrow as pa
import pytest
from support.generated import (
    make_acceptance,
    make_counts,
    make_genre_part,
    make_head,
    make_scaler,
    make_tracks,
)
from support.networks import make_network
from support.samples import make_sample

from genre_spark.classifier.genre_part import GenrePart, PackedArray, WordPart
from genre_spark.classifier.head import KINDS
from genre_spark.classifier.predictor import GenrePredictor
from genre_spark.features.group_statistics import Groups

SCALER = make_scaler(make_tracks(200, seed=4))
WORDS = WordPart(
    titles=("ballad",),
    albums=("ballad",),
    weights=PackedArray.of(np.eye(6)[[4, 1]] * 9, "<f4"),
    bias=(0.0,) * 6,
)


def with_words(weights):
    part = make_genre_part(artists=[], pooled=False)
    heads = dict.fromkeys(KINDS, make_head(weights))
    return part.model_copy(update={"words": WORDS, "heads": heads})


def predict(part, given):
    predictor = GenrePredictor(part, SCALER, make_network())
    return predictor.predict(given.inputs, Groups.of(given.artists), given.synthetic)


def test_probabilities_sum_to_one_and_the_threshold_of_the_artists_kind_decides():
    given = make_sample(300)
    known = int(given.inputs.artist[0])
    part = make_genre_part(artists=[known]).model_copy(
        update={"acceptance": make_acceptance(known=0.7)}
    )
    found = predict(part, given)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1.0, rtol=1e-5)
    own = given.inputs.artist == known
    assert not found.accepted[~own].any()
    sure = found.probabilities[own].max(axis=1) >= 0.7
    np.testing.assert_array_equal(found.accepted[own], sure)
    np.testing.assert_array_equal(found.precision[own], np.where(sure, 0.95, np.nan))
    np.testing.assert_array_equal(found.evidence, own.astype(int))


def test_tracks_without_features_have_weights_and_thresholds_of_their_own():
    given = make_sample(300)
    known = int(given.inputs.artist[0])
    own = given.inputs.artist == known
    bare = dataclasses.replace(given, inputs=given.inputs.without(own, given.artists))
    part = make_genre_part(artists=[known])
    heads = part.heads | {"known_without_features": make_head({"artist": 5.0})}
    acceptance = make_acceptance(known_without_features=0.5)
    found = predict(part.model_copy(update={"heads": heads, "acceptance": acceptance}), bare)
    assert (found.probabilities[own].argmax(axis=1) == 0).all()
    np.testing.assert_array_equal(found.precision == 0.95, own)
    np.testing.assert_array_equal(found.accepted, own)


def test_labels_of_the_artist_move_its_tracks_and_no_others():
    given = make_sample(300)
    known = int(given.inputs.artist[0])
    without, with_labels = (
        predict(make_genre_part(artists=keys), given).probabilities for keys in ([], [known])
    )
    own = given.inputs.artist == known
    assert (with_labels[own, 0] > without[own, 0]).all()
    np.testing.assert_array_equal(with_labels[~own], without[~own])


def test_words_are_read_in_title_and_album_name_apart():
    given = make_sample(4)
    title = pa.array(["A Ballad!", "none", "BALLAD", None])
    album_name = pa.array(["x", "(Ballad)", "x", "y"])
    inputs = dataclasses.replace(given.inputs, title=title, album_name=album_name)
    part = with_words({"words": 1.0})
    assert part.reads_text
    found = predict(part, dataclasses.replace(given, inputs=inputs)).probabilities
    assert found.argmax(axis=1)[:3].tolist() == [4, 1, 4]
    assert np.ptp(found[3]) < 1e-6


def test_a_catalogue_without_titles_loses_the_words_alone():
    given = make_sample(50)
    inputs = dataclasses.replace(given.inputs, title=None, album_name=None)
    part = with_words({"network": 1.0, "words": 1.0})
    plain = part.model_copy(update={"words": None})
    without = dataclasses.replace(given, inputs=inputs)
    np.testing.assert_allclose(
        predict(part, without).probabilities, predict(plain, given).probabilities, atol=1e-6
    )


def test_a_part_survives_its_file():
    part = make_genre_part().model_copy(update={"words": WORDS})
    assert GenrePart.model_validate_json(part.model_dump_json()) == part


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("keys", [3, 3, 5]),
        ("offsets", [0, 1, 2, 9]),
        ("genres", [0, 1, 60]),
        ("counts", [1, -1, 1]),
    ],
)
def test_evidence_that_a_lookup_could_read_outside_of_is_refused(name, array):
    counts = make_counts([1, 2, 3])
    kinds = {"keys": "<i8", "offsets": "<i4", "genres": "<i4", "counts": "<f4"}
    spoilt = counts.model_copy(update={name: PackedArray.of(np.array(array), kinds[name])})
    with pytest.raises(ValueError, match="label evidence is not a table"):
        GenrePart.model_validate(make_genre_part().model_dump() | {"album": spoilt.model_dump()})


@pytest.mark.parametrize("data", ["not base64!", "AAAA", PackedArray.of(np.ones(9), "<f4").data])
def test_an_array_that_does_not_unpack_to_its_shape_is_refused(data):
    with pytest.raises(ValueError, match=r"packed array|shape|cut off"):
        PackedArray(dtype="<f4", shape=(3,), data=data)
