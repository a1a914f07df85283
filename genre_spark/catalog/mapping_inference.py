"""Guesses how an unknown table's columns map to genre-spark's, from their names and their values.

Columns that a name could mean are tried in turn. A candidate for reading one is a form (`forms`) and a
scale. Each is applied to the column's values; how many it understands, and whether the outcome is like
tracks of known tables, decides between them.
"""

import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from genre_spark.catalog import escapes, forms, known_tables, names
from genre_spark.catalog.columns import are_possible, means_nothing
from genre_spark.catalog.forms import PLAIN, UNITS, Form, Number
from genre_spark.catalog.inspection_results import (
    DATES,
    MOSTLY,
    NESTED,
    NO_NUMBERS,
    Column,
    Reading,
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
    feature,
)

YEAR = "year"
# Different values that candidates are tried on.
_TRIED = 2000
# Share of the values that a reading has to understand, also of those that the best one does; and share
# that differ between it and a rival.
_LEAST, _AS_MANY, _DIFFERENT = 0.5, 0.8, 0.02
# Share of the rows with texts of a wrong encoding from which on that is asked.
_MISREAD = 0.005
# Tracks per album beyond which a column has kinds of albums, such as "single", and no names.
_LARGEST_ALBUMS = 100
_DATE = re.compile(r"\s*(\d{4}([-/.]\d{1,2}){1,2}([T ].*)?|\d{1,2}([-/.])\d{1,2}\4\d{2,4})\s*$")
# What names have behind them and is no name: types, as of numbers that MongoDB wrote ({"$numberInt": "5"}), of
# values of Firestore and DynamoDB and of Neo4j's headers; what pandas adds to the columns of merged tables.
_TYPED = re.compile(
    r"\.\$\w+$|_[xy]$|[.:](?:[NS]|string|text|varchar|float|double|int|integer|long|value)(?:Value)?$"
)
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

# The expression of a column that is left out although the table has one of its name.
NOT_READ = "null"

# What people call such columns, the likeliest first; without case, spaces and signs.
_NAMES = {
    TRACK_ID: "trackid spotifytrackid spotifyid songid id trackuri spotifyuri uri trackurl spotifyurl url isrc externalidsisrc"
    " recordingmbid mbid",
    ARTIST: "artist artistname trackartist artists artistsname artistnames primaryartist mainartist"
    " artistsnames artistsartistname performer band artistid artistids",
    # Names of albums repeat ("Greatest Hits"), their ids do not.
    ALBUM: "albumid trackalbumid albumuri album albumname trackalbumname release",
    TITLE: "title trackname songname tracktitle songtitle name song track",
    GENRE: "genre trackgenre maingenre primarygenre topgenre genretop playlistgenre musicgenre"
    " genrename genres artistgenres style category class",
    # Of features without the words of `_FILLERS`.
    "danceability": "danceability dance danceable dnce",
    "energy": "energy nrgy",
    "key": "key pitchclass musicalkey initialkey camelot camelotkey",
    "loudness": "loudness loudnessdb loud louddb db volume",
    "mode": "mode modality",
    "speechiness": "speechiness speech spch",
    "acousticness": "acousticness acoustic acous",
    "instrumentalness": "instrumentalness instrumental",
    "liveness": "liveness live",
    "valence": "valence val positivity happiness happy",
    "tempo": "tempo bpm tempobpm beatsperminute beatsperminutebpm",
    # Without the words of units, which are read too.
    "duration_ms": "duration dur length lengthduration runtime playtime time",
    YEAR: "year releaseyear yearreleased albumyear releasedate albumreleasedate datereleased date release",
}
_FILLERS = {"audio", "feature", "features", "in", "mean", "pct", "percent", "percentage"}
_FILLERS |= {"score", "song", "spotify", "track", "value"}
# Structs in which answers of Spotify hold their facts of a track.
_NESTING = {"track", "item", "items", "song"}

# Of these the first has hardly more different values than the second, whatever the catalogue: in a sample up to
# this part of those, and these. An album may have many, since a track is on several.
_FEWER = ((GENRE, ARTIST), (ARTIST, TITLE))
_AS_MANY_NAMES, _FEW_NAMES = 1.1, 20

# Names that a list of tracks must have at least, and columns of a table whose names share words.
_FEWEST = 3
# An id with fewer distinct values, beside the most distinct of the others, is passed over.
_AS_DISTINCT = 0.8


