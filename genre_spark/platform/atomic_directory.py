"""Publishes a directory safely: staged beside it, verified, then switched in one step.

The manifest of a published directory lists its files. Only these are ever deleted; whatever else
stands in the directory at the switch is kept beside it.
"""

import fnmatch
import json
import logging
import os
import re
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from genre_spark.errors import InputError, OutputError, listed
from genre_spark.platform import locks
from genre_spark.platform.safe_text import redact_all
from genre_spark.platform.storage import MAX_SMALL, Storage

MANIFEST = "_manifest.json"
QUARANTINE = "_quarantine"
QUARANTINED = ".quarantined"
MADE_BY = "genre-spark"
_PARQUET = ".parquet"
MOUNTS = Path("/proc/self/mountinfo")
logger = logging.getLogger(__name__)
# Kinds of published directories, by their manifest: the file that says who made them and lists their files.
CATALOGUE, STUDY = MANIFEST, "evaluation.json"


class Target:
    """Where a catalogue is published, and the names that are used beside it meanwhile.

    `parent`: The directory that holds the catalogue's.
    `hidden`: Common start of the names beside the catalogue; readers of the parent skip it.
    `staging`: Where the new catalogue is made.
    `retired`: A whole catalogue that waits for the switch, or that was switched off.
    `kept`: Where files go that stood in the catalogue and that genre-spark did not publish.
    `lock`: Start of the lock files' paths; see `locks`.
    """

    def __init__(self, path: str, run_id: str):
        self.path, self.run_id = path, run_id
        above, _, name = path.rpartition("/")
        # The root of a file system keeps its slash: `hdfs://host:8020` alone is no path.
        self.parent = above if urlparse(above).path.strip("/") else f"{above}/"
        self.hidden = f".{name}."
        self.staging = f"{above}/{self.hidden}staging-{run_id}"
        self.retired = f"{above}/{self.hidden}retired-{run_id}"
        self.kept = f"{above}/{name}.kept-{run_id}"
        self.lock = f"{above}/{self.hidden}lock-"


def read_manifest(storage: Storage, path: str, kind: str = CATALOGUE) -> dict[str, Any] | None:
    """The manifest of a published directory; None where there is none of genre-spark's."""
    try:
        manifest = json.loads(storage.read_text(f"{path}/{kind}"))
    except Exception:  # a file system raises what it likes; whatever it is, there is no manifest
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("made_by") == MADE_BY else None


def require_manifest(storage: Storage, path: str) -> dict[str, Any]:
    """The manifest of a labelled catalogue.

    Raises `InputError` if the path is not a labelled catalogue.
    """
    manifest = read_manifest(storage, path)
    if manifest is None:
        if storage.exists(f"{path}/{MANIFEST}"):
            with suppress(OSError, ValueError):  # a pipe, or too large a file, is named as such
                storage.read_text(f"{path}/{MANIFEST}")
        raise InputError(f"{path}: not a labelled catalogue: it has no {MANIFEST} of genre-spark")
    return manifest


def hide(storage: Storage, quarantine: str) -> None:
    """Gives Parquet files another ending.

    DuckDB and Polars would take whatever ends on ``.parquet`` below a directory for its table.
    Spark, pandas, and whoever names the quarantine itself, read any name.
    """
    for name in storage.names(quarantine):
        if name.endswith(_PARQUET):
            hidden = name.removesuffix(_PARQUET) + QUARANTINED
            storage.rename(f"{quarantine}/{name}", f"{quarantine}/{hidden}")


def divide(storage: Storage, path: str, kind: str | None) -> tuple[list[str], list[str]]:
    """Files at a path that its manifest lists with their sizes, the manifest last; and all others.

    Where the path is a file and no directory, it is the only other.
    """
    if not storage.exists(path):
        return [], []
    found = storage.files(path)
    if found is None:
        return [], [path.rpartition("/")[2]]
    listed = _listed_files(storage, path, kind)
    if kind and listed is not None:
        listed = {**listed, kind: found.get(kind)}
    ours = {name for name, size in found.items() if listed and listed.get(name) == size}
    return sorted(ours, key=lambda name: (name == kind, name)), sorted(set(found) - ours)


def _listed_files(storage: Storage, path: str, kind: str | None) -> dict[str, int | None] | None:
    """What the manifest of a directory lists; None where there is no such list."""
    manifest = read_manifest(storage, path, kind) if kind else None
    files = manifest.get("files") if manifest else None
    return files if isinstance(files, dict) else None


