"""Labelled tracks as materialized views of Spark Declarative Pipelines.

    spark-pipelines run --spec docs/examples/pipeline/spark-pipeline.yml

The table of tracks has to exist before the run; no other view of the same pipeline can be it. Spark
does not let the function of a view look at a table, and `score` has to: it checks the catalogue by its
gates. So it is called here, outside of the functions. If a gate fails, the run ends before any
view is changed. Labels are computed when Spark writes the views.
"""

from pyspark import pipelines as dp
from pyspark.sql import DataFrame, SparkSession

import genre_spark

spark = SparkSession.active()
tracks = spark.table(spark.conf.get("genre_spark.tracks"))
model = genre_spark.open_model(spark, spark.conf.get("genre_spark.model"))
labelled = genre_spark.score(spark, tracks, model)
bad = genre_spark.quarantine(spark, tracks, model)


@dp.materialized_view(comment="Every track with its synthetic and real genre.")
def labelled_tracks() -> DataFrame:
    """The columns of a labelled catalogue."""
    return labelled


@dp.materialized_view(comment="Rows that were not labelled, with their reasons.")
def quarantined_tracks() -> DataFrame:
    """The columns of the table of tracks, and `_reasons`."""
    return bad


@dp.materialized_view(comment="Accepted labels by genre.")
def accepted_genres() -> DataFrame:
    """A view of the first view: Spark writes that one before."""
    return spark.table("labelled_tracks").filter("genre_accepted").groupBy("genre").count()
