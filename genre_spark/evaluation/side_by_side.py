"""One catalogue as two models label it."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pyarrow as pa
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest
from genre_spark.bundle.registry import now
from genre_spark.catalog.catalogue import Source, open_catalogue
from genre_spark.config import Settings
from genre_spark.features.artist_pass import artist_key
from genre_spark.schema import GENRE, TRACK_ID
from genre_spark.scoring import job
from genre_spark.scoring.job import Tracks

# Columns of the table: the catalogue's genre, and the labels of either model.
TRUTH = "truth"
BEFORE, AFTER = "before", "after"
_KEY = "_artist"
# Stands for null in a join.
_NO_GENRE = ""


@contextmanager
def labelled_by_both(
    spark: SparkSession,
    source: Source,
    before: Bundle,
    after: Bundle,
    settings: Settings,
    explain: bool = False,
) -> Iterator[DataFrame]:
    """A catalogue with the labels of two models, cached for as long as the block lasts.

    Parameters
    ----------
    spark : SparkSession
    source : Source
    before, after : Bundle
    settings : Settings
    explain : bool
        Whether both give reasons.

    Yields
    ------
    DataFrame
        One row per track that either accepts: `TRACK_ID`; `TRUTH`, the catalogue's genre if it
        has exactly one; `BEFORE` and `AFTER`, a struct of the labelled columns, ``artist_key`` and
        ``known``, whether the model has learned from the artist (both null for a track without
        one), or null where that model's features are too bad.
    """
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(_labelled(spark, source, bundle, settings, explain, name))
            for name, bundle in ((BEFORE, before), (AFTER, after))
        )
        both = one.join(other, on=[TRACK_ID, TRUTH], how="full")
        kept = both.withColumn(TRUTH, F.nullif(TRUTH, F.lit(_NO_GENRE))).persist()
        stack.callback(kept.unpersist)
        yield kept


@contextmanager
def _labelled(
    spark: SparkSession,
    source: Source,
    bundle: Bundle,
    settings: Settings,
    explain: bool,
    name: str,
) -> Iterator[DataFrame]:
    needed = bundle.manifest.scoring.scaler.features
    with open_catalogue(spark, source, settings.catalog, needed) as catalogue:
        truth = F.coalesce(F.col(GENRE), F.lit(_NO_GENRE)).alias(TRUTH)
        tracks = catalogue.tracks.select(TRACK_ID, truth, artist_key().alias(_KEY))
        n, largest = catalogue.counts.accepted, settings.scoring.max_group
        shared_out = Tracks.of(catalogue.tracks, n, largest, bundle.manifest.scoring.owner)
        labels = job.labelled(shared_out, bundle, now(), explain).drop(*job.PASSED)
        known = _known(spark, bundle.manifest)
        joined = labels.join(tracks, on=TRACK_ID).join(known, on=_KEY, how="left")
        is_known = F.when(F.col(_KEY).isNotNull(), F.col("_known").isNotNull())
        columns: list[Column] = [F.col(column) for column in labels.columns]
        of_model = F.struct(*columns, F.col(_KEY).alias("artist_key"), is_known.alias("known"))
        yield joined.select(TRACK_ID, TRUTH, of_model.alias(name))


def _known(spark: SparkSession, manifest: Manifest) -> DataFrame:
    """Keys of the artists of a model's labelled sample."""
    part = manifest.scoring.genres
    keys = pa.array(part.artist_keys if part else [], pa.int64())
    return spark.createDataFrame(pa.table({_KEY: keys})).withColumn("_known", F.lit(True))
