"""What runs in a Python worker, without Spark."""

import numpy as np
import pyarrow as pa
import pytest
from genre_spark.scoring.artist_batches import ALBUM_SUM, SUMS
from support.generated import make_manifest, make_tracks
from support.networks import make_network

from genre_spark.features.tensor import assign, channel_names
from genre_spark.schema import FEATURE_NAMES, LABELLED_COLUMNS, RUN_COLUMNS
from genre_spark.scoring import worker
from genre_spark.scoring.worker import ARTIST_KEY, CONSENSUS, OPINION, Payload, Predictor

CLASSES = ("a", "b", "c", "d")


def batch(n=20, seed=2):
    tracks = make_tracks(n, seed)
    columns = {
        "track_id": pa.array(tracks["track_id"]),
        "n_imputed": pa.array([0] * n, pa.int32()),
        "input_hash": pa.array(range(n), pa.int64()),
        ARTIST_KEY: pa.array([None, *list(range(1, n))], pa.int64()),
        **{name: pa.array(tracks[name].to_numpy(float)) for name in FEATURE_NAMES},
    }
    return pa.RecordBatch.from_pydict(columns)


def test_a_clusters_bundle_gives_synthetic_genres_and_null_genres():
    scoring = make_manifest().scoring
    labels = Predictor(scoring, None).label(batch())
    assert labels.schema.names == [name for name in LABELLED_COLUMNS if name not in RUN_COLUMNS]
    assert labels["genre"].null_count == labels["genre_top3"].null_count == labels.num_rows


def test_the_synthetic_genre_is_that_of_the_nearest_centroid():
    scoring = make_manifest().scoring
    given = batch()
    raw = np.stack([given[name].to_numpy() for name in FEATURE_NAMES], axis=1)
    nearest, distances = assign(scoring.space.to_numpy(raw), scoring.centroids)
    labels = Predictor(scoring, None).label(given)
    assert labels["synthetic_genre_id"].to_pylist() == [scoring.synthetic.ids[i] for i in nearest]
    np.testing.assert_allclose(labels["synthetic_genre_distance"].to_numpy(), distances, rtol=1e-5)


def test_tracks_that_do_not_inform_each_other_are_labelled_by_their_own_opinion():
    network = make_network(channels=len(channel_names(())))
    predictor = Predictor(make_manifest(network, groups=()).scoring, network)
    given = batch().append_column(ALBUM_SUM, pa.nulls(20, pa.int64()))
    found = predictor.label(given)
    judged = predictor.judge(given)
    expected = predictor.decide(judged.append_column(CONSENSUS, judged[OPINION]))
    assert found.select(expected.schema.names).equals(expected)
    assert len(set(found["genre"].to_pylist())) > 1
    assert all(set(found[name].to_pylist()) == {0} for name in SUMS)


def test_an_empty_batch_gives_no_labels():
    labels = Predictor(make_manifest().scoring, None).label(batch().slice(0, 0))
    assert labels.num_rows == 0


def test_the_three_best_genres_come_in_order_with_their_probabilities():
    chances = np.array([[0.1, 0.2, 0.65, 0.05], [0.4, 0.4, 0.1, 0.1]])
    found = worker.genre_columns(chances, CLASSES, np.array([0.6, 0.6]))
    assert found["genre"].to_pylist() == ["c", "a"]
    assert found["genre_accepted"].to_pylist() == [True, False]
    top = found["genre_top3"].to_pylist()
    assert [best["genre"] for best in top[0]] == ["c", "b", "a"]
    assert [best["probability"] for best in top[0]] == pytest.approx([0.65, 0.2, 0.1])


def test_with_two_genres_there_are_two_best():
    found = worker.genre_columns(np.array([[0.3, 0.7]]), ("a", "b"), np.array([0.5]))
    assert [best["genre"] for best in found["genre_top3"].to_pylist()[0]] == ["b", "a"]


def test_a_worker_opens_a_model_once_and_keeps_only_the_last():
    manifest = make_manifest()
    scoring = manifest.scoring.model_dump_json()
    one, two = Payload("one", scoring, None), Payload("two", scoring, None)
    first = worker.predictor(one)
    assert worker.predictor(one) is first
    second = worker.predictor(two)
    assert second is not first
    assert worker.predictor(one) is not first
