"""`genre-spark suggest`: chooses the most informative tracks to label."""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from genre_spark._model import Count, StrictModel
from genre_spark.bundle.files import Bundle
from genre_spark.catalog import answers as answer_files
from genre_spark.catalog.answers import ANSWERED
from genre_spark.catalog.catalogue import Catalogue, open_catalogue
from genre_spark.catalog.names import spellings
from genre_spark.classifier import questions, representation
from genre_spark.classifier.questions import LabelledArtists
from genre_spark.classifier.representation import ARTISTS_SCHEMA, Artists
from genre_spark.classifier.similar_artists import Space
from genre_spark.config import Settings
from genre_spark.errors import InputError, OutputError
from genre_spark.features import artist_pass, documents
from genre_spark.features.artist_batches import ALBUM_TEXT, TITLE_TEXT, ArtistBatch, artist_batches
from genre_spark.pipelines.bundles import Request, labelled_sample, names_of, scanned
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.progress import ReportProgress, to_log
from genre_spark.platform.safe_text import redact
from genre_spark.reporting import pages
from genre_spark.schema import ALBUM, ARTIST, GENRE, TITLE, TRACK_ID
from genre_spark.scoring import job

COLUMNS = (TRACK_ID, ARTIST, TITLE, ALBUM, GENRE, "tracks", "why")
# The same as Spark's DDL.
SCHEMA = ", ".join(f"{name} {'bigint' if name == 'tracks' else 'string'}" for name in COLUMNS)
_NAME, _ORDER = "_artist_name", "_order"
_SHOWN = {TRACK_ID: TRACK_ID, ARTIST: _NAME, TITLE: TITLE_TEXT, ALBUM: ALBUM_TEXT}
# Artists on the map of the page.
_MOST_PLACES = 600
# Spreadsheets run cells that begin so as formulas.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class Suggested(StrictModel):
    """Questions that were written.

    `questions`: The file.
    `tracks`: Tracks that the answers inform.
    `labelled`: Labelled artists, or with ``--check`` tracks, that were taken into account.
    """

    questions: str
    number: Count
    tracks: Count
    labelled: Count


@dataclass(frozen=True)
class Suggestions:
    """Chosen tracks.

    `rows`: By `COLUMNS`, with the artist's place on the map as ``x`` and ``y``, from 0 to 100.
    `labelled`: Labelled artists or tracks that they rest on.
    `genres`: To choose from.
    `places`: Of other artists on the map; empty without a map.
    """

    rows: list[dict[str, Any]]
    labelled: int
    genres: list[str]
    places: list[tuple[float, float]]


def run(
    spark: SparkSession,
    request: Request,
    report_progress: ReportProgress = to_log,
    *,
    number: int,
    likely_wrong: bool,
) -> Suggested:
    """Writes questions to a new file: a page if its name ends in .html, else CSV.

    Raises `GenreSparkError` where the catalogue, the bundle or the answers are refused, or the
    output exists.

    `number`: Questions at most.
    `likely_wrong`: Ask about labels that are likely wrong instead; trains a classifier.
    """
    storage = storage_of(spark, request.output)
    if storage.exists(request.output):
        raise OutputError(
            f"--output {request.output}: exists, and may contain answers; choose another name"
        )
    given = answer_files.read_files(storage, request.answers)
    bundle, settings, source = request.bundle, request.settings, request.source
    report_progress(f"reading {source.path}")
    if likely_wrong:
        scaler = bundle.manifest.scoring.scaler
        with open_catalogue(spark, source, settings.catalog, scaler) as catalogue:
            found = check(catalogue, request, number, given, report_progress)
    else:
        with scanned(spark, source, bundle, settings) as catalogue:
            report_progress("comparing artists")
            found = suggest(catalogue, bundle, settings, number, given, source.path)
    if request.output.lower().endswith(".html"):
        path = redact(source.path)
        content = pages.questions(found.rows, COLUMNS, found.genres, found.places, path)
    else:
        content = to_csv(found.rows)
    storage.write_text(request.output, content)
    return Suggested(
        questions=request.output,
        number=len(found.rows),
        tracks=sum(row["tracks"] for row in found.rows),
        labelled=found.labelled,
    )


