"""Looks into a table: its columns, how they could be mapped, and what would become of its rows."""

import functools
import math
import re
import statistics
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from itertools import chain, repeat
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import (
    advice,
    catalogue,
    forms,
    known_tables,
    mixed_sources,
    names,
    reader,
    row_counts,
    text_files,
    validation,
)
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.columns import (
    literal,
    means_nothing,
    readable_name,
    sql_name,
)
from genre_spark.catalog.inspection_results import (
    MOSTLY,
    NESTED,
    NO_NUMBERS,
    Column,
    FeatureFacts,
    InspectedRows,
    Inspection,
    Reading,
)
from genre_spark.catalog.mapping_inference import (
    YEAR,
    guess,
    list_of_tracks,
    made_ids,
    meanings,
    names_tracks,
    with_shared_words,
)
from genre_spark.catalog.rows import RowCounts
from genre_spark.catalog.source_files import CSV, JSON, SourceFiles, reading
from genre_spark.config import CatalogSettings
from genre_spark.errors import InputError
from genre_spark.schema import ALBUM, ARTIST, FEATURE_SOURCE, GENRE, TEXT_COLUMNS, TRACK_ID, feature
from genre_spark.source import Dataset

# Rows of a sample by which readings are decided: at least, where the table has so many.
_SAMPLE = 20_000
# Characters of a value that are looked at.
_LONGEST = 1000
# Of a wider table only columns that a name could mean are looked at.
_NARROW = 40
# Objects, and their keys, in texts and as Spark prints maps.
_OBJECT = re.compile(r"""\s*\{\s*["']""")
_OBJECT_KEY = re.compile(r"""["']([^"']{1,60})["']\s*:""")
_MAP_KEY = re.compile(r"[{,] ?([^{},>]{1,60}?) -> ")
# A text that Java reads as a finite number.
_NUMBER = r"^[\x00-\x20]*+[-+]?(\d++(\.\d*+)?|\.\d++)([eE][-+]?\d++)?[dDfF]?[\x00-\x20]*+$"
# Fields of structs are columns too, down to so many structs, and so many of them.
_DEPTH, _MOST_FIELDS = 4, 2000
_GENRES = 10
# An artist with so many tracks, on so many albums, and so large a share of all, may be none.
_MANY_TRACKS, _MANY_ALBUMS, _LARGE_SHARE = 20, 10, 0.01
# A made id that tells apart so many of the tracks that the best one does is enough; rows that repeat
# it are reported from a share on.
_AS_DISTINCT, _REPEATS = 0.98, 0.01
# Ids per pair of artist and title that a column of ids has at least; one recording may have two titles.
_DISTINGUISHES = 0.9
# Characters of an example, and other encodings that are shown.
_SHOWN, _RIVALS = 60, 2
_VIOLATIONS = ("missing", "not_a_number", "out_of_range")
# Columns of a sample by genre-spark's names: `from` the table, what they are read `to`, and `by` which
# column or file their features may have several sources.
_Sample = dict[tuple[str, str], pa.ChunkedArray]


def inspect(
    spark: SparkSession, source: Source, mapped_by_user: bool, settings: CatalogSettings
) -> Inspection:
    """Looks into a table.

    Uses the mapping of `source` if the user made it, else guesses one. Raises `GenreSparkError` if the table
    cannot be read, or the user's mapping does not fit it.
    """
    asked: list[str] = []
    if not mapped_by_user:
        source = _as_written(spark, source, asked)
    with ExitStack() as stack, reading(f"{source.path}: cannot be read"):
        table, columns = _described(stack, spark, source)
        if mapped_by_user:
            mapping, dataset = _given(source.dataset, [one.name for one in columns]), source.dataset
        else:
            if listed := list_of_tracks(columns):
                dataset = source.dataset.model_copy(update={"rows": listed})
                source = replace(source, dataset=dataset)
                table, columns = _described(stack, spark, source)
            columns = [_with_parts(table, one) for one in columns]
            mapping = _with_id(table, columns, guess(columns))
            expressions = {name: one.expression for name, one in mapping.items()}
            extra = (YEAR,) if YEAR in mapping else ()
            update = {"columns": expressions, "extra_features": extra}
            dataset = source.dataset.model_copy(update=update)
        described = [
            (one.source, f"{one.name} ({one.why})" if one.why else one.name)
            for one in mapping.values()
        ]
        found = Inspection(
            catalog=source.path,
            format=dataset.format,
            options=dict(dataset.options),
            columns=tuple(
                replace(one, read_as=tuple(use for source, use in described if source == one.name))
                for one in columns
            ),
            mapping=mapping,
            dataset=dataset,
            questions=tuple(asked),
        )
        if TRACK_ID in mapping:
            mapped = reader.map_columns(table, dataset, source.path)
            if mapped.features:
                found = _validate(stack, found, mapped, settings.max_imputed)
        if found.rows:
            catalogue.check_text(spark, source, found.rows)
    notes, questions = tuple(advice.notes(found, settings)), advice.questions(found)
    return found.model_copy(update={"notes": notes, "questions": questions})


