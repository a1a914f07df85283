"""Publishing: readers see the old catalogue or the new one, whole, whatever happens."""

import contextlib
import json
import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from genre_spark.errors import InputError, OutputError, listed
from genre_spark.platform import atomic_directory, locks
from genre_spark.platform.atomic_directory import (
    CATALOGUE,
    MANIFEST,
    STUDY,
    check_target,
    publishing,
    read_manifest,
    write_manifest,
)
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.storage import LocalStorage, is_remote


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The pauses of a run before it tries again, which are not made here."""
    made = []
    # Not `time.sleep` itself: libraries' threads sleep, too.
    monkeypatch.setattr(locks, "time", SimpleNamespace(sleep=made.append))
    return made


@pytest.fixture
def out(storage, tmp_path):
    """Where to publish, resolved."""
    return storage.resolve(str(tmp_path / "out"))


def stage(storage, target, content, **more):
    """Makes a catalogue of three files that belong together."""
    storage.make_dirs(target.staging)
    storage.write_text(f"{target.staging}/part-0.parquet", content)
    storage.write_text(f"{target.staging}/part-{content}.parquet", content)
    write_manifest(storage, target, {"content": content, **more})


def put(storage, path, content):
    with publishing(storage, path) as target:
        stage(storage, target, content)


def write(path, text="mine"):
    """A file of somebody else."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def seen(folder):
    """What a reader finds: the content, once it is known to be whole; None where nothing is."""
    if not folder.exists():
        return None
    content = json.loads((folder / MANIFEST).read_text())["content"]
    names = sorted(path.name for path in folder.iterdir() if not path.name.endswith(".crc"))
    assert names == sorted([MANIFEST, "part-0.parquet", f"part-{content}.parquet"])
    assert (folder / "part-0.parquet").read_text() == content
    return content


def beside(tmp_path):
    """Names beside the catalogue."""
    names = {path.name for path in tmp_path.iterdir() if not path.name.endswith(".crc")}
    return names - {"out"}


def refusal(error, call, *arguments):
    with pytest.raises(error) as refused:
        call(*arguments)
    return str(refused.value)


def hold(storage, path, text=None, token="a" * 32, **holder):
    """Leaves a lock, as a run does, or one of another text."""
    lock = atomic_directory.Target(path, "x").lock + token
    if text is None:
        text = json.dumps({"since": "2024-01-01T00:00:00+00:00", **holder})
    storage.write_text(lock, text)
    return lock


def refuse(monkeypatch, storage, step, when):
    """Lets the storage refuse a step on some paths."""
    original = getattr(storage, step)

    def take(*paths):
        if when(*paths):
            raise OutputError("denied")
        original(*paths)

    monkeypatch.setattr(storage, step, take)


@pytest.fixture(params=["in one step", "in two renames"])
def switch(request, storage, monkeypatch):
    """Both ways to switch catalogues."""
    if request.param == "in two renames":
        monkeypatch.setattr(storage, "exchange", lambda one, other: False)


def grow_old(lock):
    """Makes a lock as old as one whose holder died long ago."""
    long_ago = time.time() - locks.LEASE_SECONDS - 1
    os.utime(lock.removeprefix("file:"), (long_ago, long_ago))


@pytest.fixture(scope="module")
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# Refused outputs


def test_a_folder_that_is_mounted_from_the_same_disk_is_no_output(tmp_path, monkeypatch):
    (tmp_path / "my data").mkdir()
    place = str(tmp_path / "my data").replace(" ", "\\040")
    (tmp_path / "mounts").write_text(f"36 35 98:0 /other {place} rw master:1 - ext4 /dev/sda1 rw\n")
    monkeypatch.setattr(atomic_directory, "MOUNTS", tmp_path / "mounts")
    told = refusal(OutputError, check_target, LocalStorage(), str(tmp_path / "my data"), [])
    assert "is a mount point, which cannot be exchanged" in told
    check_target(LocalStorage(), str(tmp_path / "my data" / "labelled"), [])


# Publishing


def test_a_catalogue_appears_whole_in_new_folders_and_replaces_an_empty_one_or_an_earlier_whole(
    storage, tmp_path
):
    parent = tmp_path / "a" / "b"
    out = storage.resolve(str(parent / "out"))
    put(storage, out, "first")
    assert seen(parent / "out") == "first"
    put(storage, check_target(storage, out, []), "second")
    assert seen(parent / "out") == "second"
    assert beside(parent) == set()
    (tmp_path / "empty").mkdir()
    put(storage, check_target(storage, str(tmp_path / "empty"), []), "first")
    assert seen(tmp_path / "empty") == "first"


