"""The Python API on Spark Connect: a server on this machine, and nothing of the driver's JVM."""

import json
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.edits import make_models
from test_api import LENIENT, dirty, rows

from genre_spark import api

pytest.importorskip("grpc_status", reason="Spark Connect is absent: pyspark[connect]")
pytestmark = pytest.mark.usefixtures("small_plans")
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


def ordered(table):
    return table.sort_values(next(iter(table))).reset_index(drop=True)


def test_labels_on_connect_are_those_of_a_classic_session_to_the_last_bit(spark, model, connected):
    table = spark.createDataFrame(dirty())
    classic = rows(api.score(spark, table, model, explain=True, settings=LENIENT), "scored_at")
    classic.to_parquet(connected / "classic.parquet")
    expected = pd.read_parquet(connected / "classic.parquet")
    found = ordered(pd.read_parquet(connected / "labels.parquet"))
    assert len(found) == 59
    assert (found["n_imputed"] == 1).sum() == 10
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_the_quarantine_on_connect_is_that_of_a_classic_session(spark, model, connected):
    classic = rows(api.quarantine(spark, spark.createDataFrame(dirty()), model, settings=LENIENT))
    found = ordered(pd.read_parquet(connected / "quarantine.parquet"))
    assert len(found) == 4
    pd.testing.assert_frame_equal(found.astype(str), classic.astype(str), check_exact=True)


def test_what_needs_a_classic_session_says_so_in_one_line(connected):
    said = json.loads((connected / "said.json").read_text())
    for work in ("cluster", "train"):
        assert said[work].startswith(f"{work} needs a classic session, and this is one of Spark")
    assert "hdfs://node/model: reading and writing by Hadoop needs a classic" in said["hdfs"]
    assert "column tempo cannot be made from 'no_such + 1'" in said["mapping"]
    assert said["ansi"][0] == said["ansi"][1] == {"spark.sql.ansi.enabled": "true"}