def _described(
    stack: ExitStack, spark: SparkSession, source: Source
) -> tuple[DataFrame, list[Column]]:
    """The table, kept until the end of a block where that pays, and its columns.

    Facts are of the whole table, values of a sample by rows' contents: the order of the rows changes
    nothing. Of wide tables only columns that could be used are looked at.
    """
    # With its folder: sources often have one each, with files of the same names.
    file = F.substring_index(F.input_file_name(), "/", -2)
    table = source.read(spark).withColumn(reader.FILE_NAME, file)
    if not source.is_columnar(spark):
        table = catalogue.persisted(stack, table)
    fields = _fields(table.schema)
    columns = with_shared_words([one for one in fields if one.name not in reader.OURS])
    plain = [one.sql for one in columns if not one.kind.startswith((*NESTED, "variant"))]
    # By the values as they are: to write numbers as texts takes longer than all else.
    hashed = f"xxhash64({', '.join(plain[:_NARROW])})" if plain else "0"
    columns = _with_values(table, columns, hashed, source.path)
    if inner := [key for one in columns for key in _keys(one)]:
        columns += _with_values(table, inner, hashed, source.path)
    return table, columns


def _with_values(table: DataFrame, columns: list[Column], hashed: str, path: str) -> list[Column]:
    """Columns with their facts, of the whole table, and values of a sample of its rows."""
    all_of_them = len(columns) <= _NARROW
    looked_at = [i for i, one in enumerate(columns) if all_of_them or meanings(one)]
    facts = [_facts(columns[i]) for i in looked_at]
    ((n_rows, *found),) = table.selectExpr("count(1)", *facts).collect()
    if not n_rows:
        raise InputError(f"{path}: has no rows")
    columns = [replace(one, n_rows=n_rows) for one in columns]
    if looked_at:
        texts = [f"{_as_shown(columns[i].sql, _LONGEST)} AS `{i}`" for i in looked_at]
        chosen = f"pmod({hashed}, {max(1, n_rows // _SAMPLE)}) = 0"
        rows = table.filter(chosen).selectExpr(*texts).toArrow()
        for i, facts_of, values in zip(looked_at, found, rows.columns, strict=True):
            columns[i] = _with_facts(columns[i], facts_of, values)
    return columns


def _as_shown(sql: str, most: int) -> str:
    """SQL: so many characters of a value; Arrow takes no texts that are not UTF-8."""
    return f"make_valid_utf8(left(string({sql}), {most}))"


def _keys(column: Column) -> list[Column]:
    """The keys of objects that a column has as maps or texts (JSON, Python), as columns."""
    if column.kind.startswith("map<string"):
        pattern, objects = _MAP_KEY, column.sql
    elif (
        column.kind == "string"
        and column.share(lambda text: _OBJECT.match(text) or means_nothing(text, "")) >= MOSTLY
    ):
        pattern = _OBJECT_KEY
        objects = f"from_json({column.sql}, 'map<string,string>', {names.LENIENT})"
    else:
        return []
    named = sorted({key for text in column.values for key in pattern.findall(text)})
    kind = column.kind.removeprefix("map<string,").removesuffix(">")
    inner = [
        Column(f"{column.name}.{key}", kind, 0.0, nested=f"{objects}[{literal(key)}]")
        for key in named
    ]
    return [*filter(meanings, inner)][:_MOST_FIELDS]


