"""The API on Spark Connect, and commands on the warm server: nothing of the driver's JVM."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from pyarrow import parquet as pq
from support import edits, standalone
from support.commands import ROOT, run
from support.generated import make_tracks
from test_api import LENIENT, dirty

from genre_spark import api
from genre_spark.bundle import files
from genre_spark.catalog.catalogue import Source
from genre_spark.cli.entry_point import cli
from genre_spark.config import load_settings
from genre_spark.errors import ConfigError, OutputError
from genre_spark.pipelines import score as score_pipeline
from genre_spark.platform import warm_server
from genre_spark.scoring.in_memory import COLUMNS, InMemoryScorer
from genre_spark.source import Dataset

pytest.importorskip("grpc_status", reason="Spark Connect is absent: pyspark[connect]")
SCRIPT = Path(__file__).parent / "support" / "connect.py"
PIPELINE = ROOT / "docs" / "examples" / "pipeline"
REFERENCE = ROOT / "models" / "reference"


@pytest.fixture(scope="module")
def warm(model, tmp_path_factory):
    """Runs a command on a warm server of its own, in a folder with tables; gives its output.

    What the first one has `seen` of a table comes with it.
    """
    folder = tmp_path_factory.mktemp("warm")
    dirty().to_parquet(folder / "tracks.parquet")
    dirty().to_csv(folder / "tracks.csv", index=False)
    environment = {**os.environ, "TMPDIR": str(folder), "GENRE_SPARK_WARM": "1"}
    environment.pop("PYSPARK_SUBMIT_ARGS", None)

    def command(*words, expect=0):
        line = [sys.executable, "-m", "genre_spark.cli", *words]
        done = subprocess.run(line, capture_output=True, text=True, cwd=folder, env=environment)
        assert done.returncode == expect, done.stderr[-3000:]
        return done.stdout if expect == 0 else done.stderr

    command.folder = folder
    command.seen = json.loads(command("inspect", "--catalog", "tracks.csv", "--json"))
    yield command
    command("warm", "stop")


def server_of(folder):
    return json.loads(next(folder.glob("genre-spark-warm-*/server.json")).read_text())


def url_of(folder):
    server = server_of(folder)
    return f"sc://localhost:{server['port']}/;token={server['token']}"


@pytest.fixture(scope="module")
def connected(model, warm, tmp_path_factory):
    """The folder that a process with a session of its own on the server has filled."""
    folder, url = tmp_path_factory.mktemp("connect"), url_of(warm.folder)
    command = [sys.executable, SCRIPT, warm.folder / "tracks.parquet", model, folder, url]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def rows_of(table):
    """The rows of an Arrow table, by id; equal ones are equal to the last bit."""
    return sorted(table.to_pylist(), key=lambda row: str(row["track_id"]))


@pytest.mark.parametrize(("name", "n"), [("labels", 59), ("quarantine", 4)])
def test_tables_on_connect_are_those_of_a_classic_session_to_the_last_bit(
    spark, model, connected, name, n
):
    table = spark.createDataFrame(dirty())
    classic = {
        "labels": lambda: api.score(spark, table, model, explain=True, settings=LENIENT),
        "quarantine": lambda: api.quarantine(spark, table, model, settings=LENIENT),
    }[name]()
    found = rows_of(pq.read_table(connected / f"{name}.parquet"))
    assert len(found) == n
    assert found == rows_of(classic.drop("scored_at").toArrow())


def test_what_needs_a_classic_session_is_refused_in_one_line(connected):
    said = json.loads((connected / "said.json").read_text())
    for work in ("cluster", "train"):
        assert said[work].startswith(f"{work} needs a classic session, and this is one of Spark")
    assert "hdfs://node/model: reading and writing by Hadoop needs a classic" in said["hdfs"]
    assert "column '${env:PATH}': Spark may replace '${…}': rename it" in said["variable"]
    assert "column tempo cannot be made from 'no_such + 1'" in said["mapping"]
    assert said["ansi"][0] == said["ansi"][1] == {"spark.sql.ansi.enabled": "true"}


ALLOWED = [word for key in LENIENT for word in ("--set", f"{key}={LENIENT[key]}")]


def test_commands_on_the_warm_server_publish_what_a_classic_session_does(spark, model, warm):
    settings = load_settings(given={**LENIENT, "scoring.explain": True})
    table = str(warm.folder / "tracks.parquet")
    request = edits.request(Source(table, Dataset()), model, str(warm.folder / "classic"), settings)
    classic = score_pipeline.run(spark, request).manifest
    line = ["--model", model, "--output", "labels", "--explain", *ALLOWED, "--json"]
    first = server_of(warm.folder)
    warm("score", "--catalog", "tracks.parquet", *line)
    again = json.loads(warm("score", "--catalog", "tracks.csv", *line, "--incremental"))
    page = json.loads(
        warm("labels", "labels", "--catalog", "tracks.csv", "--output", "p.html", "--json")
    )
    assert server_of(warm.folder) == first
    found = [pq.read_table(warm.folder / one).drop("scored_at") for one in ("classic", "labels")]
    assert rows_of(found[0]) == rows_of(found[1])
    assert len(rows_of(found[0])) == 59
    assert again["rows"]["quarantined"] == classic.rows.quarantined == 4
    assert again["rows"]["fingerprint"] == classic.rows.fingerprint
    assert warm.seen["rows"]["read"] == 63
    assert page["tracks"] == 59


@pytest.fixture
def pipeline(warm, tmp_path):
    """The example of a declarative pipeline, run on some tracks; the tracks, and the views by name."""
    cli = "pyspark.pipelines.cli"
    pytest.importorskip(cli, reason="pyspark has no pipelines: 4.1 has", exc_type=ImportError)
    spec = tmp_path / "pipeline" / "spark-pipeline.yml"
    shutil.copytree(PIPELINE, spec.parent)
    tracks = make_tracks(200, seed=3)
    tracks.loc[0, "track_id"] = None
    tracks.to_parquet(tmp_path / "tracks.parquet")
    given = yaml.safe_load(spec.read_text("utf-8"))
    given["storage"] = tmp_path.as_uri()
    given["configuration"] |= {
        "genre_spark.tracks": f"parquet.`{tmp_path / 'tracks.parquet'}`",
        "genre_spark.model": str(REFERENCE),
    }
    spec.write_text(yaml.safe_dump(given), "utf-8")
    line = [standalone.BIN / "spark-pipelines", "run", "--spec", spec]
    run([*line, "--remote", url_of(warm.folder)], PYTHONPATH=str(ROOT))
    views = {one.name: pd.read_parquet(one) for one in warm.folder.glob("spark-warehouse/*")}
    return tracks, views


def test_a_declarative_pipeline_makes_views_of_what_score_gives(pipeline):
    tracks, views = pipeline
    expected = InMemoryScorer(files.load(str(REFERENCE)), max_imputed=3).label(tracks[1:])
    found = views["labelled_tracks"].set_index("track_id").loc[expected["track_id"]].reset_index()
    pd.testing.assert_frame_equal(
        found[list(COLUMNS)], expected.reset_index(drop=True), check_dtype=False, atol=1e-6
    )
    assert views["quarantined_tracks"]["_reasons"].map(list).tolist() == [["missing:track_id"]]
    accepted = views["accepted_genres"].set_index("genre")["count"]
    assert accepted.sum() == found["genre_accepted"].sum() > 0


def test_the_warm_server_is_reached_by_its_user_alone(warm):
    (folder,) = warm.folder.glob("genre-spark-warm-*")
    server = server_of(warm.folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "server.json").stat().st_mode & 0o777 == 0o600
    assert server["token"] not in Path(f"/proc/{server['pid']}/cmdline").read_text("utf-8")
    refused = (
        "from pyspark.sql.connect.session import SparkSession as S; S.builder.remote("
        f"'sc://localhost:{server['port']}/;token=wrong').create().range(1).count()"
    )
    done = subprocess.run([sys.executable, "-c", refused], capture_output=True, text=True)
    assert "UNAUTHENTICATED" in done.stderr


def test_the_warm_server_ends_once_it_has_been_idle(warm):
    (folder,) = warm.folder.glob("genre-spark-warm-*")
    pid = server_of(warm.folder)["pid"]
    warm_server.watch(folder, pid, idle=1.0)
    assert not (folder / "server.json").exists()
    assert not Path(f"/proc/{pid}/stat").exists()
    assert json.loads(warm("warm", "stop", "--json")) == {"stopped": False}


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """The folder of a server, where stopping one only writes that down."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("SPARK_LOCAL_CONNECT_DISCOVERY", "")
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setattr(warm_server, "_reach", lambda *_: "sc://localhost:1")
    ended = []
    monkeypatch.setattr(warm_server, "_end", lambda folder: bool(ended.append(folder)) or True)
    return tmp_path / f"genre-spark-warm-{os.getuid()}", ended


