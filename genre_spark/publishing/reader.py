"""Reads a labelled catalogue: its manifest, and some of its tracks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import dataset
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.errors import InputError
from genre_spark.platform.hadoop import storage_of, without_globs
from genre_spark.platform.published_files import MANIFEST
from genre_spark.platform.storage import is_remote, local_path
from genre_spark.publishing.manifest import Manifest, require
from genre_spark.schema import TRACK_ID

_SHOWN = (TRACK_ID, "synthetic_genre", "synthetic_genre_distance", "genre", "genre_confidence",
          "genre_accepted", "n_imputed")  # fmt: skip
_SUMMARY = {"run_id", "scored_at", "model_id", "source", "rows", "labels", "drift"}


@dataclass(frozen=True)
class LabelledCatalogue:
    """A labelled catalogue.

    Attributes
    ----------
    path : str
    manifest : Manifest
    samples : list of dict
        Some tracks, by the names of columns.
    """

    path: str
    manifest: Manifest
    samples: list[dict[str, Any]]

    def summary(self) -> dict[str, Any]:
        """The same for machines: rows, labels and drift of the manifest, and the samples."""
        manifest = self.manifest.model_dump(mode="json", by_alias=True, include=_SUMMARY)
        return {"path": self.path, **manifest, "samples": self.samples}


def look(spark: SparkSession | None, path: str, n_samples: int) -> LabelledCatalogue:
    """What a labelled catalogue holds.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed for a path that only Hadoop can reach.
    path : str
    n_samples : int
        Tracks to show: the same ones each time, from all over the catalogue.

    Returns
    -------
    LabelledCatalogue

    Raises
    ------
    InputError
        Where it is no labelled catalogue, or not as many tracks are there as the manifest says.
    """
    manifest = require(storage_of(spark, path), path)
    try:
        n_tracks, samples = (
            _by_spark(spark.read.parquet(without_globs(path)), n_samples)
            if is_remote(path) and spark is not None
            else _by_arrow(_local(path), n_samples)
        )
    except (pa.ArrowException, OSError) as err:
        raise InputError(f"{path}: cannot be read: {' '.join(str(err).split())}") from err
    _check(manifest, n_tracks, path)
    return LabelledCatalogue(path, manifest, samples)


def _local(path: str) -> dataset.Dataset:
    return dataset.dataset(str(local_path(path)), format="parquet", partitioning="hive")


def _by_arrow(table: dataset.Dataset, n: int) -> tuple[int, list[dict[str, Any]]]:
    """Without Java."""
    n_tracks = table.count_rows()
    picked = np.random.default_rng(0).choice(n_tracks, min(n, n_tracks), replace=False)
    return n_tracks, table.take(np.sort(picked), columns=list(_SHOWN)).to_pylist()


def _by_spark(table: DataFrame, n: int) -> tuple[int, list[dict[str, Any]]]:
    picked = table.orderBy(F.xxhash64(TRACK_ID)).limit(n).select(*_SHOWN)
    return table.count(), [row.asDict() for row in picked.collect()]


def _check(manifest: Manifest, n_tracks: int, path: str) -> None:
    if n_tracks != manifest.rows.labelled:
        raise InputError(
            f"{path}: holds {n_tracks:,} tracks, but its {MANIFEST} says"
            f" {manifest.rows.labelled:,}: files were lost or added; score again"
        )
