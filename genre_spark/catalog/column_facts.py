"""Describes the columns of a table: their types, how full they are, what is in them."""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog.column_readings import Column, quoted
from genre_spark.catalog.mapping_inference import could_be_read, meanings
from genre_spark.catalog.reader import OURS
from genre_spark.schema import TRACK_ID

# Rows of a sample by which readings are decided: at least, where the table has so many.
SAMPLE = 20_000
# Characters of a value that are looked at.
_LONGEST = 1000
_NO_NUMBERS = ("array", "map", "struct", "binary", "date", "timestamp")
# Of a wider table only columns that a name could mean are looked at.
_NARROW = 40
# Fields of structs are columns too, down to so many structs, and so many of them.
_DEPTH, _MOST_FIELDS = 4, 2000


def describe(table: DataFrame, n_rows: int) -> list[Column]:
    """All columns: facts of the whole table, and values of a sample by rows' contents.

    The order of the rows changes nothing. Of wide tables only columns that could be used are looked at.

    Parameters
    ----------
    n_rows : int
        Its rows.
    """
    fields = [one for one in _fields(table.schema) if one[0] not in OURS]
    wide = len(fields) > _NARROW
    looked_at = [one for one in fields if not wide or could_be_read(one[0])]
    if not looked_at:
        return [Column(name, kind, 0.0, n_rows=n_rows) for name, _, kind in fields]
    each = [
        _facts(i, sql, kind, TRACK_ID in meanings(name))
        for i, (name, sql, kind) in enumerate(looked_at)
    ]
    found = table.agg(*[one for some in each for one in some]).collect()[0].asDict()
    texts = [F.left(F.expr(sql).cast("string"), F.lit(_LONGEST)) for _, sql, _ in looked_at]
    share = max(1, n_rows // SAMPLE)
    sampled = table.filter(F.pmod(F.xxhash64(*texts), F.lit(share)) == 0) if share > 1 else table
    rows = sampled.select(*[text.alias(str(i)) for i, text in enumerate(texts)]).toArrow()
    values = {one[0]: _counted(rows.column(i)) for i, one in enumerate(looked_at)}
    number = {one[0]: i for i, one in enumerate(looked_at)}
    return [
        _column(one, found, number.get(one[0]), values.get(one[0], {}), n_rows) for one in fields
    ]


def _column(
    field: tuple[str, str, str],
    found: Mapping[str, Any],
    i: int | None,
    values: dict[str, int],
    n_rows: int,
) -> Column:
    name, sql, kind = field
    nested = "" if sql == quoted(name) else sql
    if i is None:
        return Column(name, kind, 0.0, nested=nested, n_rows=n_rows)
    filled, distinct = found[f"filled{i}"], found[f"distinct{i}"]
    return Column(
        name=name,
        kind=kind,
        filled=filled / max(1, n_rows),
        numeric=found[f"numbers{i}"] / max(1, filled),
        **{end: found[f"{end}{i}"] for end in ("low", "median", "high")},
        values=values,
        distinct=distinct and min(1.0, distinct / max(1, filled)),
        nested=nested,
        n_rows=n_rows,
    )


def _counted(texts: pa.ChunkedArray) -> dict[str, int]:
    """Values that are not blank, in their own order, with their rows."""
    counted = pc.value_counts(texts.drop_null()).to_pylist()
    pairs = ((one["values"], one["counts"]) for one in counted if one["values"].strip())
    return dict(sorted(pairs))


def _fields(
    schema: T.StructType, above: str = "", depth: int = 0, in_list: bool = False
) -> list[tuple[str, str, str]]:
    """Name, expression and type of each column; a struct's fields in its place."""
    found: list[tuple[str, str, str]] = []
    for one in schema.fields:
        name, sql = f"{above}{one.name}", ".".join(map(quoted, f"{above}{one.name}".split(".")))
        if not above:
            sql = quoted(one.name)
        kind = one.dataType
        inner = kind.elementType if isinstance(kind, T.ArrayType) else kind
        listed = isinstance(kind, T.ArrayType)
        # A list within a list has no fields that an expression could name.
        few = depth < _DEPTH and len(found) < _MOST_FIELDS
        if isinstance(inner, T.StructType) and not (listed and in_list) and few:
            nested = _fields(inner, f"{name}.", depth + 1, in_list or listed)
            found += [(n, s, f"array<{k}>" if listed else k) for n, s, k in nested]
        else:
            found.append((name, sql, kind.simpleString()))
    return found


def _facts(i: int, sql: str, kind: str, is_id: bool) -> list[SparkColumn]:
    """Aggregates: see `Column`."""
    column = F.expr(sql)
    text = column.cast("string")
    number = F.lit(None).cast("double") if kind.startswith(_NO_NUMBERS) else finite(column)
    facts = {
        "filled": F.count_if(F.trim(text) != ""),
        "numbers": F.count(number),
        "distinct": F.approx_count_distinct(text, 0.01) if is_id else F.lit(None).cast("bigint"),
        **dict(zip(("low", "median", "high"), extent(number), strict=True)),
    }
    return [value.alias(f"{name}{i}") for name, value in facts.items()]


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
