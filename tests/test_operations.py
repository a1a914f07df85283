"""What is written for those who run genre-spark: each command, error, link and DAG in it is a real one."""

import os
import re
import shlex
import subprocess
import sys
import types
from contextlib import contextmanager
from pathlib import Path

import pytest

from genre_spark import errors
from genre_spark.cli import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("[!.]*/*.md"), *ROOT.glob("docs/**/*.md")})
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
MAKEFILE = ROOT / "docs" / "examples" / "nightly.mk"
DAGSTER = ROOT / "docs" / "examples" / "genre_spark_dagster.py"
DAG = ROOT / "docs" / "examples" / "genre_spark_nightly.py"


def check(arguments):
    """Holds arguments to the options of the command that they name; nothing is run."""
    command, context = cli, None
    while hasattr(command, "commands"):
        name, *arguments = arguments
        context = cli.make_context("genre-spark", [name], resilient_parsing=True)
        command = command.commands[name]
    command.make_context(name, list(arguments), parent=context)
    return command


def commands_of(text):
    """Arguments of every genre-spark command line in a page, with its continuation lines."""
    text = re.sub(r"\\\n\s*", " ", text)
    lines = re.findall(r"^(?: {4}|[^`\n|]*&& |)genre-spark (.+?)(?: >>.*)?$", text, re.M)
    return [
        shlex.split(line, comments=True) for line in lines if not line.startswith(("COMMAND", "…"))
    ]


def test_the_check_of_commands_refuses_what_no_command_takes():
    import click

    assert check(["models", "diff", "a", "b", "--catalog", "c"]).name == "diff"
    for wrong in (["score", "--fast"], ["models", "promote"], ["score", "--model", "m"]):
        with pytest.raises(click.UsageError):
            check(wrong)


def test_every_command_of_the_operations_page_is_one():
    found = commands_of(OPERATIONS)
    assert len(found) >= 9
    assert {arguments[0] for arguments in found} >= {"score", "models"}
    for arguments in found:
        check(arguments)


def test_every_error_and_exit_code_has_its_remedy():
    rows = re.findall(r"^\| (\d+) \| (.*?)\| .+ \| .+ \|$", OPERATIONS, re.M)
    told = {int(code): named for code, named in rows}
    kinds = [errors.GenreSparkError, *errors.GenreSparkError.__subclasses__()]
    assert len(kinds) >= 6
    for kind in kinds:
        assert f"`{kind.__name__}`" in told[kind.exit_code]
    signals = {129, 130, 131, 143}  # SIGHUP, SIGINT, SIGQUIT, SIGTERM
    assert set(told) == {0, *signals, *(kind.exit_code for kind in kinds)}


def test_every_metric_of_the_operations_page_is_written():
    source = (ROOT / "genre_spark" / "monitoring" / "prometheus.py").read_text()
    named = set(re.findall(r"genre_spark_[a-z_]+", OPERATIONS)) - {
        "genre_spark_nightly", "genre_spark_weekly", "genre_spark_dagster", "genre_spark_stream",
    }  # fmt: skip
    written = set(re.findall(r"genre_spark_[a-z_]+", source))
    written |= {"genre_spark_accepted", "genre_spark_mean_confidence"}  # named by their fields
    assert {name.rstrip("_") for name in named} <= written
    assert {name for name in written if not name.endswith("_")} - named == set()


