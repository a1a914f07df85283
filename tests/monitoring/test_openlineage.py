"""Events of OpenLineage: what they hold, where they go, and that no failure of theirs is a run's."""

import json
from dataclasses import replace

import pytest
from support.generated import make_drift, make_rows
from support.servers import posts

pytest.importorskip("openlineage.client", reason="OpenLineage is absent: the extra `openlineage`")

from genre_spark.monitoring import openlineage
from genre_spark.monitoring.finished_run import Facts, FinishedRun, Labelled

COLUMNS = {"track_id": "string", "genre_confidence": "float"}
REASONS = {"missing:track_id": 2, "malformed_row": 3}
FACTS = Facts(
    source="hdfs://node:8020/tracks",
    source_version=7,
    model="models:/mine/3",
    published=(Labelled("s3a://music/labelled", COLUMNS, 60),),
    rows=make_rows(65, 60).model_copy(update={"reasons": REASONS}),
    drift=make_drift(tempo=0.5, energy=None),
)
RUN = FinishedRun("score", "0123456789ab", exit_code=0, seconds=3.5, facts=FACTS)


def sent(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def event(tmp_path):
    openlineage.send(str(tmp_path / "lineage.jsonl"), RUN)
    (found,) = sent(tmp_path / "lineage.jsonl")
    return found


def test_an_event_names_inputs_and_outputs_as_other_tools_do(event):
    assert event["eventType"] == "COMPLETE"
    assert event["job"]["name"] == "genre-spark.score"
    inputs = [(one["namespace"], one["name"]) for one in event["inputs"]]
    assert inputs == [("hdfs://node:8020", "/tracks"), ("mlflow", "mine/3")]
    (output,) = event["outputs"]
    assert (output["namespace"], output["name"]) == ("s3://music", "labelled")


def test_an_event_holds_counts_columns_quality_and_the_version_that_was_read(event):
    source, output = event["inputs"][0], event["outputs"][0]
    assert source["facets"]["version"]["datasetVersion"] == "7"
    assert source["inputFacets"]["dataQualityMetrics"]["rowCount"] == 65
    checks = source["inputFacets"]["dataQualityAssertions"]["assertions"]
    found = [
        (one["assertion"], one.get("column"), one["success"], one.get("actual")) for one in checks
    ]
    assert found == [
        ("missing", "track_id", False, "2"),
        ("malformed_row", None, False, "3"),
        ("drift_psi", "tempo", False, "0.5000"),
        ("drift_psi", "energy", True, None),
    ]
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 60
    fields = [(one["name"], one["type"]) for one in output["facets"]["schema"]["fields"]]
    assert fields == list(COLUMNS.items())


def test_events_are_added_to_a_file_and_a_failed_run_is_one_too(tmp_path):
    path = tmp_path / "lineage.jsonl"
    openlineage.send(str(path), RUN)
    openlineage.send(str(path), replace(RUN, command="models promote", exit_code=5))
    first, second = sent(path)
    assert (second["eventType"], second["job"]["name"]) == ("FAIL", "genre-spark.models.promote")
    assert second["run"]["facets"]["errorMessage"]["message"] == "exit code 5"
    assert second["inputs"] == second["outputs"] == []
    assert first["run"]["runId"] == second["run"]["runId"]


def test_a_dry_run_has_no_output_and_secrets_stay_here(tmp_path):
    facts = replace(FACTS, published=(), source="https://me:word@host/tracks.csv")
    event = openlineage.event(replace(RUN, facts=facts))
    assert event.outputs == []
    assert "word" not in str(event)


def test_an_event_is_posted_to_a_server(monkeypatch):
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "secret")
    with posts() as (url, seen):
        openlineage.send(url, RUN)
    ((path, headers, body),) = seen
    assert (path, headers["Authorization"]) == ("/api/v1/lineage", "Bearer secret")
    assert json.loads(body)["eventType"] == "COMPLETE"