def _with_facts(column: Column, facts: Row, texts: pa.ChunkedArray) -> Column:
    counted = pc.value_counts(texts.drop_null()).to_pylist()
    values = {one["values"]: one["counts"] for one in counted if one["values"].strip()}
    numbers = chain.from_iterable(repeat(forms.PLAIN.number(one), n) for one, n in values.items())
    filled = max(1, facts.filled)
    return replace(
        column,
        filled=facts.filled / column.n_rows,
        numeric=facts.numbers / filled,
        low=facts.low,
        median=None if facts.low is None else _median(numbers),
        high=facts.high,
        # In an order of their own, whatever that of the rows.
        values=dict(sorted(values.items())),
        sample=min(values, default=None),
        distinct=facts.distinct and min(1.0, facts.distinct / filled),
    )


def _median(numbers: Iterable[float | None]) -> float | None:
    finite = [one for one in numbers if one is not None and math.isfinite(one)]
    return statistics.median(finite) if finite else None


def _fields(schema: T.StructType, path: str = "", depth: int = 0, listed: str = "") -> list[Column]:
    """Each column, of which nothing is known yet; a struct's fields in its place."""
    found: list[Column] = []
    for one in schema.fields:
        name = f"{path}{one.name}"
        inner = one.dataType.elementType if isinstance(one.dataType, T.ArrayType) else one.dataType
        is_list = inner is not one.dataType
        few = depth < _DEPTH and len(found) < _MOST_FIELDS
        # A list within a list has no fields that an expression could name.
        if isinstance(inner, T.StructType) and not (is_list and listed) and few:
            fields = _fields(inner, f"{name}.", depth + 1, name if is_list else listed)
            found += [replace(f, kind=f"array<{f.kind}>") if is_list else f for f in fields]
        else:
            nested = ".".join(map(readable_name, name.split("."))) if path else ""
            kind = one.dataType.simpleString()
            found.append(Column(name, kind, 0.0, nested=nested, listed=listed))
    return found


def _facts(column: Column) -> str:
    """SQL: aggregates of a column, as `_with_facts` takes them."""
    value, is_text = column.sql, column.kind == "string"
    number = "double(NULL)" if column.kind.startswith(NO_NUMBERS) else _finite(value)
    if is_text:  # to fail to read a word as a number takes Java ten times as long
        number = f"IF({value} RLIKE {literal(_NUMBER)}, {number}, NULL)"
    is_id = TRACK_ID in meanings(column)
    facts = {
        "filled": f"count_if(trim({value}) != '')" if is_text else f"count({value})",
        "numbers": f"count({number})",
        "distinct": f"approx_count_distinct(string({value}), 0.01)" if is_id else "bigint(NULL)",
        "low": f"min({number})",
        "high": f"max({number})",
    }
    return f"struct({', '.join(reader.named(facts))})"


def _finite(value: str) -> str:
    """SQL: a value as double, null where it is no number or infinite."""
    number = f"try_cast({value} AS double)"
    return f"IF(abs({number}) < double('Infinity'), {number}, NULL)"


def _with_parts(table: DataFrame, column: Column) -> Column:
    """A sampled column of names with the parts of its values that are values elsewhere in the table."""
    meant = {ARTIST, GENRE} & set(meanings(column))
    if column.n_rows <= _SAMPLE or column.kind != "string" or not meant:
        return column
    parts = names.parts(column.values) - set(column.values)
    if not parts:
        return column
    given = table.selectExpr(f"{column.sql} AS name")
    there = given.filter(F.trim("name").isin(sorted(parts))).distinct().collect()
    return replace(column, values={**{row.name: 1 for row in there}, **column.values})


def _as_written(spark: SparkSession, source: Source, asked: list[str]) -> Source:
    """The source with the format and the options that its files show; a guessed encoding is asked."""
    fmt, given = source.format(spark), source.dataset.options
    options: dict[str, str] = {}
    if fmt in (CSV, JSON):
        with reading(f"{source.path}: cannot be read as {fmt}"):
            files = SourceFiles.of(spark, source.path)
            encoding, options = text_files.options_for(files, fmt, given)
        if "encoding" in options and encoding.readings:
            (name, text), *others = encoding.readings
            rest = ", ".join(f"{other!r} in {codec}" for codec, other in others[:_RIVALS])
            told = f"encoding: {name} is guessed: a text reads {text!r}"
            asked.append(f"{told}, or {rest}" if rest else told)
    update = {"format": fmt, "options": {**options, **given}}
    return replace(source, dataset=source.dataset.model_copy(update=update))


