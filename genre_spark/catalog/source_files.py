"""Where the files of a table are, and in which format, by their names and first bytes."""

import importlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import unquote

import pyarrow as pa
from py4j.protocol import Py4JJavaError
from pyspark.errors import PySparkException
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from genre_spark.errors import InputError, OutputError
from genre_spark.platform.hadoop import read_head, storage_of, without_globs
from genre_spark.platform.session import is_classic
from genre_spark.platform.spark_errors import cause, environment_error
from genre_spark.platform.storage import Storage, is_remote, local_path

CSV, JSON, PARQUET, ORC, DELTA = "csv", "json", "parquet", "orc", "delta"
_FORMATS = {
    **dict.fromkeys(("csv", "tsv", "tab", "psv"), CSV),
    **dict.fromkeys(("parquet", "pq", "parq"), PARQUET),
    **dict.fromkeys(("json", "jsonl", "ndjson"), JSON),
    "orc": ORC,
}
_SEPARATORS = {"tsv": "\t", "tab": "\t", "psv": "|"}
# What Spark unpacks while it reads: by ending the first bytes, the name, and that of Arrow's codec.
_PACKED = {
    ".gz": (b"\x1f\x8b", "gzip", "gzip"),
    ".zst": (b"\x28\xb5\x2f\xfd", "zstd", "zstd"),
    ".bz2": (b"BZh", "bzip2", "bz2"),
}
_BY_SPARK = (".lz4", ".snappy", ".deflate")
SQL_DUMP = "is a dump of a database in SQL: load it there, and export its table as CSV"
ARFF = "is ARFF, as Weka writes it: save it as CSV there"
# What it does not, by ending, and the remedy.
_OTHERS = {
    ("zip", "7z", "rar", "tar", "tgz", "tbz", "tbz2", "txz", "xz", "z", "lzma", "br"): (
        "ends on .{}, which Spark does not read: unpack it"
    ),
    ("xlsx", "xls", "xlsm", "ods", "numbers"): (
        "is a spreadsheet (.{}): save it as CSV (UTF-8) or Parquet"
    ),
    ("feather", "arrow", "avro", "rds", "rdata", "pkl", "pickle", "h5", "sav", "dta", "db", "sqlite"): (
        "ends on .{}, which is not read: write its table as Parquet or CSV"
    ),
    ("sql",): SQL_DUMP,
    ("arff",): ARFF,
}  # fmt: skip
# Tables whose log says which files count, by what their folders hold: the files alone hold deleted and
# outdated rows. Spark's names of the formats are in lower case.
_LOGS = {"_delta_log": "Delta", ".hoodie": "Hudi", "metadata": "Iceberg"}
# Formats with such a log that are read, and the module that does it.
LOGGED = {DELTA: "genre_spark.catalog.delta_source"}
# A partitioned table nests its files; its log is at its root.
_LEVELS = 5
# Bytes that are looked at, and lines of a file in a packing that Hadoop alone knows.
HEAD, _LINES = 2**20, 1000

# First bytes of the formats that are no text; what other files are by theirs, and the remedy.
_MAGIC = {PARQUET: b"PAR1", ORC: b"ORC"}
_BINARY = {
    b"\xfd7zXZ": "is xz, which Spark does not read: unpack it",
    b"7z\xbc\xaf": "is a 7z archive: unpack it",
    b"PK\x03\x04": "is a workbook or another zip archive: save it as CSV, or unpack it",
    b"PAR1": "is Parquet: rename it to .parquet, or give --format parquet",
    b"ORC": "is ORC: rename it to .orc, or give --format orc",
    b"Obj\x01": "is Avro: write it as Parquet or CSV",
    b"ARROW1": "is an Arrow file (Feather): write it as Parquet or CSV",
    b"SQLite format 3": "is a database (SQLite): export its table as CSV",
    b"\x89HDF": "is HDF5: write its table as Parquet or CSV",
    b"%PDF": "is a PDF: get the table as CSV",
    b"\xd0\xcf\x11\xe0": "is a workbook (.xls): save it as CSV (UTF-8)",
}


