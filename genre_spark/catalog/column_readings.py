"""Reads a column of an unknown table as one of genre-spark's: candidates are tried on its values.

A candidate is a form (`forms`) and a scale. Each is applied to the column's values; how many it
understands, and whether the outcome is like tracks of known tables, decides between them.
"""

import html
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from genre_spark.catalog import forms, known_tables, names
from genre_spark.catalog.columns import literal, means_nothing
from genre_spark.catalog.forms import PLAIN, UNITS, Form, Number
from genre_spark.catalog.inspection_results import Column, Reading
from genre_spark.schema import ARTIST, FEATURE_NAMES, GENRE, TEXT_COLUMNS, TRACK_ID, feature

YEAR = "year"
SHARES = tuple(n for n in FEATURE_NAMES if feature(n).high == 1 and not feature(n).integer)
# Different values that candidates are tried on.
_TRIED = 2000
# Share of the values that a reading has to understand, and that differ between it and a rival.
_LEAST, _DIFFERENT = 0.5, 0.02
_MOSTLY = 0.9
_WHOLE = re.compile(r"-?\d+\.0$")
_DATE = re.compile(r"\s*(\d{4}([-/.]\d{1,2}){1,2}([T ].*)?|\d{1,2}([-/.])\d{1,2}\4\d{2,4})\s*$")
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NO_TEXT_BYTES = re.compile("[\x00-\x1f\x7f\ufffd]")
_NO_TEXT = ("array", "map", "struct")
_DATES = ("date", "timestamp")
_ENTITIES = {"&quot;": '"', "&#39;": "'", "&apos;": "'", "&lt;": "<", "&gt;": ">", "&amp;": "&"}
_ENTITY = re.compile("|".join(_ENTITIES))


def _tried(column: Column) -> dict[str, int]:
    """At most `_TRIED` of the values without words for "no value", whatever their order."""
    given = {v: n for v, n in column.values.items() if not means_nothing(v, "")}
    return dict(sorted(given.items(), key=lambda one: zlib.crc32(one[0].encode()))[:_TRIED])


