"""Labels a table on a session of Spark Connect, in a process of its own: one has but one kind.

python connect.py TRACKS.parquet MODEL FOLDER URL
"""

import json
import sys
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
from pyarrow import parquet as pq
from pyspark.sql import SparkSession

import genre_spark
from genre_spark.bundle import files
from genre_spark.catalog import reader
from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.errors import GenreSparkError
from genre_spark.pipelines import score
from genre_spark.platform.session import on_connect
from genre_spark.publishing.labels import LabelRequest
from genre_spark.source import Dataset

LENIENT = {"max_quarantined": 1, "max_imputed": 1}


def refused(work, *arguments, **options):
    """What is said of a call that should not work."""
    try:
        work(*arguments, **options)
    except GenreSparkError as err:
        return str(err)
    return "nothing"


@contextmanager
def analyses_of(spark):
    """What a server is asked about plans within the block: the kinds of questions, in order."""
    asked, analyze = [], spark.client._analyze
    spark.client._analyze = lambda method, **given: [
        asked.append(method),
        analyze(method, **given),
    ][1]
    try:
        yield asked
    finally:
        spark.client._analyze = analyze


def of_score(url, tracks, model, folder):
    """What the command asks of a server, on a session with its settings."""
    settings = load_settings(given=LENIENT)
    source, bundle = Source(tracks, Dataset()), files.load(model)
    with on_connect(url, None) as spark, analyses_of(spark) as asked:
        score.run(spark, LabelRequest(source, bundle, f"{folder}/published", settings))
    return asked


def main(tracks: str, model: str, folder: str, url: str) -> None:
    """Writes labels and quarantine as Parquet files, and messages and settings as JSON."""
    spark = SparkSession.builder.remote(url).getOrCreate()
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    spark.conf.set("spark.sql.session.timeZone", "Asia/Kathmandu")
    before = {key: spark.conf.get(key) for key in ("spark.sql.ansi.enabled",)}
    table = spark.createDataFrame(pd.read_parquet(tracks))
    found = genre_spark.score(spark, table, model, explain=True, settings=LENIENT)
    pq.write_table(found.drop("scored_at").toArrow(), f"{folder}/labels.parquet")
    aside = genre_spark.quarantine(spark, table, model, settings=LENIENT)
    pq.write_table(aside.toArrow(), f"{folder}/quarantine.parquet")
    same = Dataset(columns={name: name for name in table.columns})
    with analyses_of(spark) as of_mapping:
        reader.map_columns(table, same, "a table")
    odd = Dataset(columns={"tempo": "no_such + 1"})
    said = {
        "cluster": refused(genre_spark.cluster, spark, table, f"{folder}/clusters"),
        "train": refused(genre_spark.train, spark, table, model, f"{folder}/model"),
        "hdfs": refused(genre_spark.score, spark, table, "hdfs://node/model"),
        "variable": refused(
            genre_spark.score, spark, table.withColumn("${env:PATH}", table["tempo"]), model
        ),
        "mapping": refused(genre_spark.score, spark, table, model, dataset=odd),
        "ansi": [before, {key: spark.conf.get(key) for key in before}],
    }
    spark.stop()
    said["analyses"] = {"mapping": of_mapping, "score": of_score(url, tracks, model, folder)}
    Path(folder, "said.json").write_text(json.dumps(said), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
