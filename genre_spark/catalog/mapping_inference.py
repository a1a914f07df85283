"""Guesses how a table's columns map to genre-spark's, from their names and what is in them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from genre_spark.catalog import musical_keys
from genre_spark.catalog.column_readings import (
    SHARES,
    YEAR,
    Column,
    Read,
    Reading,
    is_list,
    reader,
    typical,
)
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    ARTISTS,
    FEATURE_NAMES,
    GENRE,
    TEXT_COLUMNS,
    TITLE,
    TRACK_ID,
)

# The expression of a column that is left out although the table has one of its name.
NOT_READ = "null"

# What people call such columns, the likeliest first; without case, spaces and signs.
_TEXT_NAMES = {
    TRACK_ID: "trackid spotifytrackid spotifyid songid id trackuri spotifyuri uri isrc externalidsisrc"
    " recordingmbid mbid",
    ARTIST: "artist artistname trackartist artists artistsname artistnames primaryartist mainartist"
    " artistsnames performer band artistid artistids",
    # Names of albums repeat ("Greatest Hits"), their ids do not.
    ALBUM: "albumid trackalbumid albumuri album albumname trackalbumname release",
    TITLE: "title trackname songname tracktitle songtitle name song track",
    GENRE: "genre trackgenre maingenre primarygenre topgenre genretop playlistgenre musicgenre"
    " genrename genres artistgenres style category",
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
# Structs in which answers of Spotify hold their facts of a track.
_NESTING = {"track", "item", "items", "song"}
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# An id with fewer distinct values, beside the most distinct of the others, is passed over.
_AS_DISTINCT = 0.8


def guess(columns: Sequence[Column]) -> dict[str, Reading]:
    """How each of genre-spark's columns could be read; only those for which there is something."""
    percent = _in_percent(columns)
    found: dict[str, Reading] = {}
    for name, names in (_TEXT_NAMES | _NUMBER_NAMES).items():
        read = reader(name, percent)
        taken = {one.source for one in found.values()}
        candidates = [
            column for column in _called(columns, name, names) if column.name not in taken
        ]
        if name == TRACK_ID:
            candidates = _identifying(candidates)
        readings = filter(None, (_as_reading(name, column, read) for column in candidates))
        if first := next(readings, None):
            found[name] = first
    by_name = {column.name: column for column in columns}
    key = by_name.get(found["key"].source) if "key" in found and "mode" not in found else None
    if key and (mode := musical_keys.mode_of_key(key.samples, key.sql)):
        found["mode"] = Reading("mode", mode[0], key.name, mode[1])
    if ARTIST in found and (artist := by_name.get(found[ARTIST].source)) and is_list(artist):
        found[ARTISTS] = Reading(ARTISTS, artist.sql, artist.name, "all of the list")
    if TRACK_ID not in found and {ARTIST, TITLE} <= set(found):
        found = {TRACK_ID: _made_id(found), **found}
    return found | _left_out(columns, found)


def could_be_read(name: str) -> bool:
    """Whether a column of that name could be taken for one of genre-spark's."""
    column = Column(name, "string", 1.0)
    return any(_called([column], to, names) for to, names in (_TEXT_NAMES | _NUMBER_NAMES).items())


def could_identify(name: str) -> bool:
    """Whether a column of that name could be an id of tracks."""
    return bool(_called([Column(name, "string", 1.0)], TRACK_ID, _TEXT_NAMES[TRACK_ID]))


def _as_reading(name: str, column: Column, read: Read) -> Reading | None:
    found = read(column, column.sql) if column.filled else None
    return found and Reading(name, found[0], column.name, found[1])


def _called(columns: Iterable[Column], name: str, names: str) -> list[Column]:
    """Columns that have one of the names, the likeliest first."""
    fillers = _NESTING if name in TEXT_COLUMNS else _FILLERS
    by_name: dict[str, list[Column]] = {}
    for column in columns:
        words = [word.lower() for word in _WORD.findall(column.name)]
        plain = "".join(words)
        bare = "".join(word for word in words if word not in fillers) or plain
        # A column `track_name` is a title, and `track.album.name` an album.
        if name in TEXT_COLUMNS and "." not in column.name:
            bare = plain
        for one in {plain, bare}:
            by_name.setdefault(one, []).append(column)
    return [column for one in names.split() for column in by_name.get(one, ())]


def _identifying(candidates: list[Column]) -> list[Column]:
    """Those whose values differ between tracks; row numbers and ids that repeat last."""
    real = [column for column in candidates if not column.is_row_number]
    best = max((column.distinct or 0.0 for column in real), default=0.0)
    good = [c for c in real if c.distinct is None or c.distinct >= _AS_DISTINCT * best]
    return [*good, *(column for column in candidates if column not in good)]


def _left_out(columns: Iterable[Column], found: Mapping[str, Reading]) -> dict[str, Reading]:
    """Columns that have the very name of one of genre-spark's, but nothing that it could read.

    Otherwise a mapping that does not name them would take them as they are.
    """
    own = {column.name.lower(): column for column in columns if column.filled}
    missing = [n for n in (*TEXT_COLUMNS, ARTISTS, *FEATURE_NAMES) if n not in found and n in own]
    return {name: _not_read(name, own[name]) for name in missing if _is_unfit(name, own[name])}


def _is_unfit(name: str, column: Column) -> bool:
    return name != ARTISTS or not column.kind.startswith(("string", "array<string"))


def _not_read(name: str, column: Column) -> Reading:
    example = " ".join(next(iter(column.samples), "").split())[:40]
    return Reading(name, NOT_READ, "", f"the table's {name} is not understood: {example!r}")


def _in_percent(columns: Sequence[Column]) -> bool:
    """Whether shares are written as 0 to 100: most of them are then above 1 in most rows."""
    shares = [c for name in SHARES for c in _called(columns, name, _NUMBER_NAMES[name])]
    medians = [typical(column) for column in shares]
    known = [one for one in medians if one is not None]
    return bool(known) and 2 * sum(1 < one <= 100 for one in known) > len(known)


def _made_id(found: Mapping[str, Reading]) -> Reading:
    artist, title = found[ARTIST].expression, found[TITLE].expression
    return Reading(TRACK_ID, f"md5(concat_ws('|', {artist}, {title}))", "", "made of both")
