"""Publishes a labelled catalogue as a Delta table: Spark writes the files, one commit shows them.

Each run writes into a folder of its own, ``run-ID``, inside the table's. What no commit names is no
part of the table, so that a killed run leaves nothing that a reader finds; the next one deletes what
a note of that run (``_genre_spark/started-ID``) says it wrote. The quarantine is a second table,
``OUTPUT_quarantine``, which is committed first; the commit of the labels names its version, so that
whoever reads it at that version has what belongs to the labels. Rows of a run whose labels were not
committed are taken back, by that run or by the next. The manifest is in the metadata of the labels'
commit and, since logs are cleaned after 30 days, in ``_genre_spark/manifest-ID.json``.
"""

import json
import logging
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from deltalake import CommitProperties, Schema
from deltalake.exceptions import CommitFailedError, DeltaError
from deltalake.transaction import AddAction, create_table_with_add_actions
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from genre_spark.catalog import delta_source
from genre_spark.catalog.columns import by_name
from genre_spark.config import Settings
from genre_spark.errors import InputError, OutputError, listed
from genre_spark.platform import atomic_directory, locks
from genre_spark.platform.safe_text import redact_all
from genre_spark.platform.session import setting
from genre_spark.platform.storage import LocalStorage, is_remote
from genre_spark.platform.table_files import TableFiles, one_line, root_of
from genre_spark.publishing.destination import Destination
from genre_spark.publishing.manifest import Manifest, Published, published

logger = logging.getLogger(__name__)

_RUN = re.compile(r"run-([0-9a-f]{12})")
_NOTE = re.compile(r"started-([0-9a-f]{12})")
# Names that Spark gives to the files of a job.
_OF_SPARK = re.compile(r"\.?(part-\d+-[0-9a-f-]{36}[\w.-]*\.parquet|_SUCCESS)(\.crc)?")
_TAKEN_BACK = "genre_spark.taken_back"
_LOCKS = "_genre_spark"  # Delta's VACUUM leaves folders alone whose names begin so
_NOTES = f"{_LOCKS}/started-"
_NULL = "__HIVE_DEFAULT_PARTITION__"
_QUARANTINE_VERSION = "genre_spark.quarantine_version"
_FACTS = ("model_id", "scored_at", "checksum")
# Spark writes timestamps in a form of its own otherwise, which the protocol does not know.
_TIMESTAMPS = {"spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS"}
_STORABLE = (
    T.StringType, T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.FloatType,
    T.DoubleType, T.DecimalType, T.DateType, T.TimestampType, T.BinaryType,
)  # fmt: skip