@dataclass(frozen=True)
class SourceFiles:
    """The files of a table."""

    spark: SparkSession
    path: str  # As the user gave it.
    # The same as Spark reads it: a path that exists is meant as it stands, others may be patterns.
    location: str
    uris: Sequence[str]  # Of each file.
    # The option with which Spark reads those in subfolders, also one by one, whose names are columns then.
    folders: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, spark: SparkSession, path: str) -> "SourceFiles":
        """The files of a path.

        Raises `InputError` if there is nothing, Hadoop cannot open a file of that name, the path is a table
        whose files hold deleted rows, or some subfolders are partitions (``year=2024``) and others not.
        """
        storage, location = storage_of(spark, path), _locate(spark, path)
        refuse_logged_table(storage, path)
        recursive = storage.is_dir(path)
        for name in storage.names(path) if recursive else ():
            if name[0] == "_" and _ending(name) in _FORMATS:
                raise InputError(
                    f"{path}: Spark reads no file whose name begins with '_', as {name!r}: rename or remove it"
                )
        lookup = spark.read.option("recursiveFileLookup", str(recursive).lower())
        with reading(f"{path}: cannot be read"):
            uris = sorted(lookup.text(location).inputFiles())
        # The table's folder is above all files; of a single one, its own.
        own = path if is_remote(path) else os.path.abspath(local_path(path))
        root = location if "://" in location else own
        inner = [unquote(file).partition(unquote(root).rstrip("/"))[2] for file in uris]
        folders = {
            folder for one in inner for folder in one.split("/")[:-1] if folder and recursive
        }
        plain = {folder for folder in folders if "=" not in folder}
        if plain and plain != folders:
            raise InputError(
                f"{path}: contains partition folders ({min(folders - plain)}) next to others"
                f" ({min(plain)}): give the path of one of them"
            )
        options = {"recursiveFileLookup": "true"} if plain else {"basePath": own}
        return cls(spark, path, location, uris, options if folders else {})

    def label(self, uri: str) -> str:
        """What messages call a file."""
        return self.path if len(self.uris) == 1 else f"{self.path}: {shown(uri)}"

    def first_bytes(self, uri: str, size: int) -> BinaryIO:
        """A file as it is stored: whole where it is local, its beginning elsewhere."""
        if is_remote(uri):
            head = read_head(self.spark, uri, size) if is_classic(self.spark) else b""
            return io.BytesIO(head)
        local = local_path(uri)
        # The files of a Connect server are not always on this machine.
        return local.open("rb") if local.is_file() else io.BytesIO(b"")

    def unpacked(self, uri: str) -> Iterator[bytes]:
        """A file by parts of a megabyte: whole where it is local, the first megabytes elsewhere.

        A packed one is unpacked as far as it goes.
        """
        packing = _suffix(shown(uri))
        if packing in _BY_SPARK:
            text = self.spark.read.text(uri).limit(_LINES).select(F.col("value").cast("binary"))
            yield b"\n".join(row[0] for row in text.collect())
            return
        with self.first_bytes(uri, 4 * HEAD) as raw:
            stream: Any = raw
            if packing in _PACKED:
                stream = pa.CompressedInputStream(pa.PythonFile(raw, "r"), _PACKED[packing][2])
            try:
                while part := stream.read(HEAD):
                    yield part
            except (OSError, ValueError):  # it breaks off
                return

    def refuse_binary(self, uri: str, fmt: str = "") -> None:
        """Refuses a file that is something else than text, or than the format, by its first bytes.

        Raises `InputError`.
        """
        name, label, first = shown(uri), self.label(uri), self.first_bytes(uri, 512).read(512)
        if fmt in _MAGIC and first.startswith(_MAGIC[fmt]):
            return
        packing = _suffix(name)
        for suffix, (mark, kind, _) in _PACKED.items():
            is_so = first.startswith(mark)
            if is_so and packing != suffix:
                raise InputError(f"{label}: is {kind}: rename it to {name}{suffix}")
            if first and packing == suffix and not is_so:
                raise InputError(
                    f"{label}: is not {kind}, as its name says: rename it without {suffix}"
                )
        for mark, what in _BINARY.items():
            if first.startswith(mark):
                raise InputError(f"{label}: {what}")

    def begins_as(self, uri: str, fmt: str) -> bool:
        """Whether a file begins as its format does; of texts nothing is known."""
        return self.first_bytes(uri, 4).read(4).startswith(_MAGIC.get(fmt, b""))

    def refuse_damaged(self, uri: str, fmt: str) -> None:
        """Refuses a file that begins in another way than its format, or lacks the end of Parquet."""
        if not self.begins_as(uri, fmt):
            raise InputError(
                f"{self.label(uri)}: is no {fmt.upper()}: if it is text, rename it to .csv or .json"
            )
        if fmt == PARQUET and not is_remote(uri):
            with self.first_bytes(uri, 4) as file:
                file.seek(-4, os.SEEK_END)
                if file.read() != b"PAR1":
                    raise InputError(
                        f"{self.label(uri)}: breaks off, its end is missing: get it once more"
                    )

    def format(self) -> str:
        """Spark's name of the table's format, by the endings of its path and files.

        Raises `InputError` if Spark reads no such files, or the endings do not say.
        """
        for names in ((self.path,), self.uris):
            found = {_FORMATS[end] for end in map(_checked_ending, names) if end in _FORMATS}
            if len(found) > 1:
                raise InputError(
                    f"{self.path}: contains files of several formats ({', '.join(sorted(found))});"
                    " give a pattern such as 'folder/*.csv', or --format"
                )
            if found:
                return found.pop()
        if not self.uris:
            return PARQUET
        for fmt in _MAGIC:
            if self.begins_as(self.uris[0], fmt):
                return fmt
        raise InputError(
            f"{self.path}: {shown(self.uris[0])} has none of the known endings"
            f" ({', '.join(f'.{one}' for one in _FORMATS)}); give --format csv, json, parquet or orc"
        )


