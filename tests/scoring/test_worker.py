"""What runs in a Python worker, without Spark."""

from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.generated import make_manifest, make_tracks
from support.networks import make_network

from genre_spark.features import artist_batches as wire
from genre_spark.features.track_inputs import lists
from genre_spark.schema import FEATURE_NAMES, LABELLED_COLUMNS, RUN_COLUMNS
from genre_spark.scoring import worker
from genre_spark.scoring.worker import Labeller, Payload, hash_partition, label_partition

CLASSES = ("a", "b", "c", "d")
NAMES = [name for name in LABELLED_COLUMNS if name not in RUN_COLUMNS]
PASSED = [worker.HAS_GENRE, worker.IS_AMBIGUOUS, worker.OWN_HASH, worker.MISSING]


def partition(n=40, seed=2, artists=8):
    """Tracks as Spark gives them to a worker; the first one has no artist."""
    tracks = make_tracks(n, seed, artists=artists)
    keys = tracks["artist"].factorize()[0] + 1
    artist = [None, *keys[1:].tolist()]
    raw = tracks[list(FEATURE_NAMES)].to_numpy(np.float32)
    return pa.RecordBatch.from_pydict(
        {
            "track_id": pa.array(tracks["track_id"]),
            wire.GROUP: pa.array([-1, *keys[1:].tolist()], pa.int64()),
            wire.ARTIST_KEY: pa.array(artist, pa.int64()),
            wire.ALBUM_KEY: pa.array(tracks["album"].factorize()[0] + 100, pa.int64()),
            wire.FEATURES: lists(raw),
            worker.MISSING: pa.array([0] * n, pa.int64()),
            worker.HAS_GENRE: pa.array([True] * n),
            worker.IS_AMBIGUOUS: pa.array([False] * n),
            worker.OWN_HASH: pa.array(np.arange(n) * 7919 + 1),
        }
    )


def label(rows, scoring, onnx=None, explain=False):
    labeller = Labeller(scoring, onnx, explain)
    found = [labeller.label(batch) for batch in labeller.batches(iter(rows))]
    return pa.Table.from_batches(found).sort_by("track_id")


@pytest.fixture(scope="module")
def model():
    network = make_network()
    return make_manifest(network).scoring, network


def test_a_clusters_bundle_gives_synthetic_genres_and_null_genres():
    labels = label([partition()], make_manifest().scoring)
    assert labels.schema.names == [*NAMES, *PASSED]
    payload = Payload("empty", make_manifest().scoring.model_dump_json(), None)
    assert list(label_partition(payload, iter([partition().slice(0, 0)]))) == []
    assert labels["genre"].null_count == labels["genre_top3"].null_count == labels.num_rows


def test_the_synthetic_genre_is_the_one_that_the_model_assigns(model):
    scoring, network = model
    (batch,) = Labeller(scoring, network).batches(iter([partition()]))
    rows, distances = scoring.synthetic.assign(batch.inputs)
    labels = Labeller(scoring, network).label(batch)
    assert labels["synthetic_genre_id"].to_pylist() == [scoring.synthetic.ids[i] for i in rows]
    np.testing.assert_array_equal(labels["synthetic_genre_distance"].to_numpy(), distances)


def test_labels_do_not_depend_on_the_order_and_the_batches_of_a_partition(model):
    whole = partition(60)
    shuffled = whole.take(pa.array(np.random.default_rng(3).permutation(60)))
    parts = [shuffled.slice(0, 17), shuffled.slice(17, 20), shuffled.slice(37)]
    assert label([whole], *model).equals(label(parts, *model))


def without(rows, missing):
    """The same tracks with NaN for features [shape=(n_tracks, n_features), dtype=bool]."""
    raw = rows[wire.FEATURES].flatten().to_numpy(zero_copy_only=False).reshape(missing.shape)
    at = rows.schema.get_field_index(wire.FEATURES)
    spoiled = np.where(missing, np.float32(np.nan), raw)
    return rows.set_column(at, wire.FEATURES, lists(spoiled))


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.floats(0, 1))
def test_labels_of_tracks_that_lack_any_features_do_not_depend_on_their_order(
    model, seed, bare, gaps
):
    rng, n = np.random.default_rng(seed), 60
    missing = (rng.random((n, 1)) < bare) | (rng.random((n, len(FEATURE_NAMES))) < gaps / 2)
    whole = without(partition(n), missing)
    shuffled = whole.take(pa.array(rng.permutation(n)))
    parts = [shuffled.slice(0, 17), shuffled.slice(17, 20), shuffled.slice(37)]
    found = label([whole], *model, explain=True)
    assert found.equals(label(parts, *model, explain=True))
    # In the order of their ids, as `found` is.
    order = np.argsort(whole["track_id"].to_numpy(zero_copy_only=False), kind="stable")
    assert found["n_imputed"].to_pylist() == missing.sum(axis=1)[order].tolist()
    has_genre = found["genre"].is_valid().to_numpy()
    assert has_genre[~missing.all(axis=1)[order]].all()