def words(name: str) -> list[str]:
    """Words of a column's name, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def read_as(name: str, column: Column) -> Reading | None:
    """A column as the one of that name; None where its values cannot be that."""
    if not column.filled:
        return None
    return _text(name, column) if name in TEXT_COLUMNS else _feature(name, column)


# Texts


def _text(name: str, column: Column) -> Reading | None:
    decoded = column if name == TRACK_ID else _decoded(column)
    why = "HTML entities decoded" if decoded is not column else ""
    if name in (ARTIST, GENRE) and (found := names.understand(name, decoded)):
        whole = ", ".join(filter(None, (why, found.why)))
        return Reading(name, found.first, column.name, whole, found.question, found.rival)
    # A date is no name, whatever its column is called; an id such as 1999.0 is none.
    dates = 0 if name == TRACK_ID else column.share(_DATE.match)
    if column.kind.startswith((*_NO_TEXT, *_DATES)) or dates >= _MOSTLY:
        return None
    if name != TRACK_ID and column.name.lower().startswith("release") and _is_year(column):
        return None
    if column.kind == "binary":
        if name == TRACK_ID and column.share(_NO_TEXT_BYTES.search):
            return Reading(name, f"hex({column.sql})", column.name, "bytes")
        return Reading(name, f"cast({column.sql} as string)", column.name, "bytes that are text")
    if name == TRACK_ID and column.kind == "string" and column.share(_WHOLE.match) >= _MOSTLY:
        # Whole numbers that a program wrote with a decimal are ids without it.
        whole = f"regexp_replace({column.sql}, r'\\.0$', '')"
        return Reading(name, whole, column.name, "whole numbers")
    return Reading(name, decoded.sql, column.name, why)


def _decoded(column: Column) -> Column:
    """A text column without the entities of HTML that are in its values; itself where there are none."""
    found = {entity for text in column.values for entity in _ENTITY.findall(text)}
    if not found or column.kind != "string":
        return column
    sql = column.sql
    for entity, meant in _ENTITIES.items():
        if entity in found:
            sql = f"replace({sql}, '{entity}', {literal(meant)})"
    values: dict[str, int] = {}
    for text, n in column.values.items():
        text = html.unescape(text)
        values[text] = values.get(text, 0) + n
    return replace(column, nested=sql, values=values)


def _is_year(column: Column) -> bool:
    return (
        column.share(lambda text: (year := PLAIN.number(text)) and 1860 <= year <= 2100) >= _MOSTLY
    )


# Features


@dataclass(frozen=True)
class _Scale:
    """What numbers are multiplied by and what is added, in a column for which that makes sense.

    `asks` is set where a plainer reading would be possible too.
    """

    factor: float = 1
    plus: float = 0
    why: str = ""
    asks: bool = False
    if_true: Callable[[np.ndarray], bool] = lambda values: True

    def sql(self, numbers: str) -> str:
        """SQL for the scaled numbers."""
        if self.factor == -1:
            return f"-{numbers}" if numbers.isidentifier() else f"-({numbers})"
        if self.plus:
            return f"{numbers} {'-' if self.plus < 0 else '+'} {abs(self.plus):g}"
        if self.factor == 1:
            return numbers
        by = self.factor if self.factor > 1 else 1 / self.factor
        return f"{numbers} {'*' if self.factor > 1 else '/'} {by:.0f}"


def _exceeds_1(values: np.ndarray) -> bool:
    return bool(np.quantile(values, _SELDOM) > _LITTLE)


_AS_IS = _Scale()
# Proportions that some program made exceed 1 by a little, or seldom; percentages do not.
_SELDOM, _LITTLE = 0.99, 1.5
_PERCENT = _Scale(0.01, why="percent", if_true=_exceeds_1)
_OF_10 = _Scale(
    0.1, why="out of 10", if_true=lambda values: _exceeds_1(values) and values.max() <= 10
)
_OF_1000 = _Scale(1e-3, why="out of 1000", asks=True, if_true=lambda values: values.max() > 100)
_SIGN = _Scale(
    -1, 0, "all are above 0: the sign is missing", True, lambda values: values.min() >= 0
)
_FROM_1 = _Scale(
    1, -1, "counted from 1", True, lambda values: set(values) - {-1} >= {1, 12} and 0 not in values
)
_TIMES = tuple(
    _Scale(factor, why=why)
    for factor, why in (
        (1, ""), (1000, "seconds"), (60_000, "minutes"), (1e-3, "microseconds"), (1e-6, "nanoseconds"),
        (86_400_000, "parts of a day"),
    )
)  # fmt: skip
_SCALES = {
    **dict.fromkeys(SHARES, (_AS_IS, _PERCENT, _OF_10, _OF_1000)),
    "loudness": (_AS_IS, _SIGN),
    "key": (_FROM_1, _AS_IS),
    "duration_ms": _TIMES,
}
_FORMS: dict[str, tuple[Form, ...]] = {
    "key": forms.KEYS,
    "mode": (*forms.MODES, *map(forms.MinorKeys, forms.KEYS)),
    "duration_ms": forms.CLOCKS,
    YEAR: forms.DATES,
}


@dataclass(frozen=True)
class _Candidate:
    """A form and a scale, with what they make of a column's values.

    Attributes
    ----------
    outcome : float array of shape (n,)
        NaN for a value that is not understood, or not possible.
    understood : float
        Share of the rows, in [0, 1].
    alike : bool
        Whether the outcome is like tracks, as far as few values tell.
    doubt : str
        Why it is unlike them.
    by_name : bool
        Whether the column's name states this unit.
    """

    form: Form
    scale: _Scale
    outcome: np.ndarray
    understood: float
    alike: bool
    doubt: str
    by_name: bool

    @property
    def rank(self) -> tuple[bool, bool, float]:
        """The larger, the better; of equal ones the first counts."""
        return self.by_name, self.alike, round(self.understood, 2)

    @property
    def asks(self) -> bool:
        """Whether a plainer reading would be possible too."""
        return self.form.asks or self.scale.asks

    @property
    def why(self) -> str:
        """What is done to values."""
        return ", ".join(filter(None, (self.form.why, self.scale.why)))

    def sql(self, column: str) -> str:
        """The whole expression."""
        return self.scale.sql(self.form.sql(column))


def _feature(name: str, column: Column) -> Reading | None:
    if name == YEAR and column.kind.startswith(_DATES):
        return Reading(name, f"year({column.sql})", column.name, "of a date")
    if column.kind.startswith((*_NO_TEXT, *_DATES, "binary")):
        return None
    texts = _tried(column)
    weights = np.array(list(texts.values()), np.int64)
    candidates = [
        one for one in _candidates(name, column, texts, weights) if one.understood >= _LEAST
    ]
    if not candidates:
        return None
    best = max(candidates, key=lambda one: one.rank)

    def differs(one: _Candidate) -> np.ndarray:
        return ~np.isclose(one.outcome, best.outcome, equal_nan=True)

    # As good as the best, or plainer, with another outcome.
    rivals = [
        one
        for one in candidates
        if not best.by_name
        and ((best.asks and not one.asks) or one.rank >= best.rank)
        and weights[differs(one)].sum() > _DIFFERENT * weights.sum()
    ]
    rival = max(rivals, key=lambda one: one.rank, default=None)
    question = f"{name}: {best.why}; is that so?" if best.asks else ""
    if rival and not question:
        i = int(np.argmax(differs(rival)))
        ours, theirs = (f"{one.outcome[i]:.6g} ({one.why or 'as it is'})" for one in (best, rival))
        question = f"{name}: is {list(texts)[i]!r} {ours} or {theirs}?"
    other = rival.sql(column.sql) if rival else ""
    expression = best.sql(column.sql)
    return Reading(name, expression, column.name, best.why, question, other, best.doubt)


def _candidates(
    name: str, column: Column, texts: Mapping[str, int], weights: np.ndarray
) -> Iterator[_Candidate]:
    limits, named = feature(name), _named_unit(name, column)
    own, numbers = _FORMS.get(name, ()), forms.numbers_of(texts)
    if column.kind in _NUMERIC:
        own, numbers = forms.MODES if name == "mode" else (), [PLAIN]
    first = (forms.DOTTED,) if name == "duration_ms" else ()
    for form in (*first, *numbers, *own):
        # None becomes NaN.
        values = np.array([form.number(text) for text in texts], float)
        known = values[~np.isnan(values)]
        # Keys without a minor one among them say nothing of modes.
        if not known.size or (isinstance(form, forms.MinorKeys) and known.min() > 0):
            continue
        for scale in _scales(name, form):
            if not scale.if_true(known):
                continue
            outcome = values * scale.factor + scale.plus
            possible = (outcome >= limits.low) & (outcome <= limits.high)
            if limits.integer:
                possible &= outcome == np.rint(outcome)
            found = known_tables.spread(name, outcome[possible], weights[possible])
            yield _Candidate(
                form,
                scale,
                np.where(possible, outcome, np.nan),
                float(weights[possible].sum() / max(1, weights.sum())),
                known_tables.unlike(name, found, fewest=1) is None,
                known_tables.unlike(name, found) or "",
                isinstance(form, Number) and scale.factor == named,
            )


_NUMERIC = ("tinyint", "smallint", "int", "bigint", "float", "double")


def _scales(name: str, form: Form) -> tuple[_Scale, ...]:
    if not isinstance(form, Number):
        return (_AS_IS,)
    if name == "duration_ms" and form.unit in UNITS:
        return (_Scale(UNITS[form.unit]),)
    if name in SHARES and form.unit == "%":
        return (_Scale(0.01, why="percent"),)
    return _SCALES.get(name, (_AS_IS,))


def _named_unit(name: str, column: Column) -> float | None:
    """Milliseconds of the unit that a column of durations has in its name."""
    if name != "duration_ms":
        return None
    return next((UNITS[word] for word in reversed(words(column.name)) if word in UNITS), None)
