"""Small expressions over columns of any table."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

# Beyond it a double cannot hold every whole number, so that two ids may have become one.
_EXACT = 2**53


def sql_name(name: str) -> str:
    """A column's name in SQL, whatever characters it has."""
    return "`" + name.replace("`", "``") + "`"


def by_name(name: str) -> Column:
    """A column by its name, whatever characters that has."""
    return F.col(sql_name(name))


def as_text(column: str, kind: T.DataType) -> str:
    """SQL: a column as string; whole numbers that are stored as fractions without ``.0`` or exponent.

    pandas stores whole numbers as doubles where one is missing.
    """
    if isinstance(kind, T.FloatType | T.DoubleType):
        exact = f"{column} = rint({column}) AND abs({column}) <= {_EXACT}"
        text = f"IF({exact}, string(bigint({column})), string({column}))"
        return f"IF(isnan({column}), NULL, {text})"
    if isinstance(kind, T.DecimalType) and kind.scale:
        return rf"regexp_replace(string({column}), '\\.0+$', '')"
    return f"string({column})"
