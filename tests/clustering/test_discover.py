"""The fit on a whole catalogue, and what is described of it."""

from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.generated import make_manifest, make_rows, make_tracks

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import ScoringPart
from genre_spark.clustering import catalogue_passes, model_selection, profiles
from genre_spark.clustering.catalogue_passes import POINT
from genre_spark.clustering.discover import discover
from genre_spark.clustering.metric import nearest
from genre_spark.config import load_settings
from genre_spark.errors import InputError
from genre_spark.features.artist_batches import artist_batches
from genre_spark.features.artist_pass import narrow
from genre_spark.schema import ALBUM, ARTIST, FEATURE_NAMES, GENRE, TRACK_ID

N_TRACKS = 500
SETTINGS = load_settings(
    overrides=("k_min=11", "k_max=12", "sample_size=300", "restarts=2", "max_iterations=15")
)


def discovered(tracks, settings=SETTINGS, previous=None, groups=(ARTIST, ALBUM)):
    """The synthetic genres of tracks that are a whole catalogue."""
    catalogue = SimpleNamespace(
        tracks=tracks,
        counts=make_rows(tracks.count()),
        features=FEATURE_NAMES,
        groups=groups,
        sources=None,
    )
    return discover(catalogue, tracks, settings, previous)


@pytest.fixture(scope="module")
def tracks(spark):
    return spark.createDataFrame(make_tracks(N_TRACKS, seed=9)).repartition(3).persist()


@pytest.fixture(scope="module")
def found(tracks):
    return discovered(tracks)


@pytest.fixture(scope="module")
def narrowed(tracks, found):
    kept = {GENRE: tracks[GENRE]}
    return narrow(tracks, found.scaler, {}, others=kept).repartition(2, "_group").persist()


@pytest.fixture(scope="module")
def labels(narrowed, found):
    """The synthetic genre of every track by the function that scoring uses, in one batch each."""
    table = narrowed.toArrow().to_batches()
    frames = []
    for batch in artist_batches(iter(table), found.scaler):
        rows, distances = found.synthetic.assign(batch.inputs)
        ids = batch.rows[TRACK_ID].to_pylist()
        frames.append(pd.DataFrame({TRACK_ID: ids, "row": rows, "distance": distances}))
    return pd.concat(frames)


# The fit


def drawn(narrowed, found, size, seed=1):
    return catalogue_passes.draw_sample(
        narrowed, N_TRACKS, found.scaler, [found.synthetic.metric], size, seed=seed
    )


def test_the_sample_is_bounded_and_the_same_however_tracks_are_partitioned(narrowed, found):
    once = drawn(narrowed, found, 100)
    assert len(once) == 100
    again = drawn(narrowed.repartition(5, "_group"), found, 100)
    assert once.ids.tolist() == again.ids.tolist()
    np.testing.assert_array_equal(once.inputs.artist_mean, again.inputs.artist_mean)
    assert once.ids.tolist() != drawn(narrowed, found, 100, seed=2).ids.tolist()
    assert len(drawn(narrowed, found, 10_000)) == N_TRACKS


def test_the_sample_has_whole_artists_in_random_order(narrowed, found):
    few = drawn(narrowed, found, 300)
    counts = np.bincount(few.group)[few.group]
    assert (counts == few.inputs.artist_tracks).mean() > 0.95
    assert (np.diff(few.group) != 0).mean() > 0.9


def test_the_fit_on_all_tracks_ends_where_no_center_moves(narrowed, found):
    points = catalogue_passes.points(narrowed, found.scaler, found.synthetic.metric)
    places = np.array([row[0].toArray() for row in points.select(POINT).collect()])
    rng = np.random.default_rng(0)
    centers = catalogue_passes.fit_kmeans(
        points, places[rng.choice(len(places), 12, replace=False)], 40
    )
    rows = nearest(places.astype(np.float32), centers)[0]
    means = np.array([places[rows == i].mean(axis=0) for i in range(12)])
    np.testing.assert_allclose(centers, means, atol=0.02)


def test_the_same_input_gives_the_same_synthetic_genres(tracks, found):
    again = discovered(tracks.repartition(5))
    assert again.synthetic == found.synthetic
    assert again.discovery.quality == found.discovery.quality


# What is described


