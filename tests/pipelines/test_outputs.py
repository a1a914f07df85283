from pathlib import Path

import pytest

from genre_spark.bundle import files
from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.errors import OutputError
from genre_spark.pipelines import cluster, demo, train
from genre_spark.pipelines.bundles import Request
from genre_spark.source import Dataset

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("output", ["tracks/model", "tracks"])
def test_a_bundle_is_not_written_into_the_table_that_it_is_made_from(tmp_path, output):
    (tmp_path / "tracks").mkdir()
    source, settings = Source(str(tmp_path / "tracks"), Dataset()), load_settings()
    written = str(tmp_path / output)
    base = files.load(ROOT / "models" / "reference")
    with pytest.raises(OutputError, match="lies inside the input"):
        cluster.run(None, cluster.ClusterRequest(source, written, settings))
    with pytest.raises(OutputError, match="lies inside the input"):
        train.run(None, Request(source, base, written, settings))


def earlier_demo(folder):
    demo.make_room(folder)
    bundles = ("clusters/bundle.json", "model/cnn.onnx")
    for name in (*bundles, "labelled/part-0.parquet", "report.html"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    (folder / ".labelled.lock-of-a-killed-run").touch()
    return folder


def test_a_demo_deletes_the_bundles_of_an_earlier_one_and_leaves_the_rest_to_be_replaced(tmp_path):
    folder = earlier_demo(tmp_path / "demo")
    demo.make_room(folder)
    left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    assert left == {"labelled", "report.html"}


@pytest.mark.parametrize("name", ["notes.txt", "model/notes.txt", "clusters/deep/notes.txt"])
def test_a_demo_deletes_no_file_that_no_demo_made(tmp_path, name):
    folder = earlier_demo(tmp_path / "demo")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("mine")
    before = sorted(folder.rglob("*"))
    with pytest.raises(OutputError, match="not from a demo"):
        demo.make_room(folder)
    assert sorted(folder.rglob("*")) == before
