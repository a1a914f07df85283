"""Leases: one run at a time on one output, on any file system.

Each run creates a lock file of its own, ``STEM<token>``, and then lists all of them. Of two runs
that compete, at least the one that lists later finds the other's file and withdraws, so that two
never hold the lock. A run deletes its own file and those of dead runs, whose tokens never come
back, and nothing else. The holder rewrites its file every minute; a file that was not rewritten
within the lease belongs to a dead run.
"""

import json
import logging
import os
import random
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genre_spark._model import now
from genre_spark.errors import OutputError

if TYPE_CHECKING:
    from genre_spark.platform.storage import Storage
    from genre_spark.platform.table_files import TableFiles

    LockStorage = Storage | TableFiles

logger = logging.getLogger(__name__)

# Clocks of machines that share an output must agree to within a few minutes.
LEASE_SECONDS = 600.0
_HEARTBEAT_SECONDS = 60.0
# Runs that start in the same instant all withdraw; then each tries again after a random time.
_ATTEMPTS = 4
_LONGEST_PAUSE = 0.5
_UNKNOWN = "unknown"
_TOKEN = re.compile(r"[0-9a-f]{32}")

# Locks that this process holds: any other file with its process id was left by a failed release.
_held: set[str] = set()


@contextmanager
def held(
    storage: "LockStorage", output: str, stem: str, heartbeat: float = _HEARTBEAT_SECONDS
) -> Iterator[Callable[[], None]]:
    """Holds the lock of an output for as long as the block lasts.

    Raises `OutputError` if another run holds the lock. Yields a check, to be called before what
    cannot be undone: it raises `OutputError` if the lock was lost meanwhile.

    `stem`: Start of the lock files' paths; a token follows.
    `heartbeat`: Seconds between two renewals.
    """
    token = uuid.uuid4().hex
    lock = f"{stem}{token}"
    _held.add(token)
    stop = threading.Event()
    try:
        _acquire(storage, output, stem, token)
        renewing = threading.Thread(
            target=_renew, args=(storage, lock, token, heartbeat, stop), daemon=True
        )
        renewing.start()
        yield lambda: _require(storage, output, lock, token)
    finally:
        stop.set()
        _held.discard(token)
        _release(storage, lock)


def _acquire(storage: "LockStorage", output: str, stem: str, token: str) -> None:
    for attempt in range(_ATTEMPTS):
        storage.write_text(f"{stem}{token}", _content(token))
        others = _living(storage, stem, token)
        if not others:
            return
        storage.delete(f"{stem}{token}")
        if attempt < _ATTEMPTS - 1:
            time.sleep(random.uniform(0, _LONGEST_PAUSE))
    lock, holder = others[0]
    raise OutputError(
        f"{output}: another run is writing there, process {holder.get('pid', '?')} on"
        f" {holder.get('host', '?')} since {holder.get('since', '?')}. Wait for it; if it is dead,"
        f" its lock expires {LEASE_SECONDS / 60:.0f} minutes after its last sign of life, or"
        f" delete {lock}"
    )


def _living(storage: "LockStorage", stem: str, token: str) -> list[tuple[str, dict[str, Any]]]:
    """Locks of other runs, with their content; those of dead runs are deleted."""
    folder, _, start = stem.rpartition("/")
    found = []
    for name in storage.names(f"{folder}/"):
        other = name.removeprefix(start)
        if not name.startswith(start) or other == token or not _TOKEN.fullmatch(other):
            continue
        holder = _holder(storage, f"{stem}{other}")
        if _is_alive(storage, f"{stem}{other}", other, holder):
            found.append((f"{stem}{other}", holder))
        else:
            storage.delete(f"{stem}{other}")
    return found


def _is_alive(storage: "LockStorage", lock: str, token: str, holder: Mapping[str, Any]) -> bool:
    if holder and holder.get("machine") == _machine():
        if holder.get("pid") == os.getpid():
            return token in _held
        started = _started(holder.get("pid"))
        if started is None:
            return False
        if _UNKNOWN not in (started, holder.get("started")):
            return started == holder.get("started")
    age = storage.age(lock)
    return age is not None and age <= LEASE_SECONDS


def _renew(
    storage: "LockStorage", lock: str, token: str, heartbeat: float, stop: threading.Event
) -> None:
    while not stop.wait(heartbeat):
        try:
            if storage.exists(lock):  # else it was taken away: `_require` refuses the switch
                storage.write_text(lock, _content(token))
        except Exception as err:  # tried again in a minute; the lease lasts for several
            logger.debug("%s: not renewed: %s", lock, err)


def _require(storage: "LockStorage", output: str, lock: str, token: str) -> None:
    if not storage.exists(lock) or token not in _held:
        raise OutputError(
            f"{output}: the lock {lock} was taken away while this run was suspended or cut off;"
            " nothing was published. Run again"
        )


def _release(storage: "LockStorage", lock: str) -> None:
    """Deletes the lock; a failure is no reason to lose the error that ended the run."""
    try:
        if storage.exists(lock):
            storage.delete(lock)
    except Exception as err:
        logger.warning("%s: could not be deleted: %s; it expires by itself", lock, err)


def _content(token: str) -> str:
    holder = {
        "token": token,
        "host": socket.gethostname(),
        "machine": _machine(),
        "pid": os.getpid(),
        "started": _started(os.getpid()),
        "since": now(),
    }
    return json.dumps(holder)


def _holder(storage: "LockStorage", lock: str) -> dict[str, Any]:
    try:
        return dict(json.loads(storage.read_text(lock)))
    except Exception:  # half written, or gone meanwhile; file systems raise what they like
        return {}


def _machine() -> str:
    """What process ids count in: two containers may have one host name, and ids of their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{socket.gethostname()} {uuid.getnode():x}"


def _started(pid: Any) -> str | None:
    """When a process started, since ids are given again; None if there is no such process.

    `_UNKNOWN` where nobody may look (``hidepid``) or where there is no ``/proc`` (macOS): then the
    lease decides.
    """
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        pass
    except (TypeError, ValueError, OverflowError, ProcessLookupError):
        return None
    try:
        # proc(5): the 22nd field; the second one, a name in brackets, may hold blanks.
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        state, *fields = stat.rpartition(")")[2].split()
    except OSError:
        return _UNKNOWN
    return None if state == "Z" else fields[18]
