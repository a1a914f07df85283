"""The columns of a table, with facts of the whole of it and values of a sample of its rows."""

import re
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column as SparkColumn
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import catalogue, names
from genre_spark.catalog.columns import literal, means_nothing, readable_name
from genre_spark.catalog.inspection_results import Column
from genre_spark.catalog.mapping_inference import meanings
from genre_spark.catalog.reader import FILE_NAME, OURS
from genre_spark.errors import InputError
from genre_spark.schema import ARTIST, GENRE, TRACK_ID

# Rows of a sample by which readings are decided: at least, where the table has so many.
SAMPLE = 20_000
# Characters of a value that are looked at.
_LONGEST = 1000
_NESTED = ("array", "map", "struct")
_NO_NUMBERS = (*_NESTED, "binary", "date", "timestamp")
# Of a wider table only columns that a name could mean are looked at.
_NARROW = 40
# Objects, and their keys, in texts and as Spark prints maps.
_OBJECT, _MOSTLY = re.compile(r"""\s*\{\s*["']"""), 0.9
_OBJECT_KEY = re.compile(r"""["']([^"']{1,60})["']\s*:""")
_MAP_KEY = re.compile(r"[{,] ?([^{},>]{1,60}?) -> ")
# A text that Java reads as a finite number.
_NUMBER = r"^[\x00-\x20]*+[-+]?(\d++(\.\d*+)?|\.\d++)([eE][-+]?\d++)?[dDfF]?[\x00-\x20]*+$"
# Fields of structs are columns too, down to so many structs, and so many of them.
_DEPTH, _MOST_FIELDS = 4, 2000


def described(
    stack: ExitStack, spark: SparkSession, source: catalogue.Source
) -> tuple[DataFrame, list[Column]]:
    """The table, kept until the end of a block, and its columns.

    Facts are of the whole table, values of a sample by rows' contents: the order of the rows changes
    nothing. Of wide tables only columns that could be used are looked at.
    """
    # With its folder: sources often have one each, with files of the same names.
    file = F.substring_index(F.input_file_name(), "/", -2)
    table = catalogue.persisted(stack, source.read(spark).withColumn(FILE_NAME, file))
    columns = [one for one in _fields(table.schema) if one.name not in OURS]
    plain = [one.sql for one in columns if not one.kind.startswith((*_NESTED, "variant"))]
    # By the values as they are: to write numbers as texts takes longer than all else.
    hashed = f"xxhash64({', '.join(plain[:_NARROW])})" if plain else "0"
    columns = _with_values(table, columns, hashed, source.path)
    inner = [key for one in columns for key in _keys(one)]
    return table, columns + _with_values(table, inner, hashed, source.path)


def _with_values(table: DataFrame, columns: list[Column], hashed: str, path: str) -> list[Column]:
    """Columns with their facts, of the whole table, and values of a sample of its rows."""
    few = len(columns) <= _NARROW
    looked_at = [i for i, one in enumerate(columns) if few or meanings(one.name)]
    if not columns:
        return []
    facts = [_facts(columns[i]) for i in looked_at]
    n_rows, *found = table.agg(F.count(F.lit(1)), *facts).collect()[0]
    if not n_rows:
        raise InputError(f"{path}: has no rows")
    columns = [replace(one, n_rows=n_rows) for one in columns]
    if looked_at:
        texts = [f"{as_shown(columns[i].sql, _LONGEST)} AS `{i}`" for i in looked_at]
        chosen = f"pmod({hashed}, {max(1, n_rows // SAMPLE)}) = 0"
        rows = table.filter(chosen).selectExpr(*texts).toArrow()
        for i, facts_of, values in zip(looked_at, found, rows.columns, strict=True):
            columns[i] = _with_facts(columns[i], facts_of, values)
    return columns


def as_shown(sql: str, most: int) -> str:
    """SQL: so many characters of a value; Arrow takes no texts that are not UTF-8."""
    return f"make_valid_utf8(left(string({sql}), {most}))"


