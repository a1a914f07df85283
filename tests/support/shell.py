"""Runs `genre-spark` commands in one process, so that Java is started and warmed up only once.

Reads an order a line from standard input: the arguments, and files for the command's two outputs.
Writes a line with its exit code for each to standard output.
"""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from genre_spark.cli import main


@contextmanager
def led_to(files: list[str]) -> Iterator[None]:
    """Standard output and error are these files meanwhile, for Java and workers too."""
    kept = {fd: os.dup(fd) for fd in (1, 2)}
    try:
        for fd, path in zip(kept, files, strict=True):
            with open(path, "w", encoding="utf-8") as file:
                os.dup2(file.fileno(), fd)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for fd, before in kept.items():
            os.dup2(before, fd)
            os.close(before)


def exit_code_of(arguments: list[str]) -> int:
    """What the console script would exit with."""
    sys.argv = ["genre-spark", *arguments]
    try:
        main()
    except SystemExit as done:
        return done.code or 0


for line in sys.stdin:
    order = json.loads(line)
    with led_to(order["files"]):
        code = exit_code_of(order["arguments"])
    print(code, flush=True)
