"""Answers: genres that somebody gave to single tracks, in place of the catalogue's own."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog.columns import means_nothing
from genre_spark.errors import InputError, listed
from genre_spark.platform.safe_text import plain
from genre_spark.platform.storage import Storage
from genre_spark.schema import GENRE, GENRES, TRACK_ID

# "None of these" or "I don't know": no genre, and not to be asked again.
UNANSWERABLE = "?"
# Column of tracks: whether somebody has answered, with a genre or with `UNANSWERABLE`.
ANSWERED = "_answered"
_DELIMITERS = ",;\t"


def read(files: Mapping[str, str]) -> dict[str, str]:
    """Genre of each answered track, `UNANSWERABLE` for a question that cannot be answered.

    `files` has the content of each CSV file by its path, with the columns ``track_id`` and ``genre``. A
    question without an answer is left out. Raises `InputError` if a column is missing, or a track has
    several answers.
    """
    found: dict[str, tuple[str, str]] = {}
    contradictions: list[str] = []
    for path, content in files.items():
        for place, track_id, genre in _rows(path, content):
            other, before = found.setdefault(track_id, (genre, place))
            if other.lower() != genre.lower():
                contradictions.append(f"{track_id} is {other} ({before}) and {genre} ({place})")
    if contradictions:
        raise InputError(
            f"answers contradict each other on {len(contradictions)} tracks:"
            f" {listed(map(plain, contradictions))}; keep one answer for each"
        )
    return {track_id: genre for track_id, (genre, _) in found.items()}


def read_files(storage: Storage, paths: Sequence[str]) -> dict[str, str]:
    """`read` of CSV files on any storage. Raises `InputError` also if a file is missing or is not UTF-8."""
    contents = {}
    for path in dict.fromkeys(paths):
        if not storage.exists(path) or storage.is_dir(path):
            raise InputError(f"{path}: no such file; --answers takes CSV files")
        try:
            contents[path] = storage.read_text(path)
        except UnicodeDecodeError as err:
            raise InputError(
                f"{path}: is not UTF-8 (byte {err.start:,}); save it as CSV in UTF-8"
            ) from err
    return read(contents)


def apply(tracks: DataFrame, answers: Mapping[str, str], path: str) -> DataFrame:
    """Accepted tracks with the genres of the answers, where there are any, and the column `ANSWERED`.

    Raises `InputError` if an answered track is not among the tracks of the catalogue at `path`.
    """
    if not answers:
        return tracks.withColumn(ANSWERED, F.lit(False))
    given = tracks.sparkSession.createDataFrame(
        list(answers.items()), f"{TRACK_ID} string, _answer string"
    )
    known = tracks.join(F.broadcast(given), TRACK_ID, "left_semi").select(TRACK_ID).collect()
    unknown = sorted({*answers} - {row[0] for row in known})
    if unknown:
        raise InputError(
            f"{len(unknown)} of {len(answers)} answered tracks are not among the tracks of {path},"
            f" such as {listed(map(plain, unknown))}; check that the answers are of this catalogue and that"
            f" {TRACK_ID} was not rounded or reformatted by a spreadsheet"
        )
    answer = f"nullif(_answer, '{UNANSWERABLE}')"
    columns = {GENRE: f"coalesce({answer}, {GENRE})", ANSWERED: "_answer IS NOT NULL"}
    if GENRES in tracks.columns:
        columns[GENRES] = f"IF({answer} IS NULL, {GENRES}, NULL)"
    joined = tracks.join(F.broadcast(given), TRACK_ID, "left")
    return joined.withColumns({name: F.expr(sql) for name, sql in columns.items()}).drop("_answer")


def _rows(path: str, content: str) -> Iterator[tuple[str, str, str]]:
    """Place, track and genre of each answer in a file."""
    text = content.removeprefix("\ufeff")
    header = text.split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter)
    names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    for column in (TRACK_ID, GENRE):
        if column not in names:
            raise InputError.from_missing_column(path, column, map(plain, names))
    try:
        for row in reader:
            place = f"{path}, line {reader.line_num}"
            track_id, genre = ((row[names[one]] or "").strip() for one in (TRACK_ID, GENRE))
            if genre and not track_id:
                raise InputError(f"{place}: an answer without {TRACK_ID}")
            if genre:
                yield place, track_id, UNANSWERABLE if means_nothing(genre, GENRE) else genre
    except csv.Error as err:
        raise InputError(f"{path}, line {reader.line_num}: is not CSV ({err})") from err
