"""The fit of synthetic genres to a whole catalogue, by MLlib's KMeans."""

import logging
from typing import Any

import numpy as np
from pyspark.ml.clustering import KMeansModel
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.clustering.metric import ClusterSpace
from genre_spark.features.scaling import FeatureSpace
from genre_spark.schema import TRACK_ID

logger = logging.getLogger(__name__)

POINT = "_point"
CLUSTER = "_cluster"


def sample_raw(tracks: DataFrame, space: FeatureSpace, size: int, seed: int) -> np.ndarray:
    """A bounded sample, the same for the same tracks and seed however they are partitioned.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with the features of `space`.

    Returns
    -------
    np.ndarray [shape=(at most size, n_features), dtype=float64]
        Raw features in random order, missing ones imputed.
    """
    by_chance = F.xxhash64(F.lit(seed), F.col(TRACK_ID))
    features = [column.alias(name) for name, column in space.imputed().items()]
    taken = tracks.orderBy(by_chance, TRACK_ID).limit(size).select(*features).toArrow()
    return np.stack([column.to_numpy() for column in taken.columns], axis=1).astype(np.float64)


def add_points(tracks: DataFrame, space: FeatureSpace, compared: ClusterSpace) -> DataFrame:
    """Adds `POINT`: each track as it is compared, an ML vector."""
    return tracks.withColumn(POINT, array_to_vector(F.array(*compared.to_spark(space.to_spark()))))


def fit(points: DataFrame, centers: np.ndarray, max_iterations: int) -> KMeansModel:
    """MLlib's KMeans on all points, started from the sample's centers.

    Parameters
    ----------
    points : DataFrame
        With `POINT`; MLlib keeps its own copy of it while it works.
    centers : np.ndarray [shape=(k, n_dimensions)]
    max_iterations : int

    Notes
    -----
    The sample's centers are the tightest of many starts, which on the whole catalogue would cost
    a fit each; k-means|| started anew often ends in a looser and always in another optimum.
    ``pyspark.ml`` cannot start from centers, MLlib's own class can (`setInitialModel`): it is
    called through the JVM, so that no track passes through Python.

    References
    ----------
    Lloyd (1982), "Least squares quantization in PCM"; Spark's MLlib guide, "Clustering".
    """
    context = points.sparkSession.sparkContext
    mllib = context._jvm.org.apache.spark.mllib
    start = mllib.clustering.KMeansModel(_vectors(context, centers))
    solver = mllib.clustering.KMeans().setK(len(centers)).setMaxIterations(max_iterations)
    fitted = solver.setInitialModel(start).run(_rows(points))
    logger.info("KMeans: k=%d, cost %.1f", len(centers), fitted.trainingCost())
    made = context._jvm.org.apache.spark.ml.clustering.KMeansModel("synthetic_genres", fitted)
    return KMeansModel(made).setFeaturesCol(POINT).setPredictionCol(CLUSTER)


def _rows(points: DataFrame) -> Any:
    """The points as MLlib's RDD of vectors, on the JVM."""
    context = points.sparkSession.sparkContext
    jvm = context._jvm
    no_columns = context._gateway.new_array(jvm.java.lang.String, 0)
    taken = points.select(POINT)._jdf
    old = jvm.org.apache.spark.mllib.util.MLUtils.convertVectorColumnsFromML(taken, no_columns)
    encoder = jvm.org.apache.spark.sql.Encoders.udt(jvm.org.apache.spark.mllib.linalg.VectorUDT())
    return getattr(old, "as")(encoder).rdd()


def _vectors(context: Any, centers: np.ndarray) -> Any:
    jvm, new_array = context._jvm, context._gateway.new_array
    vectors = new_array(jvm.org.apache.spark.mllib.linalg.Vector, len(centers))
    for i, center in enumerate(centers.tolist()):
        values = new_array(jvm.double, len(center))
        for j, value in enumerate(center):
            values[j] = value
        vectors[i] = jvm.org.apache.spark.mllib.linalg.Vectors.dense(values)
    return vectors
