"""Storage on whatever Spark reads: the local disk, HDFS, object stores."""

import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from genre_spark.errors import ConfigError, InputError, OutputError, first_line
from genre_spark.platform.session import is_classic, require_classic
from genre_spark.platform.storage import (
    MAX_SMALL,
    LocalStorage,
    Storage,
    check_download,
    is_remote,
    within_limit,
    without_checksums,
)


def storage_of(spark: SparkSession | None, path: str) -> Storage:
    """The storage that holds a path.

    Raises `ConfigError` for a remote path without a session.

    `spark`: Whose Hadoop configuration (default file system, credentials) counts. Without it every
        path without a scheme is local.
    """
    at_hand = spark is not None and is_classic(spark)
    if not is_remote(path) and (not at_hand or path.startswith("file:")):
        return LocalStorage()
    if spark is None:
        raise ConfigError(f"{path}: needs Spark to be reached")
    require_classic(spark, f"{path}: reading and writing by Hadoop")
    default = spark.sparkContext._jsc.hadoopConfiguration().get("fs.defaultFS", "file:///")
    if not is_remote(path) and not is_remote(default):
        return LocalStorage()
    return HadoopStorage(spark, path)


GetSpark = Callable[[], SparkSession | None]


def storage_at(get_spark: GetSpark, path: str) -> Storage:
    """The storage that holds a path; Spark is asked for, and maybe started, for a remote one only."""
    return storage_of(get_spark() if is_remote(path) else None, path)


# Spark's words for where it failed.
_OF_FILE = "reading file"
# Object stores have no directories: to rename one is to copy its files one after the other. Azure's
# abfs has them.
_FLAT = {"s3", "s3a", "s3n", "gs", "wasb", "wasbs", "oss", "cos", "cosn", "obs", "swift", "o3fs"}


