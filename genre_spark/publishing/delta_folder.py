"""The folder of a Delta table that genre-spark writes: files of each run apart, and commits."""

import json
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from deltalake import CommitProperties, DeltaTable, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions

from genre_spark.catalog import delta_source
from genre_spark.errors import OutputError
from genre_spark.platform.atomic_directory import listed
from genre_spark.platform.table_files import TableFiles, one_line, root_of

logger = logging.getLogger(__name__)

_RUN = re.compile(r"run-([0-9a-f]{12})")
_NOTE = re.compile(r"started-([0-9a-f]{12})")
# Names that Spark gives to the files of a job.
_OF_SPARK = re.compile(r"\.?(part-\d+-[0-9a-f-]{36}[\w.-]*\.parquet|_SUCCESS)(\.crc)?")
TAKEN_BACK = "genre_spark.taken_back"
LOCKS = "_genre_spark"  # Delta's VACUUM leaves folders alone whose names begin so
_NULL = "__HIVE_DEFAULT_PARTITION__"


@dataclass(frozen=True)
class DeltaFolder:
    """One of the two tables, as a run found it.

    Attributes
    ----------
    path : str
        Its folder.
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
        found = delta_source.is_table(path, options)
        table = delta_source.open_table(path, options) if found else None
        return cls(path, TableFiles(root_of(path), options), options, table)

    def begin(self, run_id: str) -> None:
        """Notes that a run's folder is its own, so that the next run may delete what is left there.

        Raises
        ------
        OutputError
            If there is something in it already.
        """
        if self.files.names(folder_of(run_id)):
            raise OutputError(
                f"{self.path}: {folder_of(run_id)} is there already; give another run id"
            )
        self.files.write_text(_note(run_id), run_id)

    def end(self, run_id: str, committed: bool) -> None:
        """Deletes a run's note and, unless it has committed them, the files that it wrote.

        Others that somebody put there are kept.
        """
        folder = folder_of(run_id)
        paths = [] if committed else [*self.files.sizes(folder)]
        for path in filter(_is_of_spark, paths):
            self.files.delete(path)
        if others := [path for path in paths if not _is_of_spark(path)]:
            logger.warning(
                "%s: holds what genre-spark did not write (%s); it is kept",
                self.path,
                listed(others),
            )
        self.files.delete_empty(folder)
        self.files.delete(_note(run_id))

    def delete_leftovers(self) -> None:
        """Deletes what killed runs wrote and did not commit."""
        notes = [found[1] for name in self.files.names(LOCKS) if (found := _NOTE.fullmatch(name))]
        for run_id in notes:
            self.end(run_id, committed=run_id in self._committed())

    def _committed(self) -> set[str]:
        """Runs that have committed. Where the log was cleaned, files of the present version tell."""
        if self.table is None:
            return set()
        live = (_RUN.search(one) for one in self.table.file_uris())
        logged = {one[delta_source.RUN_ID] for one in delta_source.commits(self.table)}
        return logged | {found[1] for found in live if found}

    def keep_manifest(self, run_id: str, text: str) -> None:
        """Stores a manifest beside the log too, which loses it when it is cleaned."""
        self.files.write_text(_manifest(run_id), text)

    def manifest(self) -> dict[str, Any] | None:
        """The manifest of the rows in the newest version; None if it is not known.

        Raises
        ------
        InputError
            If somebody else has changed the rows.
        """
        if self.table is None:
            return None
        if logged := delta_source.published_manifest(self.table, self.path):
            return logged
        runs = {found and found[1] for found in map(_RUN.search, self.table.file_uris())}
        if len(runs) != 1 or not (run_id := runs.pop()) or not self.files.exists(_manifest(run_id)):
            return None
        return dict(json.loads(self.files.read_text(_manifest(run_id))))

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
        ours = (LOCKS, delta_source.LOG)
        return [name for name in self.files.names("") if not (name in ours or _RUN.fullmatch(name))]

    def commit(self, added: list[AddAction], schema: Schema, facts: dict[str, Any]) -> int:
        """Replaces the table's rows; its new version.

        Raises
        ------
        OutputError
            If somebody else has committed since the run began; the table is as they left it.
        InputError
            If the store cannot be reached, so that nobody knows.
        """
        partitions = [*added[0].partition_values] if added else []
        properties = CommitProperties(custom_metadata=facts, max_commit_retries=0)
        try:
            if self.table is None:
                create_table_with_add_actions(
                    root_of(self.path), schema, added, partition_by=partitions,
                    description=delta_source.DESCRIPTION, storage_options=dict(self.options),
                    commit_properties=properties,
                )  # fmt: skip
            else:
                self.table.create_write_transaction(
                    [*added], "overwrite", schema, partition_by=partitions,
                    commit_properties=properties,
                )  # fmt: skip
        except (CommitFailedError, DeltaError, OSError) as err:
            # A store may have taken a commit whose answer was lost.
            if not self._has(facts[delta_source.RUN_ID]):
                raise self._not_committed(err) from err
        return self.version + 1

    def take_back(self, version: int | None, run_id: str) -> None:
        """Makes an earlier version the present one again; without one, an empty table.

        Parameters
        ----------
        run_id : str
            Of the run whose rows were not published.
        """
        table = delta_source.open_table(self.path, self.options)
        facts = {delta_source.RUN_ID: run_id, TAKEN_BACK: "true"}
        properties = CommitProperties(custom_metadata=facts, max_commit_retries=0)
        try:
            if version is None:
                partitions = table.metadata().partition_columns
                table.create_write_transaction(
                    [], "overwrite", table.schema(), partition_by=partitions,
                    commit_properties=properties,
                )  # fmt: skip
            elif version < table.version():
                table.restore(version, commit_properties=properties)
        except (CommitFailedError, DeltaError, OSError) as err:
            logger.warning(
                "%s: holds rows of run %s, which was not published, until the next run: %s",
                self.path, run_id, one_line(err),
            )  # fmt: skip

    @property
    def version(self) -> int:
        """At which the run found the table; -1 if there was none."""
        return -1 if self.table is None else int(self.table.version())

    def _has(self, run_id: str) -> bool:
        """Whether a commit of a run is in the log."""
        if self._version() < 0:
            return False
        table = delta_source.open_table(self.path, self.options)
        return any(one[delta_source.RUN_ID] == run_id for one in delta_source.commits(table))

    def _not_committed(self, err: Exception) -> OutputError:
        if (now := self._version()) > self.version:
            return OutputError(
                f"{self.path}: somebody else committed version {now} while this run was working;"
                " nothing was published. Run again"
            )
        return OutputError(
            f"{self.path}: could not be committed: {one_line(err)}; nothing was published"
        )

    def _version(self) -> int:
        if not delta_source.is_table(self.path, self.options):
            return -1
        return int(delta_source.open_table(self.path, self.options).version())


def folder_of(run_id: str) -> str:
    """Where a run writes, inside the table's folder."""
    return f"run-{run_id}"


def _note(run_id: str) -> str:
    return f"{LOCKS}/started-{run_id}"


def _manifest(run_id: str) -> str:
    return f"{LOCKS}/manifest-{run_id}.json"


def _is_of_spark(path: str) -> bool:
    return _OF_SPARK.fullmatch(path.rpartition("/")[2]) is not None


def _is_data(path: str) -> bool:
    return path.endswith(".parquet") and not path.rpartition("/")[2].startswith(("_", "."))


def _partition(path: str) -> dict[str, str | None]:
    pairs = [part.partition("=") for part in path.split("/")[:-1] if "=" in part]
    return {unquote(name): None if value == _NULL else unquote(value) for name, _, value in pairs}
