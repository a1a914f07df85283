"""Labels every track of a catalogue with a bundle: one narrow shuffle, one Python stage."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import ScoringPart
from genre_spark.catalog import row_counts, validation
from genre_spark.catalog.catalogue import Catalogue
from genre_spark.catalog.columns import sql_name
from genre_spark.features.artist_batches import GROUP, OTHER_ARTISTS
from genre_spark.features.artist_pass import (
    by_artist,
    narrow,
    other_artist_keys,
    oversized_artists,
)
from genre_spark.schema import GENRE, RUN_COLUMNS, TRACK_ID, labelled_columns
from genre_spark.scoring.worker import (
    HAS_GENRE,
    IS_AMBIGUOUS,
    MISSING,
    OWN_HASH,
    Payload,
    hash_partition,
    label_partition,
)

Work = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

# Beside the labels, for those who count what went through; dropped before anything is published.
PASSED = {HAS_GENRE: "boolean", IS_AMBIGUOUS: "boolean", OWN_HASH: "bigint", MISSING: "bigint"}


@dataclass(frozen=True)
class Tracks:
    """Accepted tracks, and what decides how they are shared out to workers.

    Attributes
    ----------
    table : DataFrame
        Validated for the features that the model reads.
    number : int
        How many there are; an estimate serves.
    """

    table: DataFrame
    number: int
    oversized: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, table: DataFrame, number: int, max_group: int, owner: str) -> "Tracks":
        """With the oversized artists looked up in a sample, which takes a Spark job."""
        return cls(table, number, oversized_artists(table, number, max_group, owner))

    @classmethod
    def sampled(cls, catalogue: Catalogue, max_group: int) -> "Tracks":
        """Those of an opened catalogue; its sample tells which artists are oversized."""
        oversized = catalogue.sample.oversized_artists(max_group)
        return cls(catalogue.tracks, catalogue.n_rows, oversized)


def labelled(
    tracks: Tracks,
    bundle: Bundle,
    scored_at: str,
    explain: bool = False,
    only: DataFrame | None = None,
) -> DataFrame:
    """The labelled catalogue.

    Parameters
    ----------
    bundle : Bundle
        Verified; a clusters bundle leaves the genre columns null.
    scored_at : str
        Time of the run, ISO 8601.
    only : DataFrame, optional
        `TRACK_ID` of the tracks to label: all tracks of an artist group or none, where the model
        relates them. `input_hashes` differ for all of them where they do for one.

    Returns
    -------
    DataFrame
        One row per track, with the columns of `labelled_columns`, then those of `PASSED`.

    Notes
    -----
    The model travels inside the function that workers run: Spark broadcasts large functions by
    itself, and this works on Spark Connect too.
    """
    wanted = labelled_columns(explain)
    schema = {name: kind for name, kind in wanted.items() if name not in RUN_COLUMNS} | PASSED
    rows = _artist_batches(tracks, bundle.manifest.scoring, only=only)
    found = rows.mapInArrow(labelling(Payload.of(bundle, explain)), _ddl(schema))
    run = {
        "model_id": F.lit(bundle.manifest.model_id),
        "scored_at": F.lit(scored_at).cast("timestamp"),
    }
    return found.withColumns(run).select(*wanted, *PASSED)


def input_hashes(tracks: Tracks, bundle: Bundle) -> DataFrame:
    """`TRACK_ID`, ``input_hash`` and `PASSED` of each track, without labelling."""
    scoring = bundle.manifest.scoring
    rows = _artist_batches(tracks, scoring, (TRACK_ID, GROUP, *PASSED))
    columns = {TRACK_ID: "string", "input_hash": "bigint", **PASSED}
    relates = scoring.relates_artists  # which alone travels to the workers
    return rows.mapInArrow(lambda batches: hash_partition(relates, batches), _ddl(columns))


def _artist_batches(
    tracks: Tracks,
    scoring: ScoringPart,
    columns: tuple[str, ...] | None = None,
    only: DataFrame | None = None,
) -> DataFrame:
    """What workers read, those of an artist group in one partition if the model relates them."""
    rows = _inputs(tracks, scoring)
    rows = rows.select(*columns) if columns else rows
    rows = rows if only is None else rows.join(only, on=TRACK_ID, how="left_semi")
    return by_artist(rows, tracks.number) if scoring.relates_artists else rows


def _inputs(tracks: Tracks, scoring: ScoringPart) -> DataFrame:
    table = tracks.table
    passed = {
        OTHER_ARTISTS: other_artist_keys(),
        MISSING: _missing(scoring.scaler.features),
        HAS_GENRE: F.col(GENRE).isNotNull(),
        IS_AMBIGUOUS: F.col(validation.AMBIGUOUS),
        OWN_HASH: row_counts.content_hash(scoring.scaler.features),
    }
    return narrow(
        table, scoring.scaler, tracks.oversized, scoring.reads_text, passed, scoring.owner
    )


def _missing(features: Sequence[str]) -> Column:
    """A bit for each feature that a track lacks, the first one's the lowest [bigint]."""
    # An expression as text: one call to Java.
    bits = [f"IF({sql_name(name)} IS NULL, {bit}L, 0L)" for name, bit in missing_bits(features)]
    return F.expr(" + ".join(bits))


def missing_bits(features: Sequence[str]) -> list[tuple[str, int]]:
    """Features, and the bit of `MISSING` of each."""
    return [(name, 1 << i) for i, name in enumerate(features)]


def labelling(payload: Payload) -> Work:
    """What a Python worker does with a partition of tracks; see `worker.label_partition`."""

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return label_partition(payload, batches)

    return work


def _ddl(columns: Mapping[str, str]) -> str:
    return ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
