"""Looks into a table: its columns, how they could be mapped, and what would become of its rows."""

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import (
    artist_names,
    catalogue,
    forms,
    known_tables,
    reader,
    row_counts,
    sampling,
    text_checks,
    text_files,
    validation,
)
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.column_facts import SAMPLE, describe, extent, finite
from genre_spark.catalog.column_readings import YEAR, Column, Reading
from genre_spark.catalog.columns import sql_name
from genre_spark.catalog.encodings import Encoding
from genre_spark.catalog.inspection_results import FeatureFacts, InspectedRows
from genre_spark.catalog.mapping_inference import could_be_read, guess, made_ids, meanings
from genre_spark.catalog.placeholders import placeholder_sql
from genre_spark.catalog.reader import SOURCE, Mapped, odd_name
from genre_spark.catalog.rows import RowCounts
from genre_spark.catalog.table_format import CSV, JSON
from genre_spark.config import CatalogSettings
from genre_spark.errors import InputError
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
# Names that a list of tracks must have at least.
_FEWEST = 3
# A made id that tells apart so many of the tracks that the best one does is enough; rows that repeat
# it are reported from a share on.
_AS_DISTINCT, _REPEATS = 0.98, 0.01
# Characters of an example, and other encodings that are shown.
_SHOWN, _RIVALS = 60, 2


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
    readings : dict of str to Reading
        How each of genre-spark's columns is read.
    rows : InspectedRows or None
        None where no column identifies a track, or none is a feature.
    genres : dict of str to int
        The largest, with their tracks.
    dataset : Dataset
        With which the table was read: its format, options and columns.
    placeholders : dict of str to dict
        Of each text column that is used, the words that mean "no value", with their rows.
    questions : tuple of str
        What only a person can decide about the files and ids; `readings` have those of columns.
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
    questions: tuple[str, ...] = ()


def inspect(
    spark: SparkSession, source: Source, mapped_by_user: bool, settings: CatalogSettings
) -> Found:
    """Looks into a table, which is read whole once and kept meanwhile.

    Parameters
    ----------
    source : Source
        With the user's mapping, if there is one.
    mapped_by_user : bool
        False to guess one.

    Raises
    ------
    GenreSparkError
        Where the table cannot be read, or the user's mapping does not fit it.
    """
    questions: tuple[str, ...] = ()
    if not mapped_by_user:
        source, questions = _as_written(spark, source)
    with ExitStack() as stack, reader.reading(f"{source.path}: cannot be read"):
        table, columns = _described(stack, spark, source)
        if not mapped_by_user and (listed := _list_of_tracks(table, columns)):
            source = replace(source, dataset=source.dataset.model_copy(update={"rows": listed}))
            table, columns = _described(stack, spark, source)
        names = [column.name for column in columns]
        if mapped_by_user:
            readings, dataset = _given(source.dataset, names), source.dataset
        else:
            columns = [_with_parts(table, one) for one in columns]
            readings, asked = _with_id(table, guess(columns))
            dataset, questions = as_dataset(readings, source.dataset), (*questions, *asked)
        found = Found(tuple(columns), readings, {}, None, {}, 0, dataset, questions=questions)
        if TRACK_ID not in readings:
            return found
        mapped = reader.map_columns(table, dataset, source.path)
        if not mapped.features:
            return found
        found, counts = _validate(found, mapped, settings.max_imputed)
        text_checks.check(spark, source, counts)
        return found


def _described(
    stack: ExitStack, spark: SparkSession, source: Source
) -> tuple[DataFrame, list[Column]]:
    """The table, kept until the end of a block, and its columns."""
    table = catalogue.persisted(stack, source.read(spark))
    n_rows = table.count()
    if not n_rows:
        raise InputError(f"{source.path}: has no rows")
    return table, describe(table, n_rows)