def serve(**properties):
    with warm_server.serving("local[2]", properties):
        pass


def test_a_server_of_other_options_or_another_environment_is_replaced(own_folder, monkeypatch):
    _, ended = own_folder
    for properties in ({"a": "1"}, {"a": "1"}, {"a": "2"}, {"a": "2"}):
        serve(**properties)
    assert len(ended) == 2
    monkeypatch.setenv("TZ", "Asia/Kathmandu")
    serve(a="2")
    assert len(ended) == 3


def test_a_server_at_work_is_neither_replaced_nor_stopped(own_folder):
    folder, ended = own_folder
    serve(a="1")
    with (folder / "use").open("a") as other:
        fcntl.flock(other, fcntl.LOCK_SH)
        serve(a="1")
        with pytest.raises(ConfigError, match="the warm server works for a command of another"):
            serve(a="2")
        with pytest.raises(OutputError, match="works for another command: end that first"):
            warm_server.stop()
    assert len(ended) == 1
    assert warm_server.stop()


def test_a_folder_that_others_can_enter_is_refused(own_folder):
    folder, _ = own_folder
    folder.mkdir()
    folder.chmod(0o755)
    with pytest.raises(ConfigError, match="must be a folder that only you can enter"):
        serve()


def test_what_cannot_run_on_a_server_is_refused_in_one_line():
    read = ["inspect", "--catalog", "no.csv"]
    cases = {
        "demo does not run on Spark Connect, only inspect, score, labels and report do": ["demo", "--warm"],
        "run it without --remote": ["cluster", *read[1:], "--output", "x", "--remote", "sc://h"],
        "excludes --warm and --master": [*read, "--remote", "sc://h", "--warm"],
        "--warm runs on this machine, --master yarn elsewhere": [*read, "--warm", "--master", "yarn"],
    }  # fmt: skip
    for message, words in cases.items():
        assert message in str(CliRunner().invoke(cli, words).exception)


# Questions about plans to a server: each is a round trip, and a look at the whole plan
ROUND_TRIPS = {
    "mapping": {"schema": 5},  # However many columns it has.
    "score": {"schema": 5, "is_streaming": 2, "input_files": 1, "ddl_parse": 1},
}


@pytest.mark.parametrize("work", ROUND_TRIPS)
def test_work_takes_few_round_trips(work, connected):
    said = json.loads((connected / "said.json").read_text("utf-8"))
    asked, most = Counter(said["analyses"][work]), ROUND_TRIPS[work]
    assert {kind: n for kind, n in asked.items() if n > most.get(kind, 0)} == {}