def test_readers_see_the_old_catalogue_alone_until_the_new_one_is_complete(storage, out, tmp_path):
    put(storage, out, "first")
    with publishing(storage, out) as target:
        assert seen(tmp_path / "out") == "first"
        stage(storage, target, "second")
        assert seen(tmp_path / "out") == "first"
        # Hidden from readers of the parent.
        assert {name.split("-")[0] for name in beside(tmp_path)} == {".out.staging", ".out.lock"}
    assert seen(tmp_path / "out") == "second"


@pytest.mark.parametrize("before", [None, "first"])
def test_a_block_that_fails_leaves_the_old_catalogue_whole_and_nothing_beside_it(
    storage, out, tmp_path, before
):
    if before:
        put(storage, out, before)

    def fail():
        with publishing(storage, out) as target:
            storage.make_dirs(target.staging)
            storage.write_text(f"{target.staging}/part-0.parquet", "half")
            raise RuntimeError("no space left")

    def stage_nothing():
        with publishing(storage, out):
            pass

    assert refusal(RuntimeError, fail) == "no space left"
    refusal(OutputError, stage_nothing)
    assert seen(tmp_path / "out") == before
    assert beside(tmp_path) == set()
    put(storage, out, "second")
    assert seen(tmp_path / "out") == "second"


def test_a_switch_that_fails_half_way_leaves_the_old_catalogue(storage, out, tmp_path, monkeypatch):
    put(storage, out, "first")
    monkeypatch.setattr(storage, "exchange", lambda one, other: False)
    refuse(monkeypatch, storage, "rename", lambda one, other: "staging" in one and other == out)
    assert refusal(OutputError, put, storage, out, "second") == "denied"
    assert seen(tmp_path / "out") == "first"


@pytest.mark.parametrize("name", ["out", "with space", "100%25", "a#b?c", "ünï", "k=v"])
def test_the_switch_is_one_step_on_a_local_disk_whatever_the_name(tmp_path, name):
    storage = LocalStorage()
    path = storage.resolve(str(tmp_path / name))
    put(storage, path, "first")
    (tmp_path / "other").mkdir()
    assert storage.exchange(path, str(tmp_path / "other"))
    assert seen(tmp_path / "other") == "first"
    assert storage.exchange(path, str(tmp_path / "other"))
    put(storage, check_target(storage, path, []), "second")
    assert seen(tmp_path / name) == "second"


def test_the_manifest_names_its_maker_run_and_files_one_fact_a_line_and_no_secret(storage, out):
    assert read_manifest(storage, out) is None
    with publishing(storage, out, run_id="0123456789ab") as target:
        options = {"fs.s3a.secret.key": "secret", "sep": ";"}
        source = {"path": "s3a://KEY:sec/ret@box/tracks?sig=secret", "options": options}
        stage(storage, target, "é ✓", source=source)
    kept = {"fs.s3a.secret.key": mock.ANY, "sep": ";"}
    assert read_manifest(storage, out) == {
        "content": "é ✓",
        "source": {"path": "s3a://***@box/tracks?sig=***", "options": kept},
        "made_by": "genre-spark",
        "run_id": "0123456789ab",
        "files": {"part-0.parquet": 6, "part-é ✓.parquet": 6},
    }
    assert atomic_directory.require_manifest(storage, out) == read_manifest(storage, out)
    text = storage.read_text(f"{out}/{MANIFEST}")
    assert "sec/ret" not in text
    lines = text.splitlines()
    assert lines[:2] == ["{", ' "content": "é ✓",']


def test_a_manifest_that_would_be_no_json_is_refused(storage, out):
    target = atomic_directory.Target(out, "x")
    storage.make_dirs(target.staging)
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_manifest(storage, target, {"share": float("nan")})


def test_what_is_no_labelled_catalogue_is_refused_where_one_is_needed(storage, tmp_path):
    path = storage.resolve(str(tmp_path))
    assert refusal(InputError, atomic_directory.require_manifest, storage, path) == (
        f"{path}: not a labelled catalogue: it has no _manifest.json of genre-spark"
    )


# Unsafe outputs


@pytest.mark.parametrize(
    "foreign",
    [
        {"notes.txt": "mine"},
        {"part-0.parquet": "made by another job", "_SUCCESS": ""},
        {MANIFEST: '{"made_by": "another"}'},
        {MANIFEST: "not json"},
        {".notes": "mine"},
        {"part-mine.parquet": "mine"},
        {"_quarantine/my_corrections.xlsx": "mine"},
        {"synthetic_genre_id=3/notes.txt": "mine"},
        {"part-0.parquet": "longer than it was published"},
    ],
)
@pytest.mark.parametrize("published", [True, False])
def test_a_directory_with_a_file_not_published_by_genre_spark_is_refused_and_left_as_it_is(
    storage, out, tmp_path, foreign, published
):
    if published:
        put(storage, out, "first")
    for name, content in foreign.items():
        write(tmp_path / "out" / name, content)
    before = contents(tmp_path)
    output = str(tmp_path / "out")
    told = refusal(OutputError, check_target, storage, output, [])
    assert told.startswith(f"--output {output}: holds what genre-spark did not publish (")
    assert min(foreign) in told or MANIFEST in foreign
    assert contents(tmp_path) == before


