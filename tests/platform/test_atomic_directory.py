"""Publishing: readers see the old catalogue or the new one, whole, whatever happens."""

import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from genre_spark.errors import ConfigError, InputError, OutputError
from genre_spark.platform import atomic_directory, locks
from genre_spark.platform.atomic_directory import (
    MANIFEST,
    check_target,
    publishing,
    read_manifest,
    write_manifest,
)
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.storage import LocalStorage, is_remote

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(params=["local", "hadoop"])
def storage(request):
    """The local disk, reached directly and as Hadoop reaches any file system."""
    if request.param == "local":
        return LocalStorage()
    from genre_spark.platform.hadoop import HadoopStorage

    return HadoopStorage(request.getfixturevalue("spark"), "file:///")


@pytest.fixture
def out(storage, tmp_path):
    """Where to publish, resolved."""
    return storage.resolve(str(tmp_path / "out"))


def stage(storage, target, content):
    """Makes a catalogue of three files that belong together."""
    storage.make_dirs(target.staging)
    storage.write_text(f"{target.staging}/part-0.parquet", content)
    storage.write_text(f"{target.staging}/part-{content}.parquet", content)
    write_manifest(storage, target, {"content": content})


def put(storage, path, content):
    with publishing(storage, path) as target:
        stage(storage, target, content)


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


def seen_by_a_run_that_fails(storage, path, tmp_path):
    """What readers see while the next run is at work, which fails then."""
    found = []

    def run():
        with publishing(storage, path):
            found.append(seen(tmp_path / "out"))
            raise RuntimeError("failed")

    refusal(RuntimeError, run)
    return found[0]


def hold(storage, path, **holder):
    """Leaves a lock, as a run does."""
    lock = atomic_directory.Target(path, "x").lock
    storage.write_text(lock, json.dumps({"since": "2024-01-01T00:00:00+00:00", **holder}))
    return lock


