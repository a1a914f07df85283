"""The Python API on Spark Connect: a server on this machine, and nothing of the driver's JVM."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from pyarrow import parquet as pq
from support.edits import make_models
from test_api import LENIENT, dirty

from genre_spark import api

pytest.importorskip("grpc_status", reason="Spark Connect is absent: pyspark[connect]")
SCRIPT = Path(__file__).parent / "support" / "connect.py"


@pytest.fixture(scope="module")
def model(spark, tmp_path_factory):
    return make_models(spark, tmp_path_factory.mktemp("models"))["model"]


@pytest.fixture(scope="module")
def connected(model, tmp_path_factory):
    """The folder that the process on Spark Connect has filled."""
    folder = tmp_path_factory.mktemp("connect")
    dirty().to_parquet(folder / "tracks.parquet")
    command = [sys.executable, SCRIPT, folder / "tracks.parquet", model, folder]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return folder


def rows_of(table):
    """The rows of an Arrow table, by id; equal ones are equal to the last bit."""
    return sorted(table.to_pylist(), key=lambda row: str(row["track_id"]))


def test_labels_on_connect_are_those_of_a_classic_session_to_the_last_bit(spark, model, connected):
    table = spark.createDataFrame(dirty())
    classic = api.score(spark, table, model, explain=True, settings=LENIENT).drop("scored_at")
    found = rows_of(pq.read_table(connected / "labels.parquet"))
    assert len(found) == 59
    assert sum(row["n_imputed"] == 1 for row in found) == 10
    assert found == rows_of(classic.toArrow())


def test_the_quarantine_on_connect_is_that_of_a_classic_session(spark, model, connected):
    classic = api.quarantine(spark, spark.createDataFrame(dirty()), model, settings=LENIENT)
    found = rows_of(pq.read_table(connected / "quarantine.parquet"))
    assert len(found) == 4
    assert found == rows_of(classic.toArrow())


def test_what_needs_a_classic_session_is_refused_in_one_line(connected):
    said = json.loads((connected / "said.json").read_text())
    for work in ("cluster", "train"):
        assert said[work].startswith(f"{work} needs a classic session, and this is one of Spark")
    assert "hdfs://node/model: reading and writing by Hadoop needs a classic" in said["hdfs"]
    assert "column '${env:PATH}': Spark may replace '${…}': rename it" in said["variable"]
    assert "column tempo cannot be made from 'no_such + 1'" in said["mapping"]
    assert said["ansi"][0] == said["ansi"][1] == {"spark.sql.ansi.enabled": "true"}