def _with_parts(table: DataFrame, column: Column) -> Column:
    """A sampled column of names with the parts of its values that are values elsewhere in the table."""
    names = {ARTIST, GENRE} & set(meanings(column.name))
    if column.n_rows <= SAMPLE or column.kind != "string" or not names:
        return column
    parts = artist_names.parts(column.values) - set(column.values)
    if not parts:
        return column
    there = table.filter(F.trim(F.expr(column.sql)).isin(sorted(parts))).select(F.expr(column.sql))
    return replace(
        column, values={**{row[0]: 1 for row in there.distinct().collect()}, **column.values}
    )


def _list_of_tracks(table: DataFrame, columns: Sequence[Column]) -> str | None:
    """The list in which a row holds many tracks, as in answers of an API; None where rows are tracks."""
    lists = {name: {f.name for f in fields} for name, fields in _lists_in(table.schema)}
    own = {
        n
        for n in (column.name for column in columns)
        if not any(n.startswith(f"{one}.") for one in lists)
    }
    best = max(lists, key=lambda name: _meant(lists[name]), default=None)
    return (
        best
        if best and _meant(lists[best]) >= _FEWEST and _meant(lists[best]) > _meant(own)
        else None
    )


def _lists_in(schema: T.StructType, above: str = "") -> Iterator[tuple[str, list[T.StructField]]]:
    """Lists of structs, down to those in a struct, with the fields of their items."""
    for one in schema.fields:
        kind, name = one.dataType, f"{above}{one.name}"
        if isinstance(kind, T.ArrayType) and isinstance(kind.elementType, T.StructType):
            inner = kind.elementType.fields
            deep = [
                f
                for field in inner
                if isinstance(field.dataType, T.StructType)
                for f in field.dataType.fields
            ]
            yield name, [*inner, *deep]
        elif isinstance(kind, T.StructType) and not above:
            yield from _lists_in(kind, f"{name}.")


def _meant(names: Iterable[str]) -> int:
    return sum(map(could_be_read, names))


def _with_id(
    table: DataFrame, readings: dict[str, Reading]
) -> tuple[dict[str, Reading], tuple[str, ...]]:
    """Readings with an id made of columns where none is one: of as few as tell the tracks apart."""
    made = made_ids(readings) if TRACK_ID not in readings else []
    if not made:
        return readings, ()
    counts = [F.approx_count_distinct(F.expr(sql), 0.01) for sql in made]
    (row,) = table.agg(F.count(F.lit(1)), *counts).collect()
    n_rows, distinct = row[0], row[1:]
    best = next(i for i, n in enumerate(distinct) if n >= _AS_DISTINCT * max(distinct))
    question = (
        f"track_id: no column is an id; it is made of {made[best]}. Rows that have these in common"
        " count as one track"
    )
    repeats = 1 - distinct[best] / n_rows
    if repeats > _REPEATS:
        question += f", as about {repeats:.0%} of the rows do"
    return {TRACK_ID: Reading(TRACK_ID, made[best], "", "made of these"), **readings}, (question,)


def as_dataset(readings: Mapping[str, Reading], stored: Dataset | None = None) -> Dataset:
    """The mapping that readings make, with the format and options of another."""
    return (stored or Dataset()).model_copy(
        update={
            "columns": {name: one.expression for name, one in readings.items()},
            "extra_features": (YEAR,) if YEAR in readings else (),
        }
    )


def _as_written(spark: SparkSession, source: Source) -> tuple[Source, tuple[str, ...]]:
    """The source with the format and the options that its files show, and a question if they are guessed."""
    location, path = reader.locate(spark, source.path), source.path
    fmt, given = source.format(spark), source.dataset.options
    with reader.reading(f"{path}: cannot be read as {fmt}"):
        if fmt not in (CSV, JSON):
            return replace(source, dataset=source.dataset.model_copy(update={"format": fmt})), ()
        files, _ = reader.files_in(spark, path, location)
        encoding, options = text_files.options_for(spark, path, files, fmt, given)
    dataset = source.dataset.model_copy(update={"format": fmt, "options": {**options, **given}})
    questions = (_of_encoding(encoding),) if "encoding" in options and encoding.readings else ()
    return replace(source, dataset=dataset), questions


