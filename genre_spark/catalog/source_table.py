"""Where a catalogue stands and how it is read: a path, a DataFrame, or a version of a Delta table."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pyspark.sql import DataFrame, SparkSession

from genre_spark.catalog import reader, table_format
from genre_spark.errors import ConfigError
from genre_spark.platform.hadoop import storage_of
from genre_spark.source import Dataset


@dataclass(frozen=True)
class Source:
    """Where a catalogue stands and how it is read.

    Attributes
    ----------
    path : str
        For a table that is loaded already, what messages call it.
    loaded : DataFrame or None
        The table, where somebody else has read it.
    version : int or None
        Of a Delta table; None for the newest.
    storage_options : mapping of str to str
        With which deltalake reaches a Delta table.
    """

    path: str
    dataset: Dataset
    fmt: str | None = None
    loaded: DataFrame | None = None
    version: int | None = None
    storage_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_delta(self) -> bool:
        """Whether it is a Delta table."""
        given = self.fmt or self.dataset.format
        return given == table_format.DELTA or (not given and table_format.is_delta(self.path))

    def at_version(self) -> "Source":
        """The same table, of which a later commit changes nothing.

        Raises
        ------
        ConfigError
            Where a version is asked for of a table that has none.
        InputError
            Where a Delta table cannot be read, or has no such version.
        """
        if not self.is_delta:
            if self.version is not None:
                raise ConfigError(
                    f"{self.path}: catalog.version={self.version} is of Delta tables; this is none"
                )
            return self
        from genre_spark.platform import delta_log

        table = delta_log.open_table(self.path, self.storage_options, self.version)
        return replace(self, fmt=table_format.DELTA, version=table.version())

    def read(self, spark: SparkSession) -> DataFrame:
        """The table as it stands."""
        if self.loaded is not None:
            return self.loaded
        if self.is_delta:
            # Needs the extra `delta`.
            from genre_spark.catalog import delta_source

            with reader.reading(f"{self.path}: cannot be read as {table_format.DELTA}"):
                return delta_source.read(spark, self.path, self.storage_options, self.version)
        return reader.read(spark, self.path, self.dataset, self.fmt)

    def format(self, spark: SparkSession) -> str:
        """Spark's name of the table's format; empty where somebody else has read it."""
        if self.loaded is not None:
            return ""
        if self.is_delta:
            return table_format.DELTA
        given = self.fmt or self.dataset.format
        return given or table_format.guess_format(storage_of(spark, self.path), self.path)
