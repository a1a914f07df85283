"""Looks into a table: its columns, how they could be mapped, and what would become of its rows."""

import functools
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.catalog import (
    advice,
    catalogue,
    column_facts,
    forms,
    known_tables,
    mixed_sources,
    reader,
    row_counts,
    text_files,
    validation,
)
from genre_spark.catalog.catalogue import Source
from genre_spark.catalog.columns import are_possible, sql_name
from genre_spark.catalog.encodings import Encoding
from genre_spark.catalog.inspection_results import (
    Column,
    FeatureFacts,
    InspectedRows,
    Inspection,
    LargestArtist,
    Reading,
)
from genre_spark.catalog.mapping_inference import YEAR, guess, made_ids, meanings
from genre_spark.catalog.rows import RowCounts, ValueCounts
from genre_spark.catalog.source_files import CSV, JSON, SourceFiles, reading
from genre_spark.config import CatalogSettings
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    FEATURE_SOURCE,
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
# Ids per pair of artist and title that a column of ids has at least; one recording may have two titles.
_DISTINGUISHES = 0.9
# Characters of an example, and other encodings that are shown.
_SHOWN, _RIVALS = 60, 2
_VIOLATIONS = ("missing", "not_a_number", "out_of_range")
# Columns of a sample by genre-spark's names: `from` the table, what they are read `to`, and `by` which
# column or file their features may have several sources.
_Sample = dict[str, dict[str, pa.ChunkedArray]]


def inspect(
    spark: SparkSession, source: Source, mapped_by_user: bool, settings: CatalogSettings
) -> Inspection:
    """Looks into a table, which is read whole once and kept meanwhile.

    Uses the mapping of `source` if the user made it, else guesses one. Raises `GenreSparkError` if the table
    cannot be read, or the user's mapping does not fit it.
    """
    asked: list[str] = []
    if not mapped_by_user:
        source = _as_written(spark, source, asked)
    with ExitStack() as stack, reading(f"{source.path}: cannot be read"):
        table, columns = column_facts.described(stack, spark, source)
        if mapped_by_user:
            mapping, dataset = _given(source.dataset, [one.name for one in columns]), source.dataset
        else:
            if listed := _list_of_tracks(columns):
                dataset = source.dataset.model_copy(update={"rows": listed})
                source = replace(source, dataset=dataset)
                table, columns = column_facts.described(stack, spark, source)
            columns = [column_facts.with_parts(table, one) for one in columns]
            mapping = _with_id(table, guess(columns))
            expressions = {name: one.expression for name, one in mapping.items()}
            extra = (YEAR,) if YEAR in mapping else ()
            update = {"columns": expressions, "extra_features": extra}
            dataset = source.dataset.model_copy(update=update)
        found = Inspection(
            catalog=source.path,
            format=dataset.format,
            options=dict(dataset.options),
            columns=_with_use(columns, mapping),
            mapping=mapping,
            dataset=dataset,
            questions=tuple(asked),
        )
        if TRACK_ID in mapping:
            mapped = reader.map_columns(table, dataset, source.path)
            if mapped.features:
                found, counts = _validate(found, mapped, settings.max_imputed)
                catalogue.check_text(spark, source, counts)
    notes, questions = tuple(advice.notes(found, settings)), advice.questions(found)
    return found.model_copy(update={"notes": notes, "questions": questions})


def _with_use(columns: Sequence[Column], mapping: dict[str, Reading]) -> tuple[Column, ...]:
    """Columns with what is taken from each."""
    read_as: dict[str, tuple[str, ...]] = {}
    for one in mapping.values():
        described = f"{one.name} ({one.why})" if one.why else one.name
        read_as[one.source] = (*read_as.get(one.source, ()), described)
    return tuple(replace(one, read_as=read_as.get(one.name, ())) for one in columns)


# How the files are written


def _as_written(spark: SparkSession, source: Source, asked: list[str]) -> Source:
    """The source with the format and the options that its files show; a guessed encoding is asked."""
    fmt, given = source.format(spark), source.dataset.options
    options: dict[str, str] = {}
    if fmt in (CSV, JSON):
        with reading(f"{source.path}: cannot be read as {fmt}"):
            files = SourceFiles.of(spark, source.path)
            encoding, options = text_files.options_for(files, fmt, given)
        if "encoding" in options and encoding.readings:
            asked.append(_of_encoding(encoding))
    update = {"format": fmt, "options": {**options, **given}}
    return replace(source, dataset=source.dataset.model_copy(update=update))


