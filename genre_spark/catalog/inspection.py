"""Looks into a table: its columns, how they could be mapped, and what would become of its rows."""

import functools
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.catalog import catalogue, reader, row_counts, text_checks, text_files, validation
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.column_facts import describe, extent, finite
from genre_spark.catalog.column_readings import YEAR, Column, Reading
from genre_spark.catalog.inspection_results import FeatureFacts, InspectedRows
from genre_spark.catalog.mapping_inference import (
    guess,
)
from genre_spark.catalog.placeholders import placeholder_sql
from genre_spark.catalog.reader import Mapped, odd_name
from genre_spark.catalog.rows import RowCounts
from genre_spark.config import CatalogSettings
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    ARTISTS,
    FEATURE_NAMES,
    GENRE,
    TEXT_COLUMNS,
    TRACK_ID,
    feature,
)
from genre_spark.source import Dataset

_GENRES = 10


@dataclass(frozen=True)
class LargestArtist:
    """The artist with the most tracks, with their number and that of their albums."""

    name: str
    tracks: int
    albums: int


@dataclass(frozen=True)
class Found:
    """What is in a table.

    Attributes
    ----------
    columns : tuple of Column
    readings : dict of str to Reading
        How each of genre-spark's columns is read.
    features : dict of str to FeatureFacts
    rows : InspectedRows or None
        None where no column identifies a track, or none is a feature.
    genres : dict of str to int
        The largest, with their tracks.
    artists : int
    dataset : Dataset
        With which the table was read: its format, options and columns.
    placeholders : dict of str to dict
        Of each text column that is used, the words that mean "no value", with their rows.
    largest_artist : LargestArtist or None
    """

    columns: tuple[Column, ...]
    readings: dict[str, Reading]
    features: dict[str, FeatureFacts]
    rows: InspectedRows | None
    genres: dict[str, int]
    artists: int
    dataset: Dataset = field(default_factory=Dataset)
    placeholders: dict[str, dict[str, int]] = field(default_factory=dict)
    largest_artist: LargestArtist | None = None


def inspect(
    spark: SparkSession, source: Source, mapped_by_user: bool, settings: CatalogSettings
) -> Found:
    """Looks into a table, which is read whole, some five times.

    Parameters
    ----------
    spark : SparkSession
    source : Source
        With the user's mapping, if there is one.
    mapped_by_user : bool
        False to guess one.
    settings : CatalogSettings

    Raises
    ------
    GenreSparkError
        Where the table cannot be read, or the user's mapping does not fit it.
    """
    if not mapped_by_user:
        source = _as_written(spark, source)
    table = source.read(spark).persist()
    try:
        with reader.reading(f"{source.path}: cannot be read"):
            columns = describe(table)
            names = [column.name for column in columns]
            readings = _given(source.dataset, names) if mapped_by_user else guess(columns)
            dataset = source.dataset if mapped_by_user else as_dataset(readings, source.dataset)
            found = Found(tuple(columns), readings, {}, None, {}, 0, dataset)
            if TRACK_ID not in readings:
                return found
            mapped = reader.map_columns(table, dataset, source.path)
            if not mapped.features:
                return found
            found, counts = _validate(found, mapped, settings.max_imputed)
            text_checks.check(spark, source, counts)
            return found
    finally:
        table.unpersist()


def as_dataset(readings: Mapping[str, Reading], stored: Dataset | None = None) -> Dataset:
    """The mapping that readings make, with the format and options of another."""
    return (stored or Dataset()).model_copy(
        update={
            "columns": {name: one.expression for name, one in readings.items()},
            "extra_features": (YEAR,) if YEAR in readings else (),
        }
    )


def _as_written(spark: SparkSession, source: Source) -> Source:
    """The source with the format and the options that its files show."""
    location = reader.locate(spark, source.path)
    fmt = source.format(spark)
    with reader.reading(f"{source.path}: cannot be read as {fmt}"):
        options = text_files.options_for(spark, location, fmt, source.dataset.options)
    dataset = source.dataset.model_copy(
        update={"format": fmt, "options": {**options, **source.dataset.options}}
    )
    return replace(source, dataset=dataset)


