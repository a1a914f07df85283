"""What the documentation shows in Python: the notebook, and the examples of the API."""

import doctest
import re
from pathlib import Path

import pandas as pd
import pytest
from pyspark.sql import functions as F
from support.generated import make_tracks

import genre_spark
from genre_spark import api
from genre_spark.errors import ConfigError
from genre_spark.pipelines import demo

NOTEBOOK = Path(__file__).resolve().parent.parent / "docs" / "notebook.md"
# Run by `make check-demo`, as the table is the demo's.
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def notebook(spark, tmp_path_factory):
    """What the notebook's cells leave behind, and the folder where they were run."""
    try:
        table = demo.table().resolve()
    except ConfigError as err:
        pytest.skip(str(err))
    folder, shared = tmp_path_factory.mktemp("notebook"), {}
    rows = pd.read_parquet(table)
    # A sixth of the artists, with all of their tracks.
    few = rows[pd.util.hash_array(rows["artists"].fillna("").to_numpy(object)) % 6 == 0]
    few.to_parquet(folder / "tracks.parquet")
    # Java stays in the folder where it was started.
    text = NOTEBOOK.read_text(encoding="utf-8").replace(
        "tracks.parquet", f"{folder}/tracks.parquet"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for cell in re.findall(r"^```python\n(.*?)^```", text, re.M | re.S):
            exec(compile(cell, str(NOTEBOOK), "exec"), shared)
    return folder, shared


def test_the_notebook_runs_from_top_to_bottom(notebook):
    folder, found = notebook
    assert {path.name for path in folder.iterdir()} == {"clusters", "model", "tracks.parquet"}
    n_labelled, n_aside = found["labelled"].count(), found["aside"].count()
    assert n_labelled + n_aside == len(pd.read_parquet(folder / "tracks.parquet"))
    assert 0 < n_aside < 0.1 * n_labelled
    assert 0.4 < found["accuracy"] <= 1


def test_the_examples_of_the_api_hold(spark, notebook, monkeypatch):
    monkeypatch.chdir(notebook[0])
    made = make_tracks(400, seed=3)
    # Some are louder than tracks are, at which `score` stops.
    made["loudness"] = made["loudness"].clip(upper=-0.5)
    tracks = spark.createDataFrame(made).cache()
    shared = {"genre_spark": genre_spark, "spark": spark, "tracks": tracks, "F": F}
    runner = doctest.DocTestRunner()
    for name in ("cluster", "train", "open_model", "score", "suggest", "quarantine"):
        (example,) = doctest.DocTestFinder().find(getattr(api, name), name, globs=shared)
        assert example.examples
        runner.run(example)
    assert runner.summarize(verbose=False).failed == 0
