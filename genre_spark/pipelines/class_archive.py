"""Keeps the classes that Spark loads in a file, from which Java starts some seconds faster.

    python -m genre_spark.pipelines.class_archive

For commands in local mode; takes a minute and 190 MB. Java is told of the file where it is there,
and leaves it alone where it is another Java, or where its libraries have changed: then make it again.
See "Application class-data sharing", https://dev.java/learn/jvm/cds-appcds/
"""

import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from genre_spark.config import load_settings
from genre_spark.errors import GenreSparkError, exit_code
from genre_spark.pipelines import cluster, score
from genre_spark.pipelines.requests import ClusterRequest, ScoreRequest
from genre_spark.platform.java_options import class_archive
from genre_spark.platform.session import get_session
from genre_spark.schema import ARTIST, FEATURE_NAMES, TRACK_ID, feature
from genre_spark.source import Dataset

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_TRACKS, _ARTISTS = 400, 40
_OVERRIDES = ("k_min=2", "k_max=3")


def make() -> Path:
    """Runs `cluster` and `score` on a made table, and has Java keep what it loaded.

    Raises
    ------
    ConfigError
        Where Spark does not start.
    """
    target = class_archive()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    made = target.with_suffix(f".{os.getpid()}")
    given = os.environ.get("SPARK_SUBMIT_OPTS", "")
    # Java says of a thousand classes why they cannot be kept.
    os.environ["SPARK_SUBMIT_OPTS"] = f'{given} "-XX:ArchiveClassesAtExit={made}" -Xlog:disable'
    try:
        with tempfile.TemporaryDirectory() as folder:
            spark = get_session("local[2]", with_notices=False, small=True)
            try:
                _work(spark, Path(folder))
            finally:
                _end(spark)
        return made.replace(target)
    finally:
        made.unlink(missing_ok=True)


def _work(spark: "SparkSession", folder: Path) -> None:
    from genre_spark.catalog.catalogue import Source

    table, clusters, labels = (str(folder / name) for name in ("t.parquet", "clusters", "labels"))
    _table().to_parquet(table)
    source, settings = Source(table, Dataset()), load_settings(overrides=_OVERRIDES)
    cluster.run(spark, ClusterRequest(source, clusters, settings))
    score.run(spark, ScoreRequest(source, clusters, labels, settings))


def _table() -> pd.DataFrame:
    """Tracks of artists by chance, within what each feature can be."""
    chance, artist = np.random.default_rng(0), np.arange(_TRACKS) % _ARTISTS
    names = {TRACK_ID: np.arange(_TRACKS).astype(str), ARTIST: artist.astype(str)}
    table = pd.DataFrame(names)
    for name in FEATURE_NAMES:
        limits = feature(name)
        middle, noise = chance.uniform(0.1, 0.9, _ARTISTS), chance.normal(0, 0.03, _TRACKS)
        values = limits.low + (limits.high - limits.low) * (middle[artist] + noise)
        table[name] = np.rint(values) if limits.integer else values
    return table


def _end(spark: "SparkSession") -> None:
    """Ends Java, which writes the file as it goes."""
    from pyspark import SparkContext

    gateway = SparkContext._gateway
    spark.stop()
    if gateway is not None:
        gateway.shutdown()
        gateway.proc.stdin.close()
        gateway.proc.wait()


def main() -> None:
    """Makes the file and prints its path; as `make`, with an exit code."""
    logging.getLogger("genre_spark").setLevel(logging.ERROR)
    try:
        print(make())
    except (GenreSparkError, OSError) as err:
        print(f"genre-spark: error: {err}", file=sys.stderr)
        sys.exit(exit_code(err))


if __name__ == "__main__":
    main()
