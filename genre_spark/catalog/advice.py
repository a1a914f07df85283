"""What to do about an inspected table: questions, notes, the drafted dataset file, the next command."""

import shlex
from collections.abc import Iterator
from pathlib import Path

import yaml

from genre_spark.catalog import row_counts
from genre_spark.catalog.inspection_results import InspectedRows, Inspection, Reading
from genre_spark.catalog.mapping_inference import NOT_READ, YEAR
from genre_spark.config import CatalogSettings
from genre_spark.errors import OutputError
from genre_spark.platform.safe_text import plain, redact
from genre_spark.platform.storage import LocalStorage
from genre_spark.schema import ALBUM, ARTIST, ARTISTS, FEATURE_NAMES, GENRE, TITLE, TRACK_ID
from genre_spark.source import Dataset

# Fewer describe a track too little.
_FEWEST = 3
_MOST_WORDS = 5

_HEAD = """\
# How the columns of {table} are read; drafted by genre-spark inspect. Check it, then try it:
#   genre-spark inspect --catalog {table} --dataset {file}
# Each value is a Spark SQL expression over the table's own columns. A column that is not named
# here is taken from the table's column of the same name, if there is one.
"""
_WITHOUT = {
    TRACK_ID: "needed: unique for each track",
    ARTIST: "accuracy on known artists depends on it",
    ALBUM: "tracks of one album inform each other",
    TITLE: "finds recordings that are in the table several times",
    GENRE: "cluster and score need none; train learns from it",
}
_ORDER = (TRACK_ID, ARTIST, ARTISTS, ALBUM, TITLE, GENRE, *FEATURE_NAMES, YEAR)


def questions(found: Inspection) -> tuple[str, ...]:
    """Questions for the user: on files and ids, ambiguous readings and odd outcomes."""
    readings = found.mapping.values()
    doubts = [
        f"{one.name} is unlike known tracks: {one.doubt}. score stops unless the dataset file confirms it"
        f" (confirmed: [{one.name}])"
        for one in readings
        if one.doubt
    ]
    return (*found.questions, *(one.question for one in readings if one.question), *doubts)


def notes(found: Inspection, settings: CatalogSettings) -> Iterator[str]:
    """What else to know of a table: its options, what it lacks, and what becomes of its values."""
    for column in found.columns:
        named = [name for name in FEATURE_NAMES if name in column.values]
        if len(named) >= _FEWEST:
            yield (
                f"{column.name} has names of features as values ({', '.join(named[:_FEWEST])}): write the table"
                " with a row for each track and a column for each feature"
            )
    if found.dataset.rows:
        yield f"each row has a list of tracks in {found.dataset.rows}, which is read item by item"
    for name, value in found.options.items():
        yield f"read with {name} {value!r}: score needs a dataset file with this option"
    has = {name for name, one in found.mapping.items() if one.expression != NOT_READ}
    if TRACK_ID not in has:
        yield "no column is unique for each track; map one to track_id"
    for name, one in found.mapping.items():
        if name not in has:
            yield one.why or f"{name} is left out"
    if absent := [name for name in FEATURE_NAMES if name not in found.mapping]:
        yield f"no column looks like {', '.join(absent)}: they are not used"
    if len(has.intersection(FEATURE_NAMES)) < _FEWEST:
        yield f"at least {_FEWEST} features are needed; map columns to them"
    if ARTIST not in has:
        yield "no column looks like an artist; accuracy on known artists depends on it"
    if GENRE not in has or (found.rows and not found.rows.with_genre):
        yield "no genres: cluster and score need none; train does"
    if found.rows:
        yield from _of_rows(found, found.rows, settings)


def _of_rows(found: Inspection, rows: InspectedRows, settings: CatalogSettings) -> Iterator[str]:
    for name, values in rows.values.items():
        yield from row_counts.messages(name, values.model_copy(update={"placeholder": 0}))
    for name, words in found.placeholders.items():
        counted = ", ".join(f"{word!r} {n:,}" for word, n in list(words.items())[:_MOST_WORDS])
        yield f"{name}: read as missing: {counted}"
    if found.doubtful_artist:
        name, n_tracks, n_albums = found.doubtful_artist
        yield (
            f"the largest artist is {name!r}: {n_tracks:,} tracks on {n_albums:,}"
            f" albums. If this is not an artist, list it in the dataset file (no_artist: [{name!r}])"
        )
    yield from row_counts.repetitions(rows)
    if rows.refused > settings.max_quarantined:
        told = row_counts.over_limit(rows, settings.max_quarantined)
        yield f"{told}: cluster, train and score would stop"