def guess(columns: Sequence[Column]) -> dict[str, Reading]:
    """How each of genre-spark's columns could be read; only those for which there is something."""
    found: dict[str, Reading] = {}
    by_name = {column.name: column for column in columns}
    for name in _NAMES:
        candidates = _called(columns, name)
        if name == TRACK_ID:  # row numbers and ids that repeat last
            real = [one for one in candidates if not one.is_row_number]
            least = _AS_DISTINCT * max((one.distinct or 0.0 for one in real), default=0.0)
            good = [one for one in real if one.distinct is None or one.distinct >= least]
            candidates.sort(key=lambda one: one not in good)
        if readings := [*filter(None, (read_as(name, one) for one in candidates))]:
            found[name] = _asked_if_gaps(readings, by_name)
    for name, other in (("mode", "key"), (ARTISTS, ARTIST)):
        column = by_name.get(found[other].source) if other in found else None
        if column and name not in found and (also := read_as(name, column)):
            found[name] = also
    return _asked_if_exchanged(found, by_name) | _left_out(columns, found)


def _asked_if_gaps(readings: Sequence[Reading], by_name: Mapping[str, Column]) -> Reading:
    """The first reading; where its column has gaps, with a question about the fullest of the others."""
    first, *others = readings
    if first.question or not others or (filled := by_name[first.source].filled) >= MOSTLY:
        return first
    other = max(others, key=lambda one: by_name[one.source].filled)
    if (also := by_name[other.source].filled) < 1 - MOSTLY:
        return first
    question = (
        f"{first.name}: {first.source} is read, filled in {filled:.0%} of the rows; is it {other.source},"
        f" filled in {also:.0%}?"
    )
    return replace(first, question=question, rival=other.expression)


def _asked_if_exchanged(
    found: dict[str, Reading], by_name: Mapping[str, Column]
) -> dict[str, Reading]:
    """The readings, with a question where one has more different values than it can have."""
    n_of = {name: len(by_name[one.source].values) for name, one in found.items() if one.source}
    for name, other in _FEWER:
        n, most = n_of.get(name, 0), n_of.get(other, 0)
        if most and n > _AS_MANY_NAMES * most + _FEW_NAMES:
            question = (
                f"{name}: {found[name].source} has {n:,} different values and {found[other].source}, which is read"
                f" as {other}, {most:,}: are the two exchanged?"
            )
            # Before another question, which such values may well raise.
            found[name] = replace(
                found[name], question=f"{question} {found[name].question}".strip()
            )
    return found


def meanings(column: Column) -> list[str]:
    """The columns of genre-spark's that a column could be taken for by its name."""
    return [to for to in _NAMES if _names(column, to).intersection(_NAMES[to].split())]


def with_shared_words(columns: Sequence[Column]) -> list[Column]:
    """The columns, which know the words that most names have, as of a table or a struct around all."""
    counted = Counter(word for one in columns for word in {*words(one.name)})
    most = {word for word, n in counted.items() if 2 * n > len(columns) > _FEWEST}
    shared = frozenset(word for word in most if not meanings(Column(word, "", 0.0)))
    return [replace(one, shared=shared) for one in columns]


def list_of_tracks(columns: Sequence[Column]) -> str | None:
    """The list in which a row holds many tracks, as in answers of an API; None where rows are tracks."""
    meant: Counter[str] = Counter()
    for one in columns:
        own = replace(one, name=one.name.removeprefix(f"{one.listed}."))
        meant[one.listed] += bool(meanings(own))
    n_of_rows = meant.pop("", 0)
    best = max(meant, key=lambda listed: meant[listed], default=None)
    return best if best and meant[best] >= max(_FEWEST, n_of_rows + 1) else None


def _called(columns: Iterable[Column], name: str) -> list[Column]:
    """Columns that have one of the names of one of genre-spark's, the likeliest first."""
    outer_first = sorted(columns, key=lambda one: one.name.count("."))
    named = [(column, _names(column, name)) for column in outer_first]
    return [column for one in _NAMES[name].split() for column, own in named if one in own]


