"""Reads a labelled catalogue: its manifest, and some of its tracks."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import dataset
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.errors import InputError
from genre_spark.platform.atomic_directory import MANIFEST, require_manifest
from genre_spark.platform.hadoop import GetSpark, storage_at, without_globs
from genre_spark.platform.spark_errors import raising
from genre_spark.platform.storage import is_remote, local_path
from genre_spark.publishing.destination import logged_table
from genre_spark.publishing.manifest import Manifest, checked
from genre_spark.schema import TRACK_ID

_SHOWN = (TRACK_ID, "synthetic_genre", "synthetic_genre_distance", "genre", "genre_confidence",
          "genre_accepted", "n_imputed")  # fmt: skip
_SUMMARY = {"run_id", "scored_at", "model_id", "source", "rows", "labels", "drift"}


@dataclass(frozen=True)
class LabelledCatalogue:
    """A labelled catalogue."""

    path: str
    manifest: Manifest
    samples: list[dict[str, Any]]

    def summary(self) -> dict[str, Any]:
        """The same for machines: rows, labels and drift of the manifest, and the samples."""
        manifest = self.manifest.model_dump(mode="json", by_alias=True, include=_SUMMARY)
        return {"path": self.path, **manifest, "samples": self.samples}


class LabelledTable:
    """Reads a labelled catalogue: a directory of Parquet files, or a Delta table by its log.

    `get_spark`: Called for what only Hadoop can reach.
    `options`: Storage options, for a Delta table.
    """

    def __init__(
        self, get_spark: GetSpark, path: str, options: Mapping[str, str] = MappingProxyType({})
    ):
        self._get_spark, self._path = get_spark, path
        self._logged = logged_table(path, options)

    @cached_property
    def manifest(self) -> Manifest:
        """Its manifest. Raises `InputError` if it is no labelled catalogue."""
        if self._logged:
            content = self._logged.manifest()
        else:
            content = require_manifest(storage_at(self._get_spark, self._path), self._path)
        if content is None:
            raise InputError(
                f"{self._path}: not a labelled catalogue: no commit of genre-spark is in its log"
            )
        return checked(content, self._path)

    def _rows(self) -> dataset.Dataset | DataFrame:
        """The labelled rows: with Arrow where Java is not needed, else with Spark."""
        if self._logged and self._logged.table:
            return self._logged.table.to_pyarrow_dataset()
        if is_remote(self._path) and (spark := self._get_spark()):
            return spark.read.parquet(without_globs(self._path))
        return dataset.dataset(str(local_path(self._path)), format="parquet", partitioning="hive")

    def sample(self, n: int, columns: Sequence[str]) -> list[dict[str, Any]]:
        """At most `n` labelled rows: the same ones each time, from all over the catalogue.

        Raises `InputError` if they cannot be read.
        """
        with self._reading():
            table = self._rows()
            if isinstance(table, DataFrame):
                picked = table.orderBy(F.xxhash64(TRACK_ID)).limit(n).select(*columns)
                return [row.asDict(recursive=True) for row in picked.collect()]
            n_tracks = table.count_rows()
            at = np.random.default_rng(0).choice(n_tracks, min(n, n_tracks), replace=False)
            return list(table.take(np.sort(at), columns=list(columns)).to_pylist())

    def by_ids(self, ids: Sequence[str], columns: Sequence[str]) -> list[dict[str, Any]]:
        """The labelled rows of some tracks; a track that was not labelled is left out.

        Raises `InputError` if they cannot be read.
        """
        with self._reading():
            table = self._rows()
            if isinstance(table, DataFrame):
                found = table.filter(F.col(TRACK_ID).isin(list(ids))).select(*columns)
                return [row.asDict() for row in found.collect()]
            wanted = dataset.field(TRACK_ID).isin(pa.array(ids, pa.string()))
            return list(table.to_table(columns=list(columns), filter=wanted).to_pylist())

    def look(self, n_samples: int) -> LabelledCatalogue:
        """What the catalogue holds, with some of its tracks.

        Raises `InputError` if it is no labelled catalogue, or has other than as many tracks as its
        manifest says.
        """
        stated = self.manifest.rows.labelled
        with self._reading():
            table = self._rows()
            n = table.count() if isinstance(table, DataFrame) else table.count_rows()
        if n != stated:
            raise InputError(
                f"{self._path}: holds {n:,} tracks, but its {MANIFEST} says {stated:,}: files were"
                " lost or added; score again"
            )
        return LabelledCatalogue(self._path, self.manifest, self.sample(n_samples, _SHOWN))

    def _reading(self) -> AbstractContextManager[None]:
        return raising(lambda why: InputError(f"{self._path}: cannot be read: {why}"))