class DeltaFolder:
    """One of the two tables, as a run found it: `table` is None if there was none at its start."""

    def __init__(self, path: str, options: Mapping[str, str]):
        self.path, self.options = path, options
        self.files = TableFiles(root_of(path), options)
        found = delta_source.is_table(path, options)
        self.table = delta_source.open_table(path, options) if found else None

    def begin(self, run_id: str) -> None:
        """Notes that a run's folder, which must be empty, is its own: the next run may clean it up."""
        if self.files.names(_folder_of(run_id)):
            raise OutputError(
                f"{self.path}: {_folder_of(run_id)} is there already; give another run id"
            )
        self.files.write_text(f"{_NOTES}{run_id}", run_id)

    def end(self, run_id: str, committed: bool) -> None:
        """Deletes a run's note and, unless it has committed them, the files that it wrote.

        Others that somebody put there are kept.
        """
        folder, others = _folder_of(run_id), []
        for path in () if committed else self.files.sizes(folder):
            if _OF_SPARK.fullmatch(path.rpartition("/")[2]):
                self.files.delete(path)
            else:
                others.append(path)
        if others:
            logger.warning(
                "%s: holds what genre-spark did not write (%s); it is kept",
                self.path,
                listed(others),
            )
        self.files.delete_empty(folder)
        self.files.delete(f"{_NOTES}{run_id}")

    def delete_leftovers(self) -> None:
        """Deletes what killed runs wrote and did not commit."""
        for note in filter(None, map(_NOTE.fullmatch, self.files.names(_LOCKS))):
            self.end(note[1], note[1] in self._committed())

    def _committed(self) -> set[str]:
        """Runs that have committed. Where the log was cleaned, files of the present version tell."""
        live = filter(None, map(_RUN.search, self.uris))
        return {one[delta_source.RUN_ID] for one in self.commits} | {found[1] for found in live}

    def manifest(self) -> dict[str, Any] | None:
        """The manifest of the newest version, None if unknown; `InputError` if others changed rows."""
        if self.table is None:
            return None
        if logged := delta_source.published_manifest(self.table, self.path):
            return logged
        runs = {found and found[1] for found in map(_RUN.search, self.uris)}
        if len(runs) != 1 or not (run_id := runs.pop()) or not self.files.exists(_manifest(run_id)):
            return None
        return delta_source.manifest_of(self.files.read_text(_manifest(run_id)), self.path)

    def added(self, folder: str) -> list[AddAction]:
        """The files that a run wrote, with their rows; those without any are left out."""
        sizes, now = self.files.sizes(folder), int(time.time() * 1000)
        tables = (
            path
            for path in sizes
            if path.endswith(".parquet") and not path.rpartition("/")[2].startswith(("_", "."))
        )
        return [
            AddAction(
                path, sizes[path], _partition(path), now, True, json.dumps({"numRecords": rows})
            )
            for path, rows in self.files.rows(tables).items()
            if rows
        ]

    def commit(self, added: list[AddAction], schema: Schema, facts: dict[str, Any]) -> int:
        """Replaces the table's rows; its new version.

        Raises `OutputError` if somebody else has committed since the run began; the table is as
        they left it. Raises `InputError` if the store cannot be reached, so that nobody knows.
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
            now = DeltaFolder(self.path, self.options)
            # A store may have taken a commit whose answer was lost.
            if facts[delta_source.RUN_ID] not in {one[delta_source.RUN_ID] for one in now.commits}:
                why = f"could not be committed: {one_line(err)}; nothing was published"
                if now.version > self.version:
                    why = (
                        f"somebody else committed version {now.version} while this run was working;"
                        " nothing was published. Run again"
                    )
                raise OutputError(f"{self.path}: {why}") from err
        return self.version + 1

    def take_back(self, version: int | None, run_id: str) -> None:
        """Takes the rows of a run back: makes an earlier version, or an empty table, the present one."""
        table = delta_source.open_table(self.path, self.options)
        facts = {delta_source.RUN_ID: run_id, _TAKEN_BACK: "true"}
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

    @property
    def uris(self) -> list[str]:
        """Files of the version that the run found."""
        return [] if self.table is None else self.table.file_uris()

    @property
    def commits(self) -> list[dict[str, Any]]:
        """Of runs that are in the log, the newest first."""
        return [] if self.table is None else delta_source.commits(self.table)


class DeltaTables(Destination):
    """A Delta table at a local path or any URI that deltalake reaches; a second has quarantined rows."""

    def __init__(self, spark: SparkSession, output: str, settings: Settings):
        self._spark, self._output = spark, output.rstrip("/")
        self._options = settings.delta.storage_options
        by = settings.publishing.partition_by
        self._partitions = [by] if by else []
        self._local: Path | None = None
        self._content: dict[str, Any] = {}
        self._schemas: tuple[T.StructType, T.StructType] | None = None
        # By table: whether it names the run's files; None if that is not known.
        self._committed: dict[str, bool | None] = {}

    def _found(self) -> tuple[DeltaFolder, DeltaFolder]:
        """Both tables as they are now: labels and quarantine."""
        labels, quarantine = (
            DeltaFolder(path, self._options)
            for path in (self._output, f"{self._output}_quarantine")
        )
        return labels, quarantine

    def check(self, inputs: list[str]) -> None:
        """Refuses what is no table of genre-spark's, or a store that Spark's executors cannot reach."""
        if not is_remote(self._output):
            atomic_directory.check_apart(LocalStorage(), self._output, inputs)
        place = f"{delta_source.spark_path(self._output)}/"
        for given in filter(is_remote, inputs):
            other = f"{delta_source.spark_path(given)}/"
            if place.startswith(other) or other.startswith(place):
                raise OutputError(
                    f"--output {self._output}: lies inside the input {given}, or holds it; choose"
                    " another directory"
                )
        if not delta_source.reaches(self._spark, self._output):
            delta_source.require_one_machine(self._spark, self._output)
        for table in self._found():
            self._check_table(table)

    def _check_table(self, found: DeltaFolder) -> None:
        if found.table is None:
            for name in found.files.names(""):
                # Neither genre-spark nor Delta has put it there.
                if name not in (_LOCKS, delta_source.LOG) and not _RUN.fullmatch(name):
                    raise OutputError(
                        f"--output {found.path}: is no Delta table, and holds {name}; it is left as"
                        " it is. Choose another directory"
                    )
            return
        if not (delta_source.is_ours(found.table) or found.commits):
            raise OutputError(
                f"--output {found.path}: is a Delta table that genre-spark did not write; it is left"
                " as it is. Choose another directory"
            )
        partitions = list(found.table.metadata().partition_columns)
        if found.path == self._output and partitions != self._partitions:
            raise OutputError(
                f"--output {found.path}: is partitioned by {', '.join(partitions) or 'nothing'},"
                f" and not by {', '.join(self._partitions) or 'nothing'}, which no commit changes;"
                " choose another directory"
            )

    @contextmanager
    def publishing(self, switch: bool, run_id: str | None) -> Iterator["DeltaTables"]:
        """See `Destination.publishing`."""
        files = TableFiles(root_of(self._output), self._options)
        if not is_remote(self._output):
            LocalStorage().make_dirs(root_of(self._output))
        with locks.held(files, self._output, f"{_LOCKS}/lock-") as require_lock:
            self._begin(run_id or uuid.uuid4().hex[:12])
            with setting(self._spark, _TIMESTAMPS), self._noted():
                yield self
                if switch:
                    self._upload()
                    require_lock()
                    self.commit()

    def _begin(self, run_id: str) -> None:
        """Finds both tables as they are now, without what killed runs left."""
        labels, quarantine = self._found()
        for table in (labels, quarantine):
            table.delete_leftovers()
        self._labels, self._quarantine = labels, _without_unpublished(labels, quarantine)
        self.run_id, self._folder = run_id, _folder_of(run_id)
        if not delta_source.reaches(self._spark, labels.path):
            self._local = Path(tempfile.mkdtemp(prefix="genre-spark-"))
        self.staging = self._staging(labels, "labels")
        self.quarantine = self._staging(quarantine, "quarantine")
        self.old = _old(labels)

    def published(self, columns: Collection[str]) -> DataFrame:
        """The rows of the table's present version."""
        table = self._labels.table
        version = None if table is None else table.version()
        found = delta_source.read(self._spark, self._output, self._options, version)
        return found.select(*columns) if set(columns) == set(found.columns) else found

    def storable(self, quarantined: DataFrame) -> DataFrame:
        """The rows, with types that Delta does not have as text."""
        return quarantined.withColumns(
            {
                field.name: by_name(field.name).cast("string")
                for field in quarantined.schema.fields
                if not _has_delta(field.dataType)
            }
        )

    def complete(self, manifest: Manifest, labels: DataFrame) -> None:
        """Keeps the manifest for the commit; the log lists the files."""
        self._content = redact_all(manifest.model_dump(mode="json", by_alias=True))
        quarantined = self._spark.read.parquet(self.quarantine).schema
        self._schemas = (labels.schema, quarantined)

    def _upload(self) -> None:
        """Brings files to a store that Spark cannot reach, and local ones safely to the disk."""
        for table, staged in ((self._labels, self.staging), (self._quarantine, self.quarantine)):
            if self._local:
                table.files.upload(Path(staged), self._folder)
            elif not is_remote(table.path):
                LocalStorage().sync(staged)

    def commit(self) -> None:
        """Commits the quarantine, then the labels, which name its version.

        Where the labels are refused, the quarantine gets its earlier rows back.
        """
        if self._schemas is None:
            raise OutputError(f"{self._labels.path}: nothing was written for it; the old one stays")
        labels, quarantined = (Schema.from_json(schema.json()) for schema in self._schemas)
        of_run = {delta_source.RUN_ID: self.run_id}
        added, rejected = self._labels.added(self._folder), self._quarantine.added(self._folder)
        found = self._content
        counts = {f"rows.{name}": n for name, n in found.get("rows", {}).items() if type(n) is int}
        facts = counts | {name: str(found[name]) for name in _FACTS if name in found}
        facts = {f"genre_spark.{name}": value for name, value in facts.items()}
        text = json.dumps(self._content, ensure_ascii=False, allow_nan=False)
        # The log loses it when it is cleaned.
        self._labels.files.write_text(_manifest(self.run_id), text)
        version = self._commit(self._quarantine, rejected, quarantined, of_run)
        whole = {**of_run, **facts, _QUARANTINE_VERSION: version, delta_source.MANIFEST: text}
        try:
            self._commit(self._labels, added, labels, whole)
        except OutputError:
            before = self._quarantine.version
            self._quarantine.take_back(before if before >= 0 else None, self.run_id)
            raise

    def _commit(
        self, table: DeltaFolder, added: list[AddAction], schema: Schema, facts: dict[str, Any]
    ) -> int:
        # Whatever ends this process meanwhile, the next run finds in the log what became of it.
        self._committed[table.path] = None
        try:
            version = table.commit(added, schema, facts)
        except OutputError:
            del self._committed[table.path]
            raise
        self._committed[table.path] = True
        return version

    @contextmanager
    def _noted(self) -> Iterator[None]:
        """Notes where the run writes; what it wrote and did not commit is deleted at the end."""
        tables = (self._labels, self._quarantine)
        for table in tables:
            table.begin(self.run_id)
        try:
            yield
        finally:
            if self._local:
                shutil.rmtree(self._local, ignore_errors=True)
            for table in tables:
                if (committed := self._committed.get(table.path, False)) is not None:
                    table.end(self.run_id, committed)

    def _staging(self, table: DeltaFolder, name: str) -> str:
        if self._local:
            return str(self._local / name)
        return f"{delta_source.spark_path(table.path)}/{self._folder}"


