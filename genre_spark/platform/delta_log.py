"""Delta tables by their log, through the library deltalake: neither Delta's jar nor Spark is needed.

References
----------
Delta Transaction Log Protocol, https://github.com/delta-io/delta/blob/master/PROTOCOL.md
"""

import json
from collections.abc import Mapping
from typing import Any

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError, TableNotFoundError

from genre_spark.errors import InputError
from genre_spark.platform.table_files import one_line, root_of

LOG = "_delta_log"
# In the metadata of the commits that genre-spark makes.
RUN_ID, MANIFEST = "genre_spark.run_id", "genre_spark.manifest"
# Of the tables that genre-spark makes. (deltalake takes no table property that it does not know.)
DESCRIPTION = "Made by genre-spark"
# Operations that change how rows are stored, and not the rows.
_SAME_ROWS = ("OPTIMIZE", "VACUUM START", "VACUUM END", "SET TBLPROPERTIES", "ADD FEATURE",
              "UPDATE METADATA", "UPDATE FIELD METADATA", "COMPUTE STATS", "FSCK")  # fmt: skip


def is_table(path: str, options: Mapping[str, str]) -> bool:
    """Whether there is a Delta table.

    Raises
    ------
    InputError
        Where nobody can look.
    """
    try:
        return bool(DeltaTable.is_deltatable(root_of(path), dict(options)))
    except (DeltaError, OSError) as err:
        raise InputError(f"{path}: cannot be reached: {one_line(err)}") from err


def open_table(path: str, options: Mapping[str, str], version: int | None = None) -> DeltaTable:
    """A Delta table at a version, or at its newest.

    Raises
    ------
    InputError
        Where there is no such table or version.
    """
    try:
        newest = DeltaTable(root_of(path), storage_options=dict(options))
        if version is None or version == newest.version():
            return newest
        if version > newest.version():
            raise InputError(f"{path}: has no version {version}, the newest is {newest.version()}")
        return DeltaTable(root_of(path), version=version, storage_options=dict(options))
    except TableNotFoundError as err:
        raise InputError(f"{path}: is no Delta table: it has no {LOG}") from err
    except (DeltaError, OSError) as err:
        of = "" if version is None else f"version {version} "
        raise InputError(f"{path}: {of}cannot be read as Delta: {one_line(err)}") from err


def is_ours(table: DeltaTable) -> bool:
    """Whether genre-spark made the table. Its description says so even after the log was cleaned."""
    return table.metadata().description == DESCRIPTION


def commits(table: DeltaTable) -> list[dict[str, Any]]:
    """The commits by genre-spark that the log still holds, the latest first."""
    return [one for one in table.history() if RUN_ID in one]


def published_manifest(table: DeltaTable, path: str) -> dict[str, Any] | None:
    """The manifest of the rows in the newest version; None if the log no longer holds its commit.

    Raises
    ------
    InputError
        If somebody else has changed the rows since.
    """
    upto = table.version()
    for one in table.history():
        if one["version"] > upto:
            continue
        if MANIFEST in one:
            return dict(json.loads(one[MANIFEST]))
        if one["operation"] == "RESTORE":
            upto = int(one["operationParameters"]["version"])
        elif one["operation"] not in _SAME_ROWS:
            raise InputError(
                f"{path}: version {one['version']} is not by genre-spark ({one['operation']}); score"
                " again, or restore the version before"
            )
    return None
