"""Labels every track of a catalogue with a bundle, in vectorised passes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle import Bundle
from genre_spark.context import add_context, artist_key
from genre_spark.manifest import GenrePart
from genre_spark.predict import ARTIST_KEY, CONSENSUS, KNOWN, OPINION, Payload
from genre_spark.schema import (
    LABELLED_COLUMNS,
    RUN_COLUMNS,
    TRACK_ID,
    WHY_COLUMNS,
    context_column,
    labelled_columns,
)
from genre_spark.validation import FAULTS

_GENRE_COLUMNS = ("genre", "genre_confidence", "genre_accepted", "genre_top3")
# What the workers of each step give back; Spark takes their columns by position.
_LABELS = {name: kind for name, kind in LABELLED_COLUMNS.items() if name not in RUN_COLUMNS}
_JUDGED = {
    **{name: kind for name, kind in _LABELS.items() if name not in _GENRE_COLUMNS},
    ARTIST_KEY: "bigint",
    KNOWN: "boolean",
    OPINION: "array<float>",
}
_ARTIST_HASH = "_artist_hash"
# Opinions are summed as whole numbers, for the same reason as in `context`.
_UNIT = 2.0**24


@contextmanager
def labelling(
    spark: SparkSession,
    tracks: DataFrame,
    bundle: Bundle,
    scored_at: str,
    explain: bool = False,
    only: DataFrame | None = None,
) -> Iterator[DataFrame]:
    """The labelled catalogue, for as long as the block lasts.

    Parameters
    ----------
    spark : SparkSession
    tracks : DataFrame
        Accepted tracks, validated for the bundle's features.
    bundle : Bundle
        Verified; a clusters bundle leaves the genre columns null.
    scored_at : str
        Time of the run, ISO 8601.
    explain : bool
        Whether to say why.
    only : DataFrame, optional
        `TRACK_ID` of the tracks to label. All tracks of an artist, or none, if the model asks for
        a consensus; `input_hashes` differ for all of them where they do for one.

    Yields
    ------
    DataFrame
        One row per track, with the columns of `labelled_columns`.
    """
    given = model_inputs(tracks, bundle)
    if only is not None:
        given = given.join(only, on=TRACK_ID, how="left_semi")
    inputs = _input_types(bundle) if explain else {}
    why = WHY_COLUMNS if explain else {}
    payload = spark.sparkContext.broadcast(Payload.of(bundle))
    # Opinions are read twice, for the artists' means and for the labels.
    work = partial(_map, payload=payload, explain=explain)
    judged = work(given, step="judge", columns=_JUDGED | inputs).persist()
    try:
        decided = work(_with_consensus(judged, bundle), step="decide", columns=_LABELS | why)
        same = {
            "model_id": F.lit(bundle.manifest.model_id),
            "scored_at": F.lit(scored_at).cast("timestamp"),
        }
        yield decided.withColumns(same).select(*labelled_columns(explain))
    finally:
        judged.unpersist()
        payload.unpersist()


def model_inputs(tracks: DataFrame, bundle: Bundle) -> DataFrame:
    """All that the model reads of each track: the columns that `Predictor.judge` takes."""
    scoring = bundle.manifest.scoring
    groups = scoring.genres.groups if scoring.genres else ()
    in_context = add_context(tracks, scoring.space, groups)
    features = [column.alias(name) for name, column in scoring.space.imputed().items()]
    contexts = [F.col(context_column(group)) for group in groups]
    n_imputed, artist = F.size(FAULTS), artist_key()
    # The artist by its key too: whether it is a known one decides which opinions count.
    return in_context.select(
        TRACK_ID,
        n_imputed.alias("n_imputed"),
        F.xxhash64(n_imputed, artist, *features, *contexts).alias("input_hash"),
        artist.alias(ARTIST_KEY),
        *features,
        *contexts,
    )


def input_hashes(tracks: DataFrame, bundle: Bundle) -> DataFrame:
    """`TRACK_ID` and ``input_hash`` of each track, as `labelling` gives them, without labelling."""
    inputs = model_inputs(tracks, bundle).select(TRACK_ID, ARTIST_KEY, "input_hash")
    if _asks_for_consensus(bundle):
        inputs = _join_artists(inputs, _artist_hash())
    return inputs.select(TRACK_ID, "input_hash")


def _asks_for_consensus(bundle: Bundle) -> bool:
    part = bundle.manifest.scoring.genres
    return part is not None and bool(part.known.consensus or part.new.consensus)


def _with_consensus(judged: DataFrame, bundle: Bundle) -> DataFrame:
    """Each track's artist's mean opinion, where the model asks for it."""
    if not _asks_for_consensus(bundle):
        return judged.withColumn(CONSENSUS, F.lit(None).cast("array<float>"))
    opinion = _mean_opinion(bundle.manifest.scoring.genres).alias(CONSENSUS)
    return _join_artists(judged, opinion, _artist_hash())


def _artist_hash() -> Column:
    """Aggregate: hash of the inputs of all of an artist's tracks, in whatever order.

    A sum and not an exclusive or, under which two equal tracks would be as good as none. With the
    ids, since two tracks may change places: then both are judged anew, which takes all of them.
    """
    own = F.xxhash64(TRACK_ID, "input_hash")
    return F.xxhash64(F.count(F.lit(1)), F.sum(own)).alias(_ARTIST_HASH)


def _join_artists(tracks: DataFrame, *aggregates: Column) -> DataFrame:
    """Gives tracks what all of their artist's tracks say; their hashes then hang on all of them."""
    named = tracks.filter(F.col(ARTIST_KEY).isNotNull())
    joined = tracks.join(named.groupBy(ARTIST_KEY).agg(*aggregates), on=ARTIST_KEY, how="left")
    whole = F.xxhash64("input_hash", F.coalesce(_ARTIST_HASH, F.lit(0)))
    return joined.withColumn("input_hash", whole).drop(_ARTIST_HASH)


def _mean_opinion(part: GenrePart) -> Column:
    count = F.count(F.lit(1))
    sums = [
        F.sum(F.round(F.col(OPINION)[i].cast("double") * _UNIT).cast("bigint"))
        for i in range(len(part.classes))
    ]
    return F.array(*[(total / count / _UNIT).cast("float") for total in sums])


def _input_types(bundle: Bundle) -> dict[str, str]:
    scoring = bundle.manifest.scoring
    features = scoring.space.features
    return {name: "double" if name in features else "array<double>" for name in scoring.inputs}


def _map(
    rows: DataFrame,
    payload: Broadcast,
    explain: bool,
    step: Literal["judge", "decide"],
    columns: dict[str, str],
) -> DataFrame:
    schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
    return rows.mapInArrow(_worker(payload, explain, step), schema)


def _worker(
    payload: Broadcast, explain: bool, step: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Imported where it runs: a function sent by value would bring its own, empty cache.
        from genre_spark.predict import predictor

        judge = predictor(payload.value)
        if explain:
            from genre_spark.reasons import Explainer

            judge = Explainer(judge)
        do = getattr(judge, step)
        for batch in batches:
            yield do(batch)

    return work