def test_synthetic_genres_account_for_every_track_as_scoring_labels_it(found, labels):
    genres = found.discovery.synthetic_genres
    assert [genre.id for genre in genres] == list(range(found.discovery.k))
    assert sum(genre.size for genre in genres) == N_TRACKS
    assert sum(genre.share for genre in genres) == pytest.approx(1, abs=1e-4)
    assert sum(n for genre in genres for n in genre.genres.values()) == N_TRACKS
    sizes = labels["row"].value_counts()
    assert [genre.size for genre in genres] == [sizes.get(genre.id, 0) for genre in genres]


def test_centroids_are_means_of_scaled_tracks(found, labels, tracks):
    rows = tracks.select(TRACK_ID, *FEATURE_NAMES).toPandas().merge(labels, on=TRACK_ID)
    scaled = found.scaler.to_numpy(rows[list(FEATURE_NAMES)].to_numpy(float))
    for row, genre in enumerate(found.discovery.synthetic_genres):
        own = (rows["row"] == row).to_numpy()
        np.testing.assert_allclose(genre.centroid, scaled[own].mean(axis=0), atol=1e-5)


def test_typical_tracks_are_the_nearest_of_the_sample(tracks):
    update = {"clustering": SETTINGS.clustering.model_copy(update={"sample_size": 1000})}
    found = discovered(tracks, SETTINGS.model_copy(update=update))
    for genre in found.discovery.synthetic_genres:
        assert len(genre.typical) == min(profiles.TYPICAL, genre.size)
        assert all(one.artist and one.title for one in genre.typical)
        assert set(genre.medians) == set(FEATURE_NAMES)
        assert 40 <= genre.medians["tempo"] <= 240
        assert genre.medians["duration_ms"] >= 30_000


def test_typical_artists_are_those_with_the_most_tracks(found, labels, tracks):
    pairs = tracks.select(TRACK_ID, ARTIST).toPandas().merge(labels, on=TRACK_ID)
    totals = pairs[ARTIST].value_counts()
    for row, genre in enumerate(found.discovery.synthetic_genres):
        counts = pairs[pairs["row"] == row][ARTIST].value_counts()
        assert genre.artists[0].tracks == counts.max()
        for one in genre.artists:
            assert one.tracks == counts[one.name]
            assert one.share == pytest.approx(counts[one.name] / totals[one.name], abs=1e-4)


def test_rules_are_measured_on_tracks_of_the_sample_that_they_were_not_learned_from(found):
    assert found.discovery.rules.unseen == 60
    assert {one.id for one in found.discovery.rules.genres} == set(found.synthetic.ids)
    assert found.discovery.rules.n_leaves <= 4 * found.discovery.k
    said = " ".join(text for one in found.discovery.rules.genres for text in one.sentences)
    assert "the artist usually" in said


def test_the_map_has_tracks_centers_real_genres_and_the_largest_artists(found, tracks):
    plot = found.discovery.map
    assert len(plot.points) == 300
    assert {center[2] for center in plot.centers} == set(found.synthetic.ids)
    assert {one.name for one in plot.genres} == {row[0] for row in tracks.select(GENRE).collect()}
    largest = tracks.groupBy(ARTIST).count().orderBy("count", ascending=False).first()
    assert largest[1] >= 8
    assert largest[ARTIST] in {one.name for one in plot.artists}


def test_quality_stands_beside_plain_kmeans_and_a_null(found):
    quality = found.discovery.quality
    own, plain, null = quality.synthetic_genres, quality.plain_kmeans, quality.permuted
    assert own.artist_coherence > plain.artist_coherence > 1
    assert own.held_out_coherence > 1.5 * null.held_out_coherence
    assert plain.explained_variance > own.explained_variance
    assert own.adjusted_mutual_information > 0.3 > abs(null.adjusted_mutual_information)


def test_features_exchanged_between_tracks_have_no_synthetic_genres(spark):
    tracks = make_tracks(N_TRACKS, seed=9)
    rng = np.random.default_rng(0)
    for name in FEATURE_NAMES:
        tracks[name] = rng.permutation(tracks[name])
    exchanged = spark.createDataFrame(tracks)
    with pytest.raises(InputError, match="tracks of one artist are no more alike than others"):
        discovered(exchanged)


