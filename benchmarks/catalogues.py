"""Large catalogues that look like a real one: its tracks drawn again and again, with jitter.

    python benchmarks/catalogues.py --tracks 4000000 --output /data/4M

Artists have a long tail (half of the tracks are by the largest quarter of them), ten tracks each
on the whole; one of them, "Various Artists", has 2 % of all tracks. Each sounds like one artist of
the real table. A tenth of the tracks stand on albums of several artists. Every value depends on the
seed and the track's number alone, so that the same command makes the same catalogue anywhere.
"""

import argparse
import sys
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from genre_spark.catalog import reader, validation  # noqa: E402
from genre_spark.pipelines import demo  # noqa: E402
from genre_spark.platform.session import get_session  # noqa: E402
from genre_spark.schema import FEATURE_NAMES, feature  # noqa: E402
from genre_spark.source import load_dataset  # noqa: E402

VARIOUS = "Various Artists"
_VARIOUS_SHARE, _COMPILED_SHARE, _LABELLED_SHARE = 0.02, 0.1, 0.05
_TRACKS_PER_ARTIST, _TRACKS_PER_ALBUM = 10, 8
# Of a value's own size: what is 0 stays 0.
_JITTER = 0.03
_ROWS_PER_FILE = 250_000


def make(spark: SparkSession, real: DataFrame, n: int, seed: int = 1) -> DataFrame:
    """A catalogue of `n` tracks in canonical columns.

    Parameters
    ----------
    spark : SparkSession
    real : DataFrame
        Accepted tracks of a real table, some thousands.
    n : int
    seed : int
    """
    artists = max(1, n // _TRACKS_PER_ARTIST)
    rows = spark.range(n, numPartitions=max(2, n // _ROWS_PER_FILE))
    chance = _Chance(seed)
    # Density falls as the root of the rank.
    rank = F.floor(artists * F.pow(chance.of("artist"), 2)).cast("bigint")
    various = chance.of("various") < _VARIOUS_SHARE
    drawn = rows.select(
        "id",
        F.when(various, F.lit(-1)).otherwise(rank).alias("rank"),
        F.when(various, chance.whole("model")).otherwise(F.xxhash64(F.lit(seed), rank)).alias("of"),
    )
    patterns = _patterns(real)
    drawn = drawn.withColumn("pattern", F.pmod("of", F.lit(patterns.count())).cast("int"))
    tracks = drawn.join(F.broadcast(patterns), on="pattern")
    own = F.col("tracks")[F.pmod(chance.whole("track"), F.size("tracks")).cast("int")]
    tracks = tracks.select("id", "rank", own.alias("own"))
    return tracks.select(
        F.substring(F.sha2(F.col("id").cast("string"), 256), 1, 22).alias("track_id"),
        _artist().alias("artist"),
        _album(chance, n, artists).alias("album"),
        F.format_string("Song %d", "id").alias("title"),
        F.when(chance.of("label") < _LABELLED_SHARE, F.col("own.genre")).alias("genre"),
        *[_jittered(chance, name).alias(name) for name in FEATURE_NAMES],
    )


class _Chance:
    """Numbers that depend on the seed, the track and a name."""

    def __init__(self, seed: int):
        self._seed = seed

    def whole(self, name: str) -> Column:
        return F.xxhash64(F.lit(self._seed), F.lit(name), "id")

    def of(self, name: str) -> Column:
        """In [0, 1)."""
        return F.pmod(self.whole(name), F.lit(1 << 40)) / float(1 << 40)


def _patterns(real: DataFrame) -> DataFrame:
    """The real artists, numbered, each with its tracks."""
    track = F.struct("track_id", "genre", *FEATURE_NAMES)
    grouped = real.groupBy("artist").agg(F.sort_array(F.collect_list(track)).alias("tracks"))
    ordered = grouped.orderBy("artist").collect()
    rows = [(i, row["tracks"]) for i, row in enumerate(ordered)]
    kind = grouped.schema["tracks"].dataType.simpleString()
    return real.sparkSession.createDataFrame(rows, f"pattern int, tracks {kind}")


def _artist() -> Column:
    return F.when(F.col("rank") < 0, F.lit(VARIOUS)).otherwise(F.format_string("Artist %d", "rank"))


def _album(chance: _Chance, n: int, artists: int) -> Column:
    """Of the artist's own, about eight tracks each, or one of several artists."""
    expected = 0.5 * n / artists * F.sqrt(artists / (F.col("rank") + 1.0))
    expected = F.when(F.col("rank") < 0, F.lit(n * _VARIOUS_SHARE)).otherwise(expected)
    of_artist = F.floor(chance.of("album") * F.ceil(expected / _TRACKS_PER_ALBUM))
    compiled = F.floor(chance.of("album") * max(1, n * _COMPILED_SHARE / _TRACKS_PER_ALBUM))
    return F.when(
        chance.of("compiled") < _COMPILED_SHARE, F.format_string("Compilation %d", compiled)
    ).otherwise(F.format_string("Album %d of %d", of_artist, "rank"))


def _jittered(chance: _Chance, name: str) -> Column:
    value, limits = F.col(f"own.{name}"), feature(name)
    if limits.integer:
        return value
    moved = value * (1 + _JITTER * (2 * chance.of(name) - 1))
    return F.least(F.greatest(moved, F.lit(float(limits.low))), F.lit(float(limits.high)))


def real_tracks(spark: SparkSession, path: str, dataset: str) -> DataFrame:
    """The accepted tracks of a real table."""
    chosen = load_dataset(dataset)
    mapped = reader.map_columns(reader.read(spark, path, chosen), chosen, path)
    validated = validation.validate(mapped, FEATURE_NAMES, max_imputed=0)
    return validation.accepted(validated).filter("artist is not null")


def write(spark: SparkSession, n: int, output: str, path: str | None, dataset: str) -> None:
    """Writes a catalogue as Parquet."""
    real = real_tracks(spark, path or str(demo.table()), dataset)
    make(spark, real, n).write.mode("overwrite").parquet(output)


def make_once(spark: SparkSession, n: int, output: str) -> None:
    """Writes a catalogue that resamples the demo's table, unless it stands there already."""
    if not (Path(output) / "_SUCCESS").exists():
        write(spark, n, output, None, demo.PACKAGE)


def main() -> None:
    """Writes a catalogue."""
    parser = argparse.ArgumentParser(description="Writes a large catalogue that looks real.")
    parser.add_argument("--tracks", type=int, required=True)
    parser.add_argument("--output", required=True)
    parser.add_argument("--real", help="The real table; the demo's by default.")
    parser.add_argument("--dataset", default=demo.PACKAGE)
    given = parser.parse_args()
    write(get_session(), given.tracks, given.output, given.real, given.dataset)


if __name__ == "__main__":
    main()
