"""Labels every track of a catalogue with a bundle, in one vectorised pass."""

from collections.abc import Callable, Iterator

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle import Bundle
from genre_spark.context import add_context
from genre_spark.predict import Payload
from genre_spark.schema import LABELLED_COLUMNS, TRACK_ID, context_column
from genre_spark.validation import FAULTS

_SAME_FOR_ALL = ("model_id", "scored_at")
_FROM_WORKERS = ", ".join(
    f"{name} {kind}" for name, kind in LABELLED_COLUMNS.items() if name not in _SAME_FOR_ALL
)


def label(spark: SparkSession, tracks: DataFrame, bundle: Bundle, scored_at: str) -> DataFrame:
    """The labelled catalogue.

    Parameters
    ----------
    spark : SparkSession
    tracks : DataFrame
        Accepted tracks, validated for the bundle's features.
    bundle : Bundle
        Verified; a clusters bundle leaves the genre columns null.
    scored_at : str
        Time of the run, ISO 8601.

    Returns
    -------
    DataFrame
        The columns of `LABELLED_COLUMNS`, one row per track.
    """
    payload = spark.sparkContext.broadcast(Payload.of(bundle))
    labelled = model_inputs(tracks, bundle).mapInArrow(_labeller(payload), _FROM_WORKERS)
    return labelled.withColumns(
        {
            "model_id": F.lit(bundle.manifest.model_id),
            "scored_at": F.lit(scored_at).cast("timestamp"),
        }
    ).select(*LABELLED_COLUMNS)


def model_inputs(tracks: DataFrame, bundle: Bundle) -> DataFrame:
    """All that the model reads of each track: the columns that `predict` takes."""
    scoring = bundle.manifest.scoring
    groups = scoring.genres.groups if scoring.genres else ()
    in_context = add_context(tracks, scoring.space, groups)
    features = [column.alias(name) for name, column in scoring.space.imputed().items()]
    contexts = [F.col(context_column(group)) for group in groups]
    return in_context.select(
        TRACK_ID,
        F.size(FAULTS).alias("n_imputed"),
        F.xxhash64(*features, *contexts).alias("input_hash"),
        *features,
        *contexts,
    )


def _labeller(payload: Broadcast) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def label_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Imported where it runs: a function sent by value would bring its own, empty cache.
        from genre_spark.predict import predictor

        predict = predictor(payload.value)
        for batch in batches:
            yield predict(batch)

    return label_batches
