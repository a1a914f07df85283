"""Forms in which people write numbers, durations, keys and modes, and scales: data, rendered to SQL and to Python."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from genre_spark.catalog.columns import literal
from genre_spark.schema import FEATURE_NAMES, feature

# Characters of a value that patterns look at: no number is longer, and no text makes them slow.
_LONGEST = 100
_BLANKS = "\u00a0\u202f\u2009 _'\u2019"
# The minus sign, and the dashes and the wide hyphen that stand for it.
_MINUS = "\u2212\u2013\u2014\uff0d"

SECOND, MINUTE, HOUR, DAY = 1000, 60_000, 3_600_000, 86_400_000
# Milliseconds of a unit, by what people write behind a number or in a column's name.
UNITS = {
    **dict.fromkeys(("ns", "nanoseconds"), 1e-6),
    **dict.fromkeys(("us", "\u00b5s", "microseconds"), 1e-3),
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "milliseconds", "millisecond"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), MINUTE),
    **dict.fromkeys(("h", "hour", "hours", "hrs"), HOUR),
}


@dataclass(frozen=True)
class Number:
    """Plain numbers, with a unit behind each, thousands set apart, decimal commas."""

    unit: str = ""  # In lower case; empty where there is none.
    thousands: str = ""  # The characters that set them apart.
    comma: bool = False  # Whether decimals follow a comma.
    minus: bool = False  # Whether there are typographic minus signs.
    asks: ClassVar[bool] = False  # No other reading of such texts is plainer.

    @cached_property
    def pattern(self) -> str:
        """What such a number is, without its unit."""
        if self.thousands:
            mark = "," if self.comma or self.thousands == "." else r"\."
            apart = f"[{re.escape(self.thousands)}]"
            # India sets lakhs apart too.
            digits = rf"\d{{1,3}}(?:(?:{apart}\d{{2,3}})*{apart}\d{{3}})?(?:{mark}\d+)?"
        else:
            mark = "[.,]" if self.comma else r"\."
            digits = rf"(?:\d+(?:{mark}\d*)?|{mark}\d+)(?:[eE][-+]?\d+)?"
        return rf"[-+{_MINUS}]?{digits}"

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        behind = rf"\s*{re.escape(self.unit)}\.?" if self.unit else ""
        # Of digits Spark knows ASCII's alone.
        flags = re.I if self.unit else re.I | re.A
        return re.compile(rf"\s*({self.pattern}){behind}\s*", flags)

    @property
    def why(self) -> str:
        """What is done to values."""
        parts = (f"in {self.unit}" * bool(self.unit), "thousands set apart" * bool(self.thousands),
                 "decimal commas" * self.comma, "typographic minus" * self.minus)  # fmt: skip
        return ", ".join(filter(None, parts))

    def number(self, text: str) -> float | None:
        """The number that a text is, None for any other text."""
        text = text[:_LONGEST] if self.unit or self.thousands else text
        found = self._compiled.fullmatch(text)
        if found is None or (not self.minus and found[1][0] in _MINUS):
            return None
        digits = found[1].translate({ord(one): None for one in self.thousands})
        return float(re.sub(f"^[{_MINUS}]", "-", digits.replace(",", ".")))

    def sql(self, column: str) -> str:
        """Spark SQL whose cast to double is the number; null or no number for other texts."""
        found = _cut(column) if self.unit or self.thousands else column
        if self.unit:
            # With blanks of all scripts, as in Python.
            behind = literal(rf"(?iU)\s*{re.escape(self.unit)}\.?\s*$")
            bare = f"regexp_replace({found}, {behind}, '')"
            # Without a unit a number may be in another one.
            found = f"nullif({bare}, {found})" if self.unit in ("%", *UNITS) else bare
        if self.thousands:
            # What has other groups than three digits would become another number.
            shape = literal(rf"^\s*{self.pattern}\s*$")
            found = f"translate(if({found} rlike {shape}, {found}, null), {literal(self.thousands)}, '')"
        if self.comma or self.minus:
            signs = "," * self.comma + _MINUS * self.minus
            found = f"translate({found}, '{signs}', '{'.' * self.comma}{'-' * (len(signs) - self.comma)}')"
        return found


@dataclass(frozen=True)
class Clock:
    """Durations of several parts."""

    # A pattern whose groups count so many milliseconds each, and what is added; the first that fits.
    forms: tuple[tuple[str, tuple[float, ...], float], ...]
    why: str
    asks: bool = False  # Whether it is another reading than the usual one of such texts.

    def number(self, text: str) -> float | None:
        """Milliseconds of a text, None for any other text."""
        for pattern, weights, plus in self.forms:
            if found := re.search(pattern, text[:_LONGEST]):
                pairs = zip(found.groups(), weights, strict=True)
                return plus + sum(float((part or "0").replace(",", ".")) * w for part, w in pairs)
        return None

    def sql(self, column: str) -> str:
        """Spark SQL for the milliseconds; null for other texts."""
        text, cases = _cut(column), []
        for pattern, weights, plus in self.forms:
            parts = [
                f"coalesce(try_cast(replace(regexp_extract({text}, {literal(pattern)}, {i}), ',', '.') as double), 0)"
                f" * {weight:.0f}"
                for i, weight in enumerate(weights, start=1)
            ]
            parts += [f"{plus:.0f}"] * bool(plus)
            cases.append(f"when {text} rlike {literal(pattern)} then {' + '.join(parts)}")
        return f"case {' '.join(cases)} end"


@dataclass(frozen=True)
class Words:
    """Words that stand for numbers."""

    table: Mapping[str, int]  # By the word as `steps` leave it.
    why: str
    steps: tuple[tuple[str, str], ...] = ()  # What is replaced first.
    fold: bool = True  # Whether case does not count.
    asks: bool = False

    def number(self, text: str) -> float | None:
        """What a word stands for, None for any other."""
        text = text[:_LONGEST].strip() if self.steps else text.strip()
        text = text.lower() if self.fold else text
        for pattern, by in self.steps:
            text = re.sub(pattern, by, text)
        return self.table.get(text)

    def sql(self, column: str) -> str:
        """Spark SQL for the number; null for other texts."""
        pairs = ", ".join(f"'{word}', {number}" for word, number in self.table.items())
        word = f"trim({_cut(column)})" if self.steps else f"trim({column})"
        word = f"lower({word})" if self.fold else word
        for pattern, by in self.steps:
            word = f"regexp_replace({word}, {literal(pattern)}, '{by}')"
        return f"element_at(map({pairs}), {word})"


@dataclass(frozen=True)
class MinorKeys:
    """Modes that keys name, such as Am or 8A: 1 for a known key that is not minor."""

    keys: Words
    why: str = "named by the key"
    asks: bool = False
    minor: str = r"((?i:minor|min|moll|mineur|menor|minore)|[^M]m|\d\s*[Am])\s*$"

    def number(self, text: str) -> float | None:
        """1 for major, 0 for minor, None for what is no key."""
        known = self.keys.number(text) is not None
        return float(re.search(self.minor, text[:_LONGEST]) is None) if known else None

    def sql(self, column: str) -> str:
        """Spark SQL for the mode; null for what is no key."""
        minor = f"{_cut(column)} rlike {literal(f'(?:{self.minor})')}"
        return f"case when {self.keys.sql(column)} is not null then if({minor}, 0, 1) end"


def _cut(column: str) -> str:
    return f"left({column}, {_LONGEST})"


PLAIN = Number()
_SECONDS = r"([0-5]?\d(?:[.,]\d+)?)"
_FROM_HOURS = r":([0-5]\d):00(?:[.,]0+)?\s*"
CLOCKS = (
    Clock(((rf"^\s*(?:0 days?,? )?(?:(\d+):)?(\d+):{_SECONDS}\s*$", (HOUR, MINUTE, SECOND), 0),),
          "hours, minutes and seconds"),
    Clock(((rf"(?i)^\s*12{_FROM_HOURS}AM\s*$", (SECOND,), 0),
           (rf"(?i)^\s*12{_FROM_HOURS}PM\s*$", (SECOND,), 12 * MINUTE),
           (rf"(?i)^\s*0*(\d+){_FROM_HOURS}PM\s*$", (MINUTE, SECOND), 12 * MINUTE),
           (rf"(?i)^\s*0*(\d+){_FROM_HOURS}(?:AM)?\s*$", (MINUTE, SECOND), 0)),
          "minutes and seconds that a spreadsheet took for hours and minutes", asks=True),
    Clock(((r"^\s*(\d+)\s*['′’]\s*([0-5]?\d)\s*(?:''|[\x22″”])?\s*$", (MINUTE, SECOND), 0),),
          "minutes and seconds"),
    Clock(((r"(?i)^\s*(?:PT)?(?=\s*\d)(?:\s*(\d+) *h[a-z]*)?(?:[\s,]*(\d+) *m(?:in[a-z]*)?\.?)?"
            r"(?:[\s,]*(\d+(?:\.\d+)?) *s[a-z]*\.?)?\s*$", (HOUR, MINUTE, SECOND), 0),),
          "hours, minutes and seconds"),
)  # fmt: skip
# 3.25 may be 3 minutes and 25 seconds, if no value says otherwise; 3.5 as well 3:50, as a number is stored,
# and 3:05, where nobody wrote the zero.
DOTTED = (
    Clock(((r"^\s*(\d{1,2})[.,]([0-5])(\d?)\s*$", (MINUTE, 10 * SECOND, SECOND), 0),),
          "minutes and seconds", asks=True),
    Clock(((r"^\s*(\d{1,2})[.,]([1-5]\d|\d)\s*$", (MINUTE, SECOND), 0),),
          "minutes and seconds without zeros before", asks=True),
)  # fmt: skip


_NOTES = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SOLFEGE = {"do": 0, "re": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "si": 11, "ti": 11}
_GERMAN = {"c": 0, "cis": 1, "des": 1, "d": 2, "dis": 3, "es": 3, "e": 4, "f": 5, "fis": 6, "ges": 6,
           "g": 7, "gis": 8, "as": 8, "a": 9, "ais": 10, "b": 10, "h": 11}  # fmt: skip
# How a text becomes a note: signs and words of accidentals, then what follows the note.
_STEPS = (
    (r"\s+|-", ""),
    (r"♯|sharp", "#"),
    (r"♭|flat", "b"),
    (r"[/(].*$", ""),
    (r"(major|maj|majeur|mayor|maggiore|minor|min|mineur|menor|minore|dur|moll|m)$", ""),
)


def _with_accidentals(notes: dict[str, int]) -> dict[str, int]:
    signs = {"": 0, "#": 1, "b": -1}
    return {f"{n}{s}": (i + step) % 12 for n, i in notes.items() for s, step in signs.items()}


def _wheel(c_major: int, major: str, minor: str) -> dict[str, int]:
    """A wheel of fifths, on which the number of C major is given."""
    places = {n: 7 * (n - c_major) % 12 for n in range(1, 13)}
    majors = {f"{n}{major}": note for n, note in places.items()}
    return majors | {f"{n}{minor}": (note + 9) % 12 for n, note in places.items()}


_WHEEL = ((r"\s+", ""), (r"^0", ""))
KEYS = (
    Words(_with_accidentals(_NOTES), "notes", _STEPS),
    Words(_GERMAN, "notes, German", _STEPS),
    Words(_with_accidentals(_SOLFEGE), "notes, solfège", _STEPS),
    Words(_wheel(8, "b", "a"), "Camelot wheel", _WHEEL),
    Words(_wheel(1, "d", "m"), "Open Key wheel", _WHEEL),
)
_WHOLE = ((r"\.0+$", ""),)
MODES = (
    Words(
        {
            **dict.fromkeys(("major", "maj", "dur", "majeur", "mayor", "maggiore"), 1),
            **dict.fromkeys(("minor", "min", "moll", "mineur", "menor", "minore"), 0),
        },
        "words",
        ((r"\.$", ""),),
    ),
    Words({"M": 1, "m": 0}, "letters", fold=False),
    Words({"true": 1, "false": 0}, "truth values"),
    Words({"1": 1, "-1": 0}, "minor is -1", _WHOLE, asks=True),
    Words({"1": 1, "2": 0}, "minor is 2", _WHOLE, asks=True),
)


@dataclass(frozen=True)
class Year:
    """Years, alone or in dates."""

    pattern: str  # With one group: the year.
    template: str  # SQL for the year of ``{0}``.
    why: str = "of a date"
    asks: bool = False

    def number(self, text: str) -> float | None:
        """The year, None for what is no date."""
        found = re.search(self.pattern, text[:_LONGEST])
        return float(found[1]) if found else None

    def sql(self, column: str) -> str:
        """Spark SQL for the year."""
        return self.template.format(column)


Form = Number | Clock | Words | MinorKeys | Year

_A_YEAR = r"((?:1[89]|2[01])\d\d)"
DATES = (
    Year(rf"^\s*{_A_YEAR}(?:$|\D|\d{{4}}\s*$)", "cast(substring({0}, 1, 4) as int)"),
    Year(rf"(?:[./-]|[^\W\d]\S{{0,12}} |\d, ){_A_YEAR}\s*$", "cast(right(trim({0}), 4) as int)"),
)
_BEHIND = re.compile(r"[\d.,]\s*(%|[^\W\d_][^\W\d_./]*)\.?\s*$")
_GROUPS = re.compile(rf"^[-+{_MINUS}]?\d{{1,3}}([.,{_BLANKS}])\d{{2,3}}")
# Of what is written behind numbers, so many are tried.
_MOST_UNITS = 3


def numbers_of(texts: Mapping[str, int]) -> list[Number]:
    """The forms of numbers that texts, here with their rows, could be in, the plainest first."""
    units: Counter[str] = Counter()
    marks = set()
    for text, n in texts.items():
        text = text[:_LONGEST]
        if found := _BEHIND.search(text):
            units[found[1].lower()] += n
        if found := _GROUPS.search(text.strip()):
            # Blanks of several widths look alike.
            marks.add(_BLANKS if found[1] in _BLANKS else found[1])
    commas = (False, True) if any("," in text for text in texts) else (False,)
    minus = any(text.lstrip()[:1] in [*_MINUS] for text in texts)
    named = ["", *(unit for unit, _ in units.most_common(_MOST_UNITS) if unit != "e")]
    return [
        Number(unit, mark, comma, minus)
        for unit in named
        for mark in ("", *sorted(marks))
        for comma in commas
        if not (mark == "," and comma) and not (mark == "." and not comma and len(commas) > 1)
    ]


SHARES = tuple(n for n in FEATURE_NAMES if feature(n).high == 1 and not feature(n).integer)


@dataclass(frozen=True)
class Scale:
    """What numbers are multiplied by and what is added, to undo a change that people make."""

    factor: float = 1
    plus: float = 0
    why: str = ""  # The change.
    asks: bool = False  # Whether a plainer reading would be possible too.
    # Whether it makes sense for some values.
    if_true: Callable[[np.ndarray], bool] = lambda values: True
    cycle: int = 0  # Of codes: how many there are, where they begin anew.

    def sql(self, numbers: str) -> str:
        """SQL for the scaled numbers."""
        if self.factor == -1:
            bare = numbers if numbers.isidentifier() else f"({numbers})"
            return f"{self.plus:g} - {bare}" if self.plus else f"-{bare}"
        if self.factor != 1:
            by = self.factor if self.factor > 1 else 1 / self.factor
            numbers = f"{numbers} {'*' if self.factor > 1 else '/'} {by:.0f}"
        if self.plus:
            numbers = f"{numbers} {'-' if self.plus < 0 else '+'} {abs(self.plus):g}"
        return f"({numbers}) % {self.cycle}" if self.cycle else numbers


def _exceeds_1(values: np.ndarray) -> bool:
    return bool(np.quantile(values, _SELDOM) > _LITTLE)


def _is_out_of(most: int, least: int = 0) -> Callable[[np.ndarray], bool]:
    return lambda values: _exceeds_1(values) and least < values.max() <= most


AS_IS = Scale()
# Proportions that some program made exceed 1 by a little, or seldom; percentages do not.
_SELDOM, _LITTLE = 0.99, 1.5
_OF_SHARES = (
    AS_IS,
    Scale(0.01, 0, "percent", if_true=_exceeds_1),
    Scale(0.1, 0, "out of 10", if_true=_is_out_of(10, 5)),
    Scale(0.2, 0, "out of 5", True, _is_out_of(5)),
    Scale(1e-3, 0, "out of 1000", True, lambda values: values.max() > 100),
)
# Of each feature, the likelier ones first; of others the values as they are.
SCALES = {
    **dict.fromkeys(SHARES, _OF_SHARES),
    "loudness": (
        AS_IS,
        Scale(-1, 0, "the sign is missing", True, lambda values: values.min() >= 0),
    ),
    "key": (
        Scale(1, -1, "counted from 1", True, lambda values: set(values) - {-1} >= {1, 12} and 0 not in values),
        AS_IS,
    ),
    "duration_ms": (
        AS_IS,
        Scale(SECOND, 0, "seconds"),
        Scale(MINUTE, 0, "minutes"),
        Scale(1e-3, 0, "microseconds"),
        Scale(1e-6, 0, "nanoseconds"),
        Scale(DAY, 0, "parts of a day"),
    ),
}  # fmt: skip
# What is not tried, and only named as a cause of what is unlike known tracks.
CAUSES = {
    **dict.fromkeys(SHARES, (Scale(100, 0, "divided by 100"),)),
    "loudness": (Scale(1, -60, "60 were added"),),
    "tempo": (Scale(60, 0, "beats per second"),),
    "key": (Scale(1, 9, "counted from A", cycle=12), Scale(7, 0, "counted in fifths", cycle=12)),
    "mode": (Scale(-1, 1, "1 is minor"),),
    "duration_ms": (Scale(1 / 60, 0, "minutes taken for hours"),),
}
