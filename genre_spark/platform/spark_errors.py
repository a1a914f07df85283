"""Finds the cause of an error in what Spark, Java or a Python worker reported."""

import os
import re
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pyarrow as pa
from py4j.protocol import Py4JError, Py4JJavaError
from pyspark import SparkContext
from pyspark.errors import PySparkException

from genre_spark.errors import ConfigError, GenreSparkError, InputError, OutputError
from genre_spark.platform.hadoop import spark_message

# The last line of a Python traceback: an exception's name, and what it says.
_RAISED = re.compile(r"^(?:[\w.]+\.)?([A-Z]\w*(?:Error|Exception|Exit|Interrupt)): (.*)$", re.M)
_TRACEBACK = "Traceback (most recent call last)"
_MISSING = re.compile(r"No module named '?([\w.]+)'?|cannot import name '?(\w+)'?")
_WORKER = "PYSPARK_PYTHON"

_NOEXEC = (
    "a library of Java cannot be loaded; let java.io.tmpdir be a folder that is not mounted noexec"
    " (JAVA_TOOL_OPTIONS=-Djava.io.tmpdir=DIR)"
)
# What Java reports when the machine, and not the table, is at fault, and what to do.
_MACHINE = {
    "PYTHON_VERSION_MISMATCH": "workers and driver run different versions of Python; set"
    f" {_WORKER} to the driver's",
    "Cannot run program": f"set {_WORKER} to a Python that has genre-spark's packages",
    "UnsatisfiedLinkError": _NOEXEC,
    "FAILED_TO_LOAD_NATIVE_LIBRARY": _NOEXEC,
    "OutOfMemoryError": "give Java more memory (spark.driver.memory, spark.executor.memory)",
}
_INPUT = ("FAILED_READ_FILE", "reading file", "CANNOT_READ_FILE", "ParquetDecodingException",
          "FileNotFoundException", "MALFORMED_CSV", "MALFORMED_RECORD", "PARQUET_")  # fmt: skip
_OUTPUT = ("No space left on device", "Read-only file system", "Permission denied", "Disk quota")


def environment_error(err: Exception) -> ConfigError | None:
    """The error of an environment that lacks something, None where that is not the cause."""
    message = _all(err)
    if (raised := worker_error(err)) and raised[0] in ("ModuleNotFoundError", "ImportError"):
        found = _MISSING.search(raised[1])
        package = (found[1] or found[2]) if found else raised[1]
        python = os.environ.get(_WORKER, "python3")
        return ConfigError(
            f"Spark's Python workers run {python}, which lacks {package!r} ({raised[1]}): set"
            f" {_WORKER} to a Python that has genre-spark's packages, or unset it"
        )
    for sign, remedy in _MACHINE.items():
        if sign in message:
            return ConfigError(f"Spark cannot work here: {cause(err)}; {remedy}")
    return None


def worker_error(err: Exception) -> tuple[str, str] | None:
    """Name and message of the exception that ended a Python worker, None where none did."""
    message = _all(err)
    if _TRACEBACK not in message:
        return None
    found = _RAISED.findall(message.rpartition(_TRACEBACK)[2])
    return found[0] if found else None


def cause(err: Exception) -> str:
    """What went wrong, in one line: a worker's own exception, else the root of what Java said."""
    raised = worker_error(err)
    return f"{raised[0]}: {raised[1]}" if raised else spark_message(err)


@contextmanager
def raising(made: Callable[[str], GenreSparkError]) -> Iterator[None]:
    """Raises what Spark or Arrow cannot read or write as an error made of the reason."""
    try:
        yield
    except (pa.ArrowException, OSError) as err:
        raise made(" ".join(str(err).split())) from err
    except (PySparkException, Py4JJavaError) as err:
        raise environment_error(err) or made(cause(err)) from err


def is_of_spark(err: Exception) -> bool:
    """Whether Spark or its Java raised an error."""
    return isinstance(err, PySparkException | Py4JError)


def explained(err: Exception) -> GenreSparkError | None:
    """An error of Spark by its documented meaning, None where it has none (an unexpected one)."""
    if _java_ended(err):
        return InputError(
            "Java ended, probably out of memory: give it more (spark.driver.memory), or look for a"
            " huge value in the table"
        )
    if not is_of_spark(err):
        return None
    if found := environment_error(err):
        return found
    message = _all(err)
    if any(sign in message for sign in _OUTPUT):
        return OutputError(f"cannot be written: {cause(err)}")
    if any(sign in message for sign in _INPUT):
        return InputError(f"a table cannot be read: {cause(err)}")
    return None


def _java_ended(err: Exception) -> bool:
    """Whether the Java that this process started is gone."""
    process = getattr(SparkContext._gateway, "proc", None)
    if process is None or not isinstance(err, Py4JError | OSError | EOFError):
        return False
    try:
        process.wait(_LAST_SECONDS if not isinstance(err, Py4JJavaError) else 0)
    except subprocess.TimeoutExpired:
        return False
    return True


# That a Java which reports no more may take to end.
_LAST_SECONDS = 2.0


def _all(err: Exception) -> str:
    """Everything that was reported, with the stack of Java."""
    java = getattr(err, "_origin", None)
    return str(err) if java is None else f"{err}\n{java}"