def _given(dataset: Dataset, names: list[str]) -> dict[str, Reading]:
    """A user's mapping, with the columns that need none."""
    own = {name.lower(): name for name in names}
    known = (*TEXT_COLUMNS, ARTISTS, *FEATURE_NAMES, *dataset.extra_features)
    same = {name: own[name.lower()] for name in known if name.lower() in own}
    expressions = {**same, **dataset.columns}
    return {
        name: Reading(name, expressions[name], own.get(expressions[name].lower(), ""))
        for name in known
        if name in expressions
    }


def _validate(found: Found, mapped: Mapped, max_imputed: int) -> tuple[Found, RowCounts]:
    """What would become of the rows."""
    features = catalogue.filled(mapped)
    with ExitStack() as stack:
        repeated = validation.repeated_ids(mapped)
        stack.callback(repeated.keys.unpersist)
        keep = functools.partial(catalogue.persisted, stack)
        validated = validation.validate(mapped, features, max_imputed, repeated, keep)
        counts = row_counts.count(validated)
        tracks = validation.accepted(validated)
        sizes = tracks.filter(F.col(GENRE).isNotNull()).groupBy(GENRE).count()
        ((n_artists,),) = tracks.agg(F.count_distinct(ARTIST)).collect()
        largest = sizes.orderBy(F.desc("count"), GENRE).limit(_GENRES).collect()
        completed = replace(
            found,
            features=_features(mapped, validated, features),
            rows=InspectedRows(**dict(counts), refused=counts.refused_share),
            genres={row[GENRE]: row["count"] for row in largest},
            artists=n_artists,
            placeholders=_placeholders(validated, mapped),
            largest_artist=_largest_artist(tracks),
        )
        return completed, counts


def _placeholder_of(name: str) -> str:
    """SQL: a column's name and its word that means "no value", if it has one."""
    odd = odd_name(name)
    found = f"{placeholder_sql(odd, name)} AND trim({odd}) != ''"
    return f"IF({found}, named_struct('name', '{name}', 'word', trim({odd})), NULL)"


def _placeholders(validated: DataFrame, mapped: Mapped) -> dict[str, dict[str, int]]:
    """Of each text column that is used, the words that mean "no value", with their rows."""
    used = [name for name in TEXT_COLUMNS if name in mapped.columns and name != TRACK_ID]
    words = [_placeholder_of(name) for name in used]
    if not words:
        return {}
    each = validated.select(
        F.expr(f"explode(array_compact(array({', '.join(words)})))").alias("one")
    )
    found: dict[str, dict[str, int]] = {}
    for row in each.groupBy("one.name", "one.word").count().orderBy(F.desc("count")).collect():
        found.setdefault(row["name"], {})[row["word"]] = row["count"]
    return found


def _largest_artist(tracks: DataFrame) -> LargestArtist | None:
    sizes = tracks.filter(F.col(ARTIST).isNotNull()).groupBy(ARTIST)
    counted = sizes.agg(F.count(F.lit(1)).alias("n"), F.count_distinct(ALBUM).alias("albums"))
    row = counted.orderBy(F.desc("n"), ARTIST).first()
    return LargestArtist(row[ARTIST], row["n"], row["albums"]) if row else None


def _features(
    mapped: Mapped, validated: DataFrame, features: tuple[str, ...]
) -> dict[str, FeatureFacts]:
    ranges = [F.struct(*extent(finite(F.col(name)))) for name in features]
    (at,) = mapped.rows.agg(*ranges).collect()
    violations = (
        validated.select(F.explode(validation.VIOLATIONS).alias("violation"))
        .groupBy("violation")
        .count()
    )
    n_of = {row["violation"]: row["count"] for row in violations.collect()}
    kinds = ("missing", "not_a_number", "out_of_range")
    return {
        name: FeatureFacts(
            **{kind: n_of.get(f"{kind}:{name}", 0) for kind in kinds},
            **at[i].asDict(),
            possible=(feature(name).low, feature(name).high),
        )
        for i, name in enumerate(features)
    }
