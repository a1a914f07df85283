"""What `inspect` reports of a table, with notes and the command to type next."""

import shlex

from genre_spark.catalog import value_counts
from genre_spark.catalog.column_readings import Column
from genre_spark.catalog.inspection import Found, LargestArtist
from genre_spark.catalog.inspection_results import (
    InspectedColumn,
    InspectedRows,
    Inspection,
)
from genre_spark.catalog.mapping_inference import NOT_READ
from genre_spark.config import CatalogSettings
from genre_spark.schema import ARTIST, FEATURE_NAMES, GENRE, TRACK_ID

# Fewer describe a track too little.
_FEWEST = 3
_MOST_ROWS = 0.5
# An artist with so many tracks, on so many albums, and so large a share of all, may be none.
_MANY_TRACKS, _MANY_ALBUMS, _LARGE_SHARE = 20, 10, 0.01
_MOST_WORDS = 5


def summary(
    found: Found,
    catalog: str,
    settings: CatalogSettings,
    dataset: str | None,
    draft: str | None,
    fmt: str | None = None,
) -> Inspection:
    """What `inspect` found, for people and machines.

    Parameters
    ----------
    catalog : str
        Path of the table.
    dataset : str or None
        What the user mapped it with.
    draft : str or None
        The dataset file that was written.
    fmt : str or None
        The format that the user named.
    """
    read_as: dict[str, list[str]] = {}
    for one in found.readings.values():
        described = f"{one.name} ({one.why})" if one.why else one.name
        read_as.setdefault(one.source, []).append(described)
    return Inspection(
        catalog=catalog,
        format=found.dataset.format,
        options=dict(found.dataset.options),
        columns=tuple(_column(one, read_as.get(one.name, [])) for one in found.columns),
        mapping=found.readings,
        features=found.features,
        rows=found.rows,
        genres=found.genres,
        artists=found.artists,
        placeholders=found.placeholders,
        notes=tuple(_notes(found, settings)),
        questions=questions_of(found),
        draft=draft,
        next=_next(found, catalog, dataset, draft, fmt),
    )


def questions_of(found: Found) -> tuple[str, ...]:
    """Questions for the user: on files and ids, ambiguous readings and odd outcomes."""
    readings = found.readings.values()
    doubts = [
        f"{one.name} is unlike known tracks: {one.doubt}. score stops unless the dataset file confirms it"
        f" (confirmed: [{one.name}])"
        for one in readings
        if one.doubt
    ]
    return (*found.questions, *(one.question for one in readings if one.question), *doubts)


def _column(one: Column, read_as: list[str]) -> InspectedColumn:
    return InspectedColumn(
        name=one.name,
        kind=one.kind,
        filled=one.filled,
        numeric=one.numeric,
        low=one.low,
        median=one.median,
        high=one.high,
        sample=next(iter(one.values), None),
        read_as=tuple(read_as),
    )


def doubtful_artist(found: Found) -> LargestArtist | None:
    """The largest artist, if it has so many tracks and albums that it may mean "no artist"."""
    one, rows = found.largest_artist, found.rows
    if one is None or rows is None or one.tracks < _MANY_TRACKS:
        return None
    large = one.tracks >= _LARGE_SHARE * rows.accepted
    return one if large and one.albums >= _MANY_ALBUMS else None


def _notes(found: Found, settings: CatalogSettings) -> list[str]:
    has = {name: one for name, one in found.readings.items() if one.expression != NOT_READ}
    notes = _of_reading(found)
    if TRACK_ID not in has:
        notes.append("no column is unique for each track; map one to track_id")
    absent = [name for name in FEATURE_NAMES if name not in has]
    unread = [name for name in found.readings if name not in has]
    notes += [found.readings[name].why or f"{name} is left out" for name in unread]
    absent = [name for name in absent if name not in unread]
    if absent:
        notes.append(f"no column looks like {', '.join(absent)}: they are not used")
    if sum(name in has for name in FEATURE_NAMES) < _FEWEST:
        notes.append(f"at least {_FEWEST} features are needed; map columns to them")
    if ARTIST not in has:
        notes.append("no column looks like an artist; accuracy on known artists depends on it")
    if GENRE not in has or (found.rows and not found.rows.with_genre):
        notes.append("no genres: cluster and score need none; train does")
    return notes + (_of_rows(found, found.rows, settings) if found.rows else [])


def _of_reading(found: Found) -> list[str]:
    """With which options the table is read, where the usual ones would not do."""
    notes = []
    if found.dataset.rows:
        notes.append(
            f"each row has a list of tracks in {found.dataset.rows}, which is read item by item"
        )
    for name, value in found.dataset.options.items():
        notes.append(f"read with {name} {value!r}: score needs a dataset file with this option")
    return notes


def _of_values(found: Found, rows: InspectedRows) -> list[str]:
    """Values that are not taken, words that mean nothing, and an artist that may be one of these."""
    notes = []
    for name, one in rows.values.items():
        notes += value_counts.messages(name, one.model_copy(update={"placeholder": 0}))
    for name, words in found.placeholders.items():
        counted = ", ".join(f"{word!r} {n:,}" for word, n in list(words.items())[:_MOST_WORDS])
        notes.append(f"{name}: read as missing: {counted}")
    if (artist := doubtful_artist(found)) is not None:
        notes.append(
            f"the largest artist is {artist.name!r}: {artist.tracks:,} tracks on {artist.albums:,}"
            f" albums. If this is not an artist, list it in the dataset file (no_artist:"
            f" [{artist.name!r}])"
        )
    return notes


def _of_rows(found: Found, rows: InspectedRows, settings: CatalogSettings) -> list[str]:
    notes = _of_values(found, rows)
    for name, one in found.features.items():
        wrong = one.not_a_number + one.out_of_range
        if wrong > _MOST_ROWS * rows.read:
            low, high = one.possible
            notes.append(
                f"{name}: {wrong / rows.read:.0%} of the values are impossible (possible are"
                f" {low:.6g} to {high:.6g}); is it another unit or column?"
            )
    if rows.duplicates > _MOST_ROWS * rows.read:
        notes.append("most rows repeat a track_id; is it an id of tracks?")
    if rows.refused > settings.max_quarantined:
        notes.append(
            f"{rows.refused:.1%} of the rows would be quarantined as invalid, the"
            f" limit is {settings.max_quarantined:.1%}: cluster, train and score would stop"
        )
    return notes


def _next(
    found: Found, catalog: str, dataset: str | None, draft: str | None, fmt: str | None
) -> str:
    # A draft names the format itself.
    form = ("--format", fmt) if fmt and not draft else ()
    cluster = ("genre-spark", "cluster", "--catalog", catalog, *form)
    mapping = dataset or draft
    ready = found.rows and all(name == one.expression for name, one in found.readings.items())
    if not mapping and (not ready or found.dataset.options or found.dataset.rows):
        words = ("genre-spark", "inspect", "--catalog", catalog, *form, "--output", "mine.yaml")
        write = shlex.join(words)
        return f"{write} (writes this mapping)"
    given = ("--dataset", mapping) if mapping else ()
    then = shlex.join((*cluster, *given, "--output", "models/mine"))
    return f"look {draft} over, edit it, then: {then}" if draft else then
