"""Finds the synthetic genres of a catalogue: how many, and where they lie."""

import logging

import numpy as np
from pydantic import BaseModel, ConfigDict
from pyspark.ml.clustering import KMeans, KMeansModel
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.config import ClusteringSettings
from genre_spark.errors import InputError
from genre_spark.schema import TRACK_ID

logger = logging.getLogger(__name__)

AXES = "_axes"
CLUSTER = "_cluster"
# The silhouette compares each pair of tracks.
_SILHOUETTE_TRACKS = 4000


class Candidate(BaseModel):
    """A number of synthetic genres that was tried, and how well separate they were."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: int
    silhouette: float


def sample_axes(points: DataFrame, size: int, seed: int) -> np.ndarray:
    """A bounded sample, the same for the same tracks and seed however they are partitioned.

    Parameters
    ----------
    points : DataFrame
        With `TRACK_ID` and `AXES` (array<double>).

    Returns
    -------
    np.ndarray [shape=(at most size, n_axes), dtype=float64]
    """
    by_chance = F.xxhash64(F.lit(seed), F.col(TRACK_ID))
    axes = points.orderBy(by_chance, TRACK_ID).limit(size).select(AXES).toArrow().column(0)
    return np.asarray(axes.combine_chunks().flatten()).reshape(len(axes), -1)


def try_each_k(sample: np.ndarray, settings: ClusteringSettings, seed: int) -> list[Candidate]:
    """The silhouette of every k in the range.

    Parameters
    ----------
    sample : np.ndarray [shape=(n_tracks, n_axes)]
        In random order.

    Raises
    ------
    InputError
        Where there are too few distinct tracks for the smallest k.

    References
    ----------
    Rousseeuw (1987), "Silhouettes: a graphical aid to the interpretation and validation of
    cluster analysis", J. Comput. Appl. Math. 20.
    """
    from sklearn.cluster import KMeans as LocalKMeans
    from sklearn.metrics import silhouette_score

    distinct = len(np.unique(sample, axis=0))
    if distinct <= settings.k_min:
        raise InputError(
            f"the catalogue has {distinct} distinct tracks, k_min={settings.k_min} synthetic"
            " genres need more; give more tracks or --set k_min=K"
        )
    judged = slice(0, _SILHOUETTE_TRACKS)
    candidates = []
    for k in range(settings.k_min, min(settings.k_max, distinct - 1) + 1):
        labels = LocalKMeans(k, n_init=settings.restarts, random_state=seed).fit_predict(sample)
        silhouette = float(silhouette_score(sample[judged], labels[judged]))
        candidates.append(Candidate(k=k, silhouette=round(silhouette, 4)))
    return candidates


def fit(points: DataFrame, k: int, settings: ClusteringSettings, seed: int) -> KMeansModel:
    """MLlib's KMeans on all points: of several starts the tightest.

    Parameters
    ----------
    points : DataFrame
        Cached, with `AXES` (array<double>).

    References
    ----------
    Bahmani et al. (2012), "Scalable K-Means++", VLDB; Spark's MLlib guide, "Clustering".
    """
    models = [
        KMeans(
            k=k,
            seed=seed + restart,
            maxIter=settings.max_iterations,
            featuresCol=AXES,
            predictionCol=CLUSTER,
        ).fit(points)
        for restart in range(settings.restarts)
    ]
    best = min(models, key=lambda model: model.summary.trainingCost)
    logger.info("KMeans: k=%d, cost %.1f", k, best.summary.trainingCost)
    return best
