"""Determines how a table is stored, by the names of its files and their first bytes."""

import os
from collections.abc import Iterable
from pathlib import PurePosixPath

from genre_spark.errors import InputError
from genre_spark.platform.storage import Storage, is_remote, local_path

CSV, JSON, PARQUET, ORC, DELTA = "csv", "json", "parquet", "orc", "delta"
_FORMATS = {
    "csv": CSV,
    "tsv": CSV,
    "tab": CSV,
    "psv": CSV,
    "parquet": PARQUET,
    "pq": PARQUET,
    "parq": PARQUET,
    "json": JSON,
    "jsonl": JSON,
    "ndjson": JSON,
    "orc": ORC,
}
_SEPARATORS = {"tsv": "\t", "tab": "\t", "psv": "|"}
# What Spark unpacks while it reads, and what it does not.
_PACKERS = {"gz", "bz2", "zst", "lz4", "snappy", "deflate"}
_ARCHIVES = {"zip", "7z", "rar", "tar", "tgz", "tbz", "tbz2", "txz", "xz", "z", "lzma", "br"}
_SHEETS = {"xlsx", "xls", "xlsm", "ods", "numbers"}
_MAGIC = {b"PAR1": PARQUET, b"ORC": ORC}
# Tables whose log says which files count: the files alone hold deleted and outdated rows.
_LOGS = {"_delta_log": "Delta", ".hoodie": "Hudi", "metadata": "Iceberg"}
# A partitioned table nests its files; its log is at its root.
_LEVELS = 5


def has_wildcard(path: str) -> bool:
    """Whether a path can stand for several files."""
    return any(character in path for character in "*?[{")


def ending(path: str) -> str:
    """The last ending of a file's name in lower case, without that of a compression."""
    suffixes = [s.lower().lstrip(".") for s in PurePosixPath(path.rstrip("/")).suffixes]
    if suffixes and suffixes[-1] in _PACKERS:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def separator(path: str) -> str | None:
    """The separator between columns that a file's ending promises, None for a comma."""
    return _SEPARATORS.get(ending(path))


def guess_format(storage: Storage, path: str) -> str:
    """Spark's name of a table's format.

    Raises
    ------
    InputError
        Where Spark reads no such files, or the endings do not say.
    """
    if storage.is_dir(path) and ending(path) not in _FORMATS:
        return _of_folder(storage, path)
    known = _FORMATS.get(_checked_ending(path))
    if known:
        return known
    if has_wildcard(path) and not storage.exists(path):
        return PARQUET
    return _by_first_bytes(path) or _unknown(path)


def refuse_logged_table(storage: Storage, path: str) -> None:
    """Refuses a folder of Delta, Iceberg or Hudi: its files hold deleted rows too.

    Raises
    ------
    InputError
        Where the path is such a table, or inside one.
    """
    folder = path
    while has_wildcard(folder) and not storage.exists(folder):
        folder = folder.rstrip("/").rpartition("/")[0] or "."
    for _ in range(_LEVELS):
        if storage.is_dir(folder) and (kind := _logged(storage, folder)):
            remedy = (
                f"Give its folder with --format {DELTA}"
                if kind == "Delta"
                else "Export its current rows as Parquet and give those"
            )
            raise InputError(
                f"{path}: is in a {kind} table ({folder}), whose files also contain rows that were"
                f" deleted or replaced. {remedy}"
            )
        parent = folder.rstrip("/").rpartition("/")[0]
        if not parent or parent == folder:
            return
        folder = parent


def is_delta(path: str) -> bool:
    """Whether a local path is the folder of a Delta table; of remote ones `--format` says so."""
    return not is_remote(path) and (local_path(path) / "_delta_log").is_dir()


def data_files(storage: Storage, folder: str) -> list[str]:
    """Names in a folder that Spark reads: hidden ones are not."""
    return [name for name in storage.names(folder) if name[0] not in "._"]


def _logged(storage: Storage, folder: str) -> str | None:
    names = set(storage.names(folder))
    for mark, kind in _LOGS.items():
        if mark not in names:
            continue
        inside = storage.names(f"{folder}/{mark}") if mark == "metadata" else []
        if mark != "metadata" or any(name.endswith(".metadata.json") for name in inside):
            return kind
    return None


def _of_folder(storage: Storage, path: str) -> str:
    """By the endings of its files; of the files in its folders where it has none itself."""
    names = [path.rstrip("/")]
    for _ in range(_LEVELS):
        listed = [(folder, name) for folder in names for name in data_files(storage, folder)]
        whole = [f"{folder}/{name}" for folder, name in listed]
        folders = [one for one in whole if storage.is_dir(one)]
        files = [one for one in whole if one not in folders]
        if files or not folders:
            return _of_files(path, files)
        names = folders[:1]
    return PARQUET


def _of_files(path: str, files: list[str]) -> str:
    found = {_FORMATS.get(_checked_ending(file), "") for file in files} - {""}
    if len(found) > 1:
        raise InputError(
            f"{path}: contains files of several formats ({', '.join(sorted(found))});"
            " give a pattern such as 'folder/*.csv', or --format"
        )
    if found:
        return found.pop()
    return (_by_first_bytes(files[0]) or _unknown(files[0])) if files else PARQUET


def _checked_ending(path: str) -> str:
    last = PurePosixPath(path.rstrip("/")).suffix.lower().lstrip(".")
    if last in _ARCHIVES:
        raise InputError(f"{path}: ends on .{last}, which Spark does not read: unpack it")
    if last in _SHEETS:
        raise InputError(f"{path}: is a spreadsheet (.{last}): save it as CSV (UTF-8) or Parquet")
    return ending(path)


def _by_first_bytes(path: str) -> str | None:
    if is_remote(path) or not local_path(path).is_file():
        return None
    with open(local_path(path), "rb") as file:
        head = file.read(4)
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


def _unknown(path: str) -> str:
    name = os.path.basename(path.rstrip("/"))
    raise InputError(
        f"{path}: {name} has none of the known endings ({_listed(_FORMATS)});"
        " give --format csv, json, parquet or orc"
    )


def _listed(endings: Iterable[str]) -> str:
    return ", ".join(f".{one}" for one in endings)