def anchors(page):
    titles = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.M)
    plain = (re.sub(r"[^\w\- ]", "", title.lower()) for title in titles)
    return {title.replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


def test_the_readme_leads_to_every_page_for_people():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    missing = [p.name for p in (ROOT / "docs").glob("*.md") if f"(docs/{p.name})" not in text]
    assert missing == []


class Task(types.SimpleNamespace):
    """Keeps its order, as tasks of Airflow do."""

    def __rshift__(self, other):
        self.downstream_task_ids.add(other.task_id)
        return other


def stand_in(monkeypatch):
    """Just as much of Airflow as the file imports: operators keep what they are given, DAGs their tasks."""
    dags = []

    def operator(task_id, application, application_args, properties_file, conn_id):
        dags[-1].tasks.append(Task(**locals(), downstream_task_ids=set()))
        return dags[-1].tasks[-1]

    @contextmanager
    def dag(dag_id, schedule, start_date, catchup, max_active_runs, default_args):
        dags.append(types.SimpleNamespace(**locals(), tasks=[]))
        yield dags[-1]

    path = "airflow.providers.apache.spark.operators.spark_submit"
    names = [path.rsplit(".", i)[0] for i in range(path.count("."), -1, -1)]
    for name in [*names, "airflow.sdk"]:
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules[path].SparkSubmitOperator = operator
    sys.modules["airflow.sdk"].DAG = dag


@pytest.fixture(params=["airflow", "a stand-in for airflow"])
def dags(request, monkeypatch):
    if request.param == "airflow":
        reason = "Airflow is absent; its stand-in was checked"
        pytest.importorskip("airflow.providers.apache.spark", reason=reason)
    else:
        stand_in(monkeypatch)
    shared = {"__name__": "genre_spark_nightly", "__file__": str(DAG)}
    exec(compile(DAG.read_text(), str(DAG), "exec"), shared)
    return [shared["nightly"], shared["weekly"]]


def test_the_dags_submit_jobs_that_are_there_with_options_that_they_take(dags):
    home = "{{ var.value.genre_spark_home }}"
    for dag in dags:
        # Of two runs on one output the second would be refused.
        assert dag.max_active_runs == 1
        assert not dag.catchup
        for task in dag.tasks:
            job = ROOT / task.application.replace(home, str(ROOT))
            assert job.is_file()
            assert Path(task.properties_file.replace(home, str(ROOT))).is_file()
            arguments = [re.sub(r"\{\{.*?\}\}", "x", one) for one in task.application_args]
            check([job.stem, *arguments])
    assert [task.task_id for task in dags[0].tasks] == ["score"]


def test_a_candidate_is_compared_before_it_may_become_champion(dags):
    order = {task.task_id: task.downstream_task_ids for task in dags[1].tasks}
    assert order == {
        "cluster": {"train"}, "train": {"diff"}, "diff": {"promote"}, "promote": set(),
    }  # fmt: skip
    of = {task.task_id: task.application_args for task in dags[1].tasks}
    assert of["train"][of["train"].index("--output") + 1] in of["promote"]
    assert "genre_spark_held_back" in " ".join(of["promote"])


def test_the_targets_of_the_makefile_run_commands_with_options_that_they_take():
    shown = ["make", "-n", "-f", str(MAKEFILE), "labelled", "promoted"]
    # These tests may run under `make`, whose settings an inner one would take.
    outside = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    outside.pop("MFLAGS", None)
    done = subprocess.run(shown, capture_output=True, text=True, check=True, env=outside)
    lines = [shlex.split(line)[1:] for line in done.stdout.splitlines()]
    assert [line[0] for line in lines] == ["score", "cluster", "train", "models"]
    for arguments in lines:
        check(arguments)
    made = lines[2][lines[2].index("--output") + 1]
    assert made in lines[3]


class Dagster(types.ModuleType):
    """Stands for as much of Dagster as the example imports."""

    def __getattr__(self, name):
        def keep(*given, **options):
            return given[0] if given else (lambda work: work) if name == "asset" else options

        return keep


@pytest.fixture(params=["dagster", "a stand-in for dagster"])
def dagster(request, monkeypatch):
    if request.param == "dagster":
        pytest.importorskip("dagster", reason="Dagster is absent; its stand-in was checked")
    else:
        monkeypatch.setitem(sys.modules, "dagster", Dagster("dagster"))
    for name in ("CATALOG", "MODEL", "LABELLED"):
        monkeypatch.setenv(f"GENRE_SPARK_{name}", "x")
    shared = {"__name__": "genre_spark_dagster", "__file__": str(DAGSTER)}
    exec(compile(DAGSTER.read_text(), str(DAGSTER), "exec"), shared)
    return shared


def test_the_asset_runs_a_command_with_options_that_it_takes(dagster):
    program, *arguments = dagster["command"]()
    assert program == "genre-spark"
    assert check(arguments).name == "score"
    assert "--json" in arguments
