"""Looks into a table: its columns, how they could be mapped, and what would become of its rows."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.catalog import catalogue, reader, validation
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.mapping_inference import UNKNOWN, YEAR, Column, Reading, guess
from genre_spark.catalog.reader import Mapped
from genre_spark.config import CatalogSettings, Dataset
from genre_spark.schema import ARTIST, GENRE, TRACK_ID, feature

_SAMPLES = 200
_GENRES = 10
_NO_NUMBERS = ("array", "map", "struct", "binary", "date", "timestamp")


@dataclass(frozen=True)
class Found:
    """What is in a table.

    Attributes
    ----------
    columns : tuple of Column
    readings : dict of str to Reading
        How each of genre-spark's columns is read.
    features : dict of str to dict
        Of each feature its ``missing``, ``not_a_number`` and ``out_of_range`` rows, its ``low``,
        ``median`` and ``high``, and what is ``possible``.
    rows : dict or None
        What would become of the rows, as `validation.Counts`, and the share that would be
        ``refused``; None where no column identifies a track, or none is a feature.
    genres : dict of str to int
        The largest, with their tracks.
    artists : int
    """

    columns: tuple[Column, ...]
    readings: dict[str, Reading]
    features: dict[str, dict[str, Any]]
    rows: dict[str, Any] | None
    genres: dict[str, int]
    artists: int


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
    table = reader.read(spark, source.path, source.dataset, source.fmt).persist()
    try:
        with reader.reading(f"{source.path}: cannot be read"):
            columns = _describe(table)
            names = [column.name for column in columns]
            readings = _given(source.dataset, names) if mapped_by_user else guess(columns)
            dataset = source.dataset if mapped_by_user else as_dataset(readings)
            found = Found(tuple(columns), readings, {}, None, {}, 0)
            if TRACK_ID not in readings:
                return found
            mapped = reader.map_columns(table, dataset, source.path)
            return _judge(found, mapped, settings.max_imputed) if mapped.features else found
    finally:
        table.unpersist()


def as_dataset(readings: Mapping[str, Reading]) -> Dataset:
    """The mapping that readings make."""
    return Dataset(
        columns={name: one.expression for name, one in readings.items()},
        extra_features=(YEAR,) if YEAR in readings else (),
    )


def _given(dataset: Dataset, names: list[str]) -> dict[str, Reading]:
    """A user's mapping, with the columns that need none."""
    own = {name.lower(): name for name in names}
    known = (*reader.TEXT_COLUMNS, *reader.FEATURE_NAMES, *dataset.extra_features)
    same = {name: own[name.lower()] for name in known if name.lower() in own}
    expressions = {**same, **dataset.columns}
    return {
        name: Reading(name, expressions[name], own.get(expressions[name].lower(), ""))
        for name in known
        if name in expressions
    }


def _describe(table: DataFrame) -> list[Column]:
    """All columns, in one pass and a look at some rows."""
    fields = [field for field in table.schema if field.name not in reader.OURS]
    facts = [_facts(field.name, field.dataType.simpleString()) for field in fields]
    total, *found = table.agg(F.count(F.lit(1)), *facts).first()
    texts = [reader.by_name(field.name).cast("string") for field in fields]
    some = table.select(*texts).limit(_SAMPLES).collect()
    return [
        Column(
            name=field.name,
            kind=field.dataType.simpleString(),
            filled=fact["filled"] / max(1, total),
            numeric=fact["numbers"] / max(1, fact["filled"]),
            low=fact["low"],
            median=fact["median"],
            high=fact["high"],
            samples=tuple(row[i] for row in some if (row[i] or "").strip()),
            unknown=fact["unknown"],
        )
        for i, (field, fact) in enumerate(zip(fields, found, strict=True))
    ]


def _facts(name: str, kind: str) -> SparkColumn:
    """Aggregate: see `Column`."""
    column = reader.by_name(name)
    text = column.cast("string")
    number = F.lit(None).cast("double") if kind.startswith(_NO_NUMBERS) else _finite(column)
    return F.struct(
        F.count_if(F.trim(text) != "").alias("filled"),
        F.count(number).alias("numbers"),
        *_range(number),
        F.max(F.when(text.isin(*UNKNOWN), text)).alias("unknown"),
    )


def _finite(column: SparkColumn) -> SparkColumn:
    number = column.try_cast("double")
    return F.when(F.abs(number) < F.lit(float("inf")), number)


def _range(number: SparkColumn) -> list[SparkColumn]:
    return [
        F.min(number).alias("low"),
        F.percentile_approx(number, 0.5, 1000).alias("median"),
        F.max(number).alias("high"),
    ]


def _judge(found: Found, mapped: Mapped, max_imputed: int) -> Found:
    """What would become of the rows."""
    features = catalogue.filled(mapped)
    with _persisted(validation.judge(mapped, features, max_imputed)) as judged:
        counts = validation.count(judged)
        tracks = validation.accepted(judged)
        sizes = tracks.filter(F.col(GENRE).isNotNull()).groupBy(GENRE).count()
        largest = sizes.orderBy(F.desc("count"), GENRE).limit(_GENRES).collect()
        return replace(
            found,
            features=_features(mapped, judged, features),
            rows={**asdict(counts), "refused": counts.refused_share},
            genres={row[GENRE]: row["count"] for row in largest},
            artists=tracks.agg(F.count_distinct(ARTIST)).first()[0],
        )


def _features(
    mapped: Mapped, judged: DataFrame, features: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    ranges = [F.struct(*_range(_finite(F.col(name)))) for name in features]
    at = mapped.rows.agg(*ranges).first()
    faults = judged.select(F.explode(validation.FAULTS).alias("fault")).groupBy("fault").count()
    n_of = {row["fault"]: row["count"] for row in faults.collect()}
    kinds = ("missing", "not_a_number", "out_of_range")
    return {
        name: {
            **{kind: n_of.get(f"{kind}:{name}", 0) for kind in kinds},
            **at[i].asDict(),
            "possible": (feature(name).low, feature(name).high),
        }
        for i, name in enumerate(features)
    }


@contextmanager
def _persisted(table: DataFrame) -> Iterator[DataFrame]:
    table.persist()
    try:
        yield table
    finally:
        table.unpersist()
