"""Publishes a labelled catalogue as a Delta table: Spark writes the files, one commit shows them.

Each run writes into a folder of its own, ``run-ID``, inside the table's. What no commit names is no
part of the table, so that a killed run leaves nothing that a reader finds; the next one deletes it.
The quarantine is a second table, ``OUTPUT_quarantine``, which is committed first; the commit of the
labels names its version. The manifest is in the metadata of the labels' commit.
"""

import json
import shutil
import tempfile
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake import Schema
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import types as T

from genre_spark.catalog import delta_source
from genre_spark.catalog.columns import by_name
from genre_spark.config import Settings
from genre_spark.errors import OutputError
from genre_spark.platform import atomic_directory, delta_log, locks
from genre_spark.platform.redaction import redact_all
from genre_spark.platform.storage import LocalStorage, is_remote
from genre_spark.platform.table_files import TableFiles, root_of
from genre_spark.publishing.delta_folder import LOCKS, DeltaFolder, folder_of
from genre_spark.publishing.destination import Destination, Format
from genre_spark.publishing.manifest import Manifest, published

_QUARANTINE_VERSION = "genre_spark.quarantine_version"
_FACTS = ("model_id", "scored_at", "checksum")
# Spark writes timestamps in a form of its own otherwise, which the protocol does not know.
_TIMESTAMPS = ("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
_STORABLE = (
    T.StringType, T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.FloatType,
    T.DoubleType, T.DecimalType, T.DateType, T.TimestampType, T.BinaryType,
)  # fmt: skip


class DeltaFormat(Format):
    """A Delta table, and beside it a second one of quarantined rows.

    Parameters
    ----------
    spark : SparkSession
    output : str
        The table's folder: a local path, or any URI that deltalake reaches.
    settings : Settings
    """

    def __init__(self, spark: SparkSession, output: str, settings: Settings):
        self._spark, self._output = spark, output.rstrip("/")
        self._options = settings.delta.storage_options
        self._partition = settings.publishing.partition_by

    def check(self, inputs: list[str]) -> None:
        """Refuses what is no table of genre-spark's, or a store that Spark's executors cannot reach."""
        if is_remote(self._output):
            _check_apart(self._output, inputs)
        else:
            atomic_directory.check_apart(LocalStorage(), self._output, inputs)
        if not delta_source.reaches(self._spark, self._output):
            delta_source.require_one_machine(self._spark, self._output)
        for path in (self._output, quarantine_of(self._output)):
            self._check_table(DeltaFolder.at(path, self._options))

    def _check_table(self, found: DeltaFolder) -> None:
        if found.table is None:
            if found.foreign:
                raise OutputError(
                    f"--output {found.path}: is no Delta table, and holds {found.foreign[0]}; it is"
                    " left as it is. Choose another directory"
                )
            return
        if not delta_log.commits(found.table):
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

    @property
    def _partitions(self) -> list[str]:
        return [self._partition] if self._partition else []

    @contextmanager
    def publishing(self, switch: bool, run_id: str | None) -> Iterator["DeltaDestination"]:
        """See `Format.publishing`."""
        files = TableFiles(root_of(self._output), self._options)
        run = run_id or uuid.uuid4().hex[:12]
        if not is_remote(self._output):
            LocalStorage().make_dirs(root_of(self._output))
        with locks.held(files, self._output, f"{LOCKS}/lock-") as require_lock:
            tables = [
                DeltaFolder.at(path, self._options)
                for path in (self._output, quarantine_of(self._output))
            ]
            for table in tables:
                table.delete_leftovers()
            target = DeltaDestination(self._spark, tables[0], tables[1], run)
            with _timestamps_as_delta_has_them(self._spark):
                try:
                    yield target
                    if switch:
                        target.upload()
                        require_lock()
                        target.commit()
                finally:
                    target.discard()


class DeltaDestination(Destination):
    """A Delta table that is being published."""

    def __init__(
        self, spark: SparkSession, labels: DeltaFolder, quarantine: DeltaFolder, run_id: str
    ):
        self._spark, self._labels, self._quarantine = spark, labels, quarantine
        self.run_id = run_id
        self._folder = folder_of(run_id)
        self._local: Path | None = None
        if not delta_source.reaches(spark, labels.path):
            self._local = Path(tempfile.mkdtemp(prefix="genre-spark-"))
        self.staging = self._staging(labels, "labels")
        self.quarantine = self._staging(quarantine, "quarantine")
        content = None if labels.table is None else delta_log.published_manifest(labels.table)
        self.old = None if content is None else published(content)
        self._content: dict[str, Any] = {}
        self._schemas: tuple[T.StructType, T.StructType] | None = None
        self._committed = False

    def published(self, columns: Collection[str]) -> DataFrame:
        """The rows of the table's present version."""
        table = self._labels.table
        version = None if table is None else table.version()
        found = delta_source.read(self._spark, self._labels.path, self._labels.options, version)
        return found.select(*columns) if set(columns) == set(found.columns) else found

    def storable(self, quarantined: DataFrame) -> DataFrame:
        """The rows, with types that Delta does not have as text."""
        return quarantined.select(*[_storable(field) for field in quarantined.schema.fields])

    def hide_quarantine(self) -> None:
        """Nothing to do: it is another table."""

    def complete(self, manifest: Manifest, labels: DataFrame) -> None:
        """Keeps the manifest for the commit; the log lists the files."""
        self._content = redact_all(manifest.model_dump(mode="json", by_alias=True))
        quarantined = self._spark.read.parquet(self.quarantine).schema
        self._schemas = (labels.schema, quarantined)

    def upload(self) -> None:
        """Brings files to a store that Spark cannot reach, and local ones safely to the disk."""
        for table, staged in ((self._labels, self.staging), (self._quarantine, self.quarantine)):
            if self._local:
                table.files.upload(Path(staged), self._folder)
            elif not is_remote(table.path):
                LocalStorage().sync(staged)

    def commit(self) -> None:
        """Commits the quarantine, then the labels, which name its version."""
        if self._schemas is None:
            raise OutputError(f"{self._labels.path}: nothing was written for it; the old one stays")
        labels, quarantined = (Schema.from_json(schema.json()) for schema in self._schemas)
        of_run = {delta_log.RUN_ID: self.run_id}
        added, rejected = self._labels.added(self._folder), self._quarantine.added(self._folder)
        # From here on files may be a part of a table, whatever this process learns of it.
        self._committed = True
        version = self._quarantine.commit(rejected, quarantined, of_run)
        facts = {
            f"genre_spark.{name}": value
            for name, value in {**_counts(self._content), **_of(self._content, _FACTS)}.items()
        }
        text = json.dumps(self._content, ensure_ascii=False, allow_nan=False)
        whole = {**of_run, **facts, _QUARANTINE_VERSION: version, delta_log.MANIFEST: text}
        self._labels.commit(added, labels, whole)

    def discard(self) -> None:
        """Deletes what was staged, unless a commit may name it."""
        if self._local:
            shutil.rmtree(self._local, ignore_errors=True)
        if not self._committed:
            for table in (self._labels, self._quarantine):
                table.files.delete_folder(self._folder)

    def _staging(self, table: DeltaFolder, name: str) -> str:
        if self._local:
            return str(self._local / name)
        return f"{delta_source.spark_path(table.path)}/{self._folder}"


def quarantine_of(output: str) -> str:
    """The folder of the table of quarantined rows."""
    return f"{output.rstrip('/')}_quarantine"


def _check_apart(output: str, inputs: Collection[str]) -> None:
    place = f"{delta_source.spark_path(output)}/"
    for given in inputs:
        other = f"{delta_source.spark_path(given)}/"
        if is_remote(given) and (place.startswith(other) or other.startswith(place)):
            raise OutputError(
                f"--output {output}: lies inside the input {given}, or holds it; choose another"
                " directory"
            )


def _storable(field: T.StructField) -> Column:
    column = by_name(field.name)
    if not _has_delta(field.dataType):
        return column.cast("string").alias(field.name)
    return column


def _has_delta(kind: T.DataType) -> bool:
    """Whether every reader of Delta knows the type."""
    if isinstance(kind, T.ArrayType):
        return _has_delta(kind.elementType)
    if isinstance(kind, T.MapType):
        return _has_delta(kind.keyType) and _has_delta(kind.valueType)
    if isinstance(kind, T.StructType):
        return all(_has_delta(field.dataType) for field in kind.fields)
    return type(kind) in _STORABLE


def _counts(manifest: Mapping[str, Any]) -> dict[str, int]:
    counted = manifest.get("rows", {})
    return {f"rows.{name}": n for name, n in counted.items() if isinstance(n, int)}


def _of(manifest: Mapping[str, Any], names: Collection[str]) -> dict[str, str]:
    return {name: str(manifest[name]) for name in names if name in manifest}


@contextmanager
def _timestamps_as_delta_has_them(spark: SparkSession) -> Iterator[None]:
    key, wanted = _TIMESTAMPS
    before = str(spark.conf.get(key))
    spark.conf.set(key, wanted)
    try:
        yield
    finally:
        spark.conf.set(key, before)
