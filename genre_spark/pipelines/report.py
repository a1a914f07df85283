"""Pages: `genre-spark report` on a bundle, `genre-spark labels DIR --output FILE.html` on labels."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import SparkSession

from genre_spark._model import Count, StrictModel
from genre_spark.bundle.files import Bundle
from genre_spark.catalog import reader as tables
from genre_spark.catalog import source_files
from genre_spark.catalog.catalogue import Source
from genre_spark.config import Settings
from genre_spark.errors import InputError
from genre_spark.pipelines.bundles import names_of
from genre_spark.platform.atomic_directory import MANIFEST, check_target
from genre_spark.platform.hadoop import GetSpark, storage_at
from genre_spark.publishing import reader
from genre_spark.reporting import html, pages
from genre_spark.reporting.document import Subject
from genre_spark.schema import ALBUM, ARTIST, RUN_COLUMNS, TITLE, TRACK_ID
from genre_spark.source import Dataset, is_shipped

_SHOWN = (TRACK_ID, "genre", "genre_confidence")
_NOT_SHOWN = (*RUN_COLUMNS, "input_hash", "synthetic_genre_id")


class BrowsePage(StrictModel):
    """The page that was written, with how many of how many tracks."""

    page: str
    tracks: Count
    of: Count


def run(
    get_spark: GetSpark,
    bundle: Bundle,
    output: str,
    settings: Settings,
    labels: str | None = None,
    pictures: str | None = None,
) -> dict[str, str]:
    """Writes the HTML page on a bundle and, if given, on a catalogue that was labelled with it.

    Raises `InputError` if `labels` is not a labelled catalogue. Raises `OutputError` if `output` is
    a file that is no page of a report, or `pictures` holds anything but pictures of an earlier
    report.

    `get_spark`: Gives a session; called only for paths that only Hadoop can reach.
    `output`: The page; the page of an earlier report is replaced, and no other file.
    `pictures`: A directory for the same pictures as PNG files.
    """
    storage = storage_at(get_spark, output)
    html.check(storage, output, "report")
    options = settings.delta.storage_options
    table = reader.LabelledTable(get_spark, labels, options) if labels else None
    manifest = table.manifest if table else None
    if pictures:
        gallery, gap = storage_at(get_spark, pictures), settings.publishing.allow_gap
        taken = [path for path in (bundle.location, labels, output) if path]
        directory = check_target(gallery, pictures, taken, pages.PICTURES, "--pictures", gap)
    rows: dict[str, dict[str, Any]] = {}
    drawn = bundle.manifest.clusters.map
    if table and drawn and drawn.tracks:  # else a bundle of an earlier version
        ids = [track.track_id for track in drawn.tracks]
        rows = {row[TRACK_ID]: row for row in table.by_ids(ids, _SHOWN)}
    page = pages.report(Subject(bundle.manifest, manifest, rows))
    html.check(storage, output, "report")
    storage.write_text(output, page.html)
    summary = {"report": output}
    if pictures:
        pages.write_pictures(gallery, directory, page.figures)
        summary["pictures"] = pictures
    return summary


def browse(  # noqa: PLR0913  # an argument for each option
    get_spark: GetSpark,
    labels: str,
    output: str,
    max_tracks: int,
    catalog: str | None,
    dataset: Dataset | None,
    storage_options: Mapping[str, str],
) -> BrowsePage:
    """Writes a page to search a labelled catalogue.

    Raises `InputError` if there is no labelled catalogue, or the table of the names cannot be read.
    Raises `OutputError` if the output is another file.

    `get_spark`: Gives a session; called only where one is needed.
    `output`: The page; an earlier one is replaced, and no other file.
    `max_tracks`: A larger catalogue is sampled.
    `catalog`: The table that was labelled: titles, artists and albums are taken from it.
    `dataset`: Its mapping; None for that of the labels, which must be plain.
    `storage_options`: With which deltalake reaches Delta tables.
    """
    storage = storage_at(get_spark, output)
    html.check(storage, output, "labels")
    table = reader.LabelledTable(get_spark, labels, storage_options)
    manifest = table.manifest
    columns = [name for name in manifest.columns if name not in _NOT_SHOWN]
    tracks = table.sample(max_tracks, columns)
    if catalog and (spark := get_spark()):
        of = manifest.source
        mapping = dataset or _trusted(of.dataset, labels)
        # The version that was labelled, if it is the same Delta table.
        version = of.version if catalog == of.path else None
        fmt = source_files.DELTA if version is not None else None
        named = Source(catalog, mapping, fmt, None, version, storage_options)
        tracks = _named(spark, named, tracks)
    storage.write_text(output, pages.labels(manifest, tracks))
    return BrowsePage(page=output, tracks=len(tracks), of=manifest.rows.labelled)


def _named(
    spark: SparkSession, source: Source, tracks: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The tracks with title, artist and album, of the table that was labelled."""
    mapped = tables.map_columns(source.read(spark), source.dataset, source.path)
    with source_files.reading(f"{source.path}: cannot be read"):
        names = names_of(mapped.rows, [track[TRACK_ID] for track in tracks])
    unknown = dict.fromkeys((TITLE, ARTIST, ALBUM))
    return [{**unknown, **names.get(track[TRACK_ID], {}), **track} for track in tracks]


def _trusted(dataset: Dataset, labels: str) -> Dataset:
    """The mapping that a labelled catalogue carries, if following it executes nothing.

    Raises `InputError` if it holds code, by whoever made the catalogue.
    """
    code = [] if is_shipped(dataset) else dataset.code()
    if code:
        raise InputError(
            f"{labels}: its {MANIFEST} maps columns by code ({', '.join(code)}), which is"
            " executed only from a file of your own: give --dataset NAME|FILE"
        )
    return dataset