def _with_id(
    table: DataFrame, columns: Sequence[Column], readings: dict[str, Reading]
) -> dict[str, Reading]:
    """Readings with an id made of columns where none is one: of as few as tell the tracks apart.

    A column that has one id for tracks of several artists or titles is none.
    """
    own, made = readings.get(TRACK_ID), made_ids(readings)
    if not made or (own and not names_tracks(readings)):
        return readings
    told = "no column is an id"
    if own:
        # Whatever artists and titles are: there are no more pairs of them than rows.
        distinct_of = {one.name: one.filled * (one.distinct or 0.0) for one in columns}
        if distinct_of.get(own.source, 0.0) >= _DISTINGUISHES:
            return readings
        _, n_ids, n_named = _distinct(table, [own.expression, made[0]])
        if n_ids >= _DISTINGUISHES * n_named:
            return readings
        told = f"{own.source} has about {n_ids:,} ids for {n_named:,} pairs of artist and title"
    n_rows, *distinct = _distinct(table, made)
    best = next(i for i, n in enumerate(distinct) if n >= _AS_DISTINCT * max(distinct))
    question = f"track_id: {told}; it is made of {made[best]}. Rows that have these in common count as one track"
    repeats = 1 - distinct[best] / n_rows
    if repeats > _REPEATS:
        question += f", as about {repeats:.0%} of the rows do"
    rival = own.expression if own else ""
    made_id = Reading(TRACK_ID, made[best], "", "made of these", question, rival)
    return {**readings, TRACK_ID: made_id}


def _distinct(table: DataFrame, expressions: Sequence[str]) -> list[int]:
    """The number of rows, and about how many values each expression has."""
    counts = (f"approx_count_distinct({one}, 0.01)" for one in expressions)
    return list(table.selectExpr("count(1)", *counts).collect()[0])


def _given(dataset: Dataset, columns: list[str]) -> dict[str, Reading]:
    """A user's mapping, with the columns that need none."""
    own = {name.lower(): name for name in columns}
    readings = {}
    for name in dataset.canonical:
        if expression := dataset.columns.get(name, own.get(name.lower())):
            used = reader.read_by(expression, columns)
            readings[name] = Reading(name, expression, used[0] if len(used) == 1 else "")
    return readings


