"""Tables as people have them: `inspect`, edit nothing, then `score` by the command line."""

import json

import pandas as pd
import pytest
from support.commands import QUICK, labels
from support.generated import make_tracks

from genre_spark.schema import FEATURE_NAMES

pytestmark = pytest.mark.long
N = 400


def european_excel(tracks, folder):
    path = folder / "excel.csv"
    tracks.to_csv(path, index=False, sep=";", decimal=",", encoding="cp1252")
    return path


def exportify(tracks, folder):
    names = {name: name.replace("_", " ").title() for name in FEATURE_NAMES}
    names |= {
        "track_id": "Track URI", "title": "Track Name", "album": "Album Name",
        "artist": "Artist Name(s)", "duration_ms": "Track Duration (ms)",
    }  # fmt: skip
    table = tracks.drop(columns="genre").rename(columns=names)
    table["Track URI"] = "spotify:track:" + table["Track URI"]
    table.to_csv(folder / "exportify.csv", index=False)
    return folder / "exportify.csv"


def json_lines(tracks, folder):
    rows = [
        {
            "id": row["track_id"],
            "name": row["title"],
            "artists": [{"name": row["artist"]}, {"name": "Somebody"}],
            "audio_features": {name: row[name] for name in FEATURE_NAMES},
        }
        for row in tracks.to_dict("records")
    ]
    pd.DataFrame(rows).to_json(folder / "dump.jsonl", orient="records", lines=True)
    return folder / "dump.jsonl"


def nanoseconds(tracks, folder):
    tracks.assign(added_at=pd.Timestamp("2024-01-01 12:00")).to_parquet(folder / "pandas.parquet")
    return folder / "pandas.parquet"


def printed_lists(tracks, folder):
    printed = [f"['{one}', 'Somebody']" for one in tracks["artist"]]
    tracks.assign(artists=printed).drop(columns="artist").to_csv(folder / "lists.csv", index=False)
    return folder / "lists.csv"


def windows_1252(tracks, folder):
    tracks = tracks.assign(artist="Mötley " + tracks["artist"].astype(str))
    tracks.to_csv(folder / "windows.csv", index=False, encoding="cp1252")
    return folder / "windows.csv"


TABLES = [european_excel, exportify, json_lines, nanoseconds, printed_lists, windows_1252]


def by_id(labelled):
    """The synthetic genre of each track."""
    found = labels(labelled)
    ids = found["track_id"].str.removeprefix("spotify:track:")
    return found.set_axis(ids)["synthetic_genre"].sort_index()


@pytest.fixture(scope="module")
def clusters(shell, tmp_path_factory):
    folder = tmp_path_factory.mktemp("clusters")
    make_tracks(N, seed=5, artists=60).to_parquet(folder / "tracks.parquet")
    catalog = ["--catalog", folder / "tracks.parquet"]
    made = ["--output", folder / "clusters", "--labels", folder / "labelled"]
    shell("cluster", *catalog, *made, *QUICK)
    return folder / "clusters", by_id(folder / "labelled")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.__name__)
def test_inspect_writes_a_dataset_file_with_which_score_labels_every_track(
    shell, clusters, tmp_path, table
):
    tracks = make_tracks(N, seed=5, artists=60)
    catalog = ["--catalog", table(tracks, tmp_path)]
    dataset = tmp_path / "mine.yaml"
    found = json.loads(shell("inspect", *catalog, "--output", dataset, "--json"))
    assert found["rows"]["accepted"] == N
    model, expected = clusters
    arguments = ["--dataset", dataset, "--model", model, "--output", tmp_path / "labelled"]
    shell("score", *catalog, *arguments)
    # The same tracks by the same artists.
    pd.testing.assert_series_equal(by_id(tmp_path / "labelled"), expected)