def _of_encoding(encoding: Encoding) -> str:
    (name, text), *others = encoding.readings
    rest = ", ".join(f"{other!r} in {codec}" for codec, other in others[:_RIVALS])
    return f"encoding: {name} is guessed: a text reads {text!r}" + (f", or {rest}" if rest else "")


# The mapping


def _list_of_tracks(columns: Sequence[Column]) -> str | None:
    """The list in which a row holds many tracks, as in answers of an API; None where rows are tracks."""
    names_in: dict[str, set[str]] = {}
    for one in columns:
        own = one.name.rpartition(".")[2] if one.listed else one.name
        names_in.setdefault(one.listed, set()).add(own)
    meant = {listed: sum(map(bool, map(meanings, own))) for listed, own in names_in.items()}
    n_of_rows = meant.pop("", 0)
    best = max(meant, key=lambda listed: meant[listed], default=None)
    return best if best and meant[best] >= max(_FEWEST, n_of_rows + 1) else None


def _with_id(table: DataFrame, readings: dict[str, Reading]) -> dict[str, Reading]:
    """Readings with an id made of columns where none is one: of as few as tell the tracks apart.

    A column that has one id for tracks of several artists or titles is none.
    """
    own, made = readings.get(TRACK_ID), made_ids(readings)
    if not made:
        return readings
    told = "no column is an id"
    if own:
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
    counts = [F.approx_count_distinct(F.expr(one), 0.01) for one in expressions]
    return list(table.agg(F.count(F.lit(1)), *counts).collect()[0])


def _given(dataset: Dataset, columns: list[str]) -> dict[str, Reading]:
    """A user's mapping, with the columns that need none."""
    own = {name.lower(): name for name in columns}
    same = {name: own[name.lower()] for name in dataset.canonical if name.lower() in own}
    expressions = {**same, **dataset.columns}
    used = {name: reader.read_by(one, columns) for name, one in expressions.items()}
    return {
        name: Reading(name, expressions[name], used[name][0] if len(used[name]) == 1 else "")
        for name in dataset.canonical
        if name in expressions
    }


# Rows


