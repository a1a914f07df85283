"""Guesses how a table's columns map to genre-spark's, from their names and what is in them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from genre_spark.schema import (
    ALBUM,
    ARTIST,
    FEATURE_NAMES,
    GENRE,
    TEXT_COLUMNS,
    TITLE,
    TRACK_ID,
    feature,
)

YEAR = "year"
# What some programs write where there is nothing.
UNKNOWN = ("NA", "N/A")

# What people call such columns, the likeliest first; without case, spaces and signs.
_TEXT_NAMES = {
    TRACK_ID: "trackid spotifytrackid spotifyid songid id trackuri spotifyuri uri isrc recordingmbid"
    " mbid",
    ARTIST: "artist artistname trackartist artists artistsname artistnames primaryartist mainartist"
    " performer band artistid artistids",
    # Names of albums repeat ("Greatest Hits"), their ids do not.
    ALBUM: "albumid trackalbumid albumuri album albumname trackalbumname release",
    TITLE: "title trackname songname tracktitle songtitle name song track",
    GENRE: "genre trackgenre maingenre primarygenre topgenre genretop playlistgenre musicgenre"
    " genrename genres style category",
}
# The same, without the words of `_FILLERS`.
_NUMBER_NAMES = {
    "danceability": "danceability dance danceable dnce",
    "energy": "energy nrgy",
    "key": "key pitchclass",
    "loudness": "loudness loudnessdb db volume",
    "mode": "mode modality",
    "speechiness": "speechiness speech spch",
    "acousticness": "acousticness acoustic acous",
    "instrumentalness": "instrumentalness instrumental",
    "liveness": "liveness live",
    "valence": "valence val positivity happiness",
    "tempo": "tempo bpm tempobpm beatsperminute beatsperminutebpm",
    "duration_ms": "durationms duration dur length lengthms lengthduration durations durationsec"
    " durationsecs durationseconds durationmin durationmins durationminutes",
    YEAR: "year releaseyear yearreleased albumyear releasedate albumreleasedate datereleased date",
}
_FILLERS = {"audio", "feature", "features", "mean", "pct", "percent", "percentage", "score", "song"}
_FILLERS |= {"spotify", "track", "value"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

_SHARES = tuple(n for n in FEATURE_NAMES if feature(n).high == 1 and not feature(n).integer)
_SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
# In whichever quotes and brackets Python printed it.
_PRINTED = re.compile(r"""(?s)^[\[{](["']).*[\]}]$""")
_FIRST_PRINTED = r"""regexp_extract({0}, '(?s)^[\\[{{](["\'])(.*?)\\1(, |[\\]}}]$)', 2)"""
_CLOCK = re.compile(r"\d+:[0-5]?\d$")
_DATE = re.compile(r"(1[89]|2[01])\d\d($|\D)")
_SECOND, _MINUTE = 1000, 60_000


@dataclass(frozen=True)
class Column:
    """What is in a column of the source table.

    Attributes
    ----------
    name : str
    kind : str
        Spark's name of its type.
    filled, numeric : float
        Share of the rows that have a value, and of those with one that is a number, in [0, 1].
    low, median, high : float or None
        Of the numbers.
    samples : tuple of str
        Some values.
    unknown : str or None
        A word of `UNKNOWN` that stands in it.
    """

    name: str
    kind: str
    filled: float
    numeric: float = 0.0
    low: float | None = None
    median: float | None = None
    high: float | None = None
    samples: tuple[str, ...] = ()
    unknown: str | None = None

    def mostly(self, test: Callable[[str], object]) -> bool:
        """Whether nearly all values pass a test."""
        return bool(self.samples) and sum(map(bool, map(test, self.samples))) >= 0.9 * len(
            self.samples
        )


@dataclass(frozen=True)
class Reading:
    """How one of genre-spark's columns is read.

    Attributes
    ----------
    name : str
        Of genre-spark's column.
    expression : str
        Spark SQL over the source's columns.
    source : str
        The column that it was taken for; empty where it is made of others.
    why : str
        What was done to its values; empty where they are taken as they are.
    """

    name: str
    expression: str
    source: str
    why: str = ""


def guess(columns: Sequence[Column]) -> dict[str, Reading]:
    """How each of genre-spark's columns could be read; only those for which there is something."""
    percent = _in_percent(columns)
    found: dict[str, Reading] = {}
    for name, names in (_TEXT_NAMES | _NUMBER_NAMES).items():
        read = _reader(name, percent)
        taken = {one.source for one in found.values()}
        candidates = [
            column for column in _called(columns, name, names) if column.name not in taken
        ]
        readings = filter(None, (_as_reading(name, column, read) for column in candidates))
        if first := next(readings, None):
            found[name] = first
    if TRACK_ID not in found and {ARTIST, TITLE} <= set(found):
        found = {TRACK_ID: _made_id(found), **found}
    return found


def quoted(name: str) -> str:
    """A column's name as SQL has it."""
    return name if re.fullmatch(r"[A-Za-z_][A-Za-z_0-9]*", name) else f"`{name.replace('`', '``')}`"


Read = Callable[[Column, str], tuple[str, str] | None]


def _reader(name: str, percent: bool) -> Read:
    """How a column of that name is read: to an expression and what it does, or to None."""
    if name in TEXT_COLUMNS:
        return _list if name in (ARTIST, GENRE) else _text
    if name in _SHARES and percent:
        return lambda column, sql: (f"{sql} / 100", "percent") if column.numeric >= 0.5 else None
    return {"key": _key, "mode": _mode, "duration_ms": _duration, YEAR: _year}.get(name, _number)


def _as_reading(name: str, column: Column, read: Read) -> Reading | None:
    found = read(column, quoted(column.name)) if column.filled else None
    return found and Reading(name, found[0], column.name, found[1])


def _called(columns: Iterable[Column], name: str, names: str) -> list[Column]:
    """Columns that have one of the names, the likeliest first."""
    fillers = set() if name in TEXT_COLUMNS else _FILLERS
    by_name: dict[str, list[Column]] = {}
    for column in columns:
        words = [word.lower() for word in _WORD.findall(column.name)]
        plain = "".join(words)
        bare = "".join(word for word in words if word not in fillers) or plain
        for one in {plain, bare}:
            by_name.setdefault(one, []).append(column)
    return [column for one in names.split() for column in by_name.get(one, ())]


def _in_percent(columns: Sequence[Column]) -> bool:
    """Whether shares are written as 0 to 100: most of them are then above 1 in most rows."""
    shares = [c for name in _SHARES for c in _called(columns, name, _NUMBER_NAMES[name])]
    known = [column for column in shares if column.median is not None]
    return bool(known) and 2 * sum(1 < c.median <= 100 for c in known) > len(known)


def _made_id(found: Mapping[str, Reading]) -> Reading:
    artist, title = found[ARTIST].expression, found[TITLE].expression
    return Reading(TRACK_ID, f"md5(concat_ws('|', {artist}, {title}))", "", "made of both")


def _text(column: Column, sql: str) -> tuple[str, str] | None:
    if column.kind.startswith(("array", "map", "struct", "binary")):
        return None
    if column.unknown:
        return f"nullif({sql}, '{column.unknown}')", f"{column.unknown} is no name"
    return sql, ""


def _list(column: Column, sql: str) -> tuple[str, str] | None:
    """The first of several."""
    if column.kind == "array<string>":
        return f"{sql}[0]", "the first of a list"
    if column.kind != "string":
        return _text(column, sql)
    if column.mostly(_PRINTED.match):
        return _FIRST_PRINTED.format(sql), "the first of a printed list"
    if any(";" in value for value in column.samples):
        return f"split({sql}, ';')[0]", "the first of those before a semicolon"
    return _text(column, sql)


def _number(column: Column, sql: str) -> tuple[str, str] | None:
    return (sql, "") if column.numeric >= 0.5 else None


def _key(column: Column, sql: str) -> tuple[str, str] | None:
    """Notes, sharp or flat, as pitch classes; what is none of them becomes -1, which no key is."""
    for notes in (_SHARPS, _FLATS):
        if column.mostly(notes.__contains__):
            listed = ", ".join(f"'{note}'" for note in notes)
            return f"array_position(array({listed}), {sql}) - 1", "notes"
    return _number(column, sql)


def _mode(column: Column, sql: str) -> tuple[str, str] | None:
    if column.mostly(lambda value: value.lower() in ("major", "minor")):
        return f"case lower({sql}) when 'major' then 1 when 'minor' then 0 end", "words"
    return _number(column, sql)


def _duration(column: Column, sql: str) -> tuple[str, str] | None:
    """Units are told apart by how long most tracks last."""
    if column.mostly(_CLOCK.match):
        minutes, seconds = (f"split({sql}, ':')[{i}]" for i in (0, 1))
        return f"{minutes} * {_MINUTE} + {seconds} * {_SECOND}", "minutes and seconds"
    if column.numeric < 0.5 or column.median is None:
        return None
    if column.median < 20:
        return f"{sql} * {_MINUTE}", "minutes"
    return (f"{sql} * {_SECOND}", "seconds") if column.median < 10_000 else (sql, "")


def _year(column: Column, sql: str) -> tuple[str, str] | None:
    if column.kind in ("date", "timestamp", "timestamp_ntz"):
        return f"year({sql})", "of a date"
    limits = feature(YEAR)
    if column.numeric == 1 and limits.low <= column.median <= limits.high:
        return sql, ""
    if column.mostly(_DATE.match):
        return f"cast(substring({sql}, 1, 4) as int)", "of a date"
    return None
