"""Reads numbers and durations in the ways people write them, as Spark SQL."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

_PARTS = re.compile(r"([-+\u2212]?[\d.,'\u2019\u00a0\u202f ]*\d)\s*(%|[A-Za-z][A-Za-z./]*)?")
_GROUPED = re.compile(r"[-+]?\d{1,3}(?:([.,'\u2019\u00a0\u202f ])\d{3})(?:\1\d{3})*(?:[.,]\d+)?")
_BLANKS = "\u00a0\u202f '\u2019"
_MOSTLY = 0.9
# Milliseconds of a unit, by what people write behind a number.
_UNITS = {
    **dict.fromkeys(("ms", "msec", "msecs", "millis", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000),
}
_CLOCK = r"^\s*(?:0 days?,? )?((?:\d+:)?\d+:[0-5]?\d(?:[.,]\d+)?)\s*$"
_WORDS = (
    r"(?i)^\s*(?:PT)?(?=\s*\d)(?:\s*\d+ *h[a-z]*)?(?:[\s,]*\d+ *m(?:in[a-z]*)?\.?)?"
    r"(?:[\s,]*\d+(?:\.\d+)? *s[a-z]*\.?)?\s*$"
)
_QUOTES = r"^\s*(\d+)\s*['′’]\s*([0-5]?\d)\s*(?:''|[\x22″”])?\s*$"


@dataclass(frozen=True)
class Written:
    """Numbers as they are written in a column.

    Attributes
    ----------
    sql : str
        Expression whose cast to double is the number.
    values : tuple of float
        Of the samples.
    understood : float
        Share of the samples that are such numbers, in [0, 1].
    why : tuple of str
        What was done to them.
    unit : str
        In lower case; empty where none is written.
    """

    sql: str
    values: tuple[float, ...]
    understood: float
    why: tuple[str, ...] = ()
    unit: str = ""

    @property
    def median(self) -> float | None:
        """Of the values."""
        return median(self.values) if self.values else None


def understand(samples: Sequence[str], sql: str, grouped: bool = False) -> Written:
    """How numbers are written: their unit, decimal commas, thousands set apart.

    Parameters
    ----------
    samples : sequence of str
    sql : str
        The column.
    grouped : bool
        Whether a single comma or point before three digits can set thousands apart; it is taken for
        decimals otherwise.
    """
    texts, found = list(samples), Written(sql, (), 0.0)
    if unit := _unit(texts):
        texts = [re.sub(rf"(?i)\s*{re.escape(unit)}\.?\s*$", "", text) for text in texts]
        done = f"regexp_replace({sql}, r'(?i)\\s*{re.escape(unit)}\\.?\\s*$', '')"
        found = replace(found, sql=done, unit=unit, why=(f"in {unit}",))
    if mark := _thousands(texts, grouped):
        # Blanks of several widths look alike.
        marks = _BLANKS if mark in _BLANKS else mark
        texts = [re.sub(f"[{re.escape(marks)}]", "", text) for text in texts]
        done = f'translate({found.sql}, "{marks}", "")'
        found = replace(found, sql=done, why=(*found.why, "thousands set apart"))
    if any("," in text or "\u2212" in text for text in texts):
        texts = [text.replace(",", ".").replace("\u2212", "-") for text in texts]
        why = "decimal commas" if mark != "," else "signs"
        found = replace(
            found, sql=f"translate({found.sql}, ',\u2212', '.-')", why=(*found.why, why)
        )
    values = tuple(value for text in texts if (value := _float(text)) is not None)
    return replace(found, values=values, understood=len(values) / max(1, len(samples)))


def duration(samples: Sequence[str], sql: str) -> tuple[str, str] | None:
    """Expression for milliseconds where durations are not plain numbers; null for what is none.

    Parameters
    ----------
    samples : sequence of str
        Such as ``3:25``, ``1:02:03``, ``0 days 00:03:25``, ``3m 25s``, ``PT3M25S``, ``3'25"``.
    sql : str
        The column.
    """
    if _mostly(samples, _CLOCK):
        clock = f"regexp_extract({sql}, r'{_CLOCK}', 1)"
        parts = f"transform(split(replace({clock}, ',', '.'), ':'), p -> try_cast(p as double))"
        summed = f"aggregate({parts}, 0D, (sum, p) -> sum * 60 + p) * 1000"
        return summed, "hours, minutes and seconds" if _hours(samples) else "minutes and seconds"
    if _mostly(samples, _QUOTES):
        minutes, seconds = (
            f'try_cast(regexp_extract({sql}, r"{_QUOTES}", {i}) as double)' for i in (1, 2)
        )
        return f"{minutes} * 60000 + {seconds} * 1000", "minutes and seconds"
    if _mostly(samples, _WORDS) and any(re.search(r"(?i)\d *[hm]", text) for text in samples):
        parts = " + ".join(
            f"coalesce(try_cast(regexp_extract({sql}, r'(?i)([0-9.]+) *{letter}', 1) as double), 0)"
            f" * {ms}"
            for letter, ms in (("h", 3_600_000), ("m", 60_000), ("s", 1000))
        )
        return f"case when {sql} rlike r'{_WORDS}' then {parts} end", "hours, minutes and seconds"
    return None


def milliseconds(unit: str) -> int | None:
    """Of one unit of time, None where it is none."""
    return _UNITS.get(unit.lower())


def _mostly(samples: Sequence[str], pattern: str) -> bool:
    return sum(bool(re.search(pattern, one)) for one in samples) >= _MOSTLY * max(1, len(samples))


def _hours(samples: Sequence[str]) -> bool:
    return any(text.count(":") > 1 for text in samples)


def _unit(texts: Sequence[str]) -> str:
    """The unit behind most of the numbers; empty where there is none, or there are several."""
    parts = [_PARTS.fullmatch(text.strip()) for text in texts]
    units = Counter(part[2].lower().rstrip(".") for part in parts if part and part[2])
    if not units:
        return ""
    unit, n = units.most_common(1)[0]
    return unit if n >= _MOSTLY * len(texts) and unit != "e" else ""


def _thousands(texts: Sequence[str], grouped: bool) -> str:
    """The character that sets thousands apart; empty where none does."""
    found = [match for text in texts if (match := _GROUPED.fullmatch(text.strip()))]
    marks = Counter(match[1] for match in found)
    if not marks:
        return ""
    mark = marks.most_common(1)[0][0]
    if mark in _BLANKS:
        return mark
    repeated = any(text.count(mark) > 1 for text in texts)
    other = "," if mark == "." else "."
    both = any(mark in text and other in text.rpartition(mark)[2] for text in texts)
    small = any(len(text.strip()) > 3 and mark not in text for text in texts)
    return mark if repeated or both or (grouped and not small and _large(found)) else ""


def _large(found: Sequence[re.Match[str]]) -> bool:
    """Whether numbers before the mark are no minutes: then it is in milliseconds."""
    return median(float(re.split(r"[^\d]", one[0].lstrip("+-"))[0]) for one in found) >= 20


def _float(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
