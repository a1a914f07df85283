"""Reads a labelled catalogue: its manifest, and some of its tracks."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from pyarrow import dataset
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.catalog import source_files
from genre_spark.errors import InputError
from genre_spark.platform.hadoop import storage_of, without_globs
from genre_spark.platform.published_files import MANIFEST
from genre_spark.platform.storage import is_remote, local_path
from genre_spark.publishing.manifest import Manifest, checked, require
from genre_spark.schema import TRACK_ID

if TYPE_CHECKING:
    from deltalake import DeltaTable

_SHOWN = (TRACK_ID, "synthetic_genre", "synthetic_genre_distance", "genre", "genre_confidence",
          "genre_accepted", "n_imputed")  # fmt: skip
_SUMMARY = {"run_id", "scored_at", "model_id", "source", "rows", "labels", "drift"}


@dataclass(frozen=True)
class LabelledCatalogue:
    """A labelled catalogue.

    Attributes
    ----------
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


def is_delta(path: str, options: Mapping[str, str]) -> bool:
    """Whether a path, local or on an object store, is a Delta table."""
    if not is_remote(path):
        return source_files.is_delta(path)
    try:
        from genre_spark.platform import delta_log

        return delta_log.is_table(path, options)
    except (ModuleNotFoundError, InputError):  # whoever reads it as a directory will say why
        return False


def manifest_of(spark: SparkSession | None, path: str, options: Mapping[str, str]) -> Manifest:
    """The manifest of a labelled catalogue, a directory or a Delta table.

    Raises
    ------
    InputError
        Where it is no labelled catalogue.
    """
    if is_delta(path, options):
        return _delta(path, options)[1]
    return require(storage_of(spark, path), path)


def rows(
    spark: SparkSession | None, path: str, options: Mapping[str, str]
) -> dataset.Dataset | DataFrame:
    """The labelled rows: with Arrow where Java is not needed, else with Spark."""
    if is_delta(path, options):
        return _delta(path, options)[0].to_pyarrow_dataset()
    if is_remote(path) and spark is not None:
        return spark.read.parquet(without_globs(path))
    return dataset.dataset(str(local_path(path)), format="parquet", partitioning="hive")


def by_arrow(path: str, options: Mapping[str, str]) -> bool:
    """Whether a labelled catalogue is read without Java."""
    return not is_remote(path) or is_delta(path, options)


def sample(
    spark: SparkSession | None,
    path: str,
    n: int,
    options: Mapping[str, str],
    columns: Sequence[str],
) -> list[dict[str, Any]]:
    """At most `n` labelled rows: the same ones each time, from all over the catalogue.

    Raises
    ------
    InputError
        Where they cannot be read.
    """
    with _reading(path):
        return pick(rows(spark, path, options), n, columns)


def by_ids(
    spark: SparkSession | None,
    path: str,
    ids: Sequence[str],
    options: Mapping[str, str],
    columns: Sequence[str],
) -> list[dict[str, Any]]:
    """The labelled rows of some tracks; a track that was not labelled is left out.

    Raises
    ------
    InputError
        Where they cannot be read.
    """
    with _reading(path):
        table = rows(spark, path, options)
        if isinstance(table, DataFrame):
            found = table.filter(F.col(TRACK_ID).isin(list(ids))).select(*columns)
            return [row.asDict() for row in found.collect()]
        wanted = dataset.field(TRACK_ID).isin(pa.array(ids, pa.string()))
        return list(table.to_table(columns=list(columns), filter=wanted).to_pylist())


def pick(
    table: dataset.Dataset | DataFrame, n: int, columns: Sequence[str]
) -> list[dict[str, Any]]:
    """At most `n` rows of a labelled catalogue: the same ones each time, from all over it."""
    if isinstance(table, DataFrame):
        picked = table.orderBy(F.xxhash64(TRACK_ID)).limit(n).select(*columns)
        return [row.asDict(recursive=True) for row in picked.collect()]
    n_tracks = table.count_rows()
    at = np.random.default_rng(0).choice(n_tracks, min(n, n_tracks), replace=False)
    return list(table.take(np.sort(at), columns=list(columns)).to_pylist())


def look(
    spark: SparkSession | None,
    path: str,
    n_samples: int,
    options: Mapping[str, str] = MappingProxyType({}),
) -> LabelledCatalogue:
    """What a labelled catalogue holds.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed for a path that only Hadoop can reach.
    n_samples : int
        Tracks to show: the same ones each time, from all over the catalogue.
    options : mapping of str to str
        Storage options, for a Delta table.

    Raises
    ------
    InputError
        Where it is no labelled catalogue, or not as many tracks are there as the manifest says.
    """
    manifest = manifest_of(spark, path, options)
    with _reading(path):
        table = rows(spark, path, options)
        _check(manifest, _count(table), path)
        return LabelledCatalogue(path, manifest, pick(table, n_samples, _SHOWN))


def _delta(path: str, options: Mapping[str, str]) -> tuple["DeltaTable", Manifest]:
    """A labelled catalogue in Delta, and its manifest."""
    from genre_spark.publishing.delta_folder import DeltaFolder

    found = DeltaFolder.at(path, options)
    content = found.manifest()
    if found.table is None or content is None:
        raise InputError(
            f"{path}: not a labelled catalogue: no commit of genre-spark is in its log"
        )
    return found.table, checked(content, path)


@contextmanager
def _reading(path: str) -> Iterator[None]:
    """Raises what Arrow cannot read as `InputError`."""
    try:
        yield
    except (pa.ArrowException, OSError) as err:
        raise InputError(f"{path}: cannot be read: {' '.join(str(err).split())}") from err


def _count(table: dataset.Dataset | DataFrame) -> int:
    return int(table.count() if isinstance(table, DataFrame) else table.count_rows())


def _check(manifest: Manifest, n_tracks: int, path: str) -> None:
    if n_tracks != manifest.rows.labelled:
        raise InputError(
            f"{path}: holds {n_tracks:,} tracks, but its {MANIFEST} says"
            f" {manifest.rows.labelled:,}: files were lost or added; score again"
        )
