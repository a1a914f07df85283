"""Whole artists in one worker: the numbers that Spark makes of parts, however rows are cut."""

import itertools
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.edits import make_models, start
from support.generated import make_manifest, make_space, make_tracks
from support.networks import make_network

from genre_spark.bundle import files
from genre_spark.catalog.validation import N_IMPUTED
from genre_spark.features.catalogue_context import add_context
from genre_spark.features.tensor import STATISTICS, channel_names, unpack
from genre_spark.schema import ALBUM, ARTIST, FEATURE_NAMES, TRACK_ID, context_column, key_column
from genre_spark.scoring import artist_batches as gathered_module
from genre_spark.scoring import job, relations
from genre_spark.scoring.artist_batches import ALBUM_SUM, GATHER, Gathered, whole
from genre_spark.scoring.worker import Predictor

FEATURES = ("energy", "key", "tempo")


@given(
    st.lists(st.integers(0, 6), max_size=40),
    st.lists(st.integers(1, 7), min_size=40),
    st.integers(1, 9),
)
def test_nobodys_tracks_are_parted_however_batches_are_cut(keys, sizes, rows_each):
    rows = pa.RecordBatch.from_pydict({GATHER: pa.array(sorted(keys), pa.int64())})
    batches, first = [], 0
    for size in sizes:
        batches.append(rows.slice(first, size))
        first += size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gathered_module, "_ROWS", rows_each)
        found = [batch[GATHER].to_pylist() for batch in whole(iter(batches))]
    assert list(itertools.chain(*found)) == sorted(keys)
    assert sum(len(set(batch)) for batch in found) == len(set(keys))
    assert all(batch[rows_each - 1] == batch[-1] for batch in found if len(batch) > rows_each)


def gathered(tracks):
    """A sorted batch of tracks whose albums are each of one artist."""
    code = {name: pd.factorize(tracks[name])[0].astype(float) for name in (ARTIST, ALBUM)}
    keys = {name: pa.array(own, pa.int64(), mask=own < 0) for name, own in code.items()}
    n = len(tracks)
    lone = np.arange(n) + 1000
    owner = np.where(code[ARTIST] < 0, lone, code[ARTIST])
    order = np.lexsort((code[ALBUM], owner))
    batch = pa.RecordBatch.from_pydict(
        {
            GATHER: pa.array(owner.astype(np.int64)),
            key_column(ARTIST): keys[ARTIST],
            key_column(ALBUM): keys[ALBUM],
            "input_hash": pa.array(np.arange(n) + 1),
            context_column(ALBUM): pa.nulls(n, pa.list_(pa.float64())),
            ALBUM_SUM: pa.nulls(n, pa.int64()),
        }
    )
    return batch.take(pa.array(order)), tracks.iloc[order].reset_index(drop=True)


@pytest.fixture(scope="module")
def tracks():
    tracks = make_tracks(200, seed=7, artists=30)
    tracks["album"] = tracks["artist"] + tracks["album"].str[-1]
    tracks.loc[::17, ["artist", "album"]] = None
    tracks.loc[::11, "album"] = None
    return gathered(tracks)


BY_PANDAS = {"mean": "mean", "spread": lambda x: x.std(ddof=0), "low": "min", "high": "max"}


@pytest.mark.parametrize(
    ("group", "name"),
    [(group, name) for group in (ARTIST, ALBUM) for name in BY_PANDAS if name in STATISTICS[group]],
)
def test_the_context_is_that_of_pandas(tracks, group, name):
    batch, table = tracks
    space = make_space(table)
    axes = space.to_numpy(table[list(FEATURE_NAMES)].to_numpy(float))
    everybody = np.ones(len(table), dtype=bool)
    found = Gathered(batch).contexts([group], axes, space.edges, everybody)[group]
    expected = pd.DataFrame(axes).groupby(table[group]).transform(BY_PANDAS[name]).to_numpy()
    named = table[group].notna().to_numpy()
    got = found.statistics[:, STATISTICS[group].index(name)]
    np.testing.assert_allclose(got[named], expected[named], atol=1e-3)
    n = table.groupby(group)[TRACK_ID].transform("count")
    np.testing.assert_array_equal(found.counts[named, 0], n[named])
    assert (found.counts[~named] == 1).all()
    if group == ARTIST:
        albums = table.groupby(ARTIST)[ALBUM].transform("nunique").clip(lower=1)
        np.testing.assert_array_equal(found.counts[named, 1], albums[named])


def test_nobody_works_out_how_artists_sound_whom_no_opinion_hears(tracks):
    batch, table = tracks
    space = make_space(table)
    axes = space.to_numpy(table[list(FEATURE_NAMES)].to_numpy(float))
    heard = table[ARTIST].str[-1].isin(list("02468")).to_numpy() | table[ARTIST].isna().to_numpy()
    some, every = (
        Gathered(batch).contexts([ARTIST], axes, space.edges, rows)[ARTIST]
        for rows in (heard, np.ones(len(table), dtype=bool))
    )
    np.testing.assert_array_equal(some.counts, every.counts)
    np.testing.assert_array_equal(some.statistics[heard], every.statistics[heard])
    assert (some.statistics[~heard] == 0).all()
    assert (every.statistics[~heard] != 0).any()


