"""Files by any URI that Hadoop reads: local, HDFS, object stores, all by the same calls."""

import ctypes
import os
from pathlib import Path
from urllib.parse import unquote, urlparse

from py4j.protocol import Py4JJavaError
from pyspark.sql import SparkSession

from genre_spark.errors import InputError, OutputError

# Linux, renameat2(2).
_HERE = -100
_RENAME_EXCHANGE = 2


def is_remote(path: str) -> bool:
    """Whether only Hadoop can reach the path."""
    return urlparse(path).scheme not in ("", "file")


def local_path(path: str) -> Path:
    """A local path or ``file:`` URI as a `Path`."""
    return Path(unquote(urlparse(path).path)) if path.startswith("file:") else Path(path)


class Storage:
    """The file system that holds a path.

    Parameters
    ----------
    spark : SparkSession
        Whose Hadoop configuration (credentials, file systems) is used.
    path : str
        Any path on that file system.
    """

    def __init__(self, spark: SparkSession, path: str):
        self._jvm = spark.sparkContext._jvm
        try:
            configuration = spark.sparkContext._jsc.hadoopConfiguration()
            self._fs = self._path(path).getFileSystem(configuration)
        except Py4JJavaError as err:
            raise InputError(f"{path}: {java_message(err)}") from err

    def resolve(self, path: str) -> str:
        """The absolute URI of a path; symbolic links of local paths are followed."""
        if not is_remote(path):
            path = os.path.realpath(local_path(path))
        return self._fs.makeQualified(self._path(path)).toString().rstrip("/")

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory."""
        return self._fs.exists(self._path(path))

    def is_dir(self, path: str) -> bool:
        """Whether there is a directory."""
        return self.exists(path) and self._fs.getFileStatus(self._path(path)).isDirectory()

    def names(self, directory: str) -> list[str]:
        """Names in a directory, sorted, without the checksum files of local Hadoop."""
        statuses = self._fs.listStatus(self._path(directory))
        names = (status.getPath().getName() for status in statuses)
        return sorted(name for name in names if not name.endswith(".crc"))

    def make_dirs(self, path: str) -> None:
        """Creates a directory and its parents."""
        try:
            created = self._fs.mkdirs(self._path(path))
        except Py4JJavaError as err:
            raise OutputError(f"{path}: cannot be created: {java_message(err)}") from err
        if not created:
            raise OutputError(f"{path}: cannot be created; check the permissions of its parent")

    def delete(self, path: str) -> None:
        """Deletes a file or a whole directory, if it is there."""
        self._fs.delete(self._path(path), True)

    def rename(self, source: str, target: str) -> None:
        """Moves to a path where nothing is yet."""
        # Hadoop would move *into* an existing directory.
        if self.exists(target) or not self._fs.rename(self._path(source), self._path(target)):
            raise OutputError(f"{source}: cannot be renamed to {target}")

    def exchange(self, one: str, other: str) -> bool:
        """Swaps two directories in one atomic step; False where the file system cannot."""
        if is_remote(one):
            return False
        renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
        if renameat2 is None:
            return False
        paths = (os.fsencode(local_path(path)) for path in (one, other))
        return renameat2(_HERE, next(paths), _HERE, next(paths), _RENAME_EXCHANGE) == 0

    def read_text(self, path: str) -> str:
        """A small UTF-8 file, whole."""
        stream = self._fs.open(self._path(path))
        try:
            return bytes(stream.readAllBytes()).decode("utf-8")
        finally:
            stream.close()

    def write_text(self, path: str, text: str) -> None:
        """Writes a small UTF-8 file, over an old one if there is one."""
        self._write(self._fs.create(self._path(path), True), text)

    def create_new(self, path: str, text: str) -> bool:
        """Writes a file only if there is none; False where there was one."""
        try:
            stream = self._fs.create(self._path(path), False)
        except Py4JJavaError as err:
            if self.exists(path):
                return False
            raise OutputError(f"{path}: cannot be created: {java_message(err)}") from err
        self._write(stream, text)
        return True

    def download(self, source: str, target: Path) -> None:
        """Copies a file or directory to the local disk."""
        try:
            self._fs.copyToLocalFile(False, self._path(source), self._path(str(target)), True)
        except Py4JJavaError as err:
            raise InputError(f"{source}: {java_message(err)}") from err

    def upload(self, source: Path, target: str) -> None:
        """Copies a local directory to a path where nothing is yet."""
        self._fs.copyFromLocalFile(False, False, self._path(str(source)), self._path(target))

    def _path(self, path: str):
        return self._jvm.org.apache.hadoop.fs.Path(path)

    def _write(self, stream, text: str) -> None:
        try:
            stream.write(bytearray(text.encode("utf-8")))
        finally:
            stream.close()


def java_message(err: Py4JJavaError) -> str:
    """The first line of what Java said."""
    return str(err.java_exception.getMessage()).splitlines()[0]
