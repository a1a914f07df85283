from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from support.generated import make_tracks

from genre_spark.catalog.catalogue import Source, open_catalogue, scan_catalogue
from genre_spark.config import CatalogSettings
from genre_spark.features import feature_sources
from genre_spark.features.feature_sources import FeatureSources, MonotoneMap
from genre_spark.schema import FEATURE_SOURCE
from genre_spark.source import Dataset


def two_sources(n=4000, artists=400, seed=0):
    """Energy of artists with levels of their own; source b measures its square on another scale."""
    rng = np.random.default_rng(seed)
    artist = rng.integers(1, artists + 1, n)
    energy = np.clip(rng.random(artists + 1)[artist] * 0.6 + 0.3 * rng.random(n), 0.01, 0.99)
    source = np.where(rng.random(n) < 0.4, "b", "a").astype(object)
    return artist, energy, source, np.where(source == "b", 40 * energy**2 - 5, energy)


def test_values_of_another_source_become_those_of_the_reference():
    artist, energy, source, measured = two_sources()
    found = feature_sources.of_columns(source, artist, {"energy": measured})
    assert found.reference == "a"
    mapped = found.to_numpy(measured[:, None], ["energy"], source)[:, 0]
    np.testing.assert_array_equal(mapped[source == "a"], energy[source == "a"])
    assert abs(mapped - energy)[source == "b"].mean() < 0.01


def test_sources_that_know_other_artists_are_compared_over_those_that_both_know():
    artist, energy, source, _ = two_sources(20_000)
    # b knows loud artists, and a few of the others.
    loud = energy > 0.5
    kept = (source == "a") | loud | (np.arange(len(loud)) % 10 == 0)
    found = feature_sources.of_columns(source[kept], artist[kept], {"energy": energy[kept]})
    mapped = found.to_numpy(energy[kept, None], ["energy"], source[kept])[:, 0]
    assert abs(mapped - energy[kept]).mean() < 0.05


def test_sources_that_measure_alike_are_left_alone():
    artist, energy, source, _ = two_sources()
    # Yet it is known.
    assert feature_sources.of_columns(source, artist, {"energy": energy}).maps == {"b": {}}
    assert feature_sources.of_columns(source[:1], artist[:1], {"energy": energy[:1]}) is None


@pytest.mark.parametrize("points", [((1, 1), (0, 1)), ((0, 1), (1, 0)), ((0,), (0,))])
def test_a_map_that_is_not_monotone_is_refused(points):
    with pytest.raises(ValueError, match="monotone"):
        MonotoneMap(given=points[0], becomes=points[1])


def test_spark_and_numpy_map_to_the_same_last_bit(spark):
    one = MonotoneMap(given=(-3.0, 0.1, 1e-1 + 0.3, 7.0), becomes=(0.0, 0.2, 0.25, 0.9))
    sources = FeatureSources(reference="a", maps={"b's": {"energy": one}})
    values = np.append(np.random.default_rng(1).normal(1, 3, 200), np.nan)
    names = np.array(["a", "b's", None] * 67, dtype=object)
    rows = [
        (name, None if np.isnan(value) else float(value))
        for name, value in zip(names, values, strict=True)
    ]
    table = spark.createDataFrame(rows, f"{FEATURE_SOURCE} string, energy double").coalesce(1)
    found = sources.apply(table).select("energy").toArrow()["energy"].to_numpy()
    np.testing.assert_array_equal(found, sources.to_numpy(values[:, None], ["energy"], names)[:, 0])


def test_a_catalogue_of_two_sources_is_read_on_one_scale(spark, caplog):
    tracks = make_tracks(2000, seed=3, artists=100)
    tracks["Provider"] = ["file " if i % 3 == 0 else "api" for i in range(len(tracks))]
    tracks.loc[tracks["Provider"] == "file ", "loudness"] -= 20
    columns = ["track_id", "artist", "Provider", "loudness", "energy", "mode"]
    table = spark.createDataFrame(tracks[columns])
    source = Source("tracks", Dataset(columns={FEATURE_SOURCE: "Provider"}), loaded=table)
    settings = CatalogSettings(max_imputed=3, max_quarantined=0.5)
    with open_catalogue(spark, source, settings) as catalogue:
        n, features = catalogue.counts.accepted, catalogue.features
        found = feature_sources.fit(catalogue.tracks, n, features)
    assert (found.reference, set(found.maps["file"])) == ("api", {"loudness"})
    scaler = SimpleNamespace(features=features, sources=found)
    with open_catalogue(spark, source, settings, scaler) as catalogue:
        read = catalogue.tracks.select(FEATURE_SOURCE, "loudness").toPandas()
    scored = replace(source, loaded=table.replace({"api": "new\x1b"}, subset="Provider").limit(500))
    with scan_catalogue(spark, scored, settings, scaler):
        told = caplog.messages[-1]
    assert told.startswith("features of 6")
    assert "(new\ufffd) and are read as those of api" in told
    medians = read.groupby(FEATURE_SOURCE)["loudness"].median()
    assert abs(medians["file"] - medians["api"]) < 1
    with open_catalogue(spark, Source("tracks", Dataset(), loaded=table), settings) as catalogue:
        assert feature_sources.fit(catalogue.tracks, n, features) is None