def _validate(
    found: Inspection, mapped: reader.Mapped, max_imputed: int
) -> tuple[Inspection, RowCounts]:
    """What would become of the rows."""
    ends = [
        function(column_facts.finite(F.col(name))).alias(f"{end}_{name}")
        for name in mapped.features
        for end, function in (("low", F.min), ("high", F.max))
    ]
    with ExitStack() as stack:
        has_values = map(validation.has_values, mapped.features)
        repeated = validation.repeated_ids(mapped, *has_values, *ends)
        stack.callback(repeated.keys.unpersist)
        row, features = repeated.facts, catalogue.filled(mapped, repeated.facts)
        keep = functools.partial(catalogue.persisted, stack)
        validated = validation.validate(mapped, features, max_imputed, repeated, keep)
        counts, not_taken = row_counts.counted(validated, validation.VIOLATIONS)
        groups = keep(validation.accepted(validated).groupBy(GENRE, ARTIST, ALBUM).count())
        sizes = (
            groups.filter(F.col(GENRE).isNotNull()).groupBy(GENRE).agg(F.sum("count").alias("n"))
        )
        largest = sizes.orderBy(F.desc("n"), GENRE).limit(_GENRES).collect()
        sample = _sampled(found, mapped, max(1, counts.read // column_facts.SAMPLE))
        n_of = row_counts.of_list(not_taken, validation.VIOLATIONS)
        facts = {
            name: FeatureFacts(
                **{kind: n_of.get(f"{kind}:{name}", 0) for kind in _VIOLATIONS},
                low=row[f"low_{name}"],
                median=column_facts.median(sample["to"][name]),
                high=row[f"high_{name}"],
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
            **_artists(groups),
        }
        return found.model_copy(update=update), counts


def _artists(groups: DataFrame) -> dict[str, Any]:
    """How many artists there are, and the one with the most tracks."""
    each = groups.filter(F.col(ARTIST).isNotNull()).groupBy(ARTIST)
    sizes = each.agg(F.sum("count").alias("n"), F.count_distinct(ALBUM).alias("albums"))
    # Of two as large, the first by name.
    largest = F.min(F.struct(-F.col("n"), ARTIST, "albums"))
    ((n_artists, row),) = sizes.agg(F.count(F.lit(1)), largest).collect()
    if row is None:
        return {"artists": 0}
    return {
        "artists": n_artists,
        "largest_artist": LargestArtist(name=row[1], tracks=-row[0], albums=row[2]),
    }


def _placeholders(not_taken: Sequence[row_counts.NotTaken]) -> dict[str, dict[str, int]]:
    """Of each text column the words that mean "no value", the usual first."""
    words: dict[str, dict[str, int]] = {}
    for one in sorted(not_taken, key=lambda one: -one.rows):
        if one.kind == validation.PLACEHOLDER and one.column in TEXT_COLUMNS:
            words.setdefault(one.column, {})[one.word] = one.rows
    return words


def _sampled(found: Inspection, mapped: reader.Mapped, share: int) -> _Sample:
    """What one in so many rows has in each column that is read, and what becomes of it."""
    read = [name for name in found.mapping if name in (*mapped.columns, *mapped.features)]
    sources = {column.name: _in_source(column.sql) for column in found.columns}
    by = {}
    if FEATURE_SOURCE not in found.mapping:
        by = {one.name: sources[one.name] for one in mixed_sources.columns(found.columns)}
        by[mixed_sources.FILE] = f"{reader.SOURCE}.{reader.FILE_NAME}"
    of = {name: found.mapping[name].source for name in read}
    values = {name: sources[source] for name, source in of.items() if source in sources}
    columns = {
        **{("from", name): column_facts.as_shown(sql, _SHOWN) for name, sql in values.items()},
        **{("to", name): sql_name(name) for name in read},
        **{("by", name): column_facts.as_shown(sql, _SHOWN) for name, sql in by.items()},
    }
    named = [f"{sql} AS `{i}`" for i, sql in enumerate(columns.values())]
    rows = mapped.rows.filter(row_counts.one_in(share)).selectExpr(*named).toArrow()
    sample: _Sample = {"from": {}, "to": {}, "by": {}}
    for (side, name), column in zip(columns, rows.columns, strict=True):
        sample[side][name] = column
    return sample


def _in_source(sql: str) -> str:
    """A column's expression over `reader.SOURCE`."""
    before, parsed, after = sql.rpartition("from_json(")
    return f"{before}{parsed}{reader.SOURCE}.{after}"


def _outcomes(
    found: Inspection, mapped: reader.Mapped, counts: RowCounts, sample: _Sample
) -> dict[str, Reading]:
    """Readings with examples of what becomes of values, and doubts about the outcome."""
    completed, outcomes = {}, sample["to"]
    for name, one in found.mapping.items():
        if name in sample["from"]:
            one = replace(one, examples=_examples(sample["from"][name], outcomes[name]))
        if name in counts.values:
            one = replace(one, not_understood=counts.values[name].not_understood / counts.read)
        if name in mapped.features and name not in found.dataset.confirmed:
            one = _doubted(one, outcomes[name], counts.values.get(name))
            mixed = mixed_sources.question(outcomes[name], sample["by"], outcomes.get(ARTIST))
            if mixed:
                one = replace(one, question=one.question or f"{name}: {mixed}")
        elif lost := row_counts.mostly_lost(counts.values.get(name)):
            one = replace(one, question=one.question or f"{name}: {lost}")
        completed[name] = one
    return completed


def _doubted(one: Reading, outcomes: pa.ChunkedArray, taken: ValueCounts | None) -> Reading:
    """A reading of a feature, with what is unlike known tracks in its outcome."""
    values = outcomes.drop_null().to_numpy()
    values = values[are_possible(one.name, values)]
    lost = known_tables.odd_frequency(one.name, values)
    found = known_tables.spread(one.name, values)
    if doubt := known_tables.unlike(one.name, found) or row_counts.mostly_lost(taken):
        one = replace(one, doubt=doubt)
    else:
        lost = lost or known_tables.remark(one.name, found)
    return replace(one, question=one.question or lost or "")


def _examples(values: pa.ChunkedArray, outcomes: pa.ChunkedArray) -> tuple[tuple[str, str], ...]:
    """Up to three different values and what they become: changed ones first, from low to high."""
    pairs = {
        (v, o)
        for v, o in zip(values.to_pylist(), outcomes.to_pylist(), strict=True)
        if v and o is not None
    }
    changed = {
        (v, o)
        for v, o in pairs
        if (v.strip() if isinstance(o, str) else forms.PLAIN.number(v)) != o
    }
    kept = sorted(changed or pairs, key=lambda one: (one[1], one[0]))
    chosen = dict.fromkeys(kept[i] for i in (0, len(kept) // 2, -1)) if kept else {}
    return tuple((v, o if isinstance(o, str) else f"{o:.6g}") for v, o in chosen)
