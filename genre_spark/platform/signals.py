"""Signals that end a command: from the terminal, from a scheduler, from a lost connection."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from genre_spark.errors import StoppedError

_ENDING = {
    "SIGINT": "stopped",
    "SIGTERM": "terminated",
    "SIGHUP": "the terminal is gone",
    "SIGQUIT": "quit",
}


def raise_at_signals() -> None:
    """Turns signals into `StoppedError`, so that locks and temporary files go; a second one ends at once.

    pyspark sets a handler of its own for Ctrl-C when a session starts, so this is called after that too.
    """
    _handle(_stop)


@contextmanager
def ending_children() -> Iterator[None]:
    """Ends the processes that were started within the block if it fails or is interrupted."""
    before = _children()
    try:
        yield
    except BaseException:
        for pid in _children() - before:
            with suppress(OSError):
                # Java has a process group of its own.
                os.killpg(pid, signal.SIGKILL) if os.getpgid(pid) == pid else os.kill(
                    pid, signal.SIGKILL
                )
        raise


def _handle(by: Any) -> None:
    for name in _ENDING:
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), by)


def _stop(number: int, _: Any) -> None:
    _handle(signal.SIG_DFL)
    raise StoppedError(number, _ENDING[signal.Signals(number).name])


def _children() -> set[int]:
    """Processes that the main thread has started, on Linux."""
    try:
        listed = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="utf-8")
    except OSError:
        return set()
    return {int(pid) for pid in listed.split()}
