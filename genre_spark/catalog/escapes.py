"""Takes out of texts what other formats put into them: URLs, HTML, JSON; and numbers for no genre."""

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import unquote_plus

from genre_spark.catalog.columns import REPLACED, literal, once
from genre_spark.catalog.inspection_results import Column
from genre_spark.schema import GENRE

_ENTITY = r"&#?\w{2,31};"
_TAG = r"</?(?i:a|b|i|u|em|strong|span|font|p|div|br|sup|sub)(?:\s[^<>]{0,300})?/?>"
# Different entities that are decoded.
_MOST_ENTITIES = 100
# Share of numbers from which on a column is none of words.
_NUMBERS = 0.5


def taken_out(name: str, column: Column) -> tuple[Column, str]:
    """A column of texts without what programs put into them, and what was done."""
    done = []
    if column.kind != "string" or column.numeric >= _NUMBERS:
        return column, ""
    for why, pattern, decode, sql in (_NO_GENRE, *_ESCAPES) if name == GENRE else _ESCAPES:
        values = Counter[str]()
        for text, n in column.values.items():
            values[decode(text) if re.search(pattern, text) else text] += n
        if values != column.values:
            found = f"IF(text RLIKE {literal(pattern)}, coalesce({sql}, text), text)"
            plain = once(column.sql, "text", found) if sql else _without_entities(column)
            column = replace(column, nested=plain, values=values)
            done.append(why)
    return column, ", ".join(done)


def _without_entities(column: Column) -> str:
    """SQL: a column without the entities of HTML that are in its values."""
    found = {entity for text in column.values for entity in re.findall(_ENTITY, text)}
    pairs = ((one, html.unescape(one)) for one in sorted(found)[:_MOST_ENTITIES])
    sql = column.sql
    # An ampersand last: with what follows it could be another entity.
    for entity, text in sorted(pairs, key=lambda one: one[1] == "&"):
        sql = f"replace({sql}, '{entity}', {literal(text)})" if entity != text else sql
    return sql


def _unquoted(text: str) -> str:
    found = unquote_plus(text)
    return text if REPLACED in found else found


def _unescaped(text: str) -> str:
    try:
        return str(json.loads(f'"{text}"'))
    except ValueError:
        return text


_Escape = tuple[str, str, Callable[[str], str], str]
# What is done with texts of a pattern, and how in Python and in SQL.
_NO_GENRE: _Escape = ("numbers left out", r"^\s*(0|-\d+)(\.0+)?\s*$", lambda text: "", "''")
_ESCAPES: tuple[_Escape, ...] = (
    ("URL encoding decoded", "%[0-9A-Fa-f]{2}", _unquoted, "try_url_decode(text)"),
    ("HTML entities decoded", _ENTITY, html.unescape, ""),
    ("HTML tags left out", _TAG, lambda text: re.sub(_TAG, "", text), f"regexp_replace(text, {literal(_TAG)}, '')"),
    ("escapes of JSON decoded", r"""^[^\[{"]*\\u[0-9a-fA-F]{4}""", _unescaped,
     """get_json_object(concat('["', text, '"]'), '$[0]')"""),
)  # fmt: skip
