import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import functions as F
from support.generated import make_scaler, make_tracks

from genre_spark.classifier import representation
from genre_spark.features import artist_batches as module
from genre_spark.features import documents
from genre_spark.features.artist_batches import artist_batches
from genre_spark.features.artist_pass import by_artist, narrow, oversized_artists
from genre_spark.schema import FEATURE_NAMES

TRACKS = make_tracks(400, seed=3)
SCALER = make_scaler(TRACKS)


def wire(groups, albums, artists=None, seed=0):
    """Tracks as Spark sends them, in a random order, in batches of 37."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(groups))
    raw = TRACKS[list(SCALER.features)].to_numpy(np.float32)[: len(groups)]
    table = pa.table(
        {
            "track_id": pa.array([f"t{i}" for i in range(len(groups))]),
            module.GROUP: pa.array(groups, pa.int64()),
            module.ARTIST_KEY: pa.array(groups if artists is None else artists, pa.int64()),
            module.ALBUM_KEY: pa.array(albums, pa.int64()),
            module.FEATURES: pa.array(list(raw), pa.list_(pa.float32())),
        }
    )
    return iter(table.take(pa.array(order)).combine_chunks().to_batches(max_chunksize=37))


def by_id(batches):
    """The mean of each track's artist and album, by the track's id."""
    found = {}
    for batch in batches:
        rows = zip(
            batch.rows["track_id"].to_pylist(),
            batch.inputs.artist_mean,
            batch.inputs.album_mean,
            batch.inputs.album_counts[:, 0],
            strict=True,
        )
        found |= {one: (artist, album, int(n)) for one, artist, album, n in rows}
    return found


def test_statistics_are_of_all_tracks_of_an_artist_and_of_an_artists_album():
    groups, albums = [1] * 10 + [2] * 6, [5] * 4 + [6] * 6 + [5] * 6
    found = by_id(artist_batches(wire(groups, albums), SCALER))
    scaled = SCALER.to_numpy(TRACKS[list(SCALER.features)].to_numpy(np.float32)[:16])
    np.testing.assert_allclose(found["t0"][0], scaled[:10].mean(axis=0), atol=2e-5)
    np.testing.assert_allclose(found["t0"][1], scaled[:4].mean(axis=0), atol=2e-5)
    np.testing.assert_allclose(found["t12"][1], scaled[10:].mean(axis=0), atol=2e-5)
    assert [found[one][2] for one in ("t0", "t5", "t12")] == [4, 6, 6]
    # A track without an album is an album of its own.
    found = by_id(artist_batches(wire([1, 1, 1, 1], [None, None, 7, 7]), SCALER))
    assert [found[f"t{i}"][2] for i in range(4)] == [1, 1, 2, 2]


def test_no_group_is_cut_and_no_track_is_lost():
    assert list(artist_batches(iter([]), SCALER)) == []
    groups = np.repeat(np.arange(40), 10).tolist()
    many = artist_batches(wire(groups, groups), SCALER)
    sizes = [set(batch.groups.sizes.tolist()) for batch in many]
    assert sizes == [{10}]


def test_the_result_does_not_depend_on_the_order_of_the_rows():
    groups, albums = [3] * 20 + [4] * 20, [1, 2] * 20
    one, other = (by_id(artist_batches(wire(groups, albums, seed=seed), SCALER)) for seed in (1, 2))
    for key in one:
        np.testing.assert_array_equal(one[key][0], other[key][0])
        np.testing.assert_array_equal(one[key][1], other[key][1])


def test_rows_of_artists_do_not_depend_on_the_order_of_the_rows():
    groups, albums = [3] * 20 + [4], [1, 2] * 10 + [1]
    found = []
    for seed in (1, 2, 3):
        (batch,) = artist_batches(wire(groups, albums, seed=seed), SCALER)
        texts = documents.of_artists(batch.inputs, batch.groups)
        found.append(representation.artist_rows(batch, np.arange(2), texts).to_pydict())
    assert found[0] == found[1] == found[2]
    assert np.any(found[0]["difference"][0])
    assert not np.any(found[0]["difference"][1])  # one track does not tell how they differ


@pytest.fixture(scope="module")
def tracks(spark):
    table = make_tracks(300, seed=4)[["track_id", "artist", "album", "title", *FEATURE_NAMES]]
    return spark.createDataFrame(table)


def test_an_artist_with_too_many_tracks_is_cut_into_parts(spark, tracks):
    many = tracks.withColumn("artist", F.when(F.col("track_id") < "t2", "Various").otherwise("A"))
    parts = oversized_artists(many, 300, 60)
    narrowed = narrow(many, SCALER, parts).groupBy(module.GROUP).count().collect()
    assert len(narrowed) == sum(parts.values())
    assert max(row["count"] for row in narrowed) < 120
    sizes = [row["count"] for row in many.groupBy("artist").count().collect()]
    for most in (70, *sizes):
        expected = sorted(-(-size // most) for size in sizes if size > most)
        assert sorted(oversized_artists(many, 300, most).values()) == expected


def test_a_track_without_an_artist_is_alone_even_if_its_id_is_an_artists_name(tracks):
    named = tracks.limit(3).withColumn("artist", F.lit("17"))
    lone = tracks.limit(1).withColumns({"track_id": F.lit("17"), "artist": F.lit(None)})
    lone = lone.withColumn("artist", F.col("artist").cast("string"))
    groups = narrow(named.union(lone), SCALER, {}).groupBy(module.GROUP).count().collect()
    assert sorted(row["count"] for row in groups) == [1, 3]


def test_the_tracks_of_an_artist_reach_one_partition(tracks):
    narrowed = by_artist(narrow(tracks, SCALER, {}), 40_000)
    placed = narrowed.select(module.GROUP, F.spark_partition_id().alias("at")).distinct()
    assert placed.count() == placed.select(module.GROUP).distinct().count()
