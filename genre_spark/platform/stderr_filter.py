"""Keeps off the screen what Java says at every start and nobody can mend; all else is passed on."""

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_NOTICES = re.compile(
    # Spark asks for a module that is not final yet, and says so to every user.
    rb"WARNING: Using incubator modules"
    # There is no native BLAS; Spark's own is used.
    rb"|netlib-\w+: JNI_OnLoad"
    # Newer Javas, of calls that Spark and Hadoop make.
    rb"|WARNING: (A terminally deprecated|A restricted|Use --enable-native-access|Restricted methods)"
    rb"|WARNING: (Please consider reporting this|sun\.misc\.Unsafe|java\.lang\.System::)"
    rb"|Picked up (JAVA_TOOL|JDK_JAVA)_OPTIONS"
)


@contextmanager
def stderr_without() -> Iterator[int]:
    """A file descriptor for a new process's standard error: it reaches ours without the notices."""
    read, write = os.pipe()
    reader = threading.Thread(target=_pass_on, args=(read, 2), daemon=True)
    reader.start()
    try:
        yield write
    except BaseException:
        os.close(write)
        # What a process says that dies at once is the most important of all.
        reader.join(timeout=5)
        raise
    os.close(write)


def _pass_on(read: int, to: int) -> None:
    with os.fdopen(read, "rb") as lines:
        for line in lines:
            if not _NOTICES.match(line):
                os.write(to, line)