def _names(column: Column, name: str) -> set[str]:
    """What a column is called: whole, without fillers, and within its struct; as one of genre-spark's."""
    fillers = _NESTING if name in TEXT_COLUMNS else _FILLERS
    fillers = fillers | set(UNITS) if name == "duration_ms" else fillers
    own = words(bare := _TYPED.sub("", column.name))
    last = words(bare.rpartition(".")[2])
    found = {"".join(own)}
    # A column `track_name` is a title, and `track.album.name` an album.
    if name not in TEXT_COLUMNS or "." in bare or column.shared:
        left_out = fillers | column.shared
        found.add("".join(w for w in own if w not in left_out and not w.isdigit()))
    if name in FEATURE_NAMES:  # `album.name` is no title, but `tone.key` a key
        found.add("".join(word for word in last if word not in fillers))
    elif len(last) > 1:
        found.add("".join(last))
    return found


def _left_out(columns: Sequence[Column], found: Mapping[str, Reading]) -> dict[str, Reading]:
    """Columns that have the name of one of genre-spark's, but nothing that it could read.

    Otherwise a mapping that does not name them would take them as they are, or nobody would see why.
    """
    filled = [one for one in columns if one.filled]
    # A struct by its first field.
    own = {one.name.split(".")[0].lower(): one for one in reversed(filled)}
    left_out = {}
    for name in (*TEXT_COLUMNS, ARTISTS, *FEATURE_NAMES):
        called = _called(filled, name) if name in FEATURE_NAMES else []
        column = own.get(name) or next(iter(called), None)
        lists_names = column and column.kind.startswith(("string", "array<string"))
        if column is None or name in found or (name == ARTISTS and lists_names):
            continue
        odd = next((one for one in column.values if not means_nothing(one, name)), "")
        why = f"the table's {column.name} is not understood: {odd[:40]!r}"
        left_out[name] = Reading(name, NOT_READ, "", why)
    return left_out


def made_ids(found: Mapping[str, Reading]) -> list[str]:
    """SQL for ids where no column is one: of names, with ever more that tells tracks apart.

    Without artist or title that ends with all features.
    """
    told = [name for name in (ARTIST, TITLE, ALBUM, "duration_ms", YEAR) if name in found]
    lengths = {*range(2, len(told) + 1)}
    if not names_tracks(found):
        told += [name for name in FEATURE_NAMES if name in found and name not in told]
        lengths |= {len(told)} - {0, 1}
    parts = [found[name].expression for name in told]
    return [f"md5(concat_ws('|', {', '.join(parts[:n])}))" for n in sorted(lengths)]


def names_tracks(found: Mapping[str, Reading]) -> bool:
    """Whether artist and title are read."""
    return {ARTIST, TITLE} <= set(found)


def words(name: str) -> list[str]:
    """Words of a column's name, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def read_as(name: str, column: Column) -> Reading | None:
    """A column as the one of that name; None where its values cannot be that."""
    if not column.filled:
        return None
    plain, why = escapes.taken_out(name, column)
    found = _text(name, plain) if name in (*TEXT_COLUMNS, ARTISTS) else _feature(name, plain)
    return found and replace(found, why=", ".join(filter(None, (why, found.why))))


def _text(name: str, column: Column) -> Reading | None:
    if name == ARTISTS:
        first, sql = names.understand(ARTIST, column) or (None, "")
        return Reading(name, sql, column.name, "all of the list") if first and first.why else None
    if name in (ARTIST, GENRE) and (found := names.understand(name, column)):
        return found[0]
    # A date or a year is no name, whatever its column is called; an id such as 1999.0 is none.
    dates = 0 if name == TRACK_ID else column.share(_is_date)
    if column.kind.startswith((*NESTED, *DATES)) or dates >= MOSTLY:
        return None
    if name == ALBUM and sum(column.values.values()) > _LARGEST_ALBUMS * len(column.values):
        return None
    question = ""
    if name != TRACK_ID and column.share(_reread) > _MISREAD:
        odd = next(filter(_reread, column.values))
        question = (
            f"{name}: {odd!r} may be {_reread(odd)!r}, which somebody read in another encoding than"
            " UTF-8, as may others: make the table anew"
        )
    return Reading(name, column.sql, column.name, "", question)


def _reread(text: str) -> str:
    """A text that was UTF-8 and was read as windows-1252, as it was, or lost letters to ASCII; empty for others."""
    if re.search(r"[^\W\d_]\?[^\W\d_]", text):
        return text.replace("?", "…")
    try:
        return "" if text.isascii() else text.encode("cp1252").decode()
    except UnicodeError:
        return ""


def _is_date(text: str) -> bool:
    return bool(_DATE.match(text)) or any(one.number(text) for one in forms.DATES)


_FORMS: dict[str, tuple[Form, ...]] = {
    "key": forms.KEYS,
    "mode": (*forms.MODES, *map(forms.MinorKeys, forms.KEYS)),
    "duration_ms": forms.CLOCKS,
    YEAR: forms.DATES,
}


@dataclass(frozen=True)
class _Candidate:
    """A form and a scale, with what they make of a column's values."""

    form: Form
    scale: forms.Scale
    # float array of shape (n,): NaN for a value that is not understood, or not possible.
    outcome: np.ndarray
    understood: float  # Share of the rows, in [0, 1].
    alike: bool  # Whether the outcome is like tracks, as far as few values tell.
    doubt: str  # Why it is unlike them.
    by_name: bool  # Whether the column's name states this unit.

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

    def differs(self, other: "_Candidate") -> np.ndarray:
        """Which values become others by another candidate."""
        return ~np.isclose(other.outcome, self.outcome, equal_nan=True)


