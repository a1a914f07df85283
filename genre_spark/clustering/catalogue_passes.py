"""What is computed over all tracks of a catalogue: each a function from the narrow table by artist."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.clustering import counts
from genre_spark.clustering.counts import GroupCounts
from genre_spark.clustering.metric import ClusterMetric, Moments
from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.features.artist_batches import (
    ALBUM_KEY,
    ARTIST_KEY,
    FEATURES,
    GROUP,
    ArtistBatch,
    artist_batches,
)
from genre_spark.features.scaling import FeatureScaler
from genre_spark.schema import GENRE

# Column of points for MLlib.
POINT = "_point"
_READ = (GROUP, ARTIST_KEY, ALBUM_KEY, FEATURES)


def moments(narrowed: DataFrame, scaler: FeatureScaler) -> Moments:
    """How tracks vary between and within artists.

    Parameters
    ----------
    narrowed : DataFrame
        From `artist_pass.narrow`, artists complete in partitions.
    scaler : FeatureScaler
    """

    def work(batches: Iterator[ArtistBatch]) -> Iterator[pa.RecordBatch]:
        rows = [Moments.of(batch).packed() for batch in batches]
        if rows:
            yield _lists(np.sum(rows, axis=0)[None], pa.float64())

    rows = _map(narrowed.select(*_READ), scaler, work, f"{POINT} array<double>").collect()
    empty = np.zeros(6 * scaler.n_scaled)
    return Moments.unpack(np.sum([empty, *(row[0] for row in rows)], axis=0))


def points(narrowed: DataFrame, scaler: FeatureScaler, metric: ClusterMetric) -> DataFrame:
    """Each track that centers are fitted to, as it is compared: one column `POINT`, an ML vector.

    Parameters are those of `moments`; `metric` is the fitted comparison.
    """

    def work(batches: Iterator[ArtistBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            own = batch.inputs
            compared = metric.points(own.scaled, own.artist_mean, own.artist_counts)
            yield _lists(compared[metric.can_fit(own.scaled, compared)], pa.float32())

    found = _map(narrowed.select(*_READ), scaler, work, f"{POINT} array<float>")
    return found.select(array_to_vector(F.col(POINT)).alias(POINT))


def group_counts(narrowed: DataFrame, scaler: FeatureScaler, part: SyntheticPart) -> GroupCounts:
    """Sizes, means, artists and real genres of all synthetic genres.

    Parameters
    ----------
    narrowed : DataFrame
        As `moments` takes it, with `GENRE`.
    scaler : FeatureScaler
    part : SyntheticPart
        Labels every track, as in scoring.
    """

    def work(batches: Iterator[ArtistBatch]) -> Iterator[pa.RecordBatch]:
        yield from counts.of_partition(batches, part)

    found = _map(narrowed.select(*_READ, GENRE), scaler, work, counts.SCHEMA)
    return GroupCounts.of(found.toArrow(), part, scaler.n_scaled)


def _map(
    rows: DataFrame,
    scaler: FeatureScaler,
    work: Callable[[Iterator[ArtistBatch]], Iterator[pa.RecordBatch]],
    schema: str,
) -> DataFrame:
    def in_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from work(artist_batches(batches, scaler))

    return rows.mapInArrow(in_worker, schema)


def _lists(values: np.ndarray, kind: Any) -> pa.RecordBatch:
    """Rows of an array [shape=(n, m)] as one column of lists."""
    n, m = values.shape
    flat = pa.array(np.ascontiguousarray(values).ravel(), kind)
    offsets = pa.array(np.arange(n + 1, dtype=np.int32) * m)
    return pa.RecordBatch.from_arrays([pa.ListArray.from_arrays(offsets, flat)], [POINT])
