"""Where a labelled catalogue is published: one interface for a directory and for a Delta table.

A further format is a class here, and a line in `destination_of` and in `logged_table`.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from pyspark.sql import DataFrame, SparkSession

from genre_spark.catalog.source_files import logged_format
from genre_spark.config import Settings
from genre_spark.errors import InputError
from genre_spark.platform import atomic_directory
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.storage import is_remote
from genre_spark.publishing import writer
from genre_spark.publishing.manifest import Manifest, Published, find

if TYPE_CHECKING:
    from genre_spark.publishing.delta import DeltaFolder


class Destination(ABC):
    """A catalogue that is published in one format.

    `run_id`: This and the following are set by `publishing`.
    `staging`, `quarantine`: Where Spark writes the labels and the quarantined rows.
    """

    run_id: str
    staging: str
    quarantine: str
    old: Published | None

    @abstractmethod
    def check(self, inputs: list[str]) -> None:
        """Refuses an output that cannot be written safely, before any work.

        Raises `OutputError`.
        """

    @abstractmethod
    def publishing(self, switch: bool, run_id: str | None) -> AbstractContextManager["Destination"]:
        """Locks the output, and gives itself; what the block writes is published at its end.

        Raises `OutputError` if another run publishes there, or has done so meanwhile.

        `switch`: False throws away what was written.
        `run_id`: 12 hexadecimal digits; None for a new one.
        """

    @abstractmethod
    def published(self, columns: Collection[str]) -> DataFrame:
        """The rows that are published by now, their columns in that order."""

    @abstractmethod
    def complete(self, manifest: Manifest, labels: DataFrame) -> None:
        """Takes the manifest, once labels and quarantine are written and verified.

        Where no log lists the files, they are listed in the manifest as it is written.
        """

    def storable(self, quarantined: DataFrame) -> DataFrame:
        """The quarantined rows in types that the format has."""
        return quarantined

    def hide_quarantine(self) -> None:
        """Keeps readers of the labels from reading the quarantine too, if it is not another table."""
        return


class Directory(Destination):
    """A plain directory of Parquet files, switched in one step; the quarantine is a folder in it."""

    def __init__(self, spark: SparkSession, output: str, allow_gap: bool):
        self._spark, self._output, self._gap = spark, output, allow_gap
        self._storage = storage_of(spark, output)

    def check(self, inputs: list[str]) -> None:
        """See `atomic_directory.check_target`."""
        atomic_directory.check_target(self._storage, self._output, inputs, allow_gap=self._gap)

    @contextmanager
    def publishing(self, switch: bool, run_id: str | None) -> Iterator["Directory"]:
        """See `atomic_directory.publishing`."""
        path = self._storage.resolve(self._output)
        with atomic_directory.publishing(self._storage, path, switch, run_id) as target:
            self._target, self.run_id, self.staging = target, target.run_id, target.staging
            self.quarantine = f"{target.staging}/{atomic_directory.QUARANTINE}"
            self.old = find(self._storage, target.path)
            yield self

    def published(self, columns: Collection[str]) -> DataFrame:
        """The rows in the directory."""
        return writer.read(self._spark, self._target.path, columns)

    def complete(self, manifest: Manifest, labels: DataFrame) -> None:
        """Writes the manifest into the staged directory."""
        content = manifest.model_dump(mode="json", by_alias=True)
        atomic_directory.write_manifest(self._storage, self._target, content)

    def hide_quarantine(self) -> None:
        """See `atomic_directory.hide`."""
        atomic_directory.hide(self._storage, self.quarantine)


def destination_of(spark: SparkSession, output: str, settings: Settings) -> Destination:
    """An output in the format that the settings want."""
    if settings.publishing.table_format == "delta":
        # Needs the extra `delta`.
        from genre_spark.publishing.delta import DeltaTables

        return DeltaTables(spark, output, settings)
    return Directory(spark, output, settings.publishing.allow_gap)


def logged_table(path: str, options: Mapping[str, str]) -> "DeltaFolder | None":
    """The table whose log lists the files of a labelled catalogue; None if it is a directory."""
    if not (is_remote(path) or logged_format(path)):
        return None
    try:
        from genre_spark.publishing.delta import DeltaFolder

        found = DeltaFolder(path, options)
    except (ModuleNotFoundError, InputError):
        if not is_remote(path):
            raise
        return None  # whoever reads it as a directory will say why
    return found if found.table else None
