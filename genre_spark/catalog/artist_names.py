"""All artists that a track names, from lists as tables have them."""

from pyspark.sql import types as T

from genre_spark.catalog.placeholders import placeholder_sql, quoted
from genre_spark.schema import ARTIST

_NONE = "array<string>"
_NAME = "name"
# A list that Python printed, in whichever quotes, ['A', "B's"]: how it begins and ends, and what is
# between two items. No pattern repeats without bound, so that no text makes them slow.
_BLANKS = " \t\r\n"
_OPENS = r"""^[\[{(]\s{0,3}["']"""
_CLOSES = r"""["']\s{0,3}[\]})]$"""
_BETWEEN = r"""["']\s{0,3},\s{0,3}["']"""


def all_of(column: str | None, kind: T.DataType | None) -> str:
    """SQL: names of all artists, in order, as array<string>; null where there is none.

    Parameters
    ----------
    column : str, optional
        SQL expression of texts (one name, several separated by semicolons, or a list as Python
        prints it), arrays of texts, or arrays of structs that have a ``name``.
    kind : DataType, optional
        Its type.
    """
    if column is None or kind is None:
        return f"cast(NULL AS {_NONE})"
    names = f"transform({_as_list(column, kind)}, one -> trim(one))"
    nothing = placeholder_sql("one", ARTIST)
    named = f"filter({names}, one -> one IS NOT NULL AND NOT {nothing})"
    return f"IF(size({named}) > 0, {named}, NULL)"


def _as_list(column: str, kind: T.DataType) -> str:
    if isinstance(kind, T.ArrayType):
        item = kind.elementType
        if isinstance(item, T.StructType) and _NAME in item.names:
            return f"cast(({column}).{_NAME} AS {_NONE})"
        return f"cast({column} AS {_NONE})"
    text = f"btrim(string({column}), {quoted(_BLANKS)})"
    is_printed = f"rlike({text}, {quoted(_OPENS)}) AND rlike({text}, {quoted(_CLOSES)})"
    inside = f"regexp_replace(regexp_replace({text}, {quoted(_OPENS)}, ''), {quoted(_CLOSES)}, '')"
    printed = f"split({inside}, {quoted(_BETWEEN)})"
    return f"IF({is_printed}, {printed}, split({text}, ';'))"