def test_without_artists_albums_take_their_place_and_without_both_tracks_stand_alone(tracks):
    nobody = tracks.withColumn(ARTIST, tracks[ARTIST].substr(1, 0).cast("int").cast("string"))
    by_album = discovered(nobody, groups=(ALBUM,))
    assert by_album.synthetic.owner == ALBUM
    assert by_album.synthetic.relates_artists
    assert not any(genre.artists for genre in by_album.discovery.synthetic_genres)
    alone = discovered(nobody, groups=())
    assert alone.synthetic.owner is None
    assert not alone.synthetic.relates_artists
    assert alone.discovery.quality.synthetic_genres.artist_coherence is None


@pytest.fixture
def earlier(found):
    """What a later fit needs of this one."""
    scoring = ScoringPart(scaler=found.scaler, synthetic=found.synthetic, genres=None)
    update = {"scoring": scoring, "clusters": found.discovery}
    return Bundle(Path("old"), make_manifest().model_copy(update=update), None, {}).as_previous()


def test_earlier_synthetic_genres_stay_as_they_are_while_they_fit(
    tracks, found, earlier, monkeypatch
):
    monkeypatch.setattr(model_selection, "still_fit", lambda *_: True)
    fewer = tracks.filter("xxhash64(track_id) % 10 <> 0")
    again = discovered(fewer, SETTINGS.model_copy(update={"seed": 7}), earlier)
    assert (again.scaler, again.synthetic.metric) == (found.scaler, found.synthetic.metric)
    for kept in ("names", "centers"):
        before, after = (
            dict(zip(one.synthetic.ids, getattr(one.synthetic, kept), strict=True))
            for one in (found, again)
        )
        assert after == before
    assert again.discovery.change.moved == 0


def test_earlier_synthetic_genres_that_fit_no_more_are_replaced_and_matched(
    tracks, found, earlier, monkeypatch
):
    monkeypatch.setattr(model_selection, "still_fit", lambda *_: False)
    again = discovered(tracks, SETTINGS.model_copy(update={"seed": 7}), earlier)
    change = again.discovery.change
    assert change.tracks == 300
    assert 0 < change.moved < 0.5
    before = dict(zip(found.synthetic.ids, found.synthetic.names, strict=True))
    after = dict(zip(again.synthetic.ids, again.synthetic.names, strict=True))
    assert all(after[match.id] == before[match.id] for match in change.matched)
    assert set(change.new) == set(after) - set(before)
    assert set(change.retired) == set(before) - set(after) == set(again.discovery.retired)


def test_neighbours_are_the_nearest_others():
    centers = np.array([[0.0], [1.0], [5.0]])
    found = profiles.nearest(centers, [10, 11, 12])
    assert [[one.id for one in near] for near in found] == [[11, 12], [10, 12], [11, 10]]
    assert found[2][0].distance == 4


@pytest.mark.parametrize("tables", [[{"rock": 10}], [{}, {}], []])
def test_nmi_is_0_where_there_is_but_one_group_or_none(tables):
    assert profiles.nmi(list(map(Counter, tables))) == 0.0


tables = st.lists(st.dictionaries(st.sampled_from("abcd"), st.integers(1, 50)), max_size=6)


@given(tables=tables)
def test_nmi_is_that_of_scikit_learn(tables):
    from sklearn.metrics import normalized_mutual_info_score

    pairs = [(i, g) for i, table in enumerate(tables) for g, n in table.items() for _ in range(n)]
    if len({i for i, _ in pairs}) < 2 and len({g for _, g in pairs}) < 2:
        return  # scikit-learn calls two sets of one group the same
    expected = normalized_mutual_info_score(*zip(*pairs, strict=True))
    assert profiles.nmi(list(map(Counter, tables))) == pytest.approx(expected, abs=1e-9)


def test_purity_and_lift_compare_with_the_whole_and_nothing_is_reported_without_labels():
    tables = [Counter(rock=8, pop=2), Counter(pop=10)]
    relation = profiles.relate(tables)
    assert (relation.labelled, relation.purity, relation.chance) == (20, 0.9, 0.6)
    assert profiles.lift(tables[0], Counter(rock=8, pop=12)) == pytest.approx(
        {"rock": 2, "pop": 1 / 3}
    )
    assert profiles.relate([Counter(), Counter()]) is None