def test_means_are_over_an_artists_tracks_and_a_track_without_one_is_its_own(tracks):
    batch, table = tracks
    values = np.arange(len(table))[:, None] / 7
    found = Gathered(batch).means(values, 2.0**24)[:, 0]
    owner = table[ARTIST].fillna(table[TRACK_ID])
    expected = pd.Series(values[:, 0]).groupby(owner.to_numpy()).transform("mean")
    np.testing.assert_allclose(found, expected, atol=1e-6)


@pytest.fixture(scope="module")
def catalogue(spark, tmp_path_factory):
    """A table with albums of several artists, and a full bundle."""
    tracks = start().astype(dict.fromkeys(FEATURES, float))
    tracks.loc[::13, "artist"] = None
    tracks.loc[::19, "album"] = None
    rows = tracks[[TRACK_ID, ARTIST, ALBUM, *FEATURES]].astype(object)
    schema = "track_id string, artist string, album string, energy double, key double, tempo double"
    table = spark.createDataFrame(rows.where(rows.notna(), None).to_numpy().tolist(), schema)
    path = make_models(spark, tmp_path_factory.mktemp("models"))["model"]
    return table.selectExpr("*", f"0 as {N_IMPUTED}"), files.load(path)


def labels(spark, catalogue, max_artist, explain=False):
    table, model = catalogue
    n, now = table.count(), "2026-01-01T00:00:00+00:00"
    with job.labelling(spark, table, n, model, now, max_artist, explain) as labelled:
        return labelled.toPandas().sort_values(TRACK_ID).reset_index(drop=True)


@pytest.mark.usefixtures("small_plans")
@pytest.mark.parametrize("explain", [False, True])
def test_artists_too_large_for_a_worker_get_the_same_labels(spark, catalogue, explain):
    at_once = labels(spark, catalogue, max_artist=1000, explain=explain)
    in_parts = labels(spark, catalogue, max_artist=4, explain=explain)
    # Spark's and numpy's logarithms may differ in their last digit.
    pd.testing.assert_frame_equal(at_once, in_parts, rtol=1e-6)
    np.testing.assert_array_equal(at_once["input_hash"], in_parts["input_hash"])


@pytest.mark.usefixtures("small_plans")
def test_labels_are_the_same_with_too_many_shared_albums_to_tell_everybody(
    spark, catalogue, monkeypatch
):
    told = labels(spark, catalogue, max_artist=1000)
    monkeypatch.setattr(relations, "_BROADCAST_KEYS", 0)
    joined = labels(spark, catalogue, max_artist=1000)
    pd.testing.assert_frame_equal(told, joined, check_exact=True)


@pytest.mark.usefixtures("small_plans")
def test_hashes_are_the_same_without_labelling(spark, catalogue):
    found = job.input_hashes(*catalogue).toPandas().sort_values(TRACK_ID)
    expected = labels(spark, catalogue, max_artist=1000)
    np.testing.assert_array_equal(found["input_hash"], expected["input_hash"])


@pytest.mark.usefixtures("small_plans")
def test_tracks_that_do_not_inform_each_other_are_labelled_where_they_are_read(spark, catalogue):
    table, model = catalogue
    network = make_network(axes=4, channels=len(channel_names(())))
    manifest = make_manifest(network, features=FEATURES, groups=())
    alone = replace(model, manifest=manifest, onnx=network)
    now = "2026-01-01T00:00:00+00:00"
    with job.labelling(spark, table, table.count(), alone, now, 1000) as labelled:
        plan = labelled._jdf.queryExecution().executedPlan().toString()
        rows = labelled.toPandas().sort_values(TRACK_ID)
    assert "MapInArrow" in plan
    assert "Exchange" not in plan
    hashes = job.input_hashes(table, alone).toPandas().sort_values(TRACK_ID)
    np.testing.assert_array_equal(rows["input_hash"], hashes["input_hash"])


@pytest.mark.usefixtures("small_plans")
def test_networks_learn_from_the_tensor_that_workers_give_them(spark, catalogue):
    table, model = catalogue
    space, groups = model.manifest.scoring.space, model.manifest.scoring.genres.groups
    predictor = Predictor(model.manifest.scoring, model.onnx)
    with ExitStack() as stack:
        inputs = job._inputs(table, model)
        shared = relations.join_shared_albums(stack, inputs, space, [])
        ordered = shared.coalesce(1).sortWithinPartitions(GATHER, key_column(ALBUM))
        batch = ordered.toArrow().combine_chunks().to_batches()[0]
    assert 0 < batch[context_column(ALBUM)].null_count < batch.num_rows
    seen = predictor.see(batch)
    added = add_context(table, space, groups).select(TRACK_ID, *map(context_column, groups))
    rows = added.toPandas().set_index(TRACK_ID).loc[batch[TRACK_ID].to_pylist()]
    for group in groups:
        column = pa.array(rows[context_column(group)].tolist(), pa.list_(pa.float64()))
        learned = unpack(group, column, seen.axes, space.edges)
        for what in ("counts", "statistics"):
            one, other = getattr(learned, what), getattr(seen.contexts[group], what)
            np.testing.assert_array_equal(one.astype(np.float32), other.astype(np.float32))


def test_only_artists_with_more_tracks_than_fit_are_crowds(spark):
    table = spark.range(1000).selectExpr(
        "cast(id as string) as track_id", "if(id < 600, 1, if(id < 700, null, id)) as _artist"
    )
    assert relations.crowds(table, 1000, max_artist=500) == [1]
    assert relations.crowds(table, 1000, max_artist=900) == []
    assert relations.crowds(table, 1000, max_artist=1000) == []