class HadoopStorage:
    """A Hadoop file system, through Spark's JVM; see `LocalStorage` for what the methods do.

    `spark`: Whose Hadoop configuration (credentials, file systems) is used.
    """

    def __init__(self, spark: SparkSession, path: str):
        self._jvm: Any = spark.sparkContext._jvm
        try:
            configuration = spark.sparkContext._jsc.hadoopConfiguration()
            self._fs = self._path(path).getFileSystem(configuration)
        except Py4JJavaError as err:
            raise InputError(f"{path}: {java_message(err)}") from err

    @property
    def renames_whole(self) -> bool:
        return self._fs.getUri().getScheme() not in _FLAT

    def resolve(self, path: str) -> str:
        return self._fs.makeQualified(self._path(path)).toString().rstrip("/")

    def exists(self, path: str) -> bool:
        with _output_errors(path):
            return self._fs.exists(self._path(path))

    def is_dir(self, path: str) -> bool:
        with _output_errors(path):
            return self.exists(path) and self._status(path).isDirectory()

    def names(self, directory: str) -> list[str]:
        return without_checksums(status.getPath().getName() for status in self._list(directory))

    def files(self, directory: str) -> dict[str, int] | None:
        if not self.is_dir(directory):
            return None
        found, folders = {}, [""]
        while folders:
            folder = folders.pop()
            statuses = self._list(f"{directory}/{folder}" if folder else directory)
            names = {status.getPath().getName() for status in statuses}
            if folder and not statuses:
                found[folder] = 0
            for status in statuses:
                name = status.getPath().getName()
                if status.isDirectory():
                    folders.append(f"{folder}{name}/")
                elif not (name.endswith(".crc") and name[1:-4] in names):
                    found[f"{folder}{name}"] = status.getLen()
        return found

    def delete_file(self, path: str) -> None:
        with _output_errors(path):
            self._fs.delete(self._path(path), False)

    def delete_empty(self, directory: str) -> None:
        with _output_errors(directory):
            for status in self._list(directory):
                if status.isDirectory():
                    self.delete_empty(f"{directory}/{status.getPath().getName()}")
            if not self._list(directory):
                with suppress(Py4JJavaError):  # a file appeared meanwhile, or is not listed
                    self._fs.delete(self._path(directory), False)

    def sync(self, path: str) -> None:
        """Nothing to do: Hadoop's file systems keep a file safe once it is closed."""

    def sync_names(self, directory: str) -> None:
        """Nothing to do either: the name node writes its journal first."""

    def make_dirs(self, path: str) -> None:
        with _output_errors(f"{path}: cannot be created"):
            created = self._fs.mkdirs(self._path(path))
        if not created:
            raise OutputError(f"{path}: cannot be created; check the permissions of its parent")

    def delete(self, path: str) -> None:
        with _output_errors(path):
            self._fs.delete(self._path(path), True)

    def rename(self, source: str, target: str) -> None:
        with _output_errors(f"{source}: cannot be renamed to {target}"):
            # Hadoop would move *into* an existing directory.
            if self.exists(target) or not self._fs.rename(self._path(source), self._path(target)):
                raise OutputError(f"{source}: cannot be renamed to {target}")

    def exchange(self, one: str, other: str) -> bool:
        return False

    def read_text(self, path: str, most: int = MAX_SMALL) -> str:
        return within_limit(self._read(path, most + 1), path, most).decode("utf-8")

    def beginning(self, path: str, n_bytes: int) -> str:
        return self._read(path, n_bytes).decode("utf-8", errors="replace")

    def write_text(self, path: str, text: str) -> None:
        with _output_errors(f"{path}: cannot be written"):
            self._write(self._fs.create(self._path(path), True), text)

    def create_new(self, path: str, text: str) -> bool:
        with _output_errors(f"{path}: cannot be created"):
            try:
                stream = self._fs.create(self._path(path), False)
            except Py4JJavaError:
                if self.exists(path):
                    return False
                raise
            self._write(stream, text)
            return True

    def age(self, path: str) -> float | None:
        with _output_errors(path):
            if not self.exists(path):
                return None
            return time.time() - self._status(path).getModificationTime() / 1000

    def download(self, source: str, target: Path, max_bytes: int) -> None:
        try:
            statuses = self._list(source)
            folders = sum(status.isDirectory() for status in statuses)
            check_download(source, [one.getLen() for one in statuses], folders, max_bytes)
            self._fs.copyToLocalFile(False, self._path(source), self._path(str(target)), True)
        except (Py4JJavaError, OutputError) as err:
            reason = java_message(err) if isinstance(err, Py4JJavaError) else str(err)
            raise InputError(f"{source}: {reason}") from err

    def upload(self, source: Path, target: str) -> None:
        with _output_errors(f"{target}: cannot be written"):
            self._fs.copyFromLocalFile(False, False, self._path(str(source)), self._path(target))

    def _list(self, directory: str) -> list[Any]:
        with _output_errors(directory):
            return list(self._fs.listStatus(self._path(directory)))

    def _status(self, path: str) -> Any:
        return self._fs.getFileStatus(self._path(path))

    def _path(self, path: str) -> Any:
        return self._jvm.org.apache.hadoop.fs.Path(path)

    def _read(self, path: str, size: int) -> bytes:
        with _output_errors(path):
            return _first_bytes(self._fs.open(self._path(path)), size)

    def _write(self, stream: Any, text: str) -> None:
        with closing(stream):
            stream.write(bytearray(text.encode("utf-8")))


def without_globs(path: str) -> str:
    """A path in which Hadoop takes no character for a wildcard."""
    return "".join(f"\\{one}" if one in "*?[]{}\\" else one for one in path)


def read_head(spark: SparkSession, uri: str, size: int) -> bytes:
    """The first bytes of a file on any file system."""
    jvm: Any = spark.sparkContext._jvm
    path = jvm.org.apache.hadoop.fs.Path(jvm.java.net.URI(uri))
    configuration = spark.sparkContext._jsc.hadoopConfiguration()
    return _first_bytes(path.getFileSystem(configuration).open(path), size)


def _first_bytes(stream: Any, size: int) -> bytes:
    with closing(stream):
        return bytes(stream.readNBytes(size))


@contextmanager
def _output_errors(failure: str) -> Iterator[None]:
    """Raises Java's errors as `OutputError`, with what failed."""
    try:
        yield
    except Py4JJavaError as err:
        raise OutputError(f"{failure}: {java_message(err)}") from err


def java_message(err: Py4JJavaError) -> str:
    """The first line of Java's message at the root of it, and of which file, if of one."""
    messages, cause = [], err.java_exception
    while cause is not None:
        lines = [line.strip() for line in str(cause.getMessage() or "").splitlines()]
        messages += list(filter(None, lines))[:1]
        cause = cause.getCause()
    of_file = [line for line in messages[:-1] if _OF_FILE in line][-1:]
    return ": ".join(of_file + messages[-1:]) or err.java_exception.getClass().getSimpleName()


def spark_message(err: Exception) -> str:
    """What Spark said, in one line and without its plan."""
    return java_message(err) if isinstance(err, Py4JJavaError) else first_line(err)