def next_command(
    found: Inspection, dataset: str | None, draft: str | None, fmt: str | None = None
) -> str:
    """What to type next: `dataset` mapped the table, `draft` was written, `fmt` is the format that was named."""
    # A draft names the format itself.
    form = ("--format", fmt) if fmt and not draft else ()
    mapping = dataset or draft
    ready = found.rows and all(name == one.expression for name, one in found.mapping.items())
    if not mapping and (not ready or found.options or found.dataset.rows):
        words = ("genre-spark", "inspect", "--catalog", found.catalog, *form)
        return f"{shlex.join((*words, '--output', 'mine.yaml'))} (writes this mapping)"
    given = (*form, "--dataset", mapping) if mapping else form
    cluster = ("genre-spark", "cluster", "--catalog", found.catalog, *given)
    then = shlex.join((*cluster, "--output", "models/mine"))
    return f"look {draft} over, edit it, then: {then}" if draft else then


def check_absent(file: Path) -> None:
    """Refuses to replace a dataset file: it may hold somebody's work; raises `OutputError`."""
    if file.exists():
        raise OutputError(f"--output {file}: exists; choose another name, or delete it yourself")


def write(found: Inspection, file: Path) -> None:
    """Writes the guessed mapping as a dataset file; raises `OutputError`."""
    storage = LocalStorage()
    storage.make_dirs(str(file.parent))
    storage.write_text(str(file), render(found, str(file)))


def render(found: Inspection, file: str) -> str:
    """A dataset file's text: the mapping, questions, what was done to values, what is unused."""
    readings, remarks = found.mapping, [f"? {one}" for one in found.questions]
    if found.doubtful_artist:
        remarks.append(f"no_artist: [{_value(found.doubtful_artist[0])}]  # if this is no artist")
    odd = [name for name, one in readings.items() if one.doubt]
    used = {one.source for one in readings.values()}
    unused = ", ".join(one.name for one in found.columns if one.name not in used)
    return (
        _HEAD.format(table=plain(redact(found.catalog)), file=plain(file))
        + "".join(map(_comment, remarks))
        + _stored(found.dataset)
        + (f"# confirmed: [{', '.join(odd)}]  # if these values are right\n" if odd else "")
        + "columns:\n"
        + "".join(_line(n, readings.get(n)) for n in _ORDER if n != ARTISTS or n in readings)
        + ("" if YEAR in readings else "# ")
        + f"extra_features: [{YEAR}]  # numeric columns that the models also read\n"
        + _comment(f"not used: {unused}")
    )


def _stored(dataset: Dataset) -> str:
    """Format and options, as the file has them."""
    lines = f"format: {dataset.format}\n" if dataset.format else ""
    if dataset.options:
        pairs = (f"{name}: {_quoted(value)}" for name, value in dataset.options.items())
        lines += f"options: {{{', '.join(pairs)}}}\n"
    if dataset.rows:
        lines += f"rows: {_value(dataset.rows)}  # the list of tracks within a row\n"
    return lines


def _line(name: str, reading: Reading | None) -> str:
    if reading is None:
        why = f"; {_WITHOUT[name]}" if name in _WITHOUT else ""
        return f"  # {name}:  # no column looks like it{why}\n"
    why = f"  # {plain(reading.why)}" if reading.why else ""
    other = f"  # {name}: {_value(reading.rival)}  # the other reading\n" if reading.rival else ""
    return f"  {name}: {_value(reading.expression)}{why}\n{other}"


def _value(expression: str) -> str:
    """A text in YAML, without quotes where it is one word that YAML takes for a text."""
    if expression.isidentifier() and yaml.safe_load(expression) == expression:
        return expression
    return _quoted(expression)


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, width=100_000, allow_unicode=True, default_style='"').strip()


def _comment(text: str) -> str:
    """Names may hold line breaks, which would end a comment."""
    return f"# {plain(text)}\n"
