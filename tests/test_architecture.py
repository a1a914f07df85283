"""Imports point one way, heavy libraries stay where they belong, and everything says what it is."""

import ast
import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "genre_spark"
TREES = {
    ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts): ast.parse(
        path.read_text("utf-8")
    )
    for path in (ROOT / PACKAGE).rglob("*.py")
}
MODULES = sorted(name for name in TREES if not name.endswith("__init__"))
JOBS = {path.stem: ast.parse(path.read_text()) for path in (ROOT / "jobs").glob("*.py")}


def imported(tree, *, functions=True, types=True):
    """Dotted names that a module imports, with those in functions and those for type checkers."""
    found = set()
    for node in _nodes(tree, functions, types):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def _nodes(tree, functions, types):
    for node in ast.iter_child_nodes(tree):
        in_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for_types = isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if (in_function and not functions) or (for_types and not types):
            continue
        yield node
        yield from _nodes(node, functions, types)


def libraries(tree, **where):
    return {name.split(".")[0] for name in imported(tree, **where)}


def test_the_parser_of_this_test_sees_imports_in_functions_and_under_conditions():
    tree = ast.parse(
        "import a.b\nif x:\n  import c\nif TYPE_CHECKING:\n  import d\n"
        "def f():\n  from e import g\nclass C:\n  import h\n"
    )
    assert imported(tree) == {"a.b", "c", "d", "e.g", "h"}
    assert imported(tree, types=False) == {"a.b", "c", "e.g", "h"}
    assert imported(tree, functions=False) == {"a.b", "c", "d", "h"}


def test_few_modules_stand_outside_the_folders():
    assert len([name for name in TREES if "." not in name]) <= 8


def test_finding_java_needs_the_standard_library_only_because_it_runs_before_set_up():
    assert libraries(TREES["platform.java"]) <= set(sys.stdlib_module_names)
    at_once = libraries(TREES["__init__"], functions=False, types=False)
    assert at_once <= {PACKAGE, *sys.stdlib_module_names}
    assert libraries(TREES["versions"]) <= set(sys.stdlib_module_names)


def test_only_the_network_imports_keras_or_tensorflow_and_only_in_functions():
    heavy = {"keras", "tensorflow"}
    users = [name for name in MODULES if libraries(TREES[name], types=False) & heavy]
    assert users == ["classifier.network"]
    assert all(not libraries(TREES[user], functions=False, types=False) & heavy for user in users)


def test_only_the_command_modules_and_jobs_import_click():
    users = [name for name in MODULES if "click" in libraries(TREES[name])]
    assert users
    assert all(user.startswith("cli.") for user in users)


def test_only_session_builds_a_spark_session():
    assert [name for name in MODULES if "builder" in _attributes(TREES[name])] == [
        "platform.session"
    ]


def _attributes(tree):
    nodes = (node for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    return {
        node.attr
        for node in nodes
        if isinstance(node.value, ast.Name) and node.value.id == "SparkSession"
    }


# Modules, and what they must not load: what starts fast, help and completion, and a scoring job.
LOADS = {
    "errors schema config platform.java platform.session features.scaling bundle.files"
    " catalog.public_datasets cli.views": "pyspark",
    "cli": "pyspark numpy pandas pyarrow onnxruntime keras pydantic rich yaml",
    "classifier.predictor": "pyspark keras tensorflow pandas sklearn",
    "scoring.job pipelines.score": "tensorflow keras sklearn vl_convert",
}


@pytest.mark.parametrize("modules", LOADS)
def test_what_takes_time_is_not_loaded_where_it_is_not_needed(modules):
    assert not set(LOADS[modules].split()) & _loaded_by(*modules.split())


def _loaded_by(*modules):
    imports = ", ".join(f"{PACKAGE}.{one}" for one in modules)
    code = f"import {imports}, sys; print(*{{n.split('.')[0] for n in sys.modules}})"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_there_is_a_job_for_each_command_on_spark():
    from genre_spark.cli import cli

    at_a_terminal = {"demo", "datasets", "fetch", "inspect", "labels", "schema", "warm"}
    assert set(JOBS) == set(cli.commands) - at_a_terminal


@pytest.mark.parametrize("name", sorted(JOBS))
def test_a_job_runs_the_command_of_its_name_and_nothing_else(name):
    assert imported(JOBS[name]) == {f"{PACKAGE}.cli.run", f"{PACKAGE}.cli.{name}"}
    main = JOBS[name].body[-1]
    assert ast.unparse(main) == f"if __name__ == '__main__':\n    run({name})"
    spec = importlib.util.spec_from_file_location(f"job_{name}", ROOT / "jobs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert getattr(module, name).name == name


def test_the_architecture_page_describes_every_folder():
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    folders = {path.parent.name for path in (ROOT / PACKAGE).glob("*/__init__.py")}
    assert {name for name in folders if f"`{name}/`" not in page} == set()


def test_documents_name_tests_that_exist():
    files = {path.name for path in (ROOT / "tests").rglob("test_*.py")}
    code = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        named = set(re.findall(r"`(?:[a-z_]+/)*(test_[a-z_0-9]+\.py)`", text))
        parts = re.findall(r"`…([a-z_0-9]+)…`", text) + re.findall(r"`(test_[a-z_0-9]+)`", text)
        assert named <= files, page
        assert [part for part in parts if part not in code] == [], page
