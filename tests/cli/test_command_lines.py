"""What else people do with the real command lines, and what they do wrong."""

import json
import shutil
from pathlib import Path

import pytest
from support.commands import QUICK, ROOT, genre_spark, labels
from support.generated import make_tracks

from genre_spark.schema import FEATURE_NAMES

REFERENCE = ROOT / "models" / "reference"


def test_the_reference_bundle_labels_a_catalogue_of_another_source(tmp_path, command):
    assert sum(file.stat().st_size for file in REFERENCE.iterdir()) < 3_000_000
    make_tracks(300, seed=5).to_parquet(tmp_path / "tracks.parquet")
    arguments = ["--catalog", tmp_path / "tracks.parquet", "--model", REFERENCE]
    arguments += ["--output", tmp_path / "labelled", "--set", "min_tracks=300"]
    # Generated tracks are instrumental in a way that real ones are not.
    errors = command("score", *arguments, expect=5)
    assert "too unlike the catalogue that the model was made from: instrumentalness" in errors
    assert not (tmp_path / "labelled").exists()
    found = json.loads(command("score", *arguments, "--set", "stop_psi=9", "--json"))
    assert found["rows"]["labelled"] == 300
    assert found["labels"]["genres"]
    assert found["drift"]["level"] == "warn"


@pytest.mark.long
def test_the_real_table_is_labelled_or_in_quarantine_to_the_last_row(
    real_tables, tmp_path, command
):
    table = ["--catalog", real_tables / "spotify_songs.csv.gz", "--dataset", "tidytuesday"]
    clusters, labelled = tmp_path / "clusters", tmp_path / "labelled"
    found = json.loads(
        command("cluster", *table, *QUICK, "--output", clusters, "--labels", labelled, "--json")
    )
    assert found["rows"]["read"] == 32_833
    assert found["rows"]["accepted"] == len(labels(labelled)) == 28_356
    assert found["rows"]["reasons"] == {"duplicate_track_id": 4_477}
    assert found["rows"]["ambiguous"] == 1_687
    assert found["rows"]["with_genre"] == 28_356 - 1_687
    other = ["--catalog", real_tables / "tracks_features_69522.csv.gz", "--dataset", "spotify-1.2m"]
    command("score", *other, "--model", clusters, "--output", labelled)
    assert len(labels(labelled)) == 69_522


MISTAKES = {
    "wrong path": (["--catalog", "{tmp}/nowhere.csv"], 3, "no such file or directory"),
    "too dirty": (["--catalog", "{tmp}/dirty.csv"], 5, "would be quarantined"),
    "unknown setting": (["--catalog", "x", "--set", "speed=9"], 2, "speed: unknown key"),
    "unknown option": (["--catalog", "x", "--fast"], 2, "No such option"),
    "empty option": (["--catalog", ""], 2, "--catalog is empty"),
    "blank option": (["--catalog", " "], 2, "--catalog is empty"),
    "empty option with =": (["--catalog="], 2, "--catalog is empty"),
    "key twice": (
        ["--catalog", "x", "--dataset", "{tmp}/twice.yaml"],
        2,
        "line 3: artist is there twice",
    ),
    "output is the input": (["--catalog", "{tmp}/out"], 6, "lies inside the input"),
}


@pytest.fixture(scope="module")
def mistakes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mistakes")
    header = ",".join(("track_id", *FEATURE_NAMES))
    usual = ",0.5,0.5,5,-6,1,0.1,0.1,0.1,0.1,0.5,120,200000\n"
    (folder / "dirty.csv").write_text(f"{header}\n{usual}b{usual}")  # one without an id
    (folder / "twice.yaml").write_text("columns:\n  artist: a\n  artist: b\n")
    return folder


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_reported_in_one_line_with_its_exit_code(mistakes, mistake, command):
    arguments, code, told = MISTAKES[mistake]
    arguments = [part.format(tmp=mistakes) for part in arguments]
    where = ["--model", REFERENCE, "--output", mistakes / "out"]
    errors = command("score", *arguments, *where, expect=code)
    assert told in errors.splitlines()[-1]
    assert "Traceback" not in errors
    assert not (mistakes / "out").exists()


def test_a_damaged_bundle_is_refused_before_spark_starts(tmp_path):
    damaged = Path(shutil.copytree(REFERENCE, tmp_path / "damaged"))
    onnx = bytearray((damaged / "cnn.onnx").read_bytes())
    onnx[len(onnx) // 2] ^= 1
    (damaged / "cnn.onnx").write_bytes(onnx)
    given = ["--catalog", tmp_path / "t.csv", "--model", damaged, "--output", tmp_path / "o"]
    errors = genre_spark("score", *given, expect=4)
    assert errors.strip() == (
        f"genre-spark: {damaged}: cnn.onnx was changed or damaged: its checksum differs"
    )


def test_a_bundle_is_never_overwritten(tmp_path, command):
    given = ["--catalog", tmp_path / "t.csv", "--output", REFERENCE]
    errors = command("cluster", *given, expect=6)
    assert "bundles are never overwritten" in errors.splitlines()[-1]


def test_an_earlier_bundle_that_is_not_there_is_refused_before_anything_is_read(tmp_path, command):
    folder = tmp_path / "old"
    arguments = ["--catalog", tmp_path / "t.parquet", "--output", tmp_path / "new"]
    told = command("cluster", *arguments, "--previous", folder, expect=4)
    assert f"{folder}: no such bundle" in told


def test_a_delta_catalogue_becomes_a_delta_table_an_event_of_lineage_and_a_page(tmp_path, command):
    deltalake = pytest.importorskip("deltalake", reason="the extra `delta` is absent")
    pytest.importorskip("openlineage.client", reason="the extra `openlineage` is absent")
    catalogue, labelled, page = (tmp_path / name for name in ("tracks", "labelled", "browse.html"))
    tracks = make_tracks(300, seed=7)
    deltalake.write_deltalake(str(catalogue), tracks)
    mapping = tmp_path / "mine.yaml"
    mapping.write_text("columns: {title: upper(title)}")
    event, arguments = tmp_path / "lineage.jsonl", ["--model", REFERENCE, "--output", labelled]
    arguments += ["--dataset", mapping]
    delta = ["--table-format", "delta", "--openlineage", event]
    found = json.loads(command("score", "--catalog", catalogue, *arguments, *delta, "--json"))
    assert found["rows"]["labelled"] == deltalake.DeltaTable(str(labelled)).count() == 300
    (line,) = event.read_text().splitlines()
    assert json.loads(line)["inputs"][0]["name"] == str(catalogue)
    assert json.loads(line)["outputs"][0]["outputFacets"]["outputStatistics"]["rowCount"] == 300
    seen = json.loads(command("labels", labelled, "--rows", 3, "--json"))
    assert len(seen["samples"]) == 3
    named = ["labels", labelled, "--output", page, "--catalog", catalogue]
    # What a stranger's manifest maps by may be any code.
    refused = command(*named, expect=3)
    assert "maps columns by code (columns.title)" in refused
    assert "give --dataset" in refused
    told = command(*named, "--dataset", mapping, "--json")
    assert json.loads(told) == {"page": str(page), "tracks": 300, "of": 300}
    assert str(tracks["title"].iloc[0]).upper() in page.read_text()
    errors = command("score", "--catalog", catalogue, *arguments, expect=6)
    assert "is a Delta table; write to it with --table-format delta" in errors
