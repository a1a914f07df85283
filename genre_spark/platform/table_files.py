"""Files below the folder of a Delta table, on the local disk or wherever deltalake reaches.

Spark needs jars for each object store; deltalake brings its own clients, so that locks, sizes and
row counts of a table's files need neither Spark nor Java. Paths are relative to the table's folder.
"""

import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
from deltalake.fs import DeltaStorageHandler
from pyarrow import fs
from pyarrow import parquet as pq

from genre_spark.errors import InputError, OutputError
from genre_spark.platform.safe_text import plain
from genre_spark.platform.storage import (
    MAX_SMALL,
    LocalStorage,
    is_remote,
    local_path,
    within_limit,
)

# Requests to an object store wait most of their time.
_PARALLEL = 8
_AT_ONCE = 2**23  # bytes that are copied from or to a store in one request


class TableFiles:
    """The files below a folder.

    `options`: Of deltalake: endpoint, region and the like. Credentials of the environment are
        found.
    """

    def __init__(self, root: str, options: Mapping[str, str]):
        self.root = root
        if is_remote(root):
            self._store = _Store(root, dict(options))
            self._fs = fs.PyFileSystem(self._store)
        else:
            self._fs = fs.SubTreeFileSystem(root, fs.LocalFileSystem())

    def names(self, folder: str) -> list[str]:
        """Names in a folder, sorted; none where there is no such folder."""
        found = self._list(folder.strip("/"), recursive=False)
        return sorted(Path(info.path).name for info in found)

    def sizes(self, folder: str) -> dict[str, int]:
        """Bytes of each file below a folder, by path."""
        found = self._list(folder.strip("/"), recursive=True)
        return {one.path: one.size for one in found if one.type == fs.FileType.File}

    def rows(self, paths: Iterable[str]) -> dict[str, int]:
        """Rows of Parquet files, from their footers."""
        paths = list(paths)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            return dict(zip(paths, pool.map(self._rows, paths), strict=True))

    def exists(self, path: str) -> bool:
        """Whether there is a file."""
        return bool(self._fs.get_file_info(path).type == fs.FileType.File)

    def age(self, path: str) -> float | None:
        """Seconds since a file was written; None where there is none."""
        folder, _, name = path.rpartition("/")
        for one in self._list(folder, recursive=False):
            if Path(one.path).name == name and one.mtime is not None:
                return time.time() - one.mtime.timestamp()
        return None

    def read_text(self, path: str) -> str:
        """A small UTF-8 file, whole."""
        with self._fs.open_input_file(path) as file:
            return within_limit(bytes(file.read(MAX_SMALL + 1)), path).decode("utf-8")

    def write_text(self, path: str, text: str) -> None:
        """Writes a small UTF-8 file."""
        with _writing(self.root):
            if is_remote(self.root):
                with closing(self._store.open_output_stream(path)) as out:
                    out.write(text.encode("utf-8"))
                return
            self._fs.create_dir(path.rpartition("/")[0], recursive=True)
            LocalStorage().write_text(f"{self.root}/{path}", text)

    def delete(self, path: str) -> None:
        """Deletes a file, if it is there."""
        with _writing(self.root), suppress(FileNotFoundError):
            self._fs.delete_file(path)

    def delete_empty(self, folder: str) -> None:
        """Deletes a folder and those in it, if no file is left in them; stores have none."""
        if not is_remote(self.root):
            LocalStorage().delete_empty(f"{self.root}/{folder}")

    def upload(self, source: Path, folder: str) -> None:
        """Copies the files below a local folder that readers need to a store, below `folder`."""
        with _writing(self.root):
            for file in sorted(source.rglob("*.parquet")):
                target = f"{folder}/{file.relative_to(source).as_posix()}"
                with (
                    closing(self._store.open_output_stream(target)) as out,
                    file.open("rb") as local,
                ):
                    shutil.copyfileobj(local, out, _AT_ONCE)

    def download(self, paths: Iterable[str], folder: Path) -> list[str]:
        """Copies files to the local disk, each to a place of its own; their new paths, in order."""
        made = []
        for number, path in enumerate(paths):
            target = folder / f"{number:06d}.parquet"
            try:
                with self._fs.open_input_file(path) as file, target.open("wb") as local:
                    shutil.copyfileobj(file, local, _AT_ONCE)
            except OSError as err:
                raise InputError(f"{self.root}/{path}: cannot be read: {one_line(err)}") from err
            made.append(str(target))
        return made

    def _list(self, folder: str, recursive: bool) -> list[Any]:
        selector = fs.FileSelector(folder, allow_not_found=True, recursive=recursive)
        try:
            return list(self._fs.get_file_info(selector))
        except OSError as err:
            raise OutputError(f"{self.root}: cannot be listed: {one_line(err)}") from err

    def _rows(self, path: str) -> int:
        try:
            return int(pq.read_metadata(path, filesystem=self._fs).num_rows)
        except (OSError, pa.ArrowException) as err:
            raise OutputError(f"{self.root}/{path}: cannot be read back: {one_line(err)}") from err


def root_of(path: str) -> str:
    """The folder of a table as deltalake and `TableFiles` take it: local ones without links."""
    return path.rstrip("/") if is_remote(path) else os.path.realpath(local_path(path))


def one_line(err: Exception) -> str:
    """What a library of Rust says over several lines and in colours, in one line."""
    text = "".join(str(err).split("\x1b[31m↳\x1b[0m"))
    return plain(" ".join(text.split())) or type(err).__name__


class _Store(DeltaStorageHandler):
    """As deltalake's, with output streams that take bytes: pyarrow would give them its own buffers."""

    def open_output_stream(self, path: str, metadata: dict[str, str] | None = None) -> Any:
        """A file to write to."""
        return self._handler.open_output_stream(path, metadata)


@contextmanager
def _writing(root: str) -> Iterator[None]:
    """Raises what fails in the block as `OutputError`, but for what is not there."""
    try:
        yield
    except FileNotFoundError:
        raise
    except OSError as err:
        raise OutputError(f"{root}: cannot be written: {one_line(err)}") from err
