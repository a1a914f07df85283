"""Describes the columns of a table: their types, how full they are, what is in them."""

from typing import Any

from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog.column_readings import Column, quoted
from genre_spark.catalog.mapping_inference import could_be_read, could_identify
from genre_spark.catalog.reader import OURS

_SAMPLES = 200
_NO_NUMBERS = ("array", "map", "struct", "binary", "date", "timestamp")
# Of a wider table only columns that a name could mean are looked at in all rows.
_NARROW = 40
# Fields of structs are columns too, down to so many structs, and so many of them.
_DEPTH, _MOST_FIELDS = 4, 2000


def describe(table: DataFrame) -> list[Column]:
    """All columns, in one pass and a look at some rows; of wide tables only what could be used."""
    fields = [one for one in _fields(table.schema) if one[0] not in OURS]
    wide = len(fields) > _NARROW
    looked_at = [one for one in fields if not wide or could_be_read(one[0])]
    facts = [_facts(name, sql, kind) for name, sql, kind in looked_at]
    (total, *found) = table.agg(F.count(F.lit(1)), *facts).collect()[0]
    facts_of = {one[0]: fact for one, fact in zip(looked_at, found, strict=True)}
    some = _samples(table, fields)
    return [
        _column(name, sql, kind, facts_of.get(name), some[i], total)
        for i, (name, sql, kind) in enumerate(fields)
    ]


def _column(
    name: str, sql: str, kind: str, fact: Any, samples: tuple[str, ...], total: int
) -> Column:
    nested = "" if sql == quoted(name) else sql
    if fact is None:
        share = len(samples) / max(1, min(total, _SAMPLES))
        return Column(name, kind, share, samples=samples, nested=nested, n_rows=total)
    return Column(
        name=name,
        kind=kind,
        filled=fact["filled"] / max(1, total),
        numeric=fact["numbers"] / max(1, fact["filled"]),
        low=fact["low"],
        median=fact["median"],
        high=fact["high"],
        samples=samples,
        distinct=fact["distinct"] and min(1.0, fact["distinct"] / max(1, fact["filled"])),
        nested=nested,
        n_rows=total,
    )


def _samples(table: DataFrame, fields: list[tuple[str, str, str]]) -> list[tuple[str, ...]]:
    """Values of some rows, per column, those that are filled."""
    texts = F.array(*[F.left(F.expr(sql).cast("string"), F.lit(1000)) for _, sql, _ in fields])
    rows = [row[0] for row in table.select(texts).limit(_SAMPLES).collect()]
    return [tuple(row[i] for row in rows if (row[i] or "").strip()) for i in range(len(fields))]


def _fields(schema: T.StructType, above: str = "", depth: int = 0) -> list[tuple[str, str, str]]:
    """Name, expression and type of each column; a struct's fields in its place."""
    found: list[tuple[str, str, str]] = []
    for one in schema.fields:
        name, sql = f"{above}{one.name}", ".".join(map(quoted, f"{above}{one.name}".split(".")))
        if not above:
            sql = quoted(one.name)
        kind = one.dataType
        inner = kind.elementType if isinstance(kind, T.ArrayType) else kind
        if isinstance(inner, T.StructType) and depth < _DEPTH and len(found) < _MOST_FIELDS:
            nested = _fields(inner, f"{name}.", depth + 1)
            listed = isinstance(kind, T.ArrayType)
            found += [(n, s, f"array<{k}>" if listed else k) for n, s, k in nested]
        else:
            found.append((name, sql, kind.simpleString()))
    return found


def _facts(name: str, sql: str, kind: str) -> SparkColumn:
    """Aggregate: see `Column`."""
    column = F.expr(sql)
    text = column.cast("string")
    number = F.lit(None).cast("double") if kind.startswith(_NO_NUMBERS) else finite(column)
    distinct = F.approx_count_distinct(text) if could_identify(name) else F.lit(None)
    return F.struct(
        F.count_if(F.trim(text) != "").alias("filled"),
        F.count(number).alias("numbers"),
        *extent(number),
        distinct.alias("distinct"),
    )


def finite(column: SparkColumn) -> SparkColumn:
    """A column as double, null where it is no number or infinite."""
    number = column.try_cast("double")
    return F.when(F.abs(number) < F.lit(float("inf")), number)


def extent(number: SparkColumn) -> list[SparkColumn]:
    """Aggregates: ``low``, ``median`` and ``high``."""
    return [
        F.min(number).alias("low"),
        F.percentile_approx(number, 0.5, 1000).alias("median"),
        F.max(number).alias("high"),
    ]
