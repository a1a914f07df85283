"""Why a track got its labels, without Spark."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from support.generated import make_manifest
from support.networks import constant, make_network
from test_worker import NAMES, PASSED, label, partition

from genre_spark.features.track_inputs import TrackInputs
from genre_spark.schema import EVIDENCE, FEATURE_NAMES, WHY_COLUMNS, WHY_GENRE, WHY_SYNTHETIC
from genre_spark.scoring import explanations
from genre_spark.scoring.explanations import MAX_FEATURES

READ = "tempo"


def network(columns):
    """A network of one layer that reads some rows of the image and ignores all others."""

    def ignore(model):
        tensor = constant(model, "weights")
        weights = numpy_helper.to_array(tensor).reshape(len(columns), -1)
        # So small that the network is never wholly sure.
        tensor.raw_data = (0.1 * columns[:, None] * weights).astype(np.float32).tobytes()

    return make_network(scaled=len(columns), change=ignore)


@pytest.fixture(scope="module")
def model():
    """With a network that reads nothing but the tempo."""
    scaler = make_manifest().scoring.scaler
    toy = network(np.array([one.feature == READ for one in scaler.scaled_features]))
    return make_manifest(toy).scoring, toy


@given(st.integers(0, 2**32 - 1), st.integers(2, 15))
def test_effects_on_the_synthetic_genre_add_up_to_its_lead_over_the_next(seed, k):
    rng = np.random.default_rng(seed)
    belonging = explanations.features_of_columns(make_manifest().scoring.scaler)
    points = rng.normal(size=(20, belonging.shape[1]))
    centers = rng.normal(size=(k, belonging.shape[1]))
    squared = ((points[:, None] - centers) ** 2).sum(axis=2)
    nearest, following = np.sort(squared, axis=1)[:, :2].T
    effects = explanations.for_synthetic_genre(points, centers, belonging)
    assert effects.shape == (20, len(FEATURE_NAMES))
    np.testing.assert_allclose(effects.sum(axis=1), following - nearest, rtol=0, atol=1e-9)


def test_both_axes_of_a_circle_are_one_feature():
    scaler = make_manifest().scoring.scaler
    belonging = explanations.features_of_columns(scaler)
    assert belonging[scaler.features.index("key")].sum() == 2
    assert belonging.sum() == scaler.n_scaled
    # Without a second synthetic genre nothing sets the first one apart.
    alone = explanations.for_synthetic_genre(
        np.ones((2, 3)), np.zeros((1, 3)), np.eye(3, dtype=bool)
    )
    assert not alone.any()


def test_only_features_that_the_network_reads_explain_the_genre(model):
    explained = label([partition()], *model, explain=True)
    why = explained[WHY_GENRE].to_pylist()
    assert {reason["feature"] for row in why for reason in row} == {READ}


def test_a_genre_is_explained_by_what_speaks_for_it_and_not_by_what_speaks_against_it(model):
    scoring, _ = model
    tempo = np.array([one.feature == READ for one in scoring.scaler.scaled_features])
    zeros = np.zeros((2, len(tempo)), np.float32)
    inputs = TrackInputs(
        scaled=np.where(tempo, np.float32(3), zeros), album_mean=zeros, album_deviation=zeros,
        artist_mean=zeros, artist_deviation=zeros, other_artists=None, artist=np.arange(2),
        album=np.arange(2), artist_tracks=np.ones(2, np.int64),
        **dict.fromkeys(("artist_counts", "album_counts"), zeros + 1),
    )  # fmt: skip

    # A network that gives fast tracks the first genre.
    fast = SimpleNamespace(
        track_log_probabilities=lambda inputs: (
            np.nan_to_num(inputs.scaled[:, tempo]) * np.array([[1.0, -1.0]])
        )
    )
    genres = scoring.genres.model_copy(update={"classes": ("a", "b")})
    explainer = explanations.Explainer(scoring.model_copy(update={"genres": genres}), fast)
    found = explainer.explain(inputs, np.zeros(2, int), pa.array(["a", "b"]))
    of_first, of_second = found[WHY_GENRE].to_pylist()
    assert [one["feature"] for one in of_first] == [READ]
    assert of_first[0]["effect"] > 0
    assert of_second == []


def test_explanations_come_after_the_same_labels(model):
    plain, explained = label([partition()], *model), label([partition()], *model, explain=True)
    assert explained.schema.names == [*NAMES, *WHY_COLUMNS, *PASSED]
    assert explained.select(NAMES).equals(plain.select(NAMES))
    for row in explained[WHY_SYNTHETIC].to_pylist():
        effects = [reason["effect"] for reason in row]
        assert 1 <= len(effects) <= MAX_FEATURES
        assert effects == sorted(effects, reverse=True)
        assert min(effects) > 0


def test_the_evidence_is_the_number_of_labelled_tracks_that_were_counted(model):
    # Of the artists of the training side one track each is labelled: 3 is among them.
    explained = label([partition()], *model, explain=True)
    rows = partition()
    artists = rows["_artist"].to_pylist()
    known = {one: int(a == 3) for one, a in zip(rows["track_id"].to_pylist(), artists, strict=True)}
    by_track = {row["track_id"]: row[EVIDENCE] for row in explained.to_pylist()}
    assert by_track == known
    assert set(known.values()) == {0, 1}


def test_a_clusters_bundle_explains_synthetic_genres_alone():
    explained = label([partition()], make_manifest().scoring, explain=True)
    assert explained[WHY_SYNTHETIC].null_count == 0
    assert explained[WHY_GENRE].null_count == explained.num_rows


def test_only_what_supports_a_label_is_given():
    effects = np.array([[0.5, -1.0, 2.0, 0.1], [-1.0, -2.0, 0.0, 1e-9], [1.0, 1.0, 1.0, 1.0]])
    found = explanations.strongest(effects, ("a", "b", "c", "d")).to_pylist()
    named = [[reason["feature"] for reason in row] for row in found]
    assert named == [["c", "a", "d"], [], ["a", "b", "c"]]
    assert found[0][0]["effect"] == pytest.approx(2.0)
