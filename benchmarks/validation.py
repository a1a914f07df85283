"""Times the validation of all rows, as Spark compiles it by default and as genre-spark has it compiled.

    python benchmarks/validation.py --tracks 1000000

Java compiles no method of more than 8,000 bytes (`-XX:-DontCompileHugeMethods`); what Spark generates for
a row's checks is larger, unless `spark.sql.codegen.hugeMethodLimit` makes it compile smaller parts.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import catalogues  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

from genre_spark.catalog import reader, validation  # noqa: E402
from genre_spark.platform.session import get_session  # noqa: E402
from genre_spark.schema import FEATURE_NAMES  # noqa: E402
from genre_spark.source import Dataset  # noqa: E402

_LIMIT = "spark.sql.codegen.hugeMethodLimit"
_LIMITS = {"Spark's own limit": "65535", "genre-spark's": "8000"}


def main() -> None:
    """Measures both by turns, and prints the medians."""
    parser = argparse.ArgumentParser(description="Times the validation of all rows.")
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--folder", default="/tmp/genre-spark-bench", help="Catalogues.")
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    spark = get_session()
    catalog = f"{given.folder}/catalogue-{given.tracks}"
    catalogues.make_once(spark, given.tracks, catalog)
    took: dict[str, list[float]] = {name: [] for name in _LIMITS}
    for _ in range(given.repeats + 1):
        for name, limit in _LIMITS.items():
            spark.conf.set(_LIMIT, limit)
            took[name].append(_seconds(spark, catalog))
    # The first round starts Java's compilers.
    medians = {name: statistics.median(seconds[1:]) for name, seconds in took.items()}
    for name, seconds in medians.items():
        print(f"{name}: {seconds:.1f} s")
    before, now = medians.values()
    print(f"ratio: {before / now:.1f}")


def _seconds(spark: SparkSession, catalog: str) -> float:
    mapped = reader.map_columns(reader.read(spark, catalog, Dataset()), Dataset(), catalog)
    alone = validation.RepeatedIds(0, 0, mapped.rows.limit(0))
    tracks = validation.accepted(validation.validate(mapped, FEATURE_NAMES, 3, alone))
    start = time.perf_counter()
    tracks.write.format("noop").mode("overwrite").save()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