def test_a_track_without_features_takes_the_synthetic_genre_of_its_artists_level(model):
    missing = np.zeros((60, len(FEATURE_NAMES)), bool)
    missing[5], missing[0] = True, True  # of an artist with others, and without an artist
    rows = without(partition(60), missing)
    found = label([rows], *model)
    by_id = dict(zip(found["track_id"].to_pylist(), found.to_pylist(), strict=True))
    alone, other = (by_id[rows["track_id"][i].as_py()] for i in (0, 5))
    assert other["synthetic_genre_id"] is not None
    assert other["genre"] is not None
    assert other["n_imputed"] == len(FEATURE_NAMES)
    assert {alone[name] for name in ("synthetic_genre_id", "synthetic_genre")} == {None}
    assert {alone[name] for name in ("synthetic_genre_distance", "genre", "genre_top3")} == {None}
    assert alone["genre_accepted"] is False


def test_tracks_that_lack_features_leave_statistics_to_the_others(model):
    missing = np.zeros((60, len(FEATURE_NAMES)), bool)
    missing[7] = True
    rows = partition(60)
    rest = rows.filter(pa.array(np.arange(60) != 7))
    kept = ["track_id", "synthetic_genre_id", "synthetic_genre_distance"]
    found = label([without(rows, missing)], *model).select(kept)
    own = pa.compute.field("track_id") != rows["track_id"][7].as_py()
    assert found.filter(own).equals(label([rest], *model).select(kept))


def test_an_artists_other_tracks_count_where_the_model_pools_them(model):
    rows = partition(60)
    alone = rows.filter(pa.array(np.arange(60) % 2 == 0))
    both, half = label([rows], *model), label([alone], *model)
    shared = both.filter(pa.compute.is_in(both["track_id"], half["track_id"].combine_chunks()))
    assert not shared["genre_confidence"].equals(half["genre_confidence"])


def test_a_model_that_does_not_relate_tracks_labels_each_as_if_alone():
    network = make_network()
    scoring = make_manifest(network, groups=()).scoring
    rows = partition(20)
    alone = [label([rows.slice(i, 1)], scoring, network) for i in range(20)]
    assert label([rows], scoring, network).equals(pa.concat_tables(alone).sort_by("track_id"))


def hashes(rows, relates=True):
    table = pa.Table.from_batches(list(hash_partition(relates, iter(rows))))
    return dict(zip(table["track_id"].to_pylist(), table["input_hash"].to_pylist(), strict=True))


def test_hashes_without_labels_are_those_of_the_labels(model):
    labels = label([partition()], *model)
    assert hashes([partition()]) == dict(
        zip(labels["track_id"].to_pylist(), labels["input_hash"].to_pylist(), strict=True)
    )


def rehashed(rows, at, by):
    """Which tracks have another hash once the content of some tracks has changed."""
    own = rows[worker.OWN_HASH].to_numpy().copy()
    own[at] += by
    column = rows.schema.get_field_index(worker.OWN_HASH)
    before = hashes([rows])
    after = hashes([rows.set_column(column, worker.OWN_HASH, pa.array(own))])
    return np.array([before[one] != after[one] for one in rows["track_id"].to_pylist()])


def test_a_changed_track_changes_the_hashes_of_its_artists_tracks_and_of_no_others():
    rows = partition()
    same_artist = rows[wire.GROUP].to_numpy() == rows[wire.GROUP][5].as_py()
    np.testing.assert_array_equal(rehashed(rows, 5, 1), same_artist)


def test_tracks_of_an_artist_that_swap_their_content_change_all_of_its_hashes():
    # The sum stays.
    assert rehashed(partition(40, artists=1), [3, 4], [1, -1])[[3, 4]].all()


def test_the_three_best_genres_come_in_order_with_their_probabilities():
    # The last one leaves all others impossible.
    chances = np.array([[0.1, 0.2, 0.65, 0.05], [0.4, 0.4, 0.1, 0.1], [0, 1, 0, 0]])
    precision, accepted = np.array([0.95, np.nan, np.nan]), np.array([True, False, False])
    found = worker.genre_columns(chances, CLASSES, np.ones(3, bool), precision, accepted)
    assert found["genre"].to_pylist() == ["c", "a", "b"]
    assert found["genre_precision"].to_pylist() == [0.95, None, None]
    assert found["genre_accepted"].to_pylist() == [True, False, False]
    names, best = (
        [[one[key] for one in top] for top in found["genre_top3"].to_pylist()]
        for key in ("genre", "probability")
    )
    assert names[0] == ["c", "b", "a"]
    assert best[0] == pytest.approx([0.65, 0.2, 0.1])
    assert (names[2][0], best[2][0], len(set(names[2]))) == ("b", 1, 3)
    two = worker.genre_columns(chances[:1, :2], ("a", "b"), *[np.ones(1, bool)] * 3)
    assert [one["genre"] for one in two["genre_top3"].to_pylist()[0]] == ["b", "a"]


def test_a_worker_opens_a_model_once_and_keeps_only_the_last(monkeypatch):
    opened, nothing = [], SimpleNamespace(batches=lambda batches: iter(()))
    monkeypatch.setattr(worker, "Labeller", lambda *given: opened.append(given) or nothing)
    scoring = make_manifest().scoring.model_dump_json()
    one, two = Payload("one", scoring, None), Payload("two", scoring, None)
    for payload in (one, one, two, one):
        list(label_partition(payload, iter([])))
    assert len(opened) == 3