def _of_encoding(encoding: Encoding) -> str:
    (name, text), *others = encoding.readings
    rest = ", ".join(f"{other!r} in {codec}" for codec, other in others[:_RIVALS])
    return f"encoding: {name} is guessed: a text reads {text!r}" + (f", or {rest}" if rest else "")


def _given(dataset: Dataset, names: list[str]) -> dict[str, Reading]:
    """A user's mapping, with the columns that need none."""
    own = {name.lower(): name for name in names}
    known = (*TEXT_COLUMNS, ARTISTS, *FEATURE_NAMES, *dataset.extra_features)
    same = {name: own[name.lower()] for name in known if name.lower() in own}
    expressions = {**same, **dataset.columns}
    used = {name: reader.read_by(one, names) for name, one in expressions.items()}
    return {
        name: Reading(name, expressions[name], used[name][0] if len(used[name]) == 1 else "")
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
        readings = _outcomes(found, mapped, counts)
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
            readings={**found.readings, **readings},
        )
        return completed, counts


def _outcomes(found: Found, mapped: Mapped, counts: RowCounts) -> dict[str, Reading]:
    """Readings with examples of what becomes of values, and doubts about the outcome, by a sample."""
    read = {n: one for n, one in found.readings.items() if n in (*mapped.columns, *mapped.features)}
    sources = {column.name: column.sql for column in found.columns}
    from_ = {n: sources.get(one.source, "''") for n, one in read.items()}
    texts = [
        f"left(string({SOURCE}.{sql}), {_SHOWN}) AS `from_{n}`"
        for n, sql in from_.items()
        if sql != "''"
    ]
    outcomes = [f"{sql_name(n)} AS `to_{n}`" for n in read]
    of_rows = sampling.one_in(max(1, counts.read // SAMPLE))
    rows = mapped.rows.filter(of_rows).selectExpr(*texts, *outcomes).toArrow()
    completed = {}
    for name, one in read.items():
        examples = (
            _examples(rows[f"from_{name}"], rows[f"to_{name}"]) if from_[name] != "''" else ()
        )
        odd = counts.values[name].not_understood / counts.read if name in counts.values else 0.0
        one = replace(one, examples=examples, not_understood=odd)
        doubtful = name in mapped.features and name not in found.dataset.confirmed
        completed[name] = _doubted(one, rows[f"to_{name}"]) if doubtful else one
    return completed


def _doubted(one: Reading, outcomes: pa.ChunkedArray) -> Reading:
    """A reading of a feature, with what is unlike known tracks in its outcome."""
    limits, values = feature(one.name), outcomes.drop_null().to_numpy()
    values = values[(values >= limits.low) & (values <= limits.high)]
    lost = known_tables.absent(one.name, values) if limits.integer else None
    doubt = known_tables.unlike(one.name, known_tables.spread(one.name, values))
    return replace(one, doubt=doubt or "", question=one.question or lost or "")


def _examples(values: pa.ChunkedArray, outcomes: pa.ChunkedArray) -> tuple[tuple[str, str], ...]:
    """Up to three different values and what they become: changed ones first, from low to high."""
    pairs = {
        (v, o)
        for v, o in zip(values.to_pylist(), outcomes.to_pylist(), strict=True)
        if v and o is not None
    }
    changed = {(value, one) for value, one in pairs if not _is_same(value, one)}
    kept = sorted(changed or pairs, key=lambda one: (one[1], one[0]))
    chosen = dict.fromkeys(kept[i] for i in (0, len(kept) // 2, -1)) if kept else {}
    return tuple((v, o if isinstance(o, str) else f"{o:.6g}") for v, o in chosen)


def _is_same(value: str, outcome: str | float) -> bool:
    return (
        value.strip() == outcome
        if isinstance(outcome, str)
        else forms.PLAIN.number(value) == outcome
    )


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
