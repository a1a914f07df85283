"""Guesses how a table's columns map to genre-spark's, from their names and what is in them."""

import re
from collections.abc import Iterable, Mapping, Sequence

from genre_spark.catalog.column_readings import YEAR, read_as, words
from genre_spark.catalog.columns import means_nothing
from genre_spark.catalog.forms import UNITS
from genre_spark.catalog.inspection_results import Column, Reading
from genre_spark.catalog.names import understand
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
    TRACK_ID: "trackid spotifytrackid spotifyid songid id trackuri spotifyuri uri trackurl spotifyurl url isrc externalidsisrc"
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
    # Without the words of units, which are read too.
    "duration_ms": "duration dur length lengthduration runtime playtime",
    YEAR: "year releaseyear yearreleased albumyear releasedate albumreleasedate datereleased date release",
}
_FILLERS = {"audio", "feature", "features", "mean", "pct", "percent", "percentage", "score", "song"}
_FILLERS |= {"spotify", "track", "value"}
# Structs in which answers of Spotify hold their facts of a track.
_NESTING = {"track", "item", "items", "song"}

# An id with fewer distinct values, beside the most distinct of the others, is passed over.
_AS_DISTINCT = 0.8


def guess(columns: Sequence[Column]) -> dict[str, Reading]:
    """How each of genre-spark's columns could be read; only those for which there is something."""
    found: dict[str, Reading] = {}
    for name, names in (_TEXT_NAMES | _NUMBER_NAMES).items():
        candidates = _called(columns, name, names)
        if name == TRACK_ID:
            candidates = _identifying(candidates)
        if first := next(filter(None, (read_as(name, one) for one in candidates)), None):
            found[name] = first
    by_name = {column.name: column for column in columns}
    key = by_name.get(found["key"].source) if "key" in found and "mode" not in found else None
    if key and (mode := read_as("mode", key)):
        found["mode"] = mode
    if ARTIST in found and (artist := by_name.get(found[ARTIST].source)):
        listed = understand(ARTIST, artist)
        if listed and listed.first == found[ARTIST].expression and listed.why:
            found[ARTISTS] = Reading(ARTISTS, listed.all, artist.name, "all of the list")
    return found | _left_out(columns, found)


def meanings(name: str) -> list[str]:
    """The columns of genre-spark's that a column of that name could be taken for."""
    column = Column(name, "string", 1.0)
    return [
        to for to, names in (_TEXT_NAMES | _NUMBER_NAMES).items() if _called([column], to, names)
    ]


def could_be_read(name: str) -> bool:
    """Whether a column of that name could be taken for one of genre-spark's."""
    return bool(meanings(name))


def _called(columns: Iterable[Column], name: str, names: str) -> list[Column]:
    """Columns that have one of the names, the likeliest first."""
    fillers = _NESTING if name in TEXT_COLUMNS else _FILLERS
    fillers = fillers | set(UNITS) if name == "duration_ms" else fillers
    by_name: dict[str, list[Column]] = {}
    for column in columns:
        # Of a number that MongoDB wrote, {"$numberInt": "5"}, the type is no name; nor is what pandas
        # adds to the columns of two tables that it merges.
        own = words(re.sub(r"\.\$\w+$|_[xy]$", "", column.name))
        plain = "".join(own)
        bare = "".join(w for w in own if w not in fillers and not w.isdigit()) or plain
        # A column `track_name` is a title, and `track.album.name` an album.
        if name in TEXT_COLUMNS and "." not in column.name:
            bare = plain
        last = words(column.name.rpartition(".")[2])
        for one in {plain, bare, "".join(last) if len(last) > 1 else plain}:
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
    # A struct by its first field.
    own = {c.name.split(".")[0].lower(): c for c in reversed(list(columns)) if c.filled}
    left_out = {}
    for name in (*TEXT_COLUMNS, ARTISTS, *FEATURE_NAMES):
        column = own.get(name)
        lists_names = column and column.kind.startswith(("string", "array<string"))
        if column is None or name in found or (name == ARTISTS and lists_names):
            continue
        odd = next((one for one in column.values if not means_nothing(one, name)), "")
        why = f"the table's {name} is not understood: {' '.join(odd.split())[:40]!r}"
        left_out[name] = Reading(name, NOT_READ, "", why)
    return left_out


def made_ids(found: Mapping[str, Reading]) -> list[str]:
    """SQL for ids where no column is one: of artist and title, with ever more that tells tracks apart."""
    if not {ARTIST, TITLE} <= set(found):
        return []
    parts = [found[n].expression for n in (ARTIST, TITLE, ALBUM, "duration_ms", YEAR) if n in found]
    return [f"md5(concat_ws('|', {', '.join(parts[:n])}))" for n in range(2, len(parts) + 1)]
