"""What is printed: one line of progress, then tables; or JSON for machines."""

import json
import re
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.status import Status
from rich.table import Column, Table

from genre_spark.monitoring.finished_run import Facts
from genre_spark.platform.progress import Countdown, Step
from genre_spark.platform.safe_text import plain, redact, redact_all
from genre_spark.reporting.text import present, shown

# Pairs of name and value, or a table whose first row is its head.
Part = Mapping[str, Any] | Sequence[Sequence[Any]]

# Seconds between two lines on how far a step has come, where each stays.
_BETWEEN_LINES = 30.0
_NUMBERS = re.compile(r"\d+")


class Terminal:
    """Progress goes to standard error, results to standard output.

    `progress`: Takes each line of progress, where it is not for standard error.
    """

    def __init__(
        self,
        as_json: bool = False,
        silent: bool = False,
        progress: Callable[[str], None] | None = None,
    ):
        self.shown: Any = {}
        self.facts = Facts()
        self.step = Step("", 0)
        self._last_line_at = 0.0
        self._countdown = Countdown()
        self._write_line = progress
        self._as_json = as_json
        self._silent = silent
        self._progress = Console(stderr=True)
        self._results = Console()
        self._status: Status | None = None

    def report_progress(self, message: str, tracks: int = 0) -> None:
        """One line of progress: replaced by the next in a terminal, a line of its own elsewhere.

        Elsewhere a line that differs from the last in its numbers only, such as the next epoch, is
        shown at most every `_BETWEEN_LINES` seconds.
        """
        before, self.step = self.step, Step(message, tracks)
        same = _NUMBERS.sub("", message) == _NUMBERS.sub("", before.message)
        shown = self._countdown.message(message, time.monotonic())
        if self._is_watched() or not same or self._is_time():
            self._line(shown)

    def add(self, how_far: str) -> None:
        """Shows how far the step has come: at once in a terminal, now and then elsewhere."""
        if how_far and (self._is_watched() or self._is_time()):
            self._line(f"{self.step.message}: {how_far}")

    def _is_watched(self) -> bool:
        return self._progress.is_terminal and not self._write_line

    def _is_time(self) -> bool:
        return time.monotonic() - self._last_line_at >= _BETWEEN_LINES

    def _line(self, message: str) -> None:
        if self._silent:
            return
        message = _printable(message)
        self._last_line_at = time.monotonic()
        if self._write_line:
            self._write_line(message)
        elif not self._progress.is_terminal:
            print(message, file=sys.stderr, flush=True)
        elif self._status is None:
            self._status = self._progress.status(escape(message))
            self._status.start()
        else:
            self._status.update(escape(message))

    def close(self) -> None:
        """Takes the line of progress away."""
        if self._status:
            self._status.stop()
            self._status = None

    @contextmanager
    def downloading(self, what: str) -> Iterator[Callable[[int, int | None], None]]:
        """A bar in a terminal, a line elsewhere; the block reports the bytes it has, and of how many."""
        if self._silent or self._write_line or not self._progress.is_terminal:
            self.report_progress(what)
            yield lambda have, total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), console=self._progress) as bar:
            task = bar.add_task(escape(what), total=None)
            yield lambda have, total: bar.update(task, completed=have, total=total)

    def table(self, rows: Sequence[Sequence[Any]]) -> None:
        """A drawn table in a terminal, tab-separated lines elsewhere."""
        head, *rest = [tuple(map(_printable, row)) for row in rows]
        if not self._results.is_terminal:
            rest = [head, *rest]
        # Rather a line more than half an id.
        columns = (Column(escape(name), overflow="fold") for name in head)
        self._print(rest, Table(*columns), "\t")

    def pairs(self, pairs: Mapping[str, Any]) -> None:
        """Two columns in a terminal, ``name: value`` lines elsewhere; without absent values."""
        rows = [(_printable(name), _printable(of)) for name, of in present(pairs).items()]
        self._print(rows, Table.grid(padding=(0, 2)), ": ")

    def _print(self, rows: Iterable[tuple[str, ...]], table: Table, between: str) -> None:
        """Rows in a drawn table, or elsewhere as lines with something between the values."""
        self.close()
        if not self._results.is_terminal:
            for row in rows:
                print(between.join(row))
            return
        for row in rows:
            table.add_row(*map(escape, row))
        self._results.print(table)

    def show(
        self,
        summary: BaseModel | Mapping[str, Any] | Sequence[Any],
        parts: Iterable[Part],
        facts: Facts | None = None,
    ) -> None:
        """A summary for machines, or its parts for people; and its facts for monitoring."""
        self.facts = facts or Facts()
        self.shown = (
            summary.model_dump(mode="json", by_alias=True)
            if isinstance(summary, BaseModel)
            else summary
        )
        if self._as_json:
            self.close()
            print(json.dumps(redact_all(self.shown), ensure_ascii=False))
            return
        for part in parts:
            if isinstance(part, Mapping):
                self.pairs(part)
            else:
                self.table(part)

    def show_next(self, *words: str) -> None:
        """The command to type next, for people."""
        if not self._as_json:
            self.pairs({"next": shlex.join(("genre-spark", *words))})


def _printable(value: Any) -> str:
    """One line without secrets and without codes that a terminal would obey."""
    return plain(redact(shown(value)))
