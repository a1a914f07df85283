"""New releases as a stream: labels the tracks in each new file of a folder, once.

    spark-submit --properties-file conf/spark/local.conf docs/examples/genre_spark_stream.py

Its settings are environment variables: `GENRE_SPARK_INCOMING` (the folder; files are moved into it
whole), `GENRE_SPARK_FORMAT` (`parquet`, `csv` or `json`), `GENRE_SPARK_MODEL` (such as
`models/mine@champion`) and `GENRE_SPARK_LABELLED` (the output). The output has three folders:

- `labels` and `quarantine`, with a folder `batch_id=N` for each batch. Spark repeats a batch that was
  interrupted, with the same files and the same number. The batch then replaces its own folders, so
  every row is in exactly one of them.
- `checkpoint`, where Spark counts the batches. It belongs to the other two: keep or delete all three.

Statistics of an artist are taken over the batch only. `genre-spark score --incremental` on the whole
folder of files takes them over all tracks of the artist.
"""

import os
from collections.abc import Callable

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

import genre_spark
from genre_spark.bundle.files import Bundle

# Of CSV only; other formats ignore them.
OPTIONS = {"header": "true", "escape": '"'}
# In a batch of a few rows one bad row is a large share. Bad rows are in the quarantine in any case.
SETTINGS = {"max_quarantined": 0.5}


def labelling(model: Bundle, output: str) -> Callable[[DataFrame, int], None]:
    """What is done with each batch: its labels and its quarantine are written."""

    def label(batch: DataFrame, batch_id: int) -> None:
        if batch.isEmpty():
            return
        # It is read four times: for ids, gates, labels and quarantine.
        tracks = batch.persist()
        given = {"spark": batch.sparkSession, "tracks": tracks, "bundle": model}
        # A batch that fails a gate raises here, before anything is written.
        labels = genre_spark.score(**given, settings=SETTINGS)
        bad = genre_spark.quarantine(**given, settings=SETTINGS)
        for name, rows in {"quarantine": bad, "labels": labels}.items():
            rows.write.mode("overwrite").parquet(f"{output}/{name}/batch_id={batch_id}")
        tracks.unpersist()

    return label


def start(
    spark: SparkSession, incoming: str, model: str, output: str, fmt: str = "parquet"
) -> StreamingQuery:
    """Labels all files that no batch has had yet, and ends; for a schedule of minutes.

    Instead of `availableNow=True`, `processingTime="1 minute"` keeps the query running.
    """
    # The files that are there define the columns: at least one must be.
    schema = spark.read.load(incoming, fmt, **OPTIONS).schema
    tracks = spark.readStream.load(incoming, fmt, schema, **OPTIONS)
    label = labelling(genre_spark.open_model(spark, model), output)
    query = tracks.writeStream.foreachBatch(label).trigger(availableNow=True)
    return query.option("checkpointLocation", f"{output}/checkpoint").start()


if __name__ == "__main__":
    session = SparkSession.builder.appName("genre-spark-stream").getOrCreate()
    names = ("INCOMING", "MODEL", "LABELLED", "FORMAT")
    start(session, *(os.environ[f"GENRE_SPARK_{name}"] for name in names)).awaitTermination()