def is_partial(storage: Storage, path: str, kind: str | None) -> bool:
    """Whether a published directory has lost some of its files."""
    listed, found = _listed_files(storage, path, kind), storage.files(path)
    return bool(set(listed or ()) - set(found or ()))


def check_target(
    storage: Storage,
    output: str,
    inputs: list[str],
    kind: str = CATALOGUE,
    option: str = "--output",
    allow_gap: bool = False,
) -> str:
    """The resolved output, once it is known to be safe.

    Raises `OutputError` if output and an input contain each other, the output holds a file that
    genre-spark did not publish, or a switch there has a gap.

    `allow_gap`: Take an object store too, where readers may find half of it during the switch.
    """
    path = storage.resolve(output)
    if _is_mount(path):
        raise OutputError(
            f"{option} {output}: is a mount point, which cannot be exchanged for another directory;"
            f" give a folder inside it: {output.rstrip('/')}/labelled"
        )
    if not (storage.renames_whole or allow_gap):
        raise OutputError(
            f"{option} {output}: an object store renames file by file, and readers could find half"
            " of what is published. Publish a Delta table (--table-format delta, for labels), or"
            " to HDFS or a local disk, or, if nobody reads during a run and runs never"
            " overlap, --set allow_gap=true"
        )
    check_apart(storage, output, inputs, option)
    if storage.is_dir(f"{path}/_delta_log"):
        raise OutputError(
            f"{option} {output}: is a Delta table; write to it with --table-format delta, or choose"
            " another directory"
        )
    foreign = divide(storage, path, kind)[1]
    if foreign:
        manifest = read_manifest(storage, path, kind)
        reason = (
            "was published by an older genre-spark, which did not list its files"
            if manifest and "files" not in manifest
            else f"holds what genre-spark did not publish ({listed(foreign)})"
        )
        raise OutputError(
            f"{option} {output}: {reason}; it is left as it is. Move it away, or choose another"
            " directory"
        )
    return path


def check_apart(storage: Storage, output: str, inputs: list[str], option: str = "--output") -> None:
    """Refuses an output that contains an input, or lies inside one. Raises `OutputError`."""
    path = storage.resolve(output)
    for given in inputs:
        if _overlap(storage, path, given):
            raise OutputError(
                f"{option} {output}: lies inside the input {given}, or holds it;"
                " writing there would destroy what is read. Choose another directory"
            )


@contextmanager
def publishing(
    storage: Storage,
    path: str,
    switch: bool = True,
    run_id: str | None = None,
    kind: str | None = CATALOGUE,
) -> Iterator[Target]:
    """Holds the lock on an output; what the block puts into `Target.staging` is then published.

    Raises `OutputError` if another run is publishing there, or something stands there that is not
    replaced.

    `path`: From `check_target`.
    `switch`: False throws away what was staged.
    `run_id`: 12 hexadecimal digits; one of its own by default.
    `kind`: Of what is replaced; None where nothing may be.
    """
    target = Target(path, run_id or uuid.uuid4().hex[:12])
    storage.make_dirs(target.parent)
    with locks.held(storage, target.path, target.lock) as require_lock:
        try:
            _recover(storage, target, kind)
            yield target
            if switch:
                if not storage.exists(target.staging):
                    raise OutputError(
                        f"{target.path}: nothing was written for it; the old one stays"
                    )
                storage.sync(target.staging)
                require_lock()
                _switch(storage, target, kind)
        finally:
            storage.delete(target.staging)


@contextmanager
def staging_locally(storage: Storage, target: Target) -> Iterator[Path]:
    """A new folder on the local disk; what the block makes in it is staged at its end."""
    with tempfile.TemporaryDirectory(prefix="genre-spark-") as made:
        # Temporary folders are private to their owner; what is published, all may read.
        folder = Path(made, "staged")
        folder.mkdir()
        yield folder
        storage.upload(folder, target.staging)