def _keys(column: Column) -> list[Column]:
    """The keys of objects that a column has as maps or texts (JSON, Python), as columns."""
    if column.kind.startswith("map<string"):
        pattern, objects = _MAP_KEY, column.sql
    elif column.kind == "string" and column.share(_is_object) >= _MOSTLY:
        pattern = _OBJECT_KEY
        objects = f"from_json({column.sql}, 'map<string,string>', {names.LENIENT})"
    else:
        return []
    named = sorted({key for text in column.values for key in pattern.findall(text)})
    kind = column.kind.removeprefix("map<string,").removesuffix(">")
    return [
        Column(name, kind, 0.0, nested=f"{objects}[{literal(key)}]")
        for key in named
        if meanings(name := f"{column.name}.{key}")
    ][:_MOST_FIELDS]


def _is_object(text: str) -> bool:
    return _OBJECT.match(text) is not None or means_nothing(text, "")


def _with_facts(column: Column, facts: Row, texts: pa.ChunkedArray) -> Column:
    counted = pc.value_counts(texts.drop_null()).to_pylist()
    values = {one["values"]: one["counts"] for one in counted if one["values"].strip()}
    filled = max(1, facts.filled)
    return replace(
        column,
        filled=facts.filled / column.n_rows,
        numeric=facts.numbers / filled,
        low=facts.low,
        median=None if facts.low is None else median(texts),
        high=facts.high,
        # In an order of their own, whatever that of the rows.
        values=dict(sorted(values.items())),
        sample=min(values, default=None),
        distinct=facts.distinct and min(1.0, facts.distinct / filled),
    )


def median(values: pa.ChunkedArray) -> float | None:
    """The median of the numbers among values of a sample."""
    numbers = pd.to_numeric(values.to_pandas(), errors="coerce").to_numpy(float)
    finite = numbers[np.isfinite(numbers)]
    return float(np.median(finite)) if finite.size else None


def _fields(
    schema: T.StructType, above: str = "", depth: int = 0, listed: str = ""
) -> list[Column]:
    """Each column, of which nothing is known yet; a struct's fields in its place."""
    found: list[Column] = []
    for one in schema.fields:
        name = f"{above}{one.name}"
        inner = one.dataType.elementType if isinstance(one.dataType, T.ArrayType) else one.dataType
        is_list = inner is not one.dataType
        few = depth < _DEPTH and len(found) < _MOST_FIELDS
        # A list within a list has no fields that an expression could name.
        if isinstance(inner, T.StructType) and not (is_list and listed) and few:
            fields = _fields(inner, f"{name}.", depth + 1, name if is_list else listed)
            found += [replace(f, kind=f"array<{f.kind}>") if is_list else f for f in fields]
        else:
            nested = ".".join(map(readable_name, name.split("."))) if above else ""
            kind = one.dataType.simpleString()
            found.append(Column(name, kind, 0.0, nested=nested, listed=listed))
    return found


def _facts(column: Column) -> SparkColumn:
    """Aggregates: see `Column`."""
    value, kind = F.expr(column.sql), column.kind
    text = value.cast("string")
    number = F.lit(None).cast("double") if kind.startswith(_NO_NUMBERS) else finite(value)
    if kind == "string":  # to fail to read a word as a number takes Java ten times as long
        number = F.when(value.rlike(_NUMBER), number)
    is_id = TRACK_ID in meanings(column.name)
    facts = {
        "filled": F.count_if(F.trim(text) != "") if kind == "string" else F.count(value),
        "numbers": F.count(number),
        "distinct": F.approx_count_distinct(text, 0.01) if is_id else F.lit(None).cast("long"),
        "low": F.min(number),
        "high": F.max(number),
    }
    return F.struct(*[one.alias(name) for name, one in facts.items()])


def finite(column: SparkColumn) -> SparkColumn:
    """A column as double, null where it is no number or infinite."""
    number = column.try_cast("double")
    return F.when(F.abs(number) < F.lit(float("inf")), number)


def with_parts(table: DataFrame, column: Column) -> Column:
    """A sampled column of names with the parts of its values that are values elsewhere in the table."""
    meant = {ARTIST, GENRE} & set(meanings(column.name))
    if column.n_rows <= SAMPLE or column.kind != "string" or not meant:
        return column
    parts = names.parts(column.values) - set(column.values)
    if not parts:
        return column
    there = table.filter(F.trim(F.expr(column.sql)).isin(sorted(parts))).select(F.expr(column.sql))
    return replace(
        column, values={**{row[0]: 1 for row in there.distinct().collect()}, **column.values}
    )
