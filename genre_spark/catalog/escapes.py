"""Takes out of texts what programs put into them, such as URLs, HTML or formulas; and numbers for no genre."""

import html
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote_plus

from genre_spark.catalog.columns import INVISIBLE, REPLACED, literal, once
from genre_spark.catalog.inspection_results import MOSTLY, Column
from genre_spark.schema import ALBUM, ARTIST, ARTISTS, FEATURE_NAMES, GENRE, TITLE, TRACK_ID

_ENTITY = r"&#?\w{2,31};"
_TAG = r"</?(?i:a|b|i|u|em|strong|span|font|p|div|br|sup|sub)(?:\s[^<>]{0,300})?/?>"
# Different entities that are decoded.
_MOST_ENTITIES = 100
# Share of numbers from which on a column is none of words.
_NUMBERS = 0.5
_NO_TEXT_BYTES = "[\x00-\x1f\x7f\ufffd]"


def taken_out(name: str, column: Column) -> tuple[Column, str]:
    """A column as texts without what programs put into them, and what was done."""
    done = []
    if column.kind == "binary":
        odd = column.share(re.compile(_NO_TEXT_BYTES).search)
        # Ids of bytes that are no text, by their digits.
        hexadecimal = odd and name == TRACK_ID
        sql = f"hex({column.sql})" if hexadecimal else f"cast({column.sql} as string)"
        column = replace(column, nested=sql, kind="string")
        done.append(
            "bytes" if hexadecimal else "bytes, some no text" if odd else "bytes that are text"
        )
    for one in _ESCAPES if column.kind == "string" else ():
        often = column.share(re.compile(one.pattern).search) >= one.least
        if often and column.numeric <= one.numeric and (not one.columns or name in one.columns):
            values = Counter[str]()
            for text, n in column.values.items():
                values[one.taken_out(text)] += n
            if values != column.values:
                column = replace(column, nested=one.sql(column), values=values)
                done.append(one.why)
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


@dataclass(frozen=True)
class _Escape:
    """What a program puts into texts, and how it is taken out."""

    why: str
    pattern: str
    by: str = ""  # What replaces it; or
    decode: Callable[[str], str] | None = None  # what a text with it becomes,
    body: str = ""  # and SQL for that of a ``text``, null where it cannot be decoded.
    columns: tuple[str, ...] = (ARTIST, ARTISTS, ALBUM, TITLE, GENRE)  # All, if none is named.
    # Share of the rows that have it at least, else it is part of a text by chance; and that are numbers at most.
    least: float = 0.0
    numeric: float = 1.0

    def taken_out(self, text: str) -> str:
        """A text without it."""
        if self.decode is None:
            return re.sub(self.pattern, self.by, text)
        return self.decode(text) if re.search(self.pattern, text) else text

    def sql(self, column: Column) -> str:
        """Spark SQL for a column without it."""
        pattern = literal(self.pattern)
        if self.body:
            decoded = f"IF(text RLIKE {pattern}, coalesce({self.body}, text), text)"
            return once(column.sql, "text", decoded)
        if self.decode:
            return _without_entities(column)
        by = literal(self.by.replace("\\", "$"))
        return f"regexp_replace({column.sql}, {pattern}, {by})"


_ESCAPES = (
    _Escape("without b'…' or =\"…\"", r"""^[b=](['"])(.*)\1$""", r"\2", columns=(), least=MOSTLY),
    _Escape("whole numbers", r"^(-?\d+)\.0$", r"\1", columns=(TRACK_ID,), least=MOSTLY),
    _Escape("numbers left out", r"^\s*(0|-\d+)(\.0+)?\s*$", columns=(GENRE,), numeric=_NUMBERS),
    _Escape("blanks left out", f"^[{INVISIBLE}]+|[{INVISIBLE}]+$", columns=FEATURE_NAMES),
    _Escape("URL encoding decoded", "%[0-9A-Fa-f]{2}", "", _unquoted, "try_url_decode(text)"),
    _Escape("HTML entities decoded", _ENTITY, "", html.unescape),
    _Escape("HTML tags left out", _TAG),
    _Escape("escapes of JSON decoded", r"""^[^\[{"]*\\u[0-9a-fA-F]{4}""", "", _unescaped,
             """get_json_object(concat('["', text, '"]'), '$[0]')"""),
)  # fmt: skip