def write_manifest(
    storage: Storage, target: Target, content: Mapping[str, Any], kind: str = CATALOGUE
) -> None:
    """Puts the manifest, without secrets, into the staged directory; it lists the files there.

    Raises `OutputError` if it would be too large to be read again.
    """
    files = dict(sorted((storage.files(target.staging) or {}).items()))
    # The list of files is never redacted: what is in it may be deleted later.
    whole = {**redact_all(content), "made_by": MADE_BY, "run_id": target.run_id, "files": files}
    text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
    if len(text.encode()) >= MAX_SMALL:
        raise OutputError(
            f"{target.path}: {kind} would list {len(files):,} files and have more"
            f" than {MAX_SMALL:,} bytes; write fewer files (--set rows_per_file)"
        )
    storage.write_text(f"{target.staging}/{kind}", text + "\n")


def _overlap(storage: Storage, path: str, given: str) -> bool:
    """Whether the output lies inside an input, maybe given as a pattern, or holds it."""
    scheme = urlparse(given).scheme
    if scheme not in ("", "file" if path.startswith("/") else urlparse(path).scheme):
        return False
    source = storage.resolve(given)
    # The part of the output that is as deep as the pattern is what the pattern can match.
    as_deep = "/".join(path.split("/")[: source.count("/") + 1])
    pattern = re.sub(r"\{.*?\}", "*", source)
    return (
        as_deep == source
        or fnmatch.fnmatchcase(as_deep, pattern)
        or f"{source}/".startswith(f"{path.rstrip('/')}/")
    )


def _is_mount(path: str) -> bool:
    """Also of a folder of the same disk that is mounted here too, which only Linux tells."""
    try:
        lines = MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = []
    # proc(5): the fifth field, in which blanks are \\040 and the like.
    places = (line.split()[4] for line in lines if len(line.split()) > 4)
    found = {re.sub(r"\\([0-7]{3})", lambda one: chr(int(one[1], 8)), place) for place in places}
    return os.path.ismount(path) or path in found


def _recover(storage: Storage, target: Target, kind: str | None) -> None:
    """Puts a catalogue back that a killed run left aside, and deletes what else it left."""
    ours = re.compile(re.escape(target.hidden) + r"(staging|retired)-([0-9a-f]{12})")
    for name in storage.names(target.parent):
        left = ours.fullmatch(name)
        if not left:
            continue
        of_run = Target(target.path, left[2])
        if left[1] == "staging":  # what only genre-spark ever wrote to
            storage.delete(of_run.staging)
        elif storage.exists(target.path) or is_partial(storage, of_run.retired, kind):
            _discard(storage, of_run, kind)
        else:
            storage.rename(of_run.retired, target.path)


def _switch(storage: Storage, target: Target, kind: str | None) -> None:
    """Readers see the old catalogue before and the new one after, never a part of either."""
    if kind is None and divide(storage, target.path, None)[1]:
        raise OutputError(
            f"{target.path}: appeared while a new one was being made; it is left as it is"
        )
    if not storage.exists(target.path):
        storage.rename(target.staging, target.path)
        return
    # From here on one of two whole directories stands at `retired`, whenever the run is killed.
    storage.rename(target.staging, target.retired)
    if not storage.exchange(target.retired, target.path):
        storage.rename(target.retired, target.staging)
        _switch_by_renames(storage, target)
    storage.sync_names(target.parent)
    _discard(storage, target, kind)


def _switch_by_renames(storage: Storage, target: Target) -> None:
    """In two steps; a run that is killed between them is completed by the next one."""
    storage.rename(target.path, target.retired)
    try:
        storage.rename(target.staging, target.path)
    except OutputError:
        storage.rename(target.retired, target.path)
        raise


def _discard(storage: Storage, target: Target, kind: str | None) -> None:
    """Deletes the published files of a retired catalogue; all others are kept beside the new one."""
    ours, foreign = divide(storage, target.retired, kind)
    # The manifest goes last, and after the foreign files are safe: where a run is killed before,
    # the next one still finds there what may be deleted.
    manifest = ours.pop() if ours and kind and ours[-1] == kind else None
    for name in (one for one in ours if not one.endswith("/")):
        storage.delete_file(f"{target.retired}/{name}")
    place = target.retired
    if foreign:
        place = target.kept
        storage.rename(target.retired, place)
        logger.warning(
            "%s: held what genre-spark had not published (%s); it is kept in %s",
            target.path,
            listed(foreign),
            place,
        )
    if manifest:
        storage.delete_file(f"{place}/{manifest}")
    if storage.is_dir(place) and not any(name.endswith("/") for name in foreign):
        storage.delete_empty(place)