@pytest.fixture(scope="module")
def dead():
    """The number of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


# Publishing


def test_a_first_catalogue_appears_whole_and_nothing_stays_beside_it(storage, out, tmp_path):
    put(storage, out, "first")
    assert seen(tmp_path / "out") == "first"
    assert beside(tmp_path) == set()


def test_parents_are_made(storage, tmp_path):
    put(storage, storage.resolve(str(tmp_path / "a" / "b" / "out")), "first")
    assert seen(tmp_path / "a" / "b" / "out") == "first"


def test_a_replacement_leaves_nothing_of_the_old_catalogue(storage, out, tmp_path):
    put(storage, out, "first")
    put(storage, check_target(storage, out, []), "second")
    assert seen(tmp_path / "out") == "second"
    assert beside(tmp_path) == set()


def test_an_empty_directory_is_replaced(storage, out, tmp_path):
    (tmp_path / "out").mkdir()
    put(storage, check_target(storage, out, []), "first")
    assert seen(tmp_path / "out") == "first"


def test_readers_see_the_old_catalogue_until_the_new_one_is_complete(storage, out, tmp_path):
    put(storage, out, "first")
    with publishing(storage, out) as target:
        assert seen(tmp_path / "out") == "first"
        storage.make_dirs(target.staging)
        storage.write_text(f"{target.staging}/part-0.parquet", "second")
        assert seen(tmp_path / "out") == "first"
        storage.write_text(f"{target.staging}/part-second.parquet", "second")
        write_manifest(storage, target, {"content": "second"})
        assert seen(tmp_path / "out") == "first"
    assert seen(tmp_path / "out") == "second"


def test_names_used_meanwhile_are_hidden_from_readers_of_the_parent(storage, out, tmp_path):
    with publishing(storage, out) as target:
        storage.make_dirs(target.staging)
        assert len(beside(tmp_path)) == 2
        assert all(name.startswith(".") for name in beside(tmp_path))
        storage.write_text(f"{target.staging}/part-0.parquet", "x")


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

    assert refusal(RuntimeError, fail) == "no space left"
    assert seen(tmp_path / "out") == before
    assert beside(tmp_path) == set()
    put(storage, out, "second")
    assert seen(tmp_path / "out") == "second"


def test_a_block_that_stages_nothing_leaves_the_old_catalogue(storage, out, tmp_path):
    put(storage, out, "first")
    with pytest.raises(OutputError), publishing(storage, out):
        pass
    assert seen(tmp_path / "out") == "first"
    assert beside(tmp_path) == set()


def test_a_switch_that_fails_half_way_leaves_the_old_catalogue(storage, out, tmp_path, monkeypatch):
    put(storage, out, "first")
    rename = storage.rename

    def refuse_the_new(source, target):
        if "staging" in source and target == out:
            raise OutputError("denied")
        rename(source, target)

    monkeypatch.setattr(storage, "exchange", lambda one, other: False)
    monkeypatch.setattr(storage, "rename", refuse_the_new)
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


def test_the_manifest_says_who_made_the_catalogue(storage, out):
    assert read_manifest(storage, out) is None
    put(storage, out, "é ✓")
    manifest = read_manifest(storage, out)
    assert (manifest["made_by"], manifest["content"]) == ("genre-spark", "é ✓")
    assert atomic_directory.require_manifest(storage, out) == manifest


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
        {MANIFEST: "{}"},
        {MANIFEST: '{"made_by": "another"}'},
        {MANIFEST: "not json"},
        {MANIFEST: '{"made_by": "genre-spark"}', "notes.txt": "mine"},
        {MANIFEST: '{"made_by": "genre-spark"}', ".notes": "mine"},
        {MANIFEST: '{"made_by": "genre-spark"}', "part-notes.csv": "mine"},
    ],
)
def test_a_directory_with_anything_not_made_by_genre_spark_is_never_overwritten(
    storage, tmp_path, foreign
):
    (tmp_path / "out").mkdir()
    for name, content in foreign.items():
        (tmp_path / "out" / name).write_text(content)
    output = str(tmp_path / "out")
    assert refusal(OutputError, check_target, storage, output, []) == (
        f"--output {output}: exists and was not made by genre-spark; it is left as it is."
        " Choose another directory"
    )
    assert {f.name: f.read_text() for f in (tmp_path / "out").iterdir()} == foreign


def test_a_file_is_never_overwritten(storage, tmp_path):
    (tmp_path / "out").write_text("mine")
    assert "was not made by genre-spark" in refusal(
        OutputError, check_target, storage, str(tmp_path / "out"), []
    )


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
    "by an input's parent": ("data", "data/*.parquet"),
}


@pytest.mark.parametrize(("output", "given"), OVERLAPS.values(), ids=OVERLAPS)
def test_an_output_that_overlaps_an_input_is_refused(storage, tmp_path, output, given):
    (tmp_path / "data" / "part").mkdir(parents=True)
    (tmp_path / "data" / "tracks.parquet").touch()
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
    [("link/out", "data"), ("link", "data"), ("data/out", "link"), ("link/a", "other/../link")],
)
def test_an_output_that_overlaps_an_input_behind_a_link_is_refused(tmp_path, output, given):
    (tmp_path / "data").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    output, given = f"{tmp_path}/{output}", f"{tmp_path}/{given}"
    told = refusal(OutputError, check_target, LocalStorage(), output, [given])
    assert told.startswith(f"--output {output}: lies inside the input {given}, or holds it;")


@pytest.mark.parametrize(
    ("output", "given"),
    [
        ("data2", "data"),
        ("data", "data2"),
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
    assert told.startswith(f"--output {output}: an object store renames file by file, ")
    assert check_target(storage, output, [], allow_gap=True) == storage.resolve(output)


def test_local_disks_and_hdfs_rename_whole_directories(storage):
    assert storage.renames_whole


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


def test_a_parent_that_cannot_be_made_is_told(storage, tmp_path):
    (tmp_path / "file").write_text("mine")
    path = storage.resolve(str(tmp_path / "file" / "out"))
    assert "cannot be " in refusal(OutputError, put, storage, path, "first")


# Two runs at once, and runs that died


def test_a_second_run_is_refused_and_told_who_is_writing(storage, out, tmp_path):
    with publishing(storage, out) as target:
        told = refusal(OutputError, put, storage, out, "second")
        assert told.startswith(
            f"{out}: another run is writing there, process {os.getpid()} on"
            f" {socket.gethostname()} since 20"
        )
        assert told.endswith(f"If it is dead, delete {target.lock}")
        stage(storage, target, "first")
    assert seen(tmp_path / "out") == "first"
    assert beside(tmp_path) == set()


def test_the_lock_of_a_dead_process_is_taken_over(storage, out, tmp_path, dead):
    hold(storage, out, host=socket.gethostname(), pid=dead)
    put(storage, out, "first")
    assert seen(tmp_path / "out") == "first"
    assert beside(tmp_path) == set()


@pytest.mark.parametrize(
    "holder", [{"host": "another-machine"}, {"host": socket.gethostname(), "pid": os.getppid()}]
)
def test_a_lock_whose_holder_may_be_alive_is_left_alone(storage, out, tmp_path, dead, holder):
    holder = {"pid": dead, **holder}
    lock = hold(storage, out, **holder)
    told = refusal(OutputError, put, storage, out, "first")
    assert f"process {holder['pid']} on {holder['host']} since 2024-01-01" in told
    assert json.loads(storage.read_text(lock))["pid"] == holder["pid"]
    assert seen(tmp_path / "out") is None


def test_a_lock_taken_over_by_another_run_in_that_instant_is_not_taken_from_it(
    storage, out, dead, monkeypatch
):
    lock = hold(storage, out, host=socket.gethostname(), pid=dead)
    look = locks._holder

    def look_and_be_overtaken(*arguments):
        found = look(*arguments)
        if found.get("pid") == dead:
            storage.delete(lock)
            hold(storage, out, host=socket.gethostname(), pid=os.getppid())
        return found

    monkeypatch.setattr(locks, "_holder", look_and_be_overtaken)
    refusal(OutputError, put, storage, out, "first")
    assert json.loads(storage.read_text(lock))["pid"] == os.getppid()


@pytest.mark.parametrize("content", ["", '{"host": "'])
def test_a_lock_that_a_killed_run_left_half_written_does_not_block_for_ever(
    storage, out, tmp_path, content
):
    lock = atomic_directory.Target(out, "x").lock
    storage.write_text(lock, content)
    long_ago = time.time() - 24 * 3600
    os.utime(lock.removeprefix("file:"), (long_ago, long_ago))
    put(storage, out, "first")
    assert seen(tmp_path / "out") == "first"


def test_what_a_killed_run_left_is_cleaned_up(storage, out, tmp_path, dead):
    put(storage, out, "first")
    hold(storage, out, host=socket.gethostname(), pid=dead)
    (tmp_path / ".out.staging-0123456789ab").mkdir()
    (tmp_path / ".out.staging-0123456789ab" / "part-0.parquet").write_text("half")
    (tmp_path / ".out.retired-0123456789ab").mkdir()
    (tmp_path / ".out.staging-ba9876543210-lock").write_text("")
    put(storage, out, "second")
    assert seen(tmp_path / "out") == "second"
    assert beside(tmp_path) == set()


@pytest.mark.parametrize("next_run_fails", [True, False])
def test_a_switch_of_two_renames_that_was_interrupted_is_recovered(
    storage, out, tmp_path, next_run_fails
):
    put(storage, out, "first")
    (tmp_path / "out").rename(tmp_path / ".out.retired-0123456789ab")
    (tmp_path / ".out.staging-0123456789ab").mkdir()
    if next_run_fails:
        assert seen_by_a_run_that_fails(storage, out, tmp_path) == "first"
        assert seen(tmp_path / "out") == "first"
    else:
        put(storage, out, "second")
        assert seen(tmp_path / "out") == "second"
    assert beside(tmp_path) == set()


def test_what_lies_beside_the_output_and_is_not_of_a_run_is_left_alone(storage, out, tmp_path):
    others = {".out.notes", ".out.staging", ".out.lock-picking", ".other.lock", "out.staging-1"}
    for name in others:
        (tmp_path / name).write_text("mine")
    put(storage, out, "first")
    put(storage, out, "second")
    assert beside(tmp_path) == others


def test_a_run_into_a_sibling_whose_name_goes_on_is_left_alone(storage, out, tmp_path):
    sibling = storage.resolve(str(tmp_path / "out.v2"))
    with publishing(storage, sibling) as target:
        stage(storage, target, "sibling")
        put(storage, out, "first")
        assert storage.exists(target.staging)
        assert storage.exists(target.lock)
    assert seen(tmp_path / "out.v2") == "sibling"


KILLED = {
    "before anything is staged": "kill()",
    "while staging": "storage.make_dirs(target.staging); storage.write_text(target.staging + '/part-0.parquet', 'x'); kill()",
    "before the switch": "stage(target); publish._switch = kill",
    "after the switch": "stage(target); storage.delete = kill",
    "between two renames": "stage(target); storage.exchange = lambda *_: False; storage.rename = once(storage.rename)",
    "after two renames": "stage(target); storage.exchange = lambda *_: False; storage.delete = kill",
}


@pytest.mark.parametrize("moment", KILLED)
def test_a_run_that_is_killed_loses_nothing_and_blocks_nothing(tmp_path, moment):
    storage = LocalStorage()
    path = storage.resolve(str(tmp_path / "out"))
    put(storage, path, "first")
    program = textwrap.dedent("""
        import os, signal, sys
        from genre_spark import publish
        from genre_spark.platform.storage import LocalStorage

        storage, (_, path, moment) = LocalStorage(), sys.argv

        def kill(*_):
            os.kill(os.getpid(), signal.SIGKILL)

        def once(rename):
            def then_kill(*paths):
                rename(*paths)
                kill()
            return then_kill

        def stage(target):
            storage.make_dirs(target.staging)
            storage.write_text(target.staging + "/part-0.parquet", "second")
            storage.write_text(target.staging + "/part-second.parquet", "second")
            publish.write_manifest(storage, target, {"content": "second"})

        with publish.publishing(storage, path) as target:
            exec(moment)
    """)
    done = subprocess.run([sys.executable, "-c", program, path, KILLED[moment]], cwd=ROOT)
    assert done.returncode == -signal.SIGKILL
    after = {"after the switch": "second", "after two renames": "second"}.get(moment, "first")
    if moment != "between two renames":
        assert seen(tmp_path / "out") == after
    assert seen_by_a_run_that_fails(storage, path, tmp_path) == after
    assert seen(tmp_path / "out") == after
    put(storage, check_target(storage, path, []), "third")
    assert seen(tmp_path / "out") == "third"
    assert beside(tmp_path) == set()


# Files


def test_a_file_that_is_there_is_not_created_anew(storage, out):
    assert storage.create_new(out, "first")
    assert not storage.create_new(out, "second")
    assert storage.read_text(out) == "first"
    storage.write_text(out, "third ✓")
    assert storage.read_text(out) == "third ✓"


def test_a_directory_is_never_moved_into_another_one(storage, out, tmp_path):
    for name in ("one", "out"):
        (tmp_path / name).mkdir()
    with pytest.raises(OutputError):
        storage.rename(storage.resolve(str(tmp_path / "one")), out)
    assert list((tmp_path / "out").iterdir()) == []


def test_deleting_what_is_not_there_is_no_error(storage, out):
    storage.delete(out)
    assert not storage.exists(out)


def test_a_directory_goes_up_and_down_whole(storage, out, tmp_path):
    (tmp_path / "source" / "deep").mkdir(parents=True)
    (tmp_path / "source" / "deep" / "file").write_bytes(b"\x00\xff")
    storage.upload(tmp_path / "source", out)
    storage.download(out, tmp_path / "copy")
    assert (tmp_path / "copy" / "deep" / "file").read_bytes() == b"\x00\xff"


def test_names_are_sorted_and_without_checksums(storage, tmp_path):
    for name in ("b", "a", ".b.crc", ".hidden"):
        (tmp_path / name).touch()
    assert storage.names(storage.resolve(str(tmp_path))) == [".hidden", "a", "b"]


@pytest.mark.parametrize(
    ("path", "remote"),
    [
        ("/data/out", False),
        ("out", False),
        ("file:///data/out", False),
        ("file:/data/out", False),
        ("hdfs://node/out", True),
        ("s3a://bucket/out", True),
    ],
)
def test_a_path_is_remote_where_it_names_another_file_system(path, remote):
    assert is_remote(path) is remote


def test_a_remote_path_needs_spark():
    assert refusal(ConfigError, storage_of, None, "s3a://bucket/x") == (
        "s3a://bucket/x: needs Spark to be reached"
    )


def test_an_unknown_file_system_is_refused(spark):
    told = refusal(InputError, storage_of, spark, "nosuch://bucket/x")
    assert told.startswith("nosuch://bucket/x: ")
    assert "nosuch" in told.removeprefix("nosuch://bucket/x: ")


def test_local_paths_are_reached_without_hadoop(spark):
    for path in ("/data", "out", "file:///data"):
        assert isinstance(storage_of(spark, path), LocalStorage)
        assert isinstance(storage_of(None, path), LocalStorage)
