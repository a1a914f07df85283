"""Publishes a directory safely: staged beside it, verified, then switched in one step."""

import json
import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlparse

from genre_spark.errors import InputError, OutputError
from genre_spark.storage import Storage

MANIFEST = "_manifest.json"
QUARANTINE = "_quarantine"
SUCCESS = "_SUCCESS"
MADE_BY = "genre-spark"


@dataclass(frozen=True)
class Target:
    """Where a catalogue is published, and the names that are used beside it meanwhile."""

    path: str
    run_id: str

    @property
    def parent(self) -> str:
        """The directory that holds the catalogue's."""
        return self.path.rpartition("/")[0]

    @property
    def hidden(self) -> str:
        """Common start of the names beside the catalogue; readers of the parent skip it."""
        return f".{self.path.rpartition('/')[2]}."

    @property
    def staging(self) -> str:
        """Where the new catalogue is made."""
        return f"{self.parent}/{self.hidden}staging-{self.run_id}"

    @property
    def retired(self) -> str:
        """Where the old catalogue stands between two renames, if there have to be two."""
        return f"{self.parent}/{self.hidden}retired-{self.run_id}"

    @property
    def lock(self) -> str:
        """The file that says that somebody is publishing."""
        return f"{self.parent}/{self.hidden}lock"


def check_target(storage: Storage, output: str, inputs: list[str]) -> str:
    """The resolved output, once it is known to be safe.

    Raises
    ------
    OutputError
        Where output and an input contain each other, or the output holds anything that
        genre-spark did not make.
    """
    path = storage.resolve(output)
    for given in inputs:
        source = storage.resolve(given) if _same_system(path, given) else given
        if _inside(path, source) or _inside(source, path):
            raise OutputError(
                f"--output {output}: lies inside the input {given}, or holds it;"
                " writing there would destroy what is read. Choose another directory"
            )
    if storage.exists(path) and not _is_replaceable(storage, path):
        raise OutputError(
            f"--output {output}: exists and was not made by genre-spark; it is left as it is."
            " Choose another directory"
        )
    return path


@contextmanager
def publishing(storage: Storage, path: str) -> Iterator[Target]:
    """Holds the lock on an output; what the block puts into `Target.staging` is then published.

    Parameters
    ----------
    storage : Storage
    path : str
        From `check_target`.

    Raises
    ------
    OutputError
        Where another run is publishing there.
    """
    target = Target(path, uuid.uuid4().hex[:12])
    storage.make_dirs(target.parent)
    _lock(storage, target)
    try:
        _recover(storage, target)
        yield target
        _switch(storage, target)
    finally:
        storage.delete(target.staging)
        storage.delete(target.lock)


def write_manifest(storage: Storage, target: Target, manifest: dict[str, Any]) -> None:
    """Puts the manifest into the staged catalogue."""
    content = {"made_by": MADE_BY, "run_id": target.run_id, **manifest}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    storage.write_text(f"{target.staging}/{MANIFEST}", text + "\n")


def read_manifest(storage: Storage, path: str) -> dict[str, Any] | None:
    """The manifest of a published catalogue; None where there is none of genre-spark's."""
    try:
        manifest = json.loads(storage.read_text(f"{path}/{MANIFEST}"))
    except Exception:  # a file system raises what it likes; whatever it is, there is no manifest
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("made_by") == MADE_BY else None


def require_manifest(storage: Storage, path: str) -> dict[str, Any]:
    """The manifest of a labelled catalogue.

    Raises
    ------
    InputError
        Where the path is not a labelled catalogue.
    """
    manifest = read_manifest(storage, path)
    if manifest is None:
        raise InputError(f"{path}: not a labelled catalogue: it has no {MANIFEST} of genre-spark")
    return manifest


def _same_system(path: str, given: str) -> bool:
    """Whether a path can be compared with a resolved one; another scheme is another place."""
    scheme = urlparse(given).scheme
    return scheme in ("", "file") if path.startswith("/") else path.startswith(f"{scheme}:")


def _inside(path: str, other: str) -> bool:
    return f"{path}/".startswith(f"{other.rstrip('/')}/")


def _is_replaceable(storage: Storage, path: str) -> bool:
    if not storage.is_dir(path):
        return False
    names = storage.names(path)
    if not names:
        return True
    if read_manifest(storage, path) is None:
        return False
    return all(name in (MANIFEST, QUARANTINE, SUCCESS) or _is_part(name) for name in names)


def _is_part(name: str) -> bool:
    return name.startswith("part-") and name.endswith(".parquet")


def _lock(storage: Storage, target: Target) -> None:
    """Takes the lock, from a dead process of this machine too."""
    holder = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if storage.create_new(target.lock, json.dumps(holder)):
        return
    held = _holder(storage, target.lock)
    if held.get("host") == holder["host"] and not _alive(held.get("pid")):
        # Only one of several runs can rename it, and so only one goes on.
        storage.rename(target.lock, f"{target.staging}-lock")
        storage.delete(f"{target.staging}-lock")
        if storage.create_new(target.lock, json.dumps(holder)):
            return
    raise OutputError(
        f"{target.path}: another run is writing there, process {held.get('pid', '?')} on"
        f" {held.get('host', '?')} since {held.get('since', '?')}. If it is dead, delete {target.lock}"
    )


def _holder(storage: Storage, lock: str) -> dict[str, Any]:
    try:
        return dict(json.loads(storage.read_text(lock)))
    except Exception:  # being written, or gone meanwhile
        return {}


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (TypeError, ValueError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _recover(storage: Storage, target: Target) -> None:
    """Puts a catalogue back that a killed run left aside, and deletes what else it left."""
    left = [name for name in storage.names(target.parent) if name.startswith(target.hidden)]
    for name in left:
        path = f"{target.parent}/{name}"
        if name.startswith(f"{target.hidden}retired-") and not storage.exists(target.path):
            storage.rename(path, target.path)
        elif path != target.lock:
            storage.delete(path)


def _switch(storage: Storage, target: Target) -> None:
    """Readers see the old catalogue before and the new one after, never a part of either."""
    if not storage.exists(target.path):
        storage.rename(target.staging, target.path)
    elif not storage.exchange(target.staging, target.path):
        storage.rename(target.path, target.retired)
        storage.rename(target.staging, target.path)
        storage.delete(target.retired)
