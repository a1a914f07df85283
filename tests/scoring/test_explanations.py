"""Why a track got its labels, without Spark."""

import numpy as np
import pyarrow as pa
import pytest
from genre_spark.classifier.decision import OPINIONS
from genre_spark.scoring.artist_batches import ALBUM_SUM
from hypothesis import given
from hypothesis import strategies as st
from onnx import numpy_helper
from support.generated import GENRES, make_manifest, make_tracks
from support.networks import constant, make_network

from genre_spark.features.tensor import COUNTS, STATISTICS
from genre_spark.schema import (
    FEATURE_NAMES,
    LABELLED_COLUMNS,
    RUN_COLUMNS,
    WHY_COLUMNS,
    WHY_GENRE,
    WHY_SYNTHETIC,
    context_column,
)
from genre_spark.scoring import explanations
from genre_spark.scoring.explanations import REASONS, Explainer
from genre_spark.scoring.worker import ARTIST_KEY, CONSENSUS, OPINION, Predictor

GROUPS = ("artist", "album")
HEARD = "tempo"


def network(heard):
    """A network of one layer that hears some rows of the image and is deaf to all others."""

    def deafen(model):
        for name in OPINIONS:
            tensor = constant(model, f"weights of {name}")
            weights = numpy_helper.to_array(tensor).reshape(len(heard), -1)
            # So small that the network is never wholly sure.
            tensor.raw_data = (0.1 * heard[:, None] * weights).astype(np.float32).tobytes()

    return make_network(axes=len(heard), change=deafen)


@pytest.fixture(scope="module")
def predictor():
    """With a network that hears nothing but the tempo."""
    space = make_manifest().scoring.space
    heard = np.array([axis.feature == HEARD for axis in space.axes])
    toy = network(heard)
    return Predictor(make_manifest(toy).scoring, toy)


def batch(space, n=30, seed=2):
    rng = np.random.default_rng(seed)
    tracks = make_tracks(n, seed)
    contexts = {}
    for group in GROUPS:
        packed = rng.normal(size=(n, len(STATISTICS[group]) * space.n_axes))
        counts = np.full((n, len(COUNTS[group])), 7.0)
        rows = np.hstack([counts, packed]).tolist()
        # The first track has no artist and no album.
        contexts[context_column(group)] = pa.array([None, *rows[1:]], pa.list_(pa.float64()))
    columns = {
        "track_id": pa.array(tracks["track_id"]),
        "n_imputed": pa.array([0] * n, pa.int32()),
        "input_hash": pa.array(range(n), pa.int64()),
        ARTIST_KEY: pa.array([None, *range(1, n)], pa.int64()),
        ALBUM_SUM: pa.nulls(n, pa.int64()),
        **{name: pa.array(tracks[name].to_numpy(float)) for name in FEATURE_NAMES},
        **contexts,
    }
    return pa.RecordBatch.from_pydict(columns)


def labels(what, given):
    """As those of artists with one track each, in two steps."""
    judged = what.judge(given)
    return what.decide(judged.append_column(CONSENSUS, judged[OPINION]))


@given(st.integers(0, 2**32 - 1), st.integers(2, 15))
def test_effects_on_the_synthetic_genre_add_up_to_its_lead_over_the_next(seed, k):
    rng = np.random.default_rng(seed)
    belonging = explanations.belongs(make_manifest().scoring.space)
    axes = rng.normal(size=(20, belonging.shape[1]))
    centroids = rng.normal(size=(k, belonging.shape[1]))
    squared = ((axes[:, None] - centroids) ** 2).sum(axis=2)
    nearest, following = np.sort(squared, axis=1)[:, :2].T
    effects = explanations.for_synthetic_genre(axes, centroids, belonging)
    assert effects.shape == (20, len(FEATURE_NAMES))
    np.testing.assert_allclose(effects.sum(axis=1), following - nearest, rtol=0, atol=1e-9)


