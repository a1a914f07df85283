"""Writes a guessed mapping as a dataset file, for a person to read and to edit."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import yaml

from genre_spark.catalog.column_readings import YEAR, Reading
from genre_spark.errors import OutputError
from genre_spark.platform.redaction import redact
from genre_spark.platform.safe_text import plain
from genre_spark.schema import ALBUM, ARTIST, ARTISTS, FEATURE_NAMES, GENRE, TITLE, TRACK_ID
from genre_spark.source import Dataset

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


def check_absent(file: Path) -> None:
    """A dataset file may hold somebody's work.

    Raises
    ------
    OutputError
        Where there is one.
    """
    if file.exists():
        raise OutputError(f"--output {file}: exists; choose another name, or delete it yourself")


def render(
    table: str,
    file: str,
    readings: Mapping[str, Reading],
    columns: Iterable[str],
    stored: Dataset | None = None,
    remarks: Iterable[str] = (),
) -> str:
    """The file's text: the mapping, what was done to values, what is missing and what is unused.

    Parameters
    ----------
    table : str
        Path of the catalogue.
    file : str
        Path of the dataset file.
    columns : iterable of str
        All columns of the table.
    stored : Dataset, optional
        Its format and the options to read it with.
    remarks : iterable of str
        Comments, such as what only a person can decide.
    """
    lines = [
        _line(name, readings.get(name)) for name in _ORDER if name != ARTISTS or name in readings
    ]
    odd = [name for name, one in readings.items() if one.doubt]
    extras = "" if YEAR in readings else "# "
    unused = set(columns) - {one.source for one in readings.values()}
    return (
        _HEAD.format(table=plain(redact(table)), file=plain(file))
        + "".join(map(_comment, remarks))
        + (_stored(stored) if stored else "")
        + (f"# confirmed: [{', '.join(odd)}]  # if these values are right\n" if odd else "")
        + "columns:\n"
        + "".join(f"{line}\n" for line in lines)
        + f"{extras}extra_features: [{YEAR}]  # numeric columns that the models also read\n"
        + _comment("not used: " + ", ".join(name for name in columns if name in unused))
    )


def write(file: Path, text: str) -> None:
    """Writes the file.

    Raises
    ------
    OutputError
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as err:
        raise OutputError(f"{file}: cannot be written: {err.strerror}") from err


def _stored(dataset: Dataset) -> str:
    """Format and options, as the file has them."""
    lines = f"format: {dataset.format}\n" if dataset.format else ""
    if dataset.options:
        pairs = (f"{name}: {_quoted(value)}" for name, value in dataset.options.items())
        lines += f"options: {{{', '.join(pairs)}}}\n"
    if dataset.rows:
        lines += f"rows: {value(dataset.rows)}  # the list of tracks within a row\n"
    return lines


def _line(name: str, reading: Reading | None) -> str:
    if reading is None:
        why = f"; {_WITHOUT[name]}" if name in _WITHOUT else ""
        return f"  # {name}:  # no column looks like it{why}"
    why = f"  # {plain(reading.why)}" if reading.why else ""
    other = f"\n  # {name}: {value(reading.rival)}  # the other reading" if reading.rival else ""
    return f"  {name}: {value(reading.expression)}{why}{other}"


def value(expression: str) -> str:
    """A text in YAML, without quotes where it is one word that YAML takes for a text."""
    if expression.isidentifier() and yaml.safe_load(expression) == expression:
        return expression
    return _quoted(expression)


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, width=100_000, allow_unicode=True, default_style='"').strip()


def _comment(text: str) -> str:
    """Names may hold line breaks, which would end a comment."""
    return f"# {plain(text)}\n"
