"""How the rows of a labelled catalogue lie in files."""

from dataclasses import dataclass

from pyspark.sql import DataFrame, DataFrameWriter

from genre_spark.config import PublishingSettings
from genre_spark.schema import TRACK_ID


@dataclass(frozen=True)
class Layout:
    """Files of a labelled catalogue.

    Attributes
    ----------
    partition_by : str or None
        Column whose values get a directory each.
    rows_per_file : int
        About so many; 0 for a file per task.
    """

    partition_by: str | None = None
    rows_per_file: int = 0

    @classmethod
    def of(cls, settings: PublishingSettings) -> "Layout":
        """As the settings ask for."""
        return cls(settings.partition_by, settings.rows_per_file)

    def arrange(self, table: DataFrame, n_rows: int) -> DataFrame:
        """The rows in the tasks that write them.

        Parameters
        ----------
        table : DataFrame
        n_rows : int
            Its rows.
        """
        if self.partition_by:
            # Otherwise each task would write a file into each directory. Spark makes these tasks
            # as large as it likes them: a large directory is written by several.
            return table.hint("rebalance", self.partition_by)
        if self.rows_per_file:
            return table.repartition(max(1, round(n_rows / self.rows_per_file)), TRACK_ID)
        return table

    def writer(self, table: DataFrame) -> DataFrameWriter:
        """Writes an arranged table."""
        writer = table.write
        if self.partition_by:
            writer = writer.partitionBy(self.partition_by)
            writer = writer.option("maxRecordsPerFile", self.rows_per_file)
        return writer