def _old(labels: DeltaFolder) -> Published | None:
    """The catalogue that is published by now. Incremental runs compare it with its manifest."""
    try:
        content = labels.manifest()
    except InputError:  # somebody changed it: it is replaced all the same, as its history keeps it
        logged = labels.commits
        texts = [one[delta_source.MANIFEST] for one in logged if delta_source.MANIFEST in one]
        content = None
        with suppress(InputError):
            content = delta_source.manifest_of(texts[0], labels.path) if texts else None
    return None if content is None else published(content)


def _without_unpublished(labels: DeltaFolder, quarantine: DeltaFolder) -> DeltaFolder:
    """The quarantine without rows of a run that was killed before it committed its labels."""
    if quarantine.table is None:
        return quarantine
    latest = next(iter(quarantine.commits), {_TAKEN_BACK: ""})
    named = labels.commits
    runs = {one[delta_source.RUN_ID] for one in named}
    if _TAKEN_BACK in latest or latest[delta_source.RUN_ID] in runs:
        return quarantine
    if labels.table is not None and not named:  # its log was cleaned
        return quarantine
    version = int(named[0][_QUARANTINE_VERSION]) if named else None
    quarantine.take_back(version, latest[delta_source.RUN_ID])
    return DeltaFolder(quarantine.path, quarantine.options)


def _has_delta(kind: T.DataType) -> bool:
    """Whether every reader of Delta knows the type."""
    if isinstance(kind, T.ArrayType):
        return _has_delta(kind.elementType)
    if isinstance(kind, T.MapType):
        return _has_delta(kind.keyType) and _has_delta(kind.valueType)
    if isinstance(kind, T.StructType):
        return all(_has_delta(field.dataType) for field in kind.fields)
    return type(kind) in _STORABLE


def _folder_of(run_id: str) -> str:
    """Where a run writes, inside the table's folder."""
    return f"run-{run_id}"


def _manifest(run_id: str) -> str:
    return f"{_LOCKS}/manifest-{run_id}.json"


def _partition(path: str) -> dict[str, str | None]:
    pairs = [part.partition("=") for part in path.split("/")[:-1] if "=" in part]
    return {unquote(name): None if value == _NULL else unquote(value) for name, _, value in pairs}
