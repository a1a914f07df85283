"""Reads musical keys and modes in the ways people write them, as Spark SQL."""

import re
from collections.abc import Sequence

_PLAIN = {"c": 0, "d": 2, "e": 4, "f": 5, "g": 7, "a": 9, "b": 11}
_SOLFEGE = {"do": 0, "re": 2, "mi": 4, "fa": 5, "sol": 7, "la": 9, "si": 11, "ti": 11}
_GERMAN = {"c": 0, "cis": 1, "des": 1, "d": 2, "dis": 3, "es": 3, "e": 4, "f": 5, "fis": 6, "ges": 6,
           "g": 7, "gis": 8, "as": 8, "a": 9, "ais": 10, "b": 10, "h": 11}  # fmt: skip
# How a text becomes a note: signs and words of accidentals, then what follows the note.
_STEPS = (
    (r"\s+|-", ""),
    (r"♯|sharp", "#"),
    (r"♭|flat", "b"),
    (r"/.*$", ""),
    (r"(major|maj|minor|min|dur|moll|m)$", ""),
)
_WHEEL = re.compile(r"(\d{1,2})([abdm])")
_MINOR = r"(minor|min|moll|[^M]m|\d\s*[Am])\s*$"


def pitch_class(samples: Sequence[str], sql: str) -> tuple[str, str] | None:
    """Expression for the pitch class (0 to 11, null for what is no key), and what is written.

    Parameters
    ----------
    samples : sequence of str
        Some values: notes with signs or words (C#, D♭, "F sharp minor"), solfège, German notes, or
        numbers of the Camelot (8B) or Open Key (1d) wheel.
    sql : str
        The column.
    """
    for table, why in _tables(samples):
        if _share(samples, table) >= 0.9:
            pairs = ", ".join(f"'{note}', {number}" for note, number in table.items())
            return f"element_at(map({pairs}), {_normal_sql(sql)})", why
    return None


def mode(samples: Sequence[str], sql: str) -> tuple[str, str] | None:
    """Expression for the mode (1 major, 0 minor, null for what is neither), and what is written.

    Parameters
    ----------
    samples : sequence of str
        Words or letters for the mode alone, or keys that name it (Am, "C major", 8A).
    sql : str
        The column.
    """
    plain = {text.strip() for text in samples}
    words = {text.lower() for text in plain}
    if words <= {"major", "minor", "maj", "min", "dur", "moll"}:
        return (
            f"case when lower(trim({sql})) in ('major', 'maj', 'dur') then 1 {_or_minor(sql)}",
            "words",
        )
    if plain <= {"M", "m"}:
        return f"case trim({sql}) when 'M' then 1 when 'm' then 0 end", "letters"
    if words <= {"true", "false"}:
        return f"case lower(trim({sql})) when 'true' then 1 when 'false' then 0 end", "truth values"
    return None


def mode_of_key(samples: Sequence[str], sql: str) -> tuple[str, str] | None:
    """The mode that keys name, such as Am or 8A; None where they name none."""
    if not any(re.search(_MINOR, text) for text in samples) or not pitch_class(samples, sql):
        return None
    known, _ = pitch_class(samples, sql) or ("", "")
    minor = f"{sql} rlike r'(?:{_MINOR})'"
    return f"case when {known} is not null then if({minor}, 0, 1) end", "named by the key"


def _or_minor(sql: str) -> str:
    return f"when lower(trim({sql})) in ('minor', 'min', 'moll') then 0 end"


def _tables(samples: Sequence[str]) -> list[tuple[dict[str, int], str]]:
    if any(_normal(text) == "h" for text in samples):
        return [(_GERMAN, "notes, German")]
    return [
        (_with_accidentals(_PLAIN), "notes"),
        (_with_accidentals(_SOLFEGE), "notes, solfège"),
        (_wheel(8, "b", "a"), "Camelot wheel"),
        (_wheel(1, "d", ""), "Open Key wheel"),
    ]


def _with_accidentals(notes: dict[str, int]) -> dict[str, int]:
    signs = {"": 0, "#": 1, "b": -1}
    return {f"{n}{s}": (i + step) % 12 for n, i in notes.items() for s, step in signs.items()}


def _wheel(c_major: int, major: str, minor: str) -> dict[str, int]:
    """A wheel of fifths, on which the number of C major is given; an m was taken off before."""
    places = {n: 7 * (n - c_major) % 12 for n in range(1, 13)}
    majors = {f"{n}{major}": note for n, note in places.items()}
    return majors | {f"{n}{minor}": (note + 9) % 12 for n, note in places.items()}


def _normal(text: str) -> str:
    text = text.lower()
    for pattern, by in _STEPS:
        text = re.sub(pattern, by, text)
    return text


def _normal_sql(sql: str) -> str:
    sql = f"lower({sql})"
    for pattern, by in _STEPS:
        sql = f"regexp_replace({sql}, r'{pattern}', '{by}')"
    return sql


def _share(samples: Sequence[str], table: dict[str, int]) -> float:
    return sum(_normal(text) in table for text in samples) / max(1, len(samples))