@contextmanager
def reading(failure: str) -> Iterator[None]:
    """Reports whatever Spark finds wrong while it reads as the input's fault, or the machine's.

    Raises `ConfigError` if Python workers or Java lack something, `InputError` otherwise.
    """
    try:
        yield
    except (PySparkException, Py4JJavaError) as err:
        raise environment_error(err) or InputError(f"{failure}: {cause(err)}") from err


def remedy(option: str, value: str) -> str:
    """How to read a table with an option of Spark's reader, for messages."""
    return (
        f"give a dataset file with options: {{{option}: {value}}} (genre-spark inspect --output"
        " FILE.yaml writes one)"
    )


def shown(uri: str) -> str:
    """The name of a file, for messages."""
    return unquote(uri).rstrip("/").rpartition("/")[2]


def is_packed(name: str) -> bool:
    """Whether a file is packed, by its ending."""
    return _suffix(name) in (*_PACKED, *_BY_SPARK)


def separator(path: str) -> str | None:
    """The separator between columns that a file's ending promises, None for a comma."""
    return _SEPARATORS.get(_ending(path))


def logged_format(path: str) -> str:
    """The format of a local folder with a log that is read; empty for others, and for remote ones."""
    if not is_remote(path):
        for mark, kind in _LOGS.items():
            if kind.lower() in LOGGED and (local_path(path) / mark).is_dir():
                return kind.lower()
    return ""


def log_reader(fmt: str) -> Any:
    """The module that reads a format by its log; None for one without. It may need an extra."""
    return importlib.import_module(LOGGED[fmt]) if fmt in LOGGED else None


def refuse_logged_table(storage: Storage, path: str) -> None:
    """Refuses a folder of Delta, Iceberg or Hudi: its files hold deleted rows too.

    Raises `InputError` if the path is such a table, or inside one.
    """
    folder = path
    while _has_wildcard(folder) and not storage.exists(folder):
        folder = folder.rstrip("/").rpartition("/")[0] or "."
    for _ in range(_LEVELS):
        names = set(storage.names(folder)) if storage.is_dir(folder) else set()
        for mark in names & set(_LOGS):
            if mark == "metadata" and not any(
                one.endswith(".metadata.json") for one in storage.names(f"{folder}/{mark}")
            ):
                continue
            kind = _LOGS[mark]
            remedy = (
                f"Give its folder with --format {kind.lower()}"
                if kind.lower() in LOGGED
                else "Export its current rows as Parquet and give those"
            )
            raise InputError(
                f"{path}: is in a {kind} table ({folder}), whose files also contain rows that were"
                f" deleted or replaced. {remedy}"
            )
        folder = folder.rstrip("/").rpartition("/")[0]
        if not folder:
            return


def _locate(spark: SparkSession, path: str) -> str:
    try:
        exists = storage_of(spark, path).exists(path)
    except OutputError as err:
        raise InputError(str(err)) from err
    if not exists and not _has_wildcard(path):
        raise InputError(f"{path}: no such file or directory")
    if not is_remote(path) and ":" in path.removeprefix("file:"):
        raise InputError(f"{path}: Hadoop reads no file with ':' in its path: rename it")
    location = without_globs(path) if exists and _has_wildcard(path) else path
    # A server has a working directory of its own.
    here = is_classic(spark) or is_remote(path) or path.startswith("file:")
    return location if here else os.path.join(os.getcwd(), location)


def _has_wildcard(path: str) -> bool:
    return any(character in path for character in "*?[{")


def _suffix(path: str | PurePosixPath) -> str:
    return PurePosixPath(path).suffix.lower()


def _ending(path: str) -> str:
    """The last ending of a file's name in lower case, without that of a compression."""
    bare = PurePosixPath(path).with_suffix("") if is_packed(path) else path
    return _suffix(bare)[1:]


def _checked_ending(path: str) -> str:
    for last in (_suffix(path)[1:], _ending(path)):
        for endings, told in _OTHERS.items():
            if last in endings:
                raise InputError(f"{path}: {told.format(last)}")
    return _ending(path)
