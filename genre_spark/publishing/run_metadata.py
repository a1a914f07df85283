"""Where a labelled catalogue comes from, and what it changes: the part of a manifest that tells it."""

from collections.abc import Mapping
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle
from genre_spark.catalog.catalogue import Source
from genre_spark.schema import TRACK_ID

_OF_A_RUN = ("run_id", "scored_at", "model_id")


def origin(source: Source, bundle: Bundle, fingerprint: str) -> dict[str, Any]:
    """The catalogue and the model.

    Parameters
    ----------
    source : Source
    bundle : Bundle
    fingerprint : str
        Of the accepted tracks.
    """
    return {
        "model_id": bundle.manifest.model_id,
        "model": {"path": str(bundle.path), "created_at": bundle.manifest.created_at},
        "source": {
            "path": source.path,
            "format": source.fmt,
            **({} if source.version is None else {"version": source.version}),
            "dataset": source.dataset.model_dump(),
            "fingerprint": fingerprint,
        },
    }


def runs(
    tracks: Mapping[str, int], old: Mapping[str, Any] | None, run_id: str, scored_at: str
) -> list[dict[str, Any]]:
    """The runs that labelled the rows, the latest first: more than one after incremental scoring.

    Parameters
    ----------
    tracks : mapping of str to int
        Rows by the time at which they were labelled.
    old : mapping or None
        Manifest of the catalogue that is replaced.
    run_id, scored_at : str
        Of this run.

    Returns
    -------
    list of dict
        ``run_id``, ``scored_at`` (which is in the rows), and ``tracks`` that it labelled.
    """
    ids = {run["scored_at"]: run["run_id"] for run in (old or {}).get("runs", [])}
    ids[scored_at] = run_id
    return [
        {"run_id": ids.get(at), "scored_at": at, "tracks": tracks[at]}
        for at in sorted(tracks, reverse=True)
    ]


def replaced(old: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The catalogue that a new one replaces; None where there is none."""
    return (
        None
        if not old
        else {**{name: old.get(name) for name in _OF_A_RUN}, "rows": old.get("rows")}
    )


def changes(labelled: DataFrame, published: DataFrame) -> dict[str, int]:
    """Tracks that a new catalogue adds, removes, labels otherwise, and leaves as they are."""
    label = F.struct("synthetic_genre_id", "genre").alias("label")
    before = published.select(TRACK_ID, label).withColumnRenamed("label", "before")
    both = labelled.select(TRACK_ID, label).join(before, on=TRACK_ID, how="full")
    is_new, is_old = F.col("label").isNotNull(), F.col("before").isNotNull()
    same = F.col("label").eqNullSafe(F.col("before"))
    counted = both.agg(
        F.count_if(is_new & ~is_old).alias("added"),
        F.count_if(~is_new & is_old).alias("removed"),
        F.count_if(is_new & is_old & ~same).alias("relabelled"),
        F.count_if(same).alias("unchanged"),
    )
    return counted.first().asDict()
