"""Times `cluster` beside one bare KMeans of Spark MLlib on the same tracks.

    python benchmarks/clustering.py --tracks 4000000

The bare fit gets what is best for it: the tracks as `cluster` compares them, accepted, in a cache, as
many clusters as `cluster` chose, as many iterations at most, and MLlib's own start (k-means||). The
command is measured whole: reading, validation, the choice of k, the fit, profiles, rules and bundle.
Goes on where it was stopped, as `scoring.py` does.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.ml.clustering import KMeans
from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import catalogues  # noqa: E402
import measuring  # noqa: E402

from genre_spark.bundle import files  # noqa: E402
from genre_spark.bundle.files import Bundle  # noqa: E402
from genre_spark.catalog.catalogue import Source, open_catalogue  # noqa: E402
from genre_spark.clustering import catalogue_passes  # noqa: E402
from genre_spark.config import load_settings  # noqa: E402
from genre_spark.features.artist_pass import by_artist, narrow, oversized_artists  # noqa: E402
from genre_spark.pipelines import cluster as cluster_pipeline  # noqa: E402
from genre_spark.platform.session import get_session  # noqa: E402
from genre_spark.source import Dataset  # noqa: E402

_SETTINGS = load_settings()
JOB, BARE = "genre-spark cluster, the whole job", "one bare MLlib KMeans, cached rows"


def main() -> None:
    """Measures, prints the table, and writes the JSON."""
    parser = argparse.ArgumentParser(description="Times cluster beside a bare KMeans.")
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--folder", default="/tmp/genre-spark-bench", help="Catalogues, outputs.")
    parser.add_argument("--minutes", type=float, default=60, help="Begin nothing new after that.")
    given = parser.parse_args()
    name, folder = f"clustering-{given.tracks}", Path(given.folder)
    spark, ends = get_session(), time.monotonic() + 60 * given.minutes
    catalog, made = str(folder / f"catalogue-{given.tracks}"), folder / "clusters"
    catalogues.make_once(spark, given.tracks, catalog)
    source = Source(catalog, Dataset(), "parquet")
    _cluster(spark, source, made)
    opened = files.load(made)
    with open_catalogue(spark, source, _SETTINGS.catalog) as catalogue:
        points = _points(catalogue.tracks, catalogue.counts.accepted, opened).persist()
        points.count()
        bare = KMeans(k=opened.manifest.clusters.k, seed=_SETTINGS.seed)
        bare = bare.setMaxIter(_SETTINGS.clustering.max_iterations).setFeaturesCol(
            catalogue_passes.POINT
        )
        candidates: dict[str, Callable[[], Any]] = {
            BARE: partial(bare.fit, points),
            JOB: partial(_cluster, spark, source, made),
        }
        state = measuring.RESULTS / f"{name}.taken"
        seconds = measuring.alternate(candidates, given.repeats, state, float("inf"), ends)
        points.unpersist()
    rows = measuring.compare(seconds, BARE)
    print(measuring.table(rows, BARE))
    content = {"tracks": given.tracks, "reference": BARE, "rows": rows}
    measuring.publish(name, "python " + " ".join(sys.argv), content)


def _points(tracks: DataFrame, n_tracks: int, opened: Bundle) -> DataFrame:
    part, scaler = opened.manifest.scoring.synthetic, opened.manifest.scoring.scaler
    limit = _SETTINGS.scoring.max_group
    parts = oversized_artists(tracks, n_tracks, limit, part.owner) if part.owner else {}
    narrowed = by_artist(narrow(tracks, scaler, parts, owner=part.owner), n_tracks)
    return catalogue_passes.points(narrowed, scaler, part.metric)


def _cluster(spark: SparkSession, source: Source, output: Path) -> None:
    shutil.rmtree(output, ignore_errors=True)
    cluster_pipeline.run(spark, cluster_pipeline.ClusterRequest(source, str(output), _SETTINGS))


if __name__ == "__main__":
    main()
