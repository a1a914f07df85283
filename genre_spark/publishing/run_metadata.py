"""The parts of a manifest: the model, the source and runs; and what a catalogue changes."""

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark._model import Count, StrictModel
from genre_spark.bundle.files import Bundle
from genre_spark.catalog.catalogue import Source
from genre_spark.publishing.manifest import Manifest, Model, Run
from genre_spark.publishing.manifest import Source as LabelledSource
from genre_spark.schema import TRACK_ID


class Changes(StrictModel):
    """Tracks that a new catalogue adds, removes, labels otherwise, and leaves as they are."""

    added: Count
    removed: Count
    relabelled: Count
    unchanged: Count


def runs(
    tracks: Mapping[str, int], old: Manifest | None, run_id: str, scored_at: str
) -> tuple[Run, ...]:
    """The runs that labelled the rows, the latest first: more than one after incremental scoring.

    Parameters
    ----------
    tracks : mapping of str to int
        Rows by the time at which they were labelled.
    old : Manifest or None
        Of the catalogue that is replaced.
    run_id, scored_at : str
        Of this run.
    """
    ids = {run.scored_at: run.run_id for run in (old.runs if old else ())}
    ids[scored_at] = run_id
    return tuple(
        Run(run_id=ids.get(at), scored_at=at, tracks=tracks[at])
        for at in sorted(tracks, reverse=True)
    )


def changes(labelled: DataFrame, published: DataFrame) -> Changes:
    """Compares a new catalogue with the published one."""
    label = F.struct("synthetic_genre_id", "genre").alias("label")
    before = published.select(TRACK_ID, label).withColumnRenamed("label", "before")
    both = labelled.select(TRACK_ID, label).join(before, on=TRACK_ID, how="full")
    is_new, is_old = F.col("label").isNotNull(), F.col("before").isNotNull()
    same = F.col("label").eqNullSafe(F.col("before"))
    (counted,) = both.agg(
        F.count_if(is_new & ~is_old).alias("added"),
        F.count_if(~is_new & is_old).alias("removed"),
        F.count_if(is_new & is_old & ~same).alias("relabelled"),
        F.count_if(same).alias("unchanged"),
    ).collect()
    return Changes(**counted.asDict())


def model_of(bundle: Bundle) -> Model:
    """The bundle that makes the labels."""
    return Model(path=bundle.source, created_at=bundle.manifest.created_at)


def source_of(source: Source, fingerprint: str) -> LabelledSource:
    """The table that is labelled; the fingerprint is of its tracks."""
    version = {} if source.version is None else {"version": source.version}
    return LabelledSource(
        path=source.path,
        format=source.fmt,
        dataset=source.dataset,
        fingerprint=fingerprint,
        **version,
    )
