"""The folder of a Delta table that genre-spark writes: files of each run apart, and commits."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from genre_spark.errors import OutputError
from genre_spark.platform import delta_log
from genre_spark.platform.table_files import TableFiles, one_line, root_of

_RUN = re.compile(r"run-([0-9a-f]{12})")
LOCKS = "_genre_spark"  # Delta's VACUUM leaves folders alone whose names begin so
_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class DeltaFolder:
    """One of the two tables, as a run found it.

    Attributes
    ----------
    path : str
        Its folder.
    files : TableFiles
    options : mapping
        Storage options.
    table : DeltaTable or None
        At the version of the run's start; None where there was no table.
    """

    path: str
    files: TableFiles
    options: Mapping[str, str]
    table: DeltaTable | None

    @classmethod
    def at(cls, path: str, options: Mapping[str, str]) -> "DeltaFolder":
        """The table at a path, as it is now."""
        found = delta_log.is_table(path, options)
        table = delta_log.open_table(path, options) if found else None
        return cls(path, TableFiles(root_of(path), options), options, table)

    def delete_leftovers(self) -> None:
        """Deletes the folders of runs that never committed."""
        known: set[str] = set()
        if self.table is not None:
            known = {one[delta_log.RUN_ID] for one in delta_log.commits(self.table)}
            known |= {match[1] for one in self.table.file_uris() if (match := _RUN.search(one))}
        for name in self.files.names(""):
            run = _RUN.fullmatch(name)
            if run and run[1] not in known:
                self.files.delete_folder(name)

    def added(self, folder: str) -> list[AddAction]:
        """The files that a run wrote, with their rows; those without any are left out."""
        sizes = {name: size for name, size in self.files.sizes(folder).items() if _is_data(name)}
        now = int(time.time() * 1000)
        return [
            AddAction(
                path, sizes[path], _partition(path), now, True, json.dumps({"numRecords": rows})
            )
            for path, rows in self.files.rows(sizes).items()
            if rows
        ]

    @property
    def foreign(self) -> list[str]:
        """Names in the folder that neither genre-spark nor Delta has put there."""
        ours = (LOCKS, delta_log.LOG)
        return [name for name in self.files.names("") if not (name in ours or _RUN.fullmatch(name))]

    def commit(self, added: list[AddAction], schema: Schema, facts: dict[str, Any]) -> int:
        """Replaces the table's rows; its new version.

        Raises
        ------
        OutputError
            Where somebody else has committed since the run began.
        """
        partitions = [*added[0].partition_values] if added else []
        properties = CommitProperties(custom_metadata=facts, max_commit_retries=0)
        try:
            if self.table is None:
                create_table_with_add_actions(
                    root_of(self.path), schema, added, partition_by=partitions,
                    storage_options=dict(self.options), commit_properties=properties,
                )  # fmt: skip
                return 0
            self.table.create_write_transaction(
                [*added], "overwrite", schema, partition_by=partitions, commit_properties=properties
            )
            return int(self.table.version()) + 1
        except (CommitFailedError, DeltaError, OSError) as err:
            raise self._not_committed(err) from err

    def _not_committed(self, err: Exception) -> OutputError:
        now, then = self._version(), -1 if self.table is None else self.table.version()
        if now > then:
            return OutputError(
                f"{self.path}: somebody else committed version {now} while this run was working;"
                " nothing was published. Run again"
            )
        return OutputError(
            f"{self.path}: could not be committed: {one_line(err)}; nothing was published"
        )

    def _version(self) -> int:
        if not delta_log.is_table(self.path, self.options):
            return -1
        return int(delta_log.open_table(self.path, self.options).version())


def folder_of(run_id: str) -> str:
    """Where a run writes, inside the table's folder."""
    return f"run-{run_id}"


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not path.rpartition("/")[2].startswith(("_", "."))


def _partition(path: str) -> dict[str, str | None]:
    pairs = [part.partition("=") for part in path.split("/")[:-1] if "=" in part]
    return {unquote(name): None if value == _NULL else unquote(value) for name, _, value in pairs}