def suggest(
    catalogue: Catalogue,
    bundle: Bundle,
    settings: Settings,
    number: int,
    answers: Mapping[str, str],
    path: str,
) -> Suggestions:
    """Choose tracks of a catalogue from `scanned`.

    Raises `InputError` where every artist has a label already, or answers are of other tracks.
    """
    tracks = job.Tracks.sampled(catalogue, settings.scoring.max_group)
    tracks = replace(tracks, table=answer_files.apply(tracks.table, answers, path))
    table = draw_artists(tracks, bundle, settings.seed)
    if not len(table):
        raise InputError(f"{path}: has no tracks to ask about")
    artists = Artists.of(table, catalogue.n_rows)
    space = Space.of(artists, settings.seed)
    given = table["genres"].to_pylist()
    changed = spellings(Counter(genre for own in given for genre in own))
    genres = [[changed.get(genre, genre) for genre in own] for own in given]
    labelled = LabelledArtists.of(genres)
    askable = table[TRACK_ID].is_valid().to_numpy() & ~table["asked"].to_numpy()
    chosen = questions.choose(space, artists, askable, labelled, number, settings.seed)
    if not chosen:
        raise InputError(
            f"{path}: every artist has been asked about or has a labelled track; train with the answers"
        )
    shown = table.select([TRACK_ID, ARTIST, TITLE, ALBUM]).take([one.artist for one in chosen])
    places = _places(space, artists)
    rows = []
    for row, one in zip(shown.to_pylist(), chosen, strict=True):
        x, y = places[one.artist]
        doubt = f"{' or '.join(one.candidates)}? " if one.candidates else ""
        why = f"{doubt}represents {one.tracks:,} similar tracks"
        rows.append({**row, GENRE: "", "tracks": one.tracks, "why": why, "x": x, "y": y})
    frequent = Counter(genre for own in genres for genre in own).most_common()
    step = max(1, len(places) // _MOST_PLACES)
    return Suggestions(
        rows, sum(1 for own in genres if own), [name for name, _ in frequent], places[::step]
    )


def check(
    catalogue: Catalogue,
    request: Request,
    number: int,
    given: Mapping[str, str],
    report_progress: ReportProgress,
) -> Suggestions:
    """Find labels that held-out predictions contradict, the clearest first.

    Raises `InputError` where there are too few labels to train, or none is likely wrong.
    """
    from genre_spark.classifier import estimator
    from genre_spark.evaluation import label_errors

    settings, path = request.settings, request.source.path
    labelled = labelled_sample(catalogue, request, given)
    target = settings.training.target_precision
    fitted = estimator.fit(labelled, settings.network, target, settings.seed, report_progress)
    classes = labelled.classes
    held_out = label_errors.held_out(fitted, len(labelled), len(classes))
    # A track under several genres contradicts itself.
    held_out[~labelled.certain] = np.nan
    errors = label_errors.find(held_out, labelled.labels)
    if not len(errors.rows) or labelled.ids is None:
        raise InputError(f"{path}: no label is likely wrong")
    shown = slice(None, number)
    ids, likely = labelled.ids[errors.rows][shown], errors.likely[shown]
    names = names_of(catalogue.tracks, ids.tolist())
    rows = []
    for one, label, other, sure in zip(
        ids, labelled.labels[errors.rows], likely, errors.confidence, strict=False
    ):
        why = f"labelled {classes[label]}; without this label {classes[other]} ({sure:.2f})"
        rows.append({**names[one], GENRE: "", "tracks": 1, "why": why, "x": 0.0, "y": 0.0})
    return Suggestions(rows, len(labelled), list(classes), [])


def _places(space: Space, artists: Artists) -> list[tuple[float, float]]:
    """Artists on a map: the two directions in which they differ most, cut at the outermost 1 %."""
    points = space.representation.artists(artists.mean, artists.tracks, artists.documents)[:, :2]
    if points.shape[1] < 2:
        points = np.hstack([points, np.zeros_like(points)])
    low, high = np.quantile(points, [0.01, 0.99], axis=0)
    scaled = np.clip((points - low) / np.maximum(high - low, 1e-9), 0, 1) * 90 + 5
    return [(round(float(x), 1), round(float(y), 1)) for x, y in scaled]


def to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Questions as CSV with a byte-order mark, by which spreadsheets recognise UTF-8."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for row in rows:
        names = (str(row[name] or "") for name in (ARTIST, TITLE, ALBUM))
        harmless = [f"'{name}" if name.startswith(_FORMULA) else name for name in names]
        writer.writerow([row[TRACK_ID], *harmless, row[GENRE], row["tracks"], row["why"]])
    return "\ufeff" + text.getvalue()


def draw_artists(tracks: job.Tracks, bundle: Bundle, seed: int) -> pa.Table:
    """Artists with their labels and one track to ask about each, sorted by artist."""
    scoring, n_tracks = bundle.manifest.scoring, tracks.number
    others = {
        _NAME: F.col(ARTIST),
        GENRE: F.col(GENRE),
        ANSWERED: F.col(ANSWERED),
        _ORDER: F.xxhash64(F.lit(seed), TRACK_ID),
    }
    table, parts, scaler = tracks.table, tracks.oversized, scoring.scaler
    narrowed = artist_pass.narrow(table, scaler, parts, True, others, scoring.owner)
    together = artist_pass.by_artist(narrowed, n_tracks)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in artist_batches(batches, scaler):
            yield _rows(batch, n_tracks)

    found = together.mapInArrow(work, _SCHEMA).toArrow()
    return found.sort_by([("artist_key", "ascending"), (TRACK_ID, "ascending")])


_SCHEMA = (
    f"{ARTISTS_SCHEMA}, genres array<string>, asked boolean,"
    f" {TRACK_ID} string, {ARTIST} string, {TITLE} string, {ALBUM} string"
)


def _rows(batch: ArtistBatch, n_tracks: int) -> pa.RecordBatch:
    """Rows of `_SCHEMA`: of the drawn artists, and of all that were asked about."""
    groups = batch.groups
    answered, genre = batch.rows[ANSWERED].to_numpy(zero_copy_only=False), batch.rows[GENRE]
    asked = np.logical_or.reduceat(answered, groups.starts)
    chosen = np.union1d(representation.draw(batch, n_tracks), np.flatnonzero(asked))
    has_genre = genre.is_valid().to_numpy(zero_copy_only=False)
    genres, candidate = [], []
    order = batch.rows[_ORDER].to_numpy()
    for group in chosen:
        own = np.arange(groups.starts[group], groups.starts[group] + groups.sizes[group])
        named = own[has_genre[own]]
        genres.append(genre.take(pa.array(named)).to_pylist())
        # An artist with any label is known already.
        free = own if not len(named) else own[:0]
        candidate.append(int(free[order[free].argmin()]) if len(free) else None)
    picked = pa.array(candidate, pa.int64())
    texts = documents.of_artists(batch.inputs, groups)
    columns = representation.artist_rows(batch, chosen, texts)
    return pa.RecordBatch.from_pydict(
        {
            **{name: columns[name] for name in columns.schema.names},
            "genres": pa.array(genres, pa.list_(pa.string())),
            "asked": pa.array(asked[chosen]),
            **{name: batch.rows[of].take(picked) for name, of in _SHOWN.items()},
        }
    )
