"""A lock file: one run at a time on one output."""

import json
import os
import socket
from datetime import UTC, datetime
from typing import Any

from genre_spark.errors import OutputError
from genre_spark.platform.storage import Storage

# A lock is written in an instant; one that nobody can read for so long is of a killed run.
_UNREADABLE_SECONDS = 60


def acquire(storage: Storage, output: str, lock: str, aside: str) -> None:
    """Takes a lock, from a dead process of this machine too.

    Parameters
    ----------
    storage : Storage
    output : str
        What is locked, for the message.
    lock : str
        The lock file.
    aside : str
        Name of this run alone, where a dead lock is moved to.

    Raises
    ------
    OutputError
        Where another run holds it.
    """
    mine = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if storage.create_new(lock, json.dumps(mine)):
        return
    held = _holder(storage, lock)
    if _is_dead(storage, lock, held) and _take_away(storage, lock, aside, held):
        if storage.create_new(lock, json.dumps(mine)):
            return
        held = _holder(storage, lock)
    raise OutputError(
        f"{output}: another run is writing there, process {held.get('pid', '?')} on"
        f" {held.get('host', '?')} since {held.get('since', '?')}. If it is dead, delete {lock}"
    )


def _holder(storage: Storage, lock: str) -> dict[str, Any]:
    try:
        return dict(json.loads(storage.read_text(lock)))
    except Exception:  # half written, or gone meanwhile; file systems raise what they like
        return {}


def _is_dead(storage: Storage, lock: str, held: dict[str, Any]) -> bool:
    if held:
        return held.get("host") == socket.gethostname() and not _alive(held.get("pid"))
    age = storage.age(lock)
    return age is not None and age > _UNREADABLE_SECONDS


def _take_away(storage: Storage, lock: str, aside: str, held: dict[str, Any]) -> bool:
    """Removes a dead lock, unless another run has put its own in its place meanwhile."""
    try:
        storage.rename(lock, aside)
    except OutputError:
        return False
    found = _holder(storage, aside)
    if found != held and storage.create_new(lock, json.dumps(found)):
        storage.delete(aside)
        return False
    storage.delete(aside)
    return found == held


def _alive(pid: Any) -> bool:
    try:
        os.kill(int(pid), 0)
    except (TypeError, ValueError, OverflowError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True
