"""What machines are told of a run: logs as JSON lines, and metrics for Prometheus."""

import json
import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from support.commands import Commands
from support.generated import make_drift, make_metrics, make_rows
from support.servers import posts

from genre_spark import errors
from genre_spark.bundle.manifest import LabelProfile
from genre_spark.errors import ConfigError, GateError
from genre_spark.monitoring import json_logs
from genre_spark.monitoring.finished_run import Facts, FinishedRun

prometheus = pytest.importorskip("prometheus_client", reason="the extra `metrics` is absent")
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402

from genre_spark.monitoring import prometheus as metrics  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
FACTS = Facts(
    model_id="fedc",
    rows=make_rows(12, 10).model_copy(update={"reasons": {"missing:tempo": 2}}),
    labels=LabelProfile(genres={'drum "n" bass': 10}, synthetic_genres={"loud": 10}, accepted=0.5),
    drift=make_drift(tempo=0.3, energy=None),
    protocols={"new": make_metrics(accuracy=0.8, coverage=0.4)},
)
DONE = FinishedRun("score", "0123456789ab", exit_code=0, seconds=3.5, facts=FACTS)
FAILED = replace(DONE, exit_code=5, facts=Facts())


def samples(text):
    """Value by name and labels, as Prometheus reads them."""
    return {
        (one.name, *sorted(one.labels.items())): one.value
        for family in text_string_to_metric_families(text)
        for one in family.samples
    }


def written(path, run):
    metrics.send(str(path), run)
    return samples(path.read_text())


def of(name, **labels):
    return (f"genre_spark_{name}", *sorted({"command": "score", **labels}.items()))


def test_a_textfile_holds_what_a_run_has_come_to(tmp_path):
    found = written(tmp_path / "score.prom", DONE)
    assert found[of("exit_code")] == 0
    assert found[of("seconds")] == 3.5
    assert found[of("rows", state="accepted")] == 10
    assert found[of("quarantined_rows", reason="missing:tempo")] == 2
    assert found[of("tracks", kind="genres", label='drum "n" bass')] == 10
    assert found[of("accepted")] == 0.5
    assert found[of("drift_level")] == 1
    assert found[of("accuracy", artists="new")] == 0.8
    assert found[of("drift_psi", of="tempo")] == 0.3
    assert of("drift_psi", of="energy") not in found
    assert list(tmp_path.iterdir()) == [tmp_path / "score.prom"]


def test_after_a_failure_the_last_success_is_still_reported(tmp_path):
    path = tmp_path / "score.prom"
    assert of("succeeded_timestamp_seconds") not in written(path, FAILED)
    before = written(path, DONE)
    for _ in range(2):
        after = written(path, FAILED)
    assert after[of("exit_code")] == 5
    assert after[of("succeeded_timestamp_seconds")] == before[of("succeeded_timestamp_seconds")]
    assert of("rows", state="accepted") not in after


def test_metrics_are_pushed_to_a_gateway():
    with posts() as (url, seen):
        metrics.send(url, DONE)
    ((path, _, body),) = seen
    assert path == "/metrics/job/genre_spark/command/score"
    assert samples(body)[of("rows", state="read")] == 12


def run(*arguments):
    """A command that needs no Spark; its exit code and the lines of both outputs."""
    command = [sys.executable, "-m", "genre_spark.cli", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@pytest.fixture
def registry(tmp_path):
    (tmp_path / "models" / "mine").mkdir(parents=True)
    return tmp_path / "models"


def test_a_run_that_succeeds_ends_with_a_line_that_confirms_it(registry, tmp_path):
    file = tmp_path / "list.prom"
    listed = ("models", "list", "--registry", registry, "--json")
    code, out, err = run(*listed, "--log-format", "json", "--metrics", file)
    assert code == 0
    assert json.loads(out[0]) == {"models": []}
    last = json.loads(err[-1])
    assert (last["message"], last["exit_code"]) == ("finished", 0)
    assert (last["command"], last["level"]) == ("models list", "INFO")
    found = samples(file.read_text())
    assert found[("genre_spark_exit_code", ("command", "models list"))] == 0
    (told,) = (dict(key[1:]) for key in found if key[0] == "genre_spark_run_info")
    assert told["run_id"] == last["run_id"]


def test_a_run_that_fails_ends_with_a_line_that_has_its_exit_code(registry, tmp_path):
    file = tmp_path / "show.prom"
    shown = ("models", "show", "mine@champion", "--registry", registry)
    code, out, err = run(*shown, "--log-format", "json", "--metrics", file)
    assert (code, out) == (4, [])
    last = json.loads(err[-1])
    assert last["level"] == "ERROR"
    assert last["exit_code"] == 4
    assert "has no champion" in last["message"]
    assert samples(file.read_text())[("genre_spark_exit_code", ("command", "models show"))] == 4


def test_people_get_plain_lines_by_default(registry):
    err = Commands(None)("models", "show", "mine@champion", "--registry", registry, expect=4)
    assert err == f"genre-spark: {registry}/mine: has no champion; aliases given so far: none\n"


def test_a_log_line_is_one_object_with_the_run_and_the_traceback(capfd):
    json_logs.configure("json", False, "abc", "score")
    assert json_logs.are_json()
    try:
        raise ValueError("a\nb")
    except ValueError:
        logging.getLogger("genre_spark.x").warning("two\nlines", exc_info=True)
    logging.getLogger("other").info("not ours")
    (line,) = capfd.readouterr().err.splitlines()
    found = json.loads(line)
    assert (found["run_id"], found["message"]) == ("abc", "two\nlines")
    assert "ValueError" in found["traceback"]


@pytest.mark.parametrize(
    ("error", "code"),
    [(GateError("x"), 5), (ConfigError("x"), 2), (ModuleNotFoundError("x"), 2),
     (KeyboardInterrupt(), 130), (ValueError("x"), 1)],
)  # fmt: skip
def test_every_end_has_its_exit_code(error, code):
    assert errors.exit_code(error) == code
