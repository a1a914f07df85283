"""The fit of synthetic genres to a whole catalogue, by MLlib's KMeans."""

import logging
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from genre_spark.clustering.catalogue_passes import POINT

logger = logging.getLogger(__name__)


def fit(points: DataFrame, centers: np.ndarray, max_iterations: int) -> np.ndarray:
    """Centers of MLlib's KMeans on all points, started from the sample's centers.

    Parameters
    ----------
    points : DataFrame
        With `POINT`; kept in memory, or on disk, for the time of the fit.
    centers : np.ndarray [shape=(k, n_dimensions)]
    max_iterations : int

    Returns
    -------
    np.ndarray [shape=(k, n_dimensions), dtype=float64]

    Notes
    -----
    The sample's centers are the tightest of many starts, which on the whole catalogue would cost
    a fit each; k-means|| started again often ends in a looser and always in another optimum.
    ``pyspark.ml`` cannot start from centers, MLlib's own class can (`setInitialModel`): it is
    called through the JVM.

    References
    ----------
    Lloyd (1982), "Least squares quantization in PCM"; Spark's MLlib guide, "Clustering".
    """
    context = points.sparkSession.sparkContext
    jvm: Any = context._jvm
    start = jvm.org.apache.spark.mllib.clustering.KMeansModel(_vectors(context, centers))
    solver = jvm.org.apache.spark.mllib.clustering.KMeans().setK(len(centers))
    # Where MLlib keeps the points itself, it computes them twice.
    rows = _rows(points).persist(jvm.org.apache.spark.storage.StorageLevel.MEMORY_AND_DISK())
    try:
        fitted = solver.setMaxIterations(max_iterations).setInitialModel(start).run(rows)
        logger.info("KMeans: k=%d, cost %.1f", len(centers), fitted.trainingCost())
        # The last digits depend on the order in which Spark added.
        return np.array([list(one.toArray()) for one in fitted.clusterCenters()]).round(9)
    finally:
        rows.unpersist(False)


def _rows(points: DataFrame) -> Any:
    """The points as MLlib's RDD of vectors, on the JVM."""
    context: Any = points.sparkSession.sparkContext
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
