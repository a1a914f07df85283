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
import shutil
import tempfile
import uuid
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deltalake import Schema
from deltalake.transaction import AddAction
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import types as T

from genre_spark.catalog import delta_source
from genre_spark.catalog.columns import by_name
from genre_spark.config import Settings
from genre_spark.errors import InputError, OutputError
from genre_spark.platform import atomic_directory, locks
from genre_spark.platform.safe_text import redact_all
from genre_spark.platform.storage import LocalStorage, is_remote
from genre_spark.platform.table_files import TableFiles, root_of
from genre_spark.publishing.delta_folder import LOCKS, TAKEN_BACK, DeltaFolder, folder_of
from genre_spark.publishing.destination import Destination
from genre_spark.publishing.manifest import Manifest, Published, published

_QUARANTINE_VERSION = "genre_spark.quarantine_version"
_FACTS = ("model_id", "scored_at", "checksum")
# Spark writes timestamps in a form of its own otherwise, which the protocol does not know.
_TIMESTAMPS = ("spark.sql.parquet.outputTimestampType", "TIMESTAMP_MICROS")
_STORABLE = (
    T.StringType, T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType, T.FloatType,
    T.DoubleType, T.DecimalType, T.DateType, T.TimestampType, T.BinaryType,
)  # fmt: skip


class DeltaTables(Destination):
    """A Delta table, and beside it a second one of quarantined rows.

    Parameters
    ----------
    output : str
        The table's folder: a local path, or any URI that deltalake reaches.
    """

    def __init__(self, spark: SparkSession, output: str, settings: Settings):
        self._spark, self._output = spark, output.rstrip("/")
        self._options = settings.delta.storage_options
        self._partition = settings.publishing.partition_by
        self._local: Path | None = None
        self._content: dict[str, Any] = {}
        self._schemas: tuple[T.StructType, T.StructType] | None = None
        # By table: whether it names the run's files; None if that is not known.
        self._committed: dict[str, bool | None] = {}

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
        if not (delta_source.is_ours(found.table) or delta_source.commits(found.table)):
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
    def publishing(self, switch: bool, run_id: str | None) -> Iterator["DeltaTables"]:
        """See `Destination.publishing`."""
        files = TableFiles(root_of(self._output), self._options)
        if not is_remote(self._output):
            LocalStorage().make_dirs(root_of(self._output))
        with locks.held(files, self._output, f"{LOCKS}/lock-") as require_lock:
            self._begin(run_id or uuid.uuid4().hex[:12])
            with _timestamps_as_delta_has_them(self._spark), self._noted():
                yield self
                if switch:
                    self._upload()
                    require_lock()
                    self.commit()

    def _begin(self, run_id: str) -> None:
        """Finds both tables as they are now, without what killed runs left."""
        paths = (self._output, quarantine_of(self._output))
        labels, quarantine = (DeltaFolder.at(path, self._options) for path in paths)
        for table in (labels, quarantine):
            table.delete_leftovers()
        self._labels, self._quarantine = labels, _without_unpublished(labels, quarantine)
        self.run_id, self._folder = run_id, folder_of(run_id)
        if not delta_source.reaches(self._spark, labels.path):
            self._local = Path(tempfile.mkdtemp(prefix="genre-spark-"))
        self.staging = self._staging(labels, "labels")
        self.quarantine = self._staging(quarantine, "quarantine")
        self.old = _old(labels)

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
        facts = {
            f"genre_spark.{name}": value
            for name, value in {**_counts(self._content), **_of(self._content, _FACTS)}.items()
        }
        text = json.dumps(self._content, ensure_ascii=False, allow_nan=False)
        self._labels.keep_manifest(self.run_id, text)
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
        commits = delta_source.commits(labels.table) if labels.table else []
        texts = [one[delta_source.MANIFEST] for one in commits if delta_source.MANIFEST in one]
        content = json.loads(texts[0]) if texts else None
    return None if content is None else published(content)


def _without_unpublished(labels: DeltaFolder, quarantine: DeltaFolder) -> DeltaFolder:
    """The quarantine without rows of a run that was killed before it committed its labels."""
    if quarantine.table is None:
        return quarantine
    latest = next(iter(delta_source.commits(quarantine.table)), {TAKEN_BACK: ""})
    named = delta_source.commits(labels.table) if labels.table else []
    if TAKEN_BACK in latest or any(
        one[delta_source.RUN_ID] == latest[delta_source.RUN_ID] for one in named
    ):
        return quarantine
    if labels.table is not None and not named:  # its log was cleaned
        return quarantine
    version = int(named[0][_QUARANTINE_VERSION]) if named else None
    quarantine.take_back(version, latest[delta_source.RUN_ID])
    return DeltaFolder.at(quarantine.path, quarantine.options)


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
