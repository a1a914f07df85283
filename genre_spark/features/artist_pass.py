"""The one way in which tracks reach Python workers: narrow columns, shuffled once by artist."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog.row_counts import one_in
from genre_spark.features.artist_batches import (
    ALBUM_KEY,
    ALBUM_TEXT,
    ARTIST_KEY,
    FEATURES,
    GROUP,
    TITLE_TEXT,
)
from genre_spark.features.scaling import FeatureScaler
from genre_spark.platform.session import is_classic
from genre_spark.schema import ALBUM, ARTIST, ARTISTS, TITLE, TRACK_ID

# Few enough for a worker's memory, many enough that starting a task does not count.
_TRACKS_PER_PARTITION = 100_000
# An artist is looked for in a sample of about so many tracks.
_SAMPLE = 100_000
# Names on one track; compilations that list more gain nothing by the rest.
_MAX_OTHERS = 20
# Artists that a title names after "feat.", "ft." or "featuring", or in brackets after "with". The
# patterns take a title of bounded length with single blanks, so that no text makes them slow.
_MAX_TITLE = 1000
_HINT = r"(?i)[ (\[](feat|ft|featuring|with)\b"
_FEATURED = r"(?i)(?:[ (\[](?:feat\.?|ft\.?|featuring)|[(\[]with) ([^()\[\]]+)"
_SEPARATORS = r" ?, ?| & | and "


def narrow(
    tracks: DataFrame,
    scaler: FeatureScaler,
    parts: Mapping[int, int],
    with_text: bool = False,
    others: Mapping[str, Column] | None = None,
    owner: str | None = ARTIST,
) -> DataFrame:
    """The columns that workers read, as small as they can be.

    `tracks`: Accepted tracks with the features of `scaler`.
    `parts`: From `oversized_artists`.
    `with_text`: Whether title and album name are read.
    `others`: Further columns.
    `owner`: Column that stands for the artist; None where each track stands for itself.

    Returns
    -------
    DataFrame
        `TRACK_ID`, the keys of group, artist and album as bigint (null without artist or album),
        features as array<float>, NaN in place of nulls.
    """
    # A float array without nulls is one buffer to Arrow; NaN marks what is missing.
    missing = F.lit(float("nan")).cast("float")
    features = [F.coalesce(F.col(name).cast("float"), missing) for name in scaler.features]
    artist = artist_key(owner)
    texts = {TITLE_TEXT: F.col(TITLE), ALBUM_TEXT: F.col(ALBUM)} if with_text else {}
    columns = {
        GROUP: _group(artist, parts),
        ARTIST_KEY: artist,
        ALBUM_KEY: artist_key(ALBUM),
        FEATURES: F.array(*features),
        **texts,
        **(others or {}),
    }
    return tracks.select(TRACK_ID, *[column.alias(name) for name, column in columns.items()])


def by_artist(narrowed: DataFrame, n_tracks: int) -> DataFrame:
    """The tracks, those of an artist group in one partition."""
    spark = narrowed.sparkSession
    if is_classic(spark):
        tasks = spark.sparkContext.defaultParallelism
    else:  # where Spark does not say, as many as its shuffles have; Databricks has "auto"
        given = spark.conf.get("spark.sql.shuffle.partitions") or ""
        tasks = int(given) if given.isdigit() else 1
    least = min(tasks, -(-n_tracks // 10_000))
    return narrowed.repartition(max(1, least, -(-n_tracks // _TRACKS_PER_PARTITION)), GROUP)


def artist_key(owner: str | None = ARTIST) -> Column:
    """A 64-bit number that stands for a track's artist, or for its album; null without one."""
    name = F.col(owner) if owner else F.lit(None).cast("string")
    return F.when(name.isNotNull(), F.xxhash64(name))


def other_artist_keys() -> Column:
    """Keys [array<bigint>] of the artists that a track or its title lists after the first one.

    Titles list them as in ``Song (feat. A, B & C)``.
    """
    title = F.regexp_replace(F.substring(TITLE, 1, _MAX_TITLE), r"\s+", " ")
    names = F.transform(
        F.split(F.regexp_extract(title, _FEATURED, 1), _SEPARATORS), lambda name: F.trim(name)
    )
    # The pattern is slow; few titles have one of its words.
    featured = F.when(title.rlike(_HINT), F.filter(names, lambda name: name != ""))
    none = F.array().cast("array<string>")
    further = F.slice(F.col(ARTISTS), 2, _MAX_OTHERS)
    found = F.concat(F.coalesce(further, none), F.coalesce(featured, none))
    others = F.filter(F.array_distinct(found), lambda name: ~name.eqNullSafe(F.col(ARTIST)))
    return F.transform(F.slice(others, 1, _MAX_OTHERS), lambda name: F.xxhash64(name))


def oversized_artists(
    tracks: DataFrame, n_tracks: int, max_group: int, owner: str = ARTIST
) -> dict[int, int]:
    """Artists with more tracks than are taken together, and into how many parts they are cut.

    `tracks`: Accepted tracks.
    `n_tracks`: How many there are.
    `max_group`: Tracks of an artist, about, that are taken together.
    `owner`: Column that stands for the artist.

    Notes
    -----
    Numbers are estimated from a sample of at least 100,000 tracks, drawn by the hash of their ids:
    the same in every run on the same catalogue.
    """
    share = max(1, n_tracks // _SAMPLE)
    sampled = tracks.filter(one_in(share))
    keyed = sampled.select(artist_key(owner).alias(ARTIST_KEY)).filter(
        F.col(ARTIST_KEY).isNotNull()
    )
    counts = keyed.groupBy(ARTIST_KEY).count().filter(F.col("count") * share > max_group)
    return {row[0]: -(-row[1] * share // max_group) for row in counts.collect()}


def _group(artist: Column, parts: Mapping[int, int]) -> Column:
    """The artist; a part of an oversized one; the track itself where there is no artist."""
    # Not the hash of the id alone: an artist may be called as a track's id is.
    of_track = F.xxhash64(F.lit(TRACK_ID), TRACK_ID)
    if not parts:
        return F.coalesce(artist, of_track)
    numbers = F.create_map(*[F.lit(value) for pair in parts.items() for value in pair])
    part = F.xxhash64(artist, F.pmod(of_track, numbers[artist].cast("bigint")))
    oversized = artist.isin(*parts)
    return F.when(oversized, part).otherwise(F.coalesce(artist, of_track))