def contents(folder):
    """All files below a folder, but Hadoop's checksums of others."""
    files = {path for path in folder.rglob("*") if path.is_file()}
    own = {path for path in files if path.with_name(path.name[1:-4]) in files}
    return {str(path.relative_to(folder)): path.read_text() for path in files - own}


def test_a_file_and_a_directory_without_a_list_of_its_files_are_refused(storage, tmp_path):
    write(tmp_path / "file")
    write(tmp_path / "old" / MANIFEST, '{"made_by": "genre-spark"}')
    (tmp_path / "folder" / "mine").mkdir(parents=True)
    for name, told in {
        "file": "holds what genre-spark did not publish (file)",
        "folder": "holds what genre-spark did not publish (mine/)",
        "old": "was published by an older genre-spark, which did not list its files",
    }.items():
        assert told in refusal(OutputError, check_target, storage, str(tmp_path / name), [])


FOREIGN = ["notes.txt", "part-mine.parquet", "deep/in/it/notes.txt", "an empty folder/"]


@pytest.mark.usefixtures("switch")
@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_put_into_the_output_during_a_run_is_kept_beside_it(
    storage, out, tmp_path, caplog, name
):
    put(storage, out, "first")
    with publishing(storage, out) as target:
        stage(storage, target, "second")
        if name.endswith("/"):
            (tmp_path / "out" / name).mkdir()
        else:
            write(tmp_path / "out" / name)
    assert seen(tmp_path / "out") == "second"
    kept = tmp_path / Path(target.kept).name
    assert (kept / name).exists()
    assert contents(kept) == ({} if name.endswith("/") else {name: "mine"})
    assert beside(tmp_path) == {kept.name}
    told = f"{out}: held what genre-spark had not published ({name}); it is kept in {target.kept}"
    assert told in caplog.text


@pytest.mark.usefixtures("switch")
def test_a_retired_catalogue_keeps_its_manifest_until_foreign_files_are_safe(
    storage, out, tmp_path, monkeypatch
):
    put(storage, out, "first")
    refuse(monkeypatch, storage, "rename", lambda one, other: other == target.kept)
    with contextlib.suppress(OutputError), publishing(storage, out) as target:
        stage(storage, target, "second")
        write(tmp_path / "out" / "notes.txt")
    assert {MANIFEST, "notes.txt"} <= set(contents(tmp_path / Path(target.retired).name))