def _validate(
    stack: ExitStack, found: Inspection, mapped: reader.Mapped, max_imputed: int
) -> Inspection:
    """What would become of the rows."""
    ends = [
        f"{end}({_finite(sql_name(name))}) AS {sql_name(f'{end}_{name}')}"
        for name in mapped.features
        for end in ("min", "max")
    ]
    repeated = validation.repeated_ids(mapped, *map(validation.has_values, mapped.features), *ends)
    stack.callback(repeated.keys.unpersist)
    row, features = repeated.facts, catalogue.filled(mapped, repeated.facts)
    keep = functools.partial(catalogue.persisted, stack)
    validated = validation.validate(mapped, features, max_imputed, repeated, keep)
    counts, not_taken = row_counts.counted(validated, validation.VIOLATIONS)
    groups = keep(validation.accepted(validated).groupBy(GENRE, ARTIST, ALBUM).count())
    sizes = groups.dropna(subset=GENRE).groupBy(GENRE).agg(F.sum("count").alias("n"))
    largest = sizes.orderBy(F.desc("n"), GENRE).limit(_GENRES).collect()
    sample = _sampled(found, mapped, max(1, counts.read // _SAMPLE))
    n_of = row_counts.of_list(not_taken, validation.VIOLATIONS)
    facts = {
        name: FeatureFacts(
            **{kind: n_of.get(f"{kind}:{name}", 0) for kind in _VIOLATIONS},
            low=row[f"min_{name}"],
            median=_median(sample["to", name].to_pylist()),
            high=row[f"max_{name}"],
            possible=(feature(name).low, feature(name).high),
        )
        for name in features
    }
    update = {
        "mapping": found.mapping | _outcomes(found, mapped, counts, sample),
        "features": facts,
        "rows": InspectedRows(**dict(counts), refused=counts.refused_share),
        "genres": {row[GENRE]: row["n"] for row in largest},
        "placeholders": _placeholders(not_taken),
        **_artists(groups, max(_MANY_TRACKS, _LARGE_SHARE * counts.accepted)),
    }
    return found.model_copy(update=update)


def _artists(groups: DataFrame, many: float) -> dict[str, Any]:
    """How many artists there are, and the one with the most tracks if they are `many`."""
    each = groups.dropna(subset=ARTIST).groupBy(ARTIST)
    sizes = each.agg(F.sum("count").alias("n"), F.count_distinct(ALBUM).alias("albums"))
    # Of two as large, the first by name.
    first = f"min_by(struct({ARTIST}, n, albums), struct(-n, {ARTIST}))"
    ((n_artists, row),) = sizes.selectExpr("count(1)", first).collect()
    is_doubtful = row and row.n >= many and row.albums >= _MANY_ALBUMS
    return {"artists": n_artists, "doubtful_artist": (*row,) if is_doubtful else None}


def _placeholders(not_taken: Sequence[row_counts.NotTaken]) -> dict[str, dict[str, int]]:
    """Of each text column the words that mean "no value", the usual first."""
    words: dict[str, dict[str, int]] = {}
    for one in sorted(not_taken, key=lambda one: -one.rows):
        if one.kind == validation.PLACEHOLDER and one.column in TEXT_COLUMNS:
            words.setdefault(one.column, {})[one.word] = one.rows
    return words


def _sampled(found: Inspection, mapped: reader.Mapped, share: int) -> _Sample:
    """What one in so many rows has in each column that is read, and what becomes of it."""
    sources = {column.name: _as_shown(column.sql, _SHOWN) for column in found.columns}
    read = {n: one for n, one in found.mapping.items() if n in (*mapped.columns, *mapped.features)}
    outcomes = {name: sql_name(f"{reader.ADDED}to_{name}") for name in read}
    columns = {("to", name): sql for name, sql in outcomes.items()}
    columns |= {
        ("from", n): sources[one.source] for n, one in read.items() if one.source in sources
    }
    if FEATURE_SOURCE not in found.mapping:
        own = mixed_sources.columns(found.columns)
        columns |= {("by", one.name): sources[one.name] for one in own}
        columns["by", mixed_sources.FILE] = reader.FILE_NAME
    both = [f"{reader.SOURCE}.*", *(f"{sql_name(name)} AS {to}" for name, to in outcomes.items())]
    rows = mapped.rows.filter(row_counts.one_in(share)).selectExpr(*both)
    named = [f"{sql} AS `{i}`" for i, sql in enumerate(columns.values())]
    return dict(zip(columns, rows.selectExpr(*named).toArrow().columns, strict=True))


def _outcomes(
    found: Inspection, mapped: reader.Mapped, counts: RowCounts, sample: _Sample
) -> dict[str, Reading]:
    """Readings with examples of what becomes of values, and doubts about the outcome."""
    completed = {}
    by = {name: values for (side, name), values in sample.items() if side == "by"}
    features = {n: sample["to", n].drop_null().to_numpy() for n in mapped.features}
    judged = known_tables.judged(features, counts.values, found.dataset.confirmed)
    for name, one in found.mapping.items():
        taken, given = counts.values.get(name), sample.get(("from", name))
        doubt, odd = judged.get(name, known_tables.Judgement())
        if name in mapped.features and name not in found.dataset.confirmed:
            mixed = mixed_sources.question(sample["to", name], by, sample.get(("to", ARTIST)))
            odd = odd or (f"{name}: {mixed}" if mixed else None)
        completed[name] = replace(
            one,
            question=one.question or odd or "",
            doubt=doubt or one.doubt,
            examples=_examples(given, sample["to", name]) if given is not None else (),
            not_understood=taken.not_understood / counts.read if taken else 0.0,
        )
    return completed


def _examples(values: pa.ChunkedArray, outcomes: pa.ChunkedArray) -> tuple[tuple[str, str], ...]:
    """Up to three different values and what they become: changed ones first, from low to high."""
    both = zip(values.to_pylist(), outcomes.to_pylist(), strict=True)
    pairs = {(v, o) for v, o in both if v and o is not None}
    changed = {
        (v, o)
        for v, o in pairs
        if (v.strip() if isinstance(o, str) else forms.PLAIN.number(v)) != o
    }
    kept = sorted(changed or pairs, key=lambda one: (one[1], one[0]))
    chosen = dict.fromkeys(kept[i] for i in (0, len(kept) // 2, -1)) if kept else {}
    return tuple((v, o if isinstance(o, str) else f"{o:.6g}") for v, o in chosen)
