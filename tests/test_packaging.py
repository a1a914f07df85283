import os
import re
import subprocess
import sys
import tarfile
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

from genre_spark import __version__

ROOT = Path(__file__).resolve().parent.parent
pytest.importorskip("build", reason="the package `build` is absent")


def tracked(*folders):
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        pytest.skip("not a checkout")
    return {name for name in done.stdout.splitlines() if (ROOT / name).is_file()}


def run(*command, **options):
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, **options)
    assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The sdist, and the wheel that is built from it and not from the checkout."""
    folder = tmp_path_factory.mktemp("dist")
    run("-m", "build", "--no-isolation", "--skip-dependency-check", "--outdir", folder, cwd=ROOT)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return sdist, wheel


def test_the_wheel_has_every_module_setting_and_template(made):
    with zipfile.ZipFile(made[1]) as archive:
        found = set(archive.namelist())
    wanted = {name for name in tracked("genre_spark") if not name.endswith(".md")}
    wanted |= {f"genre_spark/{name}" for name in tracked("conf")}
    assert "genre_spark/conf/default.yaml" in wanted
    assert "genre_spark/py.typed" in wanted
    assert wanted - found == set()
    others = {name.split("/")[0] for name in found} - {"genre_spark"}
    assert others == {f"genre_spark-{__version__}.dist-info"}


def test_the_sdist_has_the_licence_and_what_the_wheel_is_made_of(made):
    with tarfile.open(made[0]) as archive:
        found = {name.partition("/")[2] for name in archive.getnames()}
    assert {"LICENSE", "README.md", "setup.py", "conf/default.yaml"} <= found
    assert tracked("genre_spark", "conf") - found == set()


def test_an_installed_wheel_finds_its_settings_templates_and_command(made, tmp_path):
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    run(*install, "--target", tmp_path / "at", made[1])
    code = (
        "import genre_spark, jinja2\n"
        "from genre_spark.config import load_settings\n"
        "from genre_spark.source import dataset_names\n"
        "from genre_spark.platform.session import local_properties\n"
        "print(genre_spark.__file__, load_settings().seed, len(dataset_names()))\n"
        "local_properties()\n"
        "jinja2.Environment(loader=jinja2.PackageLoader('genre_spark.reporting')).get_template('report.html')\n"
    )
    env = {**os.environ, "PYTHONPATH": str(tmp_path / "at")}
    file, seed, n_datasets = run("-c", code, cwd=tmp_path, env=env).split()
    assert file.startswith(str(tmp_path / "at"))
    assert int(seed) >= 0
    assert int(n_datasets) >= 4
    assert __version__ in run("-m", "genre_spark.cli", "--version", cwd=tmp_path, env=env)


def test_the_wheel_says_what_it_needs_and_under_which_licence(made):
    with zipfile.ZipFile(made[1]) as archive:
        name = f"genre_spark-{__version__}.dist-info/METADATA"
        said = archive.read(name).decode()
    assert "License-Expression: Apache-2.0" in said
    assert {"train", "metrics", "mlflow", "test"} <= set(re.findall("Provides-Extra: (.+)", said))
    plain = [line for line in re.findall("Requires-Dist: (.+)", said) if "extra ==" not in line]
    assert not [one for one in plain if re.match("tensorflow|scikit|mlflow|keras", one)]


def test_every_version_that_is_tested_together_is_pinned():
    """Of genre-spark's own dependencies; those of theirs are pip's affair."""
    pinned = {
        re.sub("[-_.]+", "-", line.split("==")[0]).lower()
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line
    }
    script = (ROOT / "setup.py").read_text()
    named = set(re.findall(r'^\s*f?"([A-Za-z][\w.-]*)>=', script, re.M))
    named |= set(re.findall(r'[\[ ]"([A-Za-z][\w.-]*)>=', script))
    assert {"pyspark", "mlflow-skinny", "mypy"} <= named
    named -= {"tensorflow"}  # the full package, where there is no CPU build
    assert {name for name in named if re.sub("[-_.]+", "-", name).lower() not in pinned} == set()


def test_the_changelog_has_the_version():
    assert re.search(rf"^## {re.escape(__version__)}", (ROOT / "CHANGELOG.md").read_text(), re.M)


def test_pyspark_is_one_that_is_promised():
    major, minor = map(int, metadata.version("pyspark").split(".")[:2])
    assert (4, 0) <= (major, minor) < (4, 4)


def test_the_lock_has_the_versions_of_the_constraints_and_a_hash_of_each_file():
    pinned = r"^([\w.-]+)==([\w.+]+)"
    wanted = dict(re.findall(pinned, (ROOT / "constraints.txt").read_text().lower(), re.MULTILINE))
    wanted = {name.replace("_", "-"): version for name, version in wanted.items()}
    entries = re.split(r"\n(?=\w)", (ROOT / ".ci/requirements.lock").read_text())[1:]
    locked = dict(re.match(pinned, entry).groups() for entry in entries)
    assert len(locked) > 100
    assert {name: wanted.get(name, version) for name, version in locked.items()} == locked
    assert [entry for entry in entries if "--hash=sha256:" not in entry] == []
