"""Faults, really injected: the old catalogue or the new one stays whole, and the next run works."""

import functools
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
from support.generated import make_manifest, write_bundle

from genre_spark.catalog import row_counts, validation
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
    folder = tmp_path_factory.mktemp("models") / "clusters"
    return str(write_bundle(folder, make_manifest(features=FEATURES)))


def tracks(n):
    return start().head(n)


@pytest.fixture(scope="module")
def whole(spark, model, tmp_path_factory):
    """A catalogue of 40 tracks; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    score(spark, tracks(40), model, folder)
    return folder


@pytest.fixture
def out(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "out")


def published(folder):
    """How many tracks readers see; nothing stands beside the catalogue."""
    assert [path.name for path in folder.parent.glob(f".{folder.name}*")] == []
    return len(pd.read_parquet(folder))


@pytest.mark.long
def test_runs_killed_with_their_jvm_lose_nothing_and_block_nobody(tmp_path):
    """A short version of ``benchmarks/kills.py``."""
    write_bundle(tmp_path / "clusters", make_manifest(features=FEATURES))
    playground, rng = Playground(tmp_path), random.Random(7)
    playground.prepare([])
    playground.kill("score", rng)
    playground.finish(["score"])
    assert playground.faults == []
    runs = [n for end, n in playground.found.items() if not end.startswith("foreign file")]
    assert sum(runs) == 1


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


def fill(folder, left):
    (folder / "filler").write_bytes(bytes(room(folder) - left))


# How a disk fails, and the message.
DISKS = {
    "full": (lambda disk: fill(disk, 0), "No space left on device"),
    "almost full": (lambda disk: fill(disk, 16384), "No space left on device"),
    "read-only": (lambda disk: remount(disk, "ro"), "Read-only file system"),
}


@pytest.mark.parametrize("what", DISKS)
def test_a_disk_that_takes_no_files_leaves_the_old_catalogue(
    spark, model, whole, tmp_path, small_disk, what
):
    spoil, told = DISKS[what]
    out = shutil.copytree(whole, small_disk / "out")
    spoil(small_disk)
    with pytest.raises(OutputError, match=told):
        score(spark, tracks(50), model, out, table=tmp_path / "tracks.parquet")
    assert published(out) == 40
    remount(small_disk, "rw")
    (small_disk / "filler").unlink(missing_ok=True)
    score(spark, tracks(50), model, out)
    assert published(out) == 50


def dying(original, payload):
    """In place of `job.labelling`: a worker that is killed in the middle of a task."""

    def work(batches):
        import os

        for _ in batches:
            os.kill(os.getpid(), signal.SIGKILL)
            yield None

    return work


def lost_while_read(validate, mapped, *arguments):
    validated = validate(mapped, *arguments)
    Path(mapped.path).unlink()
    return validated


def lost_once_counted(check, counts, limit, path):
    Path(path).unlink()
    check(counts, limit, path)


def cut_once_written(write, table, path, *options):
    written = write(table, path, *options)
    for part in Path(path).glob("part-*.parquet"):
        part.write_bytes(part.read_bytes()[:-50])
    return written


# What goes wrong in place of which function, and the error.
FAULTS = {
    "a worker is killed in the middle of a task": (
        job, "labelling", dying, OutputError, r"could not be written: .*; nothing was published$"
    ),
    "the input is deleted while it is read": (
        validation, "validate", lost_while_read, InputError, r"out\.parquet: cannot be read: "
    ),
    "a table of columns is deleted before it is read again": (
        row_counts, "check_gate", lost_once_counted, OutputError,
        r"could not be written: .*nothing was published",
    ),
    "a written file is damaged when it is read back": (
        writer, "write", cut_once_written, OutputError, "could not be read back: "
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", FAULTS)
def test_a_fault_leaves_the_old_catalogue_and_the_next_run_works(
    spark, model, out, monkeypatch, what
):
    module, name, fault, error, message = FAULTS[what]
    with monkeypatch.context() as patch:
        patch.setattr(module, name, functools.partial(fault, getattr(module, name)))
        with pytest.raises(error, match=message):
            score(spark, tracks(50), model, out)
    assert published(out) == 40
    score(spark, tracks(50), model, out)
    assert published(out) == 50


def test_any_other_input_deleted_once_it_was_read_is_not_missed(
    spark, model, tmp_path, monkeypatch
):
    table, out = tmp_path / "tracks.csv", tmp_path / "out"
    tracks(50).to_csv(table, index=False)
    lose = functools.partial(lost_once_counted, row_counts.check_gate)
    monkeypatch.setattr(row_counts, "check_gate", lose)
    source = Source(str(table), Dataset())
    score_pipeline.run(spark, edits.request(source, model, str(out), SETTINGS))
    assert published(out) == 50
