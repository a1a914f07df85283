"""Faults, really injected: the old catalogue or the new one stays whole, and the next run works."""

import os
import random
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from support import edits
from support.edits import FEATURES, SETTINGS, score, start
from support.generated import make_manifest, make_profile

from genre_spark.bundle import files
from genre_spark.catalog import catalogue, row_counts, validation
from genre_spark.catalog.catalogue import Source
from genre_spark.errors import InputError, OutputError
from genre_spark.pipelines import score as score_pipeline
from genre_spark.publishing import writer
from genre_spark.scoring import job
from genre_spark.source import Dataset

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

from kills import Playground  # noqa: E402


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A clusters bundle: publishing does not care for more."""
    return str(make_clusters(tmp_path_factory.mktemp("models") / "clusters"))


def make_clusters(folder):
    folder.mkdir()
    manifest, profile = make_manifest(features=FEATURES), make_profile(features=FEATURES)
    files.write_files(folder, manifest, profile, "# A card\n")
    return folder


def tracks(n):
    """The first of the catalogue's tracks."""
    return start().head(n)


@pytest.fixture(scope="module")
def whole(spark, model, tmp_path_factory):
    """A catalogue of 40 tracks; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    score(spark, tracks(40), model, folder)
    return folder


@pytest.fixture
def out(whole, tmp_path):
    """A copy of it."""
    return shutil.copytree(whole, tmp_path / "out")


def published(folder):
    """How many tracks readers see; nothing stands beside the catalogue."""
    assert [path.name for path in folder.parent.glob(f".{folder.name}*")] == []
    return len(pd.read_parquet(folder))


@pytest.mark.long
def test_runs_killed_with_their_jvm_lose_nothing_and_block_nobody(tmp_path):
    """A short version of ``benchmarks/kills.py``."""
    make_clusters(tmp_path / "clusters")
    playground, rng = Playground(tmp_path), random.Random(7)
    playground.prepare([])
    playground.kill("score", rng)
    playground.finish(["score"])
    assert playground.faults == []
    runs = [n for end, n in playground.found.items() if not end.startswith("foreign file")]
    assert sum(runs) == 1


def dying(payload):
    """In place of `job.labelling`: a worker that is killed in the middle of a task."""

    def work(batches):
        import os

        for _ in batches:
            os.kill(os.getpid(), signal.SIGKILL)
            yield None

    return work


def test_a_worker_killed_in_the_middle_of_a_task_leaves_the_old_catalogue(
    spark, model, out, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(job, "labelling", dying)
        with pytest.raises(OutputError, match=r"could not be written: .*; nothing was published$"):
            score(spark, tracks(50), model, out)
    assert published(out) == 40
    score(spark, tracks(50), model, out)
    assert published(out) == 50


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a file system of its own, of 4 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder, how):
    subprocess.run(["mount", "-o", f"remount,{how}", str(folder)], check=True)


def room(folder):
    status = os.statvfs(folder)
    return status.f_bavail * status.f_frsize


@pytest.mark.parametrize("left", [0, 16384])
def test_a_full_disk_leaves_the_old_catalogue(spark, model, whole, tmp_path, small_disk, left):
    out = shutil.copytree(whole, small_disk / "out")
    table = tmp_path / "tracks.parquet"
    filler = small_disk / "filler"
    filler.write_bytes(bytes(room(small_disk) - left))
    with pytest.raises(OutputError, match="No space left on device"):
        score(spark, tracks(50), model, out, table=table)
    assert published(out) == 40
    filler.unlink()
    score(spark, tracks(50), model, out)
    assert published(out) == 50


def test_an_output_that_may_not_be_written_is_reported_and_left(
    spark, model, whole, small_disk, tmp_path
):
    out = shutil.copytree(whole, small_disk / "out")
    table = tmp_path / "tracks.parquet"
    remount(small_disk, "ro")
    with pytest.raises(OutputError, match="Read-only file system"):
        score(spark, tracks(50), model, out, table=table)
    assert published(out) == 40
    remount(small_disk, "rw")
    score(spark, tracks(50), model, out)
    assert published(out) == 50


def test_an_input_deleted_while_it_is_read_is_reported(spark, model, out, monkeypatch):
    validate = validation.validate

    def validate_and_lose(mapped, *arguments):
        validated = validate(mapped, *arguments)
        Path(mapped.path).unlink()
        return validated

    with monkeypatch.context() as patch:
        patch.setattr(catalogue.validation, "validate", validate_and_lose)
        with pytest.raises(InputError, match=r"out\.parquet: cannot be read: "):
            score(spark, tracks(50), model, out)
    assert published(out) == 40


def deleting(monkeypatch):
    """Loses each input once its rows are counted."""
    check = row_counts.check_gate

    def check_and_lose(counts, limit, path):
        Path(path).unlink()
        check(counts, limit, path)

    monkeypatch.setattr(catalogue.row_counts, "check_gate", check_and_lose)


def test_a_table_of_columns_deleted_before_it_is_read_again_is_reported(
    spark, model, out, monkeypatch
):
    with monkeypatch.context() as patch:
        deleting(patch)
        with pytest.raises(OutputError, match=r"could not be written: .*nothing was published"):
            score(spark, tracks(50), model, out)
    assert published(out) == 40


def test_any_other_input_deleted_once_it_was_read_is_not_missed(
    spark, model, tmp_path, monkeypatch
):
    table, out = tmp_path / "tracks.csv", tmp_path / "out"
    tracks(50).to_csv(table, index=False)
    deleting(monkeypatch)
    source = Source(str(table), Dataset())
    score_pipeline.run(spark, edits.request(source, model, str(out), SETTINGS))
    assert published(out) == 50


def test_a_written_file_that_is_gone_when_it_is_read_back_is_reported(
    spark, model, out, monkeypatch
):
    write = writer.write

    def write_and_lose(table, path, *options):
        written = write(table, path, *options)
        for part in Path(path).glob("part-*.parquet"):
            part.write_bytes(part.read_bytes()[:-50])
        return written

    with monkeypatch.context() as patch:
        patch.setattr(writer, "write", write_and_lose)
        with pytest.raises(OutputError, match="could not be read back: "):
            score(spark, tracks(50), model, out)
    assert published(out) == 40