def test_both_axes_of_a_circle_are_one_feature():
    space = make_manifest().scoring.space
    belonging = explanations.belongs(space)
    assert belonging[space.features.index("key")].sum() == 2
    assert belonging.sum() == space.n_axes


def test_without_a_second_synthetic_genre_nothing_sets_the_first_apart():
    belonging = np.eye(3, dtype=bool)
    assert not explanations.for_synthetic_genre(np.ones((2, 3)), np.zeros((1, 3)), belonging).any()


def test_a_feature_that_the_network_ignores_has_no_effect_on_the_genre(predictor):
    space = predictor.scoring.space
    seen = predictor.see(batch(space))
    blank = np.zeros_like(predictor.tensor(seen))
    effects = explanations.for_genre(
        lambda tensor: predictor.opinions(seen, tensor),
        predictor.tensor(seen),
        blank,
        np.arange(len(seen)) % len(GENRES),
        explanations.belongs(space),
    )
    heard = space.features.index(HEARD)
    assert not np.delete(effects, heard, axis=1).any()
    assert np.abs(effects[:, heard]).min() > 0


def test_a_track_of_medians_without_a_group_has_nothing_to_blot_out():
    scoring = make_manifest().scoring
    space = scoring.space
    everything = network(np.ones(space.n_axes, dtype=bool))
    medians = np.array([space.medians])
    axes, synthetic = space.to_numpy(medians), scoring.synthetic
    first = {"centers": axes, "centroids": axes}
    synthetic = synthetic.model_copy(
        update={
            name: (tuple(own[0].tolist()), *getattr(synthetic, name)[1:])
            for name, own in first.items()
        }
    )
    full = make_manifest(everything).scoring.model_copy(update={"synthetic": synthetic})
    given = batch(space, n=2)
    for name, median in zip(space.features, space.medians, strict=True):
        at = given.schema.get_field_index(name)
        given = given.set_column(at, name, pa.array([median, median]))
    alone, grouped = labels(Explainer(Predictor(full, everything)), given)[WHY_GENRE].to_pylist()
    assert alone == []
    assert grouped != []


def test_reasons_come_after_the_same_labels(predictor):
    given = batch(predictor.scoring.space)
    plain, explained = labels(predictor, given), labels(Explainer(predictor), given)
    names = [name for name in LABELLED_COLUMNS if name not in RUN_COLUMNS]
    assert plain.schema.names == names
    assert explained.schema.names == [*names, *WHY_COLUMNS]
    assert explained.select(names).equals(plain)
    why = explained[WHY_GENRE].to_pylist()
    assert {reason["feature"] for row in why for reason in row} == {HEARD}
    for row in explained[WHY_SYNTHETIC].to_pylist():
        effects = [reason["effect"] for reason in row]
        assert 1 <= len(effects) <= REASONS
        assert effects == sorted(effects, reverse=True)
        assert min(effects) > 0


def test_a_clusters_bundle_has_reasons_for_synthetic_genres_alone():
    scoring = make_manifest().scoring
    explained = Explainer(Predictor(scoring, None)).label(batch(scoring.space))
    assert explained[WHY_SYNTHETIC].null_count == 0
    assert explained[WHY_GENRE].null_count == explained.num_rows


def test_an_empty_batch_has_no_reasons(predictor):
    given = batch(predictor.scoring.space).slice(0, 0)
    assert labels(Explainer(predictor), given).num_rows == 0


def test_only_what_speaks_for_a_label_is_a_reason():
    effects = np.array([[0.5, -1.0, 2.0, 0.1], [-1.0, -2.0, 0.0, 1e-9], [1.0, 1.0, 1.0, 1.0]])
    found = explanations.strongest(effects, ("a", "b", "c", "d")).to_pylist()
    named = [[reason["feature"] for reason in row] for row in found]
    assert named == [["c", "a", "d"], [], ["a", "b", "c"]]
    assert found[0][0]["effect"] == pytest.approx(2.0)