def _feature(name: str, column: Column) -> Reading | None:
    if name == YEAR and column.kind.startswith(DATES):
        return Reading(name, f"year({column.sql})", column.name, "of a date")
    if column.kind.startswith(NO_NUMBERS):
        return None
    given = {text: n for text, n in column.values.items() if not means_nothing(text, "")}
    # As many as are tried, whatever their order.
    texts = dict(sorted(given.items(), key=lambda one: zlib.crc32(one[0].encode()))[:_TRIED])
    weights = np.array(list(texts.values()), np.int64)
    tried = [*_candidates(name, column, texts, weights)]
    most = max((one.understood for one in tried), default=0.0)
    candidates = [one for one in tried if one.understood >= max(_LEAST, _AS_MANY * most)]
    if not candidates:
        return None
    best = max(candidates, key=lambda one: one.rank)
    # As good as the best, or plainer, with another outcome.
    rivals = [
        one
        for one in candidates
        if not best.by_name
        and ((best.asks and not one.asks) or one.rank >= best.rank)
        and weights[best.differs(one)].sum() > _DIFFERENT * weights.sum()
    ]
    rival = max(rivals, key=lambda one: one.rank, default=None)
    question = f"{name}: {best.why}; is that so?" if best.asks else ""
    if rival and not question:
        i = int(np.argmax(best.differs(rival)))
        ours, theirs = (f"{one.outcome[i]:.6g} ({one.why or 'as it is'})" for one in (best, rival))
        question = f"{name}: is {list(texts)[i]!r} {ours} or {theirs}?"
    known = known_tables.usual(name)
    if not question and known and best.scale.factor != 1:
        small = (best.outcome > 0) & (best.outcome < known.low)
        share, i = weights[small].sum() / weights.sum(), int(np.argmax(small))
        if share > _DIFFERENT:
            question = (
                f"{name}: {share:.0%} of the values, such as {list(texts)[i]!r}, become as little as"
                f" {best.outcome[i]:.3g} ({best.why}): are they in another unit?"
            )
    sql, other = (one.scale.sql(one.form.sql(column.sql)) if one else "" for one in (best, rival))
    return Reading(name, sql, column.name, best.why, question, other, best.doubt)


def _candidates(
    name: str, column: Column, texts: Mapping[str, int], weights: np.ndarray
) -> Iterator[_Candidate]:
    units = [UNITS[word] for word in words(column.name) if word in UNITS]
    # Milliseconds of the unit that a column of durations has in its name.
    named = units[-1] if name == "duration_ms" and units else None
    own, numbers = _FORMS.get(name, ()), forms.numbers_of(texts)
    if column.kind in _NUMERIC:
        own, numbers = forms.MODES if name == "mode" else (), [PLAIN]
    has_seconds = name == "duration_ms" and any(re.search(r"[.,]\d\d$", text) for text in texts)
    first = forms.DOTTED if has_seconds else ()
    if feature(name).integer:  # of which none has a unit: 8B is a key
        numbers = [one for one in numbers if not one.unit]
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
            possible = are_possible(name, outcome)
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


def _scales(name: str, form: Form) -> tuple[forms.Scale, ...]:
    if not isinstance(form, Number):
        return (forms.AS_IS,)
    if name == "duration_ms" and form.unit in UNITS:
        return (forms.Scale(UNITS[form.unit]),)
    if name in forms.SHARES and form.unit == "%":
        return (forms.Scale(0.01, why="percent"),)
    return forms.SCALES.get(name, (forms.AS_IS,))
