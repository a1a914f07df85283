"""Small expressions over columns of any table."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

# Beyond it a double cannot hold every whole number, so that two ids may have become one.
_EXACT = 2**53


def by_name(name: str) -> Column:
    """A column by its name, whatever characters that has."""
    return F.col("`" + name.replace("`", "``") + "`")


def as_text(column: Column, kind: T.DataType) -> Column:
    """A column as string; whole numbers that are stored as fractions without ``.0`` or exponent.

    pandas stores whole numbers as doubles where one is missing.
    """
    if isinstance(kind, T.FloatType | T.DoubleType):
        exact = (column == F.rint(column)) & (F.abs(column) <= _EXACT)
        whole = column.cast("bigint").cast("string")
        return F.when(~F.isnan(column), F.when(exact, whole).otherwise(column.cast("string")))
    if isinstance(kind, T.DecimalType) and kind.scale:
        plain = F.regexp_replace(column.cast("string"), r"\.0+$", "")
        return plain
    return column.cast("string")
