import numpy as np
import pyarrow as pa
import pytest
from support.generated import make_tracks

from genre_spark.catalog import inspection, mixed_sources
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.inspection_results import Column
from genre_spark.config import CatalogSettings
from genre_spark.source import Dataset


@pytest.mark.parametrize(
    ("name", "values", "is_source"),
    [
        ("analysis_source", ["api", "file"], True),
        ("Provider", ["api", "file"], True),
        ("provider", ["api"], False),
        ("provider", [str(i) for i in range(10)], False),
        ("genre", ["rock", "pop"], False),
        ("resource", ["a", "b"], False),
    ],
)
def test_a_column_may_name_sources_by_its_name_and_few_values(name, values, is_source):
    column = Column(name, "string", 1.0, values=dict.fromkeys(values, 1))
    assert bool(mixed_sources.columns([column])) == is_source


def test_sources_are_asked_about_where_they_clearly_differ():
    rng = np.random.default_rng(0)
    sources = rng.choice(["api", "file", "rare"], 2000, p=[0.6, 0.395, 0.005])
    values = rng.normal(-9, 4, 2000)
    by = {"provider": pa.chunked_array([sources])}
    assert mixed_sources.question(pa.chunked_array([values]), by, None) == ""
    values[sources != "api"] -= 10
    found = mixed_sources.question(pa.chunked_array([values]), by, None)
    assert found.startswith("rows with provider 'api' and 'file' are distributed differently")
    assert "columns: feature_source: provider" in found
    few = {"provider": pa.chunked_array([np.where(np.arange(2000) < 49, "file", "api")])}
    assert mixed_sources.question(pa.chunked_array([values]), few, None) == ""


def test_files_are_asked_about_where_the_same_artists_differ():
    rng = np.random.default_rng(0)
    artist = rng.integers(0, 200, 4000)
    file = rng.choice(["a.csv", "b.csv"], 4000)
    level = artist / 20 + rng.normal(0, 1, 4000)

    def asked(values, artists):
        columns = [pa.chunked_array([one]) for one in (values, artists.astype(str), file)]
        return mixed_sources.question(columns[0], {mixed_sources.FILE: columns[2]}, columns[1])

    assert asked(level, artist) == ""
    found = asked(level + 3 * (file == "b.csv"), artist)
    assert (
        "'a.csv' and 'b.csv' are distributed differently" in found or "'b.csv' and 'a.csv'" in found
    )
    # Files of other artists may hold other music.
    apart = np.where(file == "a.csv", artist, artist + 200)
    assert asked(level + 3 * (file == "b.csv"), apart) == ""
    by = {mixed_sources.FILE: pa.chunked_array([file])}
    assert mixed_sources.question(pa.chunked_array([level]), by, None) == ""


def test_inspect_asks_about_files_that_measure_the_same_artists_differently(spark, tmp_path):
    tracks = make_tracks(1000, seed=3, artists=40)[
        ["track_id", "artist", "loudness", "energy", "mode"]
    ]
    settings = CatalogSettings(max_imputed=3, max_quarantined=0.5)
    for shift in (0, 12):
        for name, part in (("api", tracks[::2]), ("dump", tracks[1::2])):
            part = part.assign(loudness=part["loudness"] - shift * (name == "dump"))
            (tmp_path / str(shift) / name).mkdir(parents=True)
            part.to_csv(tmp_path / str(shift) / name / "tracks.csv", index=False)
        source = Source(str(tmp_path / str(shift)), Dataset())
        found = inspection.inspect(spark, source, False, settings)
        asked = [one for one in found.questions if "distributed differently" in one]
        assert len(asked) == (shift > 0), found.questions
        assert "_genre_spark_file" not in [one.name for one in found.columns]
    assert "'api/tracks.csv' and 'dump/tracks.csv'" in asked[0]
