"""Tells which labels of a published catalogue still hold, so that only the others are made anew.

A label hangs on the model, on the software, and on what ``input_hash`` is taken over: the track, its
context, and, where an artist's tracks inform each other, all tracks of its artist. A row whose
model, software and hash are those of now is what a full run would give, up to ``scored_at``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle
from genre_spark.publishing import writer
from genre_spark.schema import TRACK_ID
from genre_spark.scoring import job

_KEY = [TRACK_ID, "input_hash"]


@dataclass(frozen=True)
class Split:
    """A catalogue in two parts.

    Attributes
    ----------
    carried : DataFrame
        Published rows that still hold, with all their columns.
    anew : DataFrame
        `TRACK_ID` of all other tracks.
    """

    carried: DataFrame
    anew: DataFrame


@contextmanager
def split(tracks: DataFrame, bundle: Bundle, published: DataFrame) -> Iterator[Split]:
    """The tracks of now, held to a published catalogue, for as long as the block lasts.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks, validated for the bundle's features.
    bundle : Bundle
    published : DataFrame
        From `reusable`.
    """
    hashes = job.input_hashes(tracks, bundle).persist()
    try:
        same_model = published.filter(F.col("model_id") == bundle.manifest.model_id)
        yield Split(
            carried=same_model.join(hashes, on=_KEY, how="left_semi").select(*published.columns),
            anew=hashes.join(same_model, on=_KEY, how="left_anti").select(TRACK_ID),
        )
    finally:
        hashes.unpersist()


def reusable(
    spark: SparkSession,
    path: str,
    manifest: Mapping[str, Any] | None,
    software: Mapping[str, str],
    columns: Mapping[str, str],
) -> DataFrame | str:
    """A published catalogue whose rows may be carried over; else why they may not.

    Parameters
    ----------
    spark : SparkSession
    path : str
        The published catalogue; nobody may replace it meanwhile.
    manifest : mapping or None
        Its manifest.
    software : mapping
        Versions of now: other ones may compute other labels.
    columns : mapping
        Those that are wanted now, and their types.
    """
    if manifest is None:
        return "there is no catalogue yet"
    if manifest.get("software") != software:
        return "other versions of the software made the published catalogue"
    if manifest.get("schema") != columns:
        return "the published catalogue has other columns"
    try:
        published = writer.read(spark, path, columns)
        writer.check_schema(published, columns)
        found = writer.tally(published)
    except Exception as err:  # whatever is wrong with it, all labels can be made anew
        return f"the published catalogue cannot be read ({type(err).__name__})"
    if found.checksum != manifest.get("checksum"):
        return "the published catalogue is not what its manifest says"
    return published
