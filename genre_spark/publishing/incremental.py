"""Finds the labels of a published catalogue that still hold, so that only the others are computed.

A label depends on the model, on the software, and on what ``input_hash`` is taken over: the track
and, where the model relates an artist's tracks, all tracks of its artist group. A row whose model,
software and hash are the present ones is what a full run would give, up to ``scored_at``.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle
from genre_spark.publishing import writer
from genre_spark.publishing.manifest import Published
from genre_spark.schema import TRACK_ID
from genre_spark.scoring import job
from genre_spark.scoring.job import Tracks

_KEY = [TRACK_ID, "input_hash"]


@dataclass(frozen=True)
class Split:
    """A catalogue in two parts.

    Attributes
    ----------
    reused : DataFrame
        Published rows that still hold, with all their columns.
    rescored : DataFrame
        `TRACK_ID` of all other tracks.
    hashes : DataFrame
        From `job.input_hashes`, persisted.
    """

    reused: DataFrame
    rescored: DataFrame
    hashes: DataFrame


@contextmanager
def split(tracks: Tracks, bundle: Bundle, published: DataFrame) -> Iterator[Split]:
    """Compares the tracks with a published catalogue, for as long as the block lasts.

    Parameters
    ----------
    tracks : Tracks
        Validated for the bundle's features.
    published : DataFrame
        From `reusable`.
    """
    hashes = job.input_hashes(tracks, bundle).persist()
    keys = hashes.select(*_KEY)
    try:
        same_model = published.filter(F.col("model_id") == bundle.manifest.model_id)
        yield Split(
            reused=same_model.join(keys, on=_KEY, how="left_semi").select(*published.columns),
            rescored=keys.join(same_model, on=_KEY, how="left_anti").select(TRACK_ID),
            hashes=hashes,
        )
    finally:
        hashes.unpersist()


def reusable(
    read: Callable[[], DataFrame],
    old: Published | None,
    software: Mapping[str, str],
    columns: Mapping[str, str],
) -> DataFrame | str:
    """A published catalogue whose rows may be reused; else the reason why not.

    Parameters
    ----------
    read : callable
        Gives the published catalogue, which is locked meanwhile.
    old : Published or None
        What is known of it.
    software : mapping
        Present versions: other ones may compute other labels.
    columns : mapping
        The wanted ones, and their types.
    """
    if old is None:
        return "there is no catalogue yet"
    if old.manifest is None or old.manifest.software != software:
        return "other versions of the software made the published catalogue"
    if old.manifest.columns != columns:
        return "the published catalogue has other columns"
    try:
        published = read()
        writer.check_types(published.schema, columns)
        found = writer.count(published)
    except Exception as err:  # whatever is wrong with it, all labels can be computed
        return f"the published catalogue cannot be read ({type(err).__name__})"
    if found.checksum != old.manifest.checksum:
        return "the published catalogue is not what its manifest says"
    return published
