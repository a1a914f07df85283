"""What a synthetic genre is, in words and numbers that people can read."""

from collections.abc import Sequence
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from pyspark.ml.clustering import KMeansModel
from pyspark.sql import DataFrame, Row, Window
from pyspark.sql import functions as F

from genre_spark.clustering import AXES, CLUSTER
from genre_spark.features import FeatureSpace
from genre_spark.schema import ARTIST, GENRE, TITLE, TRACK_ID, feature

TYPICAL_TRACKS = 5
# A word is said of a genre that lies at least this many spreads from the average track.
_NOTABLE = 0.4
_WORDS = 3
# Real genres are names that somebody typed: their number has no bound.
_MOST_GENRE_COUNTS = 10_000


class TypicalTrack(BaseModel):
    """A track near a centroid."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track_id: str
    artist: str | None
    title: str | None


class SyntheticGenre(BaseModel):
    """A cluster of the catalogue.

    Attributes
    ----------
    id : int
        Stable id; the largest cluster of a first fit has 0.
    name : str
        Two to four words, distinct over the set.
    centroid : tuple of float
        In scaled units, one per axis.
    size : int
        Tracks nearest to it.
    medians : dict of str to float
        Of its tracks' features, in raw units.
    typical : tuple of TypicalTrack
        The tracks nearest to the centroid.
    genres : dict of str to int
        Labelled tracks per real genre, for information; they take no part in the fit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: int
    name: str
    centroid: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    size: int
    medians: dict[str, float]
    typical: tuple[TypicalTrack, ...]
    genres: dict[str, int]


def describe(
    tracks: DataFrame, model: KMeansModel, space: FeatureSpace
) -> tuple[SyntheticGenre, ...]:
    """Synthetic genres, the largest first, so that ids do not hang on the order of the fit.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with `AXES` and `CLUSTER` beside the features of `space`.
    """
    # The last digits hang on the order in which Spark added.
    centroids = np.array(model.clusterCenters()).round(9)
    summaries, typical = _summaries(tracks, space), _typical(tracks, centroids)
    genres = _genre_counts(tracks)
    order = sorted(summaries, key=lambda i: (-summaries[i]["size"], tuple(centroids[i])))
    names = name_all(centroids[order], space)
    return tuple(
        SyntheticGenre(
            id=rank,
            name=names[rank],
            centroid=tuple(centroids[i].tolist()),
            size=summaries[i]["size"],
            medians=dict(zip(space.features, summaries[i]["medians"], strict=True)),
            typical=typical[i],
            genres=genres.get(i, {}),
        )
        for rank, i in enumerate(order)
    )


def name_all(centroids: np.ndarray, space: FeatureSpace) -> list[str]:
    """Distinct short names from what sets each centroid apart.

    Parameters
    ----------
    centroids : np.ndarray [shape=(k, n_axes)]
        In scaled units: 0 is the average track.

    Returns
    -------
    list of str
        ``"loud fast instrumental"``; words are added, and at last a number, until all differ.
    """
    words = [_words(centroid, space) for centroid in centroids]
    names: list[str] = []
    for own in words:
        for n in range(min(_WORDS, len(own)), len(own) + 1):
            name = " ".join(own[:n]) or "average"
            if name not in names:
                break
        names.append(_numbered(name, names))
    return names


def nmi(tables: Sequence[dict[str, int]]) -> float:
    """Normalised mutual information of synthetic and real genres, in [0, 1].

    Parameters
    ----------
    tables : sequence of dict
        Per synthetic genre, the labelled tracks of each real genre.

    References
    ----------
    Strehl & Ghosh (2002), "Cluster ensembles", JMLR 3; normalised by the arithmetic mean.
    """
    names = sorted({name for table in tables for name in table})
    counts = np.array([[table.get(name, 0) for name in names] for table in tables], dtype=float)
    if not counts.sum():
        return 0.0
    joint = counts / counts.sum()
    rows, columns = _entropy(joint.sum(axis=1)), _entropy(joint.sum(axis=0))
    shared = rows + columns - _entropy(joint.ravel())
    return float(max(0.0, 2 * shared / (rows + columns))) if rows + columns else 0.0


def _words(centroid: np.ndarray, space: FeatureSpace) -> list[str]:
    """The axes that stand out, the most notable first, as words."""
    said = []
    for i in np.argsort(-np.abs(centroid), kind="stable"):
        declared = feature(space.axes[i].feature)
        word = declared.high_word if centroid[i] > 0 else declared.low_word
        if word and (abs(centroid[i]) >= _NOTABLE or not said):
            said.append(word)
    return said


def _numbered(name: str, taken: list[str]) -> str:
    number = 2
    numbered = name
    while numbered in taken:
        numbered, number = f"{name} {number}", number + 1
    return numbered


def _entropy(shares: np.ndarray) -> float:
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


def _summaries(tracks: DataFrame, space: FeatureSpace) -> dict[int, Row]:
    medians = [F.percentile_approx(column, 0.5) for column in space.imputed().values()]
    totals = tracks.groupBy(CLUSTER).agg(
        F.count(F.lit(1)).alias("size"), F.array(*medians).alias("medians")
    )
    return {row[CLUSTER]: row for row in totals.collect()}


def _typical(tracks: DataFrame, centroids: np.ndarray) -> dict[int, tuple[TypicalTrack, ...]]:
    """The tracks nearest to each centroid; of equally near ones those with the lowest ids."""
    centers = [F.array(*map(F.lit, column)) for column in centroids.T.tolist()]
    distance = sum(F.pow(F.col(AXES)[i] - c[F.col(CLUSTER)], 2) for i, c in enumerate(centers))
    by_distance = Window.partitionBy(CLUSTER).orderBy(distance, TRACK_ID)
    ranked = tracks.select(
        CLUSTER, TRACK_ID, ARTIST, TITLE, F.row_number().over(by_distance).alias("_rank")
    )
    nearest: dict[int, list[TypicalTrack]] = {}
    for row in ranked.filter(F.col("_rank") <= TYPICAL_TRACKS).orderBy(CLUSTER, "_rank").collect():
        track = TypicalTrack(track_id=row[TRACK_ID], artist=row[ARTIST], title=row[TITLE])
        nearest.setdefault(row[CLUSTER], []).append(track)
    return {cluster: tuple(found) for cluster, found in nearest.items()}


def _genre_counts(tracks: DataFrame) -> dict[int, dict[str, int]]:
    """Labelled tracks per cluster and genre; of very many genres those with the most tracks."""
    counts = tracks.filter(F.col(GENRE).isNotNull()).groupBy(CLUSTER, GENRE).count()
    found: dict[int, dict[str, int]] = {}
    for row in counts.orderBy(F.desc("count"), CLUSTER, GENRE).limit(_MOST_GENRE_COUNTS).collect():
        found.setdefault(row[CLUSTER], {})[row[GENRE]] = row["count"]
    return found
