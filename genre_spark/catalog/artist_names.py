"""All artists that a track names, from lists as tables have them."""

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog.placeholders import is_placeholder
from genre_spark.schema import ARTIST

_NONE = "array<string>"
_NAME = "name"
# Items of a list that Python printed, in whichever quotes: ['A', "B's"].
_PRINTED = r"""^\s*[\[{(]\s*["'].*["']\s*[\]})]\s*$"""
_ITEM = r"""(?s)(?:^\s*[\[{(]\s*|,\s*)(["'])(.*?)\1(?=\s*,\s*["']|\s*[\]})]\s*$)"""


def all_of(column: Column | None, kind: T.DataType | None) -> Column:
    """Names of all artists, in order, as array<string>; null where there is none.

    Parameters
    ----------
    column : Column, optional
        Texts (one name, several separated by semicolons, or a list as Python prints it), arrays of
        texts, or arrays of structs that have a ``name``.
    kind : DataType, optional
        Its type.
    """
    if column is None or kind is None:
        return F.lit(None).cast(_NONE)
    names = F.transform(_as_list(column, kind), lambda name: F.trim(name))
    named = F.filter(names, lambda name: name.isNotNull() & ~is_placeholder(name, ARTIST))
    return F.when(F.size(named) > 0, named)


def _as_list(column: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.ArrayType):
        item = kind.elementType
        if isinstance(item, T.StructType) and _NAME in item.names:
            return column.getField(_NAME).cast(_NONE)
        return column.cast(_NONE)
    text = column.cast("string")
    printed = F.regexp_extract_all(text, F.lit(_ITEM), F.lit(2))
    return F.when(text.rlike(_PRINTED), printed).otherwise(F.split(text, ";"))
