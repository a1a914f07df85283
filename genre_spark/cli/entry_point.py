"""The console script, and what becomes of the errors of commands."""

import errno
import logging
import os
import sys
from collections.abc import Sequence
from itertools import pairwise

import click

from genre_spark.cli.commands import cli
from genre_spark.errors import STOPPED, GenreSparkError, OutputError, StoppedError, first_line
from genre_spark.monitoring import json_logs
from genre_spark.platform import signals
from genre_spark.platform.safe_text import plain, redact


def main() -> None:
    """The console script."""
    run(cli)


def run(command: click.Command) -> None:
    """Runs a command; what a user can cause ends in one line and its exit code."""
    signals.raise_at_signals()
    try:
        _refuse_empty(sys.argv[1:])
        sys.exit(command(standalone_mode=False))
    except GenreSparkError as err:
        _fail(str(err), err.exit_code)
    except click.ClickException as err:
        err.show()
        sys.exit(2)
    except ModuleNotFoundError as err:
        extra = _EXTRAS.get(err.name or "", "train")
        _fail(f"{err.name} is not installed; type: pip install 'genre-spark[{extra}]'", 2)
    except StoppedError as err:
        _fail(str(err), err.exit_code)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped", STOPPED)
    except OSError as err:
        if err.errno != errno.ENOSPC or err.filename is not None:
            _unexpected(err)
        # What is left in the buffer could not be written at the end either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _fail("standard output: no space left", OutputError.exit_code)
    except Exception as err:  # the last line of defence: one line, the rest under -v
        _unexpected(err)


def _unexpected(err: Exception) -> None:
    logging.getLogger(__name__).debug("unexpected", exc_info=True)
    from genre_spark.platform import spark_errors

    if known := spark_errors.explained(err):
        _fail(f"{known} (-v shows more)", known.exit_code)
    message = spark_errors.cause(err) if spark_errors.is_of_spark(err) else first_line(err)
    _fail(f"unexpected {type(err).__name__}: {message} (-v shows more)", 1)


def _refuse_empty(arguments: Sequence[str]) -> None:
    """Refuses an option whose value is empty, as a variable that is not set leaves it."""
    for option, following in pairwise([*arguments, "--"]):
        name, mark, value = option.partition("=")
        if name.startswith("--") and not (value if mark else following).strip():
            raise click.UsageError(f"{name} is empty")


# What is needed for an option alone; all else that may be missing is needed for training.
_EXTRAS = {
    "deltalake": "delta",
    "mlflow": "mlflow",
    "openlineage": "openlineage",
    "prometheus_client": "metrics",
    "xxhash": "mlflow",
}


def _fail(message: str, code: int) -> None:
    message = plain(redact(message))
    if json_logs.are_json():
        logging.getLogger(__name__).error(message, extra={"exit_code": code})
    else:
        click.echo(f"genre-spark: {message}", err=True)
    sys.exit(code)