@pytest.mark.parametrize("what", ["a file", "a directory", "a link to a directory"])
@pytest.mark.parametrize("before", [None, "first"])
def test_what_is_put_in_the_place_of_the_output_during_a_run_is_kept_beside_it(
    storage, out, tmp_path, what, before
):
    if before:
        put(storage, out, before)
    write(tmp_path / "elsewhere" / "notes.txt")
    with publishing(storage, out) as target:
        stage(storage, target, "second")
        if before:
            (tmp_path / "out").rename(tmp_path / "moved")
        if what == "a link to a directory":
            (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
        else:
            write(tmp_path / "out" / ("" if what == "a file" else "notes.txt"))
    assert seen(tmp_path / "out") == "second"
    kept = tmp_path / Path(target.kept).name
    assert (kept if what == "a file" else kept / "notes.txt").read_text() == "mine"
    assert (tmp_path / "elsewhere" / "notes.txt").read_text() == "mine"


def test_a_file_that_is_named_like_a_checksum_of_hadoop_is_kept_too(tmp_path):
    storage, out = LocalStorage(), str(tmp_path.resolve() / "out")
    put(storage, out, "first")
    write(tmp_path / "out" / ".part-0.parquet.crc", "hadoop's")
    write(tmp_path / "out" / ".mine.crc")
    put(storage, out, "second")
    assert [path.name for path in tmp_path.glob("out.kept-*/*")] == [".mine.crc"]


def test_a_manifest_that_names_files_elsewhere_deletes_nothing_there(storage, out, tmp_path):
    put(storage, out, "first")
    (tmp_path / "mine.txt").write_text("mine")
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    manifest["files"]["../mine.txt"] = 4
    storage.write_text(f"{out}/{MANIFEST}", json.dumps(manifest))
    put(storage, out, "second")
    assert seen(tmp_path / "out") == "second"
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_where_nothing_may_be_replaced_what_appears_meanwhile_is_left_as_it_is(
    storage, out, tmp_path
):
    def run():
        with publishing(storage, out, kind=None) as target:
            storage.make_dirs(target.staging)
            write(tmp_path / "out" / "notes.txt")

    assert "appeared while a new one was being made" in refusal(OutputError, run)
    assert contents(tmp_path) == {"out/notes.txt": "mine"}


def test_on_a_local_disk_all_is_synced_in_time_and_readers_find_a_catalogue_at_every_step(
    tmp_path, monkeypatch
):
    storage, out, steps = LocalStorage(), str(tmp_path.resolve() / "out"), []
    put(storage, out, "first")
    for name in ("sync", "rename", "exchange", "sync_names", "delete_file"):
        original = getattr(storage, name)

        def spy(*given, name=name, original=original):
            done = original(*given)
            steps.append((name, seen(tmp_path / "out")))
            return done

        monkeypatch.setattr(storage, name, spy)
    synced = []
    monkeypatch.setattr(
        os, "fsync", lambda file: synced.append(os.readlink(f"/proc/self/fd/{file}"))
    )
    with publishing(storage, out) as target:
        stage(storage, target, "second")
    assert steps[:2] == [("sync", "first"), ("rename", "first")]
    assert steps[2:4] == [("exchange", "second"), ("sync_names", "second")]
    assert set(steps[4:]) == {("delete_file", "second")}
    for name in ("", "/part-0.parquet", f"/{MANIFEST}"):
        assert f"{target.staging}{name}" in synced
    assert str(Path(out).parent) in synced


def test_beside_a_catalogue_at_the_root_of_a_file_system_all_names_are_valid_there(spark):
    jvm = spark.sparkContext._jvm
    for root in ("hdfs://node:8020", ""):
        target = atomic_directory.Target(f"{root}/labelled", "0123456789ab")
        assert target.parent == f"{root}/"
        for path in (target.parent, target.staging, target.retired, target.kept, target.lock):
            parsed = jvm.org.apache.hadoop.fs.Path(path).toUri()
            assert jvm.org.apache.hadoop.hdfs.DFSUtilClient.isValidName(parsed.getPath()), path
            assert (parsed.getAuthority() or "") == root.removeprefix("hdfs://")


def test_a_catalogue_is_published_at_the_root_of_a_hadoop_file_system(spark, tmp_path):
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    configuration.set("fs.viewfs.mounttable.node.linkMergeSlash", f"file://{tmp_path}")
    storage = storage_of(spark, "viewfs://node/labelled")
    for content in ("first", "second"):
        put(storage, check_target(storage, "viewfs://node/labelled", ["viewfs://node/in"]), content)
        assert seen(tmp_path / "labelled") == content
    assert {path.name for path in tmp_path.iterdir() if path.suffix != ".crc"} == {"labelled"}


def test_what_hadoop_refuses_is_reported_in_one_line_with_exit_code_6(spark, tmp_path):
    from genre_spark.platform.hadoop import HadoopStorage

    storage = HadoopStorage(spark, "file:///")
    write(tmp_path / "file")
    inside, absent = f"file:{tmp_path}/file/x", f"file:{tmp_path}/absent"
    (tmp_path / "folder").mkdir()
    for call in (
        lambda: storage.write_text(inside, "x"),
        lambda: storage.create_new(inside, "x"),
        lambda: storage.make_dirs(inside),
        lambda: storage.upload(tmp_path / "folder", inside),
        lambda: storage.names(absent),
        lambda: storage.read_text(absent),
        lambda: storage.rename(absent, f"{absent}2"),
    ):
        with pytest.raises(OutputError) as refused:
            call()
        assert refused.value.exit_code == 6
        assert "\n" not in str(refused.value)


OVERLAPS = {
    "the same": ("data", "data"),
    "the same, with a slash": ("data/", "data"),
    "the same, as a URI": ("data", "file:{root}/data"),
    "the same, as a full URI": ("file://{root}/data", "data"),
    "output in input": ("data/out", "data"),
    "output deep in input": ("data/a/b/out", "data"),
    "input in output": ("out", "out/data"),
    "by dots": ("data/../data/out", "data"),
    "of a pattern": ("data/out", "data/*"),
    "of a pattern of files": ("data/out", "data/o*"),
    "in what a pattern matches": ("data/part/out", "data/p*"),
    "one of a pattern's alternatives": ("data/out", "data/{part,out}"),
    "by an input's parent": ("data", "data/*.parquet"),
    # Links, which the local disk alone has.
    "output in a linked input": ("link/out", "data"),
    "the same, linked": ("link", "data"),
    "output in an input that is linked": ("data/out", "link"),
    "both linked": ("link/a", "other/../link"),
}


@pytest.mark.parametrize(("output", "given"), OVERLAPS.values(), ids=OVERLAPS)
def test_an_output_that_overlaps_an_input_is_refused(storage, tmp_path, output, given):
    for folder in ("data/part", "other"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data" / "tracks.parquet").touch()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    if "link" in output + given:
        storage = LocalStorage()
    output, given = (
        path.format(root=tmp_path) if ":" in path else f"{tmp_path}/{path}"
        for path in (output, given)
    )
    assert refusal(OutputError, check_target, storage, output, ["/elsewhere", given]) == (
        f"--output {output}: lies inside the input {given}, or holds it;"
        " writing there would destroy what is read. Choose another directory"
    )


@pytest.mark.parametrize(
    ("output", "given"),
    [
        ("data2", "data"),
        ("data", "data2"),
        ("data/out", "dataX"),
        ("out", "data/*"),
        ("data/out", "data/*.parquet"),
        ("out", "hdfs://node/out"),
        ("out", "s3a://bucket"),
    ],
)
def test_an_output_beside_an_input_is_taken(storage, tmp_path, output, given):
    given = given if is_remote(given) else f"{tmp_path}/{given}"
    path = check_target(storage, f"{tmp_path}/{output}", [given])
    assert path.removeprefix("file:") == f"{tmp_path}/{output}"


def test_an_object_store_is_refused_unless_a_gap_is_allowed(storage, tmp_path, monkeypatch):
    monkeypatch.setattr(type(storage), "renames_whole", False)
    output = str(tmp_path / "out")
    told = refusal(OutputError, check_target, storage, output, [])
    assert told == (
        f"--output {output}: an object store renames file by file, and readers could find half of"
        " what is published. Publish a Delta table (--table-format delta, for labels), or to HDFS"
        " or a local disk, or, if nobody reads during a run and runs never overlap, --set"
        " allow_gap=true"
    )
    assert check_target(storage, output, [], allow_gap=True) == storage.resolve(output)


@pytest.mark.parametrize(
    ("output", "given"),
    [("/", "/data"), ("s3a://box/", "s3a://box/tracks"), ("s3a://box/", "s3a://box/labels/old")],
)
def test_a_root_holds_every_input(output, given):
    storage = (
        mock.Mock(resolve=lambda path: path.rstrip("/")) if is_remote(output) else LocalStorage()
    )
    told = refusal(OutputError, atomic_directory.check_apart, storage, output, [given])
    assert f"lies inside the input {given}, or holds it" in told
    if is_remote(output):
        atomic_directory.check_apart(storage, f"{output}out", [given, "/out", "hdfs://box/out"])


def test_relative_paths_count_from_where_one_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    storage = LocalStorage()
    assert check_target(storage, "out", ["data"]) == f"{tmp_path}/out"
    refusal(OutputError, check_target, storage, "data/out", [str(tmp_path / "data")])


def test_behind_a_link_the_real_directory_is_replaced_and_the_link_stays(tmp_path):
    storage = LocalStorage()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    for content in ("first", "second"):
        put(storage, check_target(storage, str(tmp_path / "out"), []), content)
        assert seen(tmp_path / "out") == content
    assert (tmp_path / "out").is_symlink()


def test_a_parent_that_cannot_be_made_is_reported(storage, tmp_path):
    write(tmp_path / "file")
    path = storage.resolve(str(tmp_path / "file" / "out"))
    assert "cannot be " in refusal(OutputError, put, storage, path, "first")


# Two runs at once, and runs that died


def test_a_second_run_is_refused_and_told_who_is_writing_as_the_lock_says(storage, out, tmp_path):
    with publishing(storage, out) as target:
        stage(storage, target, "first")
        told = refusal(OutputError, put, storage, out, "second")
        (name,) = [n for n in storage.names(target.parent) if ".lock-" in n]
        holder = json.loads(storage.read_text(f"{target.parent}/{name}"))
    assert told.startswith(
        f"{out}: another run is writing there, process {os.getpid()} on {socket.gethostname()}"
        f" since {holder['since']}. "
    )
    assert told.endswith(f"or delete {target.lock}{holder['token']}")
    assert name.endswith(f".lock-{holder['token']}")
    assert (holder["host"], holder["pid"]) == (socket.gethostname(), os.getpid())
    assert holder["since"].endswith("+00:00")
    assert seen(tmp_path / "out") == "first"
    assert beside(tmp_path) == set()


# Who holds a lock, and how a refusal names the holder, if it may be alive; None stands for the number of
# a process that is no more.
HERE, AT = locks._machine(), "since 2024-01-01"
LOCKS = {
    "of a dead process": ({"machine": HERE, "pid": None}, None),
    "of a process whose id was given again": (
        {"machine": HERE, "pid": os.getppid(), "started": "1"}, None
    ),
    "of another machine, old": ({"machine": "another", "pid": 1}, None),
    "empty, old": ({"text": ""}, None),
    "half written, old": ({"text": '{"host": "'}, None),
    "of another machine": (
        {"machine": "another", "host": "h", "pid": None}, f"{{dead}} on h {AT}"
    ),
    "of another container with the same host name": (
        {"machine": "another", "host": socket.gethostname(), "pid": None},
        f"{{dead}} on {socket.gethostname()} {AT}",
    ),
    "of a living process": (
        {"machine": HERE, "host": "h", "pid": os.getppid(), "started": locks._started(os.getppid())},
        f"{os.getppid()} on h {AT}",
    ),
    "of one who has written nothing yet": ({"text": ""}, "? on ? since ?"),
    "of one who writes": ({"text": '{"host": "'}, "? on ? since ?"),
}  # fmt: skip


@pytest.mark.parametrize("kind", LOCKS)
def test_a_lock_of_nobody_is_taken_over_and_one_whose_holder_may_be_alive_is_left_alone(
    storage, out, tmp_path, dead, pauses, kind
):
    holder, named = LOCKS[kind]
    lock = hold(storage, out, **{k: dead if v is None else v for k, v in holder.items()})
    if "old" in kind:
        grow_old(lock)
    before = storage.read_text(lock)
    if named is None:
        put(storage, out, "first")
        assert seen(tmp_path / "out") == "first"
        assert beside(tmp_path) == set()
    else:
        told = refusal(OutputError, put, storage, out, "first")
        assert f"another run is writing there, process {named.format(dead=dead)}" in told
        assert storage.read_text(lock) == before
        assert seen(tmp_path / "out") is None
        # Tried four times.
        assert len(pauses) == 3
        assert all(0 <= one <= 0.5 for one in pauses)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_the_lock_of_a_process_that_ended_but_was_not_waited_for_is_taken_over(tmp_path):
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
    out = str(tmp_path / "out")
    began = locks._started(process.pid)
    hold(LocalStorage(), out, machine=locks._machine(), pid=process.pid, started=began)
    assert "another run is writing there" in refusal(OutputError, put, LocalStorage(), out, "first")
    process.stdin.close()
    while "(cat) Z" not in Path(f"/proc/{process.pid}/stat").read_text(encoding="utf-8"):
        time.sleep(0.01)
    put(LocalStorage(), out, "first")
    process.wait()
    assert beside(tmp_path) == set()


@pytest.mark.parametrize("started", [locks._UNKNOWN, locks._started(os.getppid())])
def test_where_nobody_may_look_a_lock_of_this_machine_holds_until_its_lease_ends(
    tmp_path, monkeypatch, started
):
    out = str(tmp_path / "out")
    lock = hold(LocalStorage(), out, machine=locks._machine(), pid=os.getppid(), started=started)
    monkeypatch.setattr(locks, "_started", lambda pid: locks._UNKNOWN)
    assert "another run is writing there" in refusal(OutputError, put, LocalStorage(), out, "first")
    grow_old(lock)
    put(LocalStorage(), out, "first")
    assert beside(tmp_path) == set()


def test_a_run_renews_its_lease(storage, out):
    stem = atomic_directory.Target(out, "x").lock
    with locks.held(storage, out, stem, heartbeat=0.02):
        (lock,) = [n for n in storage.names(out.rpartition("/")[0]) if ".lock-" in n]
        path = f"{out.rpartition('/')[0]}/{lock}"
        grow_old(path)
        deadline = time.monotonic() + 20
        while storage.age(path) > locks.LEASE_SECONDS:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_a_run_that_lost_its_lock_publishes_nothing(storage, out, tmp_path):
    put(storage, out, "first")

    def run():
        with publishing(storage, out) as target:
            stage(storage, target, "second")
            (lock,) = tmp_path.glob(".out.lock-*")
            lock.unlink()

    assert refusal(OutputError, run).endswith(
        " was taken away while this run was suspended or cut off; nothing was published. Run again"
    )
    assert seen(tmp_path / "out") == "first"


def test_a_run_deletes_no_lock_but_its_own(storage, out, tmp_path):
    with publishing(storage, out) as target:
        stage(storage, target, "first")
        other = hold(storage, out, machine="another", pid=1)
    assert storage.exists(other)


def test_an_error_while_staging_is_deleted_leaves_no_lock(storage, out, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        refuse(patch, storage, "delete", lambda path: "staging" in path)
        assert refusal(OutputError, put, storage, out, "first") == "denied"
    put(storage, out, "second")
    assert seen(tmp_path / "out") == "second"
    assert beside(tmp_path) == set()


def test_a_lock_that_could_not_be_deleted_does_not_block_the_process_that_left_it(
    storage, out, tmp_path, monkeypatch, caplog
):
    with monkeypatch.context() as patch:
        refuse(patch, storage, "delete", lambda path: ".lock-" in path)
        put(storage, out, "first")
    (told,) = [one for one in caplog.messages if "could not be deleted" in one]
    expected = r".*/\.out\.lock-\w+: could not be deleted: denied; it expires by itself"
    assert re.fullmatch(expected, told)
    put(storage, out, "second")
    assert beside(tmp_path) == set()


def test_of_runs_that_compete_for_a_dead_lock_never_two_hold_it(tmp_path, dead, monkeypatch):
    monkeypatch.setattr(locks, "time", time)
    storage = LocalStorage()
    stem, holding, most, done = f"{tmp_path}/.out.lock-", [], [], []

    def compete():
        for _ in range(15):
            hold(
                storage,
                f"{tmp_path}/out",
                token=uuid.uuid4().hex,
                machine=locks._machine(),
                pid=dead,
            )
            with contextlib.suppress(OutputError), locks.held(storage, "out", stem):
                holding.append(1)
                most.append(len(holding))
                time.sleep(0.001)
                holding.pop()
                done.append(1)

    threads = [threading.Thread(target=compete) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
    assert len(done) >= 5


STAGED, RETIRED = ".out.staging-0123456789ab", ".out.retired-0123456789ab"


def leave_staged(storage, folder):
    (folder / STAGED).mkdir()
    (folder / STAGED / "part-0.parquet").write_text("half")
    (folder / RETIRED).mkdir()


def leave_retired(storage, folder):
    (folder / "out").rename(folder / RETIRED)
    (folder / STAGED).mkdir()


def leave_half_deleted(storage, folder):
    (folder / "out").rename(folder / RETIRED)
    storage.delete(storage.resolve(str(folder / RETIRED / "part-0.parquet")))


# What a killed run left, and what readers find once the next run has begun.
LEFT = {
    "files for a new catalogue": (leave_staged, "first"),
    "the old catalogue between two renames": (leave_retired, "first"),
    "a part of the old catalogue": (leave_half_deleted, None),
}


@pytest.mark.parametrize(("leave", "found"), LEFT.values(), ids=LEFT)
@pytest.mark.parametrize("next_run_fails", [True, False])
def test_what_a_killed_run_left_is_put_back_if_it_is_whole_and_deleted_if_not(
    storage, out, tmp_path, dead, leave, found, next_run_fails
):
    put(storage, out, "first")
    hold(storage, out, machine=locks._machine(), pid=dead)
    leave(storage, tmp_path)
    with contextlib.suppress(RuntimeError), publishing(storage, out) as target:
        assert seen(tmp_path / "out") == found
        if next_run_fails:
            raise RuntimeError
        stage(storage, target, "second")
    assert seen(tmp_path / "out") == (found if next_run_fails else "second")
    assert beside(tmp_path) == set()


def test_what_lies_beside_the_output_and_is_not_of_a_run_is_left_alone(storage, out, tmp_path):
    others = {".out.notes", ".out.staging", ".out.lock-picking", ".other.lock", "out.staging-1"}
    for name in others:
        write(tmp_path / name)
    put(storage, out, "first")
    put(storage, out, "second")
    assert beside(tmp_path) == others


def test_a_run_into_a_sibling_whose_name_goes_on_is_left_alone(storage, out, tmp_path):
    sibling = storage.resolve(str(tmp_path / "out.v2"))
    with publishing(storage, sibling) as target:
        stage(storage, target, "sibling")
        put(storage, out, "first")
        assert storage.exists(target.staging)
        assert list(tmp_path.glob(".out.v2.lock-*"))
    assert seen(tmp_path / "out.v2") == "sibling"


def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_at(name, call=1, exchanges=True):
    """A run that is killed in place of one of the storage's steps, by default of the first one."""

    def run(storage, target):
        stage(storage, target, "second")
        earlier, original = iter(range(1, call)), getattr(storage, name)

        def step(*given):
            if next(earlier, None) is None:
                kill()
            return original(*given)

        setattr(storage, name, step)
        if not exchanges:
            storage.exchange = lambda one, other: False

    return run


def while_staging(storage, target):
    storage.make_dirs(target.staging)
    storage.write_text(f"{target.staging}/part-0.parquet", "x")
    kill()


# What a run does until it is killed, and what readers find then; None: nothing whole.
KILLED = {
    "before anything is staged": (kill, "first"),
    "while staging": (while_staging, "first"),
    "before the switch": (killed_at("sync"), "first"),
    "between making ready and the switch": (killed_at("exchange"), "first"),
    "after the switch": (killed_at("delete_file"), "second"),
    "while the old one is deleted": (killed_at("delete_file", call=2), "second"),
    # After those to retired, back to staging, and of the old one to retired.
    "between two renames": (killed_at("rename", call=4, exchanges=False), None),
    "after two renames": (killed_at("delete_file", exchanges=False), "second"),
}


@pytest.mark.parametrize("moment", KILLED)
@pytest.mark.parametrize("foreign", [True, False])
def test_a_run_that_is_killed_loses_nothing_and_blocks_nothing(tmp_path, moment, foreign):
    storage, (run, after) = LocalStorage(), KILLED[moment]
    path = storage.resolve(str(tmp_path / "out"))
    put(storage, path, "first")

    def process():
        with publishing(storage, path) as target:
            if foreign:
                storage.write_text(f"{path}/mine.txt", "mine")
            run(storage, target)

    forked = multiprocessing.get_context("fork").Process(target=process)
    forked.start()
    forked.join()
    assert forked.exitcode == -signal.SIGKILL
    assert foreign or seen(tmp_path / "out") == after
    put(storage, path, "third")
    assert seen(tmp_path / "out") == "third"
    mine = [path.read_text() for path in tmp_path.rglob("mine.txt")]
    assert mine == ["mine"] * foreign
    put(storage, check_target(storage, path, []), "fourth")


# What else publishing needs


@pytest.mark.parametrize(
    ("scheme", "whole"),
    [("hdfs", True), ("file", True), ("abfs", True), ("s3a", False), ("gs", False), ("oss", False)],
)
def test_object_stores_are_distinguished_from_file_systems_by_their_scheme(scheme, whole):
    from genre_spark.platform.hadoop import HadoopStorage

    session = mock.MagicMock()
    system = session.sparkContext._jvm.org.apache.hadoop.fs.Path.return_value.getFileSystem
    system.return_value.getUri.return_value.getScheme.return_value = scheme
    assert HadoopStorage(session, f"{scheme}://box/out").renames_whole == whole


@pytest.mark.parametrize(
    ("n", "told"),
    [(0, ""), (1, "a"), (3, "a, b, c"), (4, "a, b, c and 1 more"), (5, "a, b, c and 2 more")],
)
def test_a_message_names_three_files_and_counts_the_others(n, told):
    assert listed(list("abcde")[:n]) == told


def test_a_published_directory_is_its_listed_files_the_manifest_last_and_all_others(tmp_path):
    storage, path = LocalStorage(), f"{tmp_path}/out"
    put(storage, path, "first")
    write(tmp_path / "out" / "zz.txt")
    write(tmp_path / "out" / "aa.txt")
    write(tmp_path / "out" / "part-first.parquet", "longer than it was")
    ours, others = atomic_directory.divide(storage, path, CATALOGUE)
    assert ours == ["part-0.parquet", MANIFEST]
    assert others == ["aa.txt", "part-first.parquet", "zz.txt"]
    # Of another kind, or of none, nothing there is ours.
    for kind in (STUDY, None):
        assert atomic_directory.divide(storage, path, kind) == ([], sorted([*ours, *others]))


def test_a_manifest_of_another_kind_and_one_without_a_list_have_no_effect(tmp_path):
    storage, path = LocalStorage(), f"{tmp_path}/out"
    with publishing(storage, path, kind=STUDY) as target:
        storage.make_dirs(target.staging)
        storage.write_text(f"{target.staging}/page.html", "page")
        write_manifest(storage, target, {}, STUDY)
    assert atomic_directory.divide(storage, path, STUDY) == (["page.html", STUDY], [])
    assert not atomic_directory.is_partial(storage, path, STUDY)
    (tmp_path / "out" / "page.html").unlink()
    partial = [atomic_directory.is_partial(storage, path, kind) for kind in (STUDY, CATALOGUE)]
    assert partial == [True, False]
    manifest = {"made_by": "genre-spark", "files": ["page.html"]}
    storage.write_text(f"{path}/{STUDY}", json.dumps(manifest))
    assert atomic_directory.divide(storage, path, STUDY)[0] == []


def test_a_quarantine_is_hidden_from_readers_that_look_for_parquet_files(tmp_path):
    for name in ("part-0.parquet", "part-1.c000.snappy.parquet", "_SUCCESS"):
        (tmp_path / name).write_text(name)
    atomic_directory.hide(LocalStorage(), str(tmp_path))
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "part-0.quarantined": "part-0.parquet",
        "part-1.c000.snappy.quarantined": "part-1.c000.snappy.parquet",
        "_SUCCESS": "_SUCCESS",
    }
