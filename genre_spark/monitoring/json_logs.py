"""What is logged, for people or, as JSON lines, for machines."""

import json
import logging
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from genre_spark.platform.safe_text import plain, redact, redact_all

TEXT, JSON = "text", "json"
# Fields of a line beside the message; set by `extra=` or for all lines of a run.
_FIELDS = ("exit_code", "seconds", "summary")
_NOISY = ("py4j", "tensorflow")


class _Lines(logging.Formatter):
    """One JSON object per record."""

    def __init__(self, run_id: str, command: str):
        super().__init__()
        self._same = {"run_id": run_id, "command": command}

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        line: dict[str, Any] = {
            "time": at,
            "level": record.levelname,
            **self._same,
            "logger": record.name,
            "message": "\n".join(map(_safe, record.getMessage().split("\n"))),
            **{n: redact_all(getattr(record, n)) for n in _FIELDS if hasattr(record, n)},
        }
        if record.exc_info:
            line["traceback"] = redact(self.formatException(record.exc_info))
        return json.dumps(line, ensure_ascii=False, default=str)


class _Text(logging.Formatter):
    """One line per record, whatever a message quotes; a traceback below it."""

    def format(self, record: logging.LogRecord) -> str:
        line = f"{record.levelname}: {_safe(record.getMessage())}"
        if record.exc_info:
            line += f"\n{redact(self.formatException(record.exc_info))}"
        return line


def _safe(message: str) -> str:
    return plain(redact(message))


def configure(kind: str, verbose: bool, run_id: str, command: str) -> None:
    """Sets up all logging of this process, on standard error.

    `kind`: `TEXT` or `JSON`.
    `verbose`: Everything, and not only what somebody should know.
    """
    logging.basicConfig(level=logging.DEBUG if verbose else logging.WARNING, force=True)
    for noisy in _NOISY:
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # What is being done is a line of its own where no terminal is watched.
    ours = logging.DEBUG if verbose else logging.INFO if kind == JSON else logging.NOTSET
    logging.getLogger("genre_spark").setLevel(ours)
    formatter = _Lines(run_id, command) if kind == JSON else _Text()
    for handler in logging.getLogger().handlers:
        handler.setFormatter(formatter)
        if not verbose:
            # py4j logs, as nobody, the stack of a call that Java did not live to answer; the error
            # says so.
            handler.addFilter(lambda record: "py4j" not in Path(record.pathname).parts)


def are_json() -> bool:
    """Whether JSON lines are asked for."""
    return any(isinstance(one.formatter, _Lines) for one in logging.getLogger().handlers)
