"""All artists that a track names, from lists as tables have them."""

from pyspark.sql import types as T

from genre_spark.catalog.placeholders import placeholder_sql, quoted
from genre_spark.schema import ARTIST

_NONE = "array<string>"
_NAME = "name"
# Items of a list that Python printed, in whichever quotes: ['A', "B's"].
_PRINTED = r"""^\s*[\[{(]\s*["'].*["']\s*[\]})]\s*$"""
_ITEM = r"""(?s)(?:^\s*[\[{(]\s*|,\s*)(["'])(.*?)\1(?=\s*,\s*["']|\s*[\]})]\s*$)"""


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
    text = f"string({column})"
    printed = f"regexp_extract_all({text}, {quoted(_ITEM)}, 2)"
    return f"IF(rlike({text}, {quoted(_PRINTED)}), {printed}, split({text}, ';'))"
