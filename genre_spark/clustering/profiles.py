"""What each synthetic genre is, in numbers that people can read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from genre_spark.clustering.kmeans import CLUSTER, POINT
from genre_spark.clustering.results import Neighbour, Relation, TypicalArtist, TypicalTrack
from genre_spark.features.scaling import FeatureSpace
from genre_spark.schema import ARTIST, GENRE, TITLE, TRACK_ID

TYPICAL = 5
_NEIGHBOURS = 3
# Real genres are names that somebody typed: their number has no bound.
_MOST_GENRE_COUNTS = 10_000


def describe(
    tracks: DataFrame, drawn: DataFrame, space: FeatureSpace, centers: np.ndarray
) -> dict[int, dict[str, Any]]:
    """Fields of `SyntheticGenre`, all but id, name and share, by row of the fit.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with `POINT` and `CLUSTER`.
    drawn : DataFrame
        A bounded part of them, of which medians and typical tracks are.
    space : FeatureSpace
    centers : np.ndarray [shape=(k, n_dimensions)]
    """
    found = _summaries(tracks, drawn, space, centers)
    artists, genres = _artists(tracks), _genre_counts(tracks)
    totals = _total(genres.values())
    for row, fields in found.items():
        own = genres.get(row, {})
        fields["artists"] = artists.get(row, ())
        fields["genres"] = own
        fields["purity"] = round(max(own.values()) / sum(own.values()), 4) if own else None
        fields["lift"] = lift(own, totals)
    return found


def nearest(centers: np.ndarray, ids: Sequence[int]) -> list[tuple[Neighbour, ...]]:
    """The nearest other synthetic genres of each, by row."""
    distances = np.linalg.norm(centers[:, None] - centers[None], axis=2)
    order = np.argsort(distances, axis=1, kind="stable")
    return [
        tuple(
            Neighbour(id=ids[other], distance=round(float(distances[row, other]), 4))
            for other in [other for other in order[row] if other != row][:_NEIGHBOURS]
        )
        for row in range(len(centers))
    ]


def lift(own: dict[str, int], totals: dict[str, int]) -> dict[str, float]:
    """How many times as frequent each real genre is in one synthetic genre as over all."""
    n_own, n_all = sum(own.values()), sum(totals.values())
    return {name: round(n / n_own / (totals[name] / n_all), 4) for name, n in own.items()}


def relate(tables: Sequence[dict[str, int]]) -> Relation | None:
    """How synthetic genres relate to the real ones; None without any labelled track.

    Parameters
    ----------
    tables : sequence of dict
        Per synthetic genre, the labelled tracks of each real genre.
    """
    totals = _total(tables)
    labelled = sum(totals.values())
    if not labelled:
        return None
    purest = sum(max(table.values()) for table in tables if table)
    return Relation(
        labelled=labelled,
        purity=round(purest / labelled, 4),
        chance=round(max(totals.values()) / labelled, 4),
        nmi=round(nmi(tables), 4),
    )


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
    from scipy.stats import entropy

    names = sorted({name for table in tables for name in table})
    counts = np.array([[table.get(name, 0) for name in names] for table in tables], dtype=float)
    if not counts.sum():
        return 0.0
    rows, columns = entropy(counts.sum(axis=1)), entropy(counts.sum(axis=0))
    shared = rows + columns - entropy(counts.ravel())
    return float(max(0.0, 2 * shared / (rows + columns))) if rows + columns else 0.0


def _total(tables: Any) -> dict[str, int]:
    totals: dict[str, int] = {}
    for table in tables:
        for name, n in table.items():
            totals[name] = totals.get(name, 0) + n
    return totals


def _summaries(
    tracks: DataFrame, drawn: DataFrame, space: FeatureSpace, centers: np.ndarray
) -> dict[int, dict[str, Any]]:
    """Size, centroid, medians and typical tracks.

    Size and means of all tracks: Spark compiles that. Ranks, which it does not, of those drawn.
    """
    medians = [F.percentile_approx(column, 0.5) for column in space.imputed().values()]
    means = [F.avg(column) for column in space.imputed().values()]
    track = F.struct(TRACK_ID, ARTIST, TITLE)
    # Of equally near tracks those with the lowest ids.
    by_distance = F.struct(_squared_distance(centers), TRACK_ID)
    totals = tracks.groupBy(CLUSTER).agg(
        F.count(F.lit(1)).alias("size"),
        F.array([F.avg(axis) for axis in space.to_spark()]).alias("centroid"),
        F.array(*means).alias("means"),
    )
    ranks = drawn.groupBy(CLUSTER).agg(
        F.array(*medians).alias("medians"),
        F.min_by(track, by_distance, TYPICAL).alias("typical"),
    )
    # A group may be so small that none of its tracks is drawn.
    return {
        row[CLUSTER]: {
            "size": row["size"],
            # The last digits hang on the order in which Spark added.
            "centroid": tuple(np.round(row["centroid"], 9).tolist()),
            "medians": dict(zip(space.features, row["medians"] or row["means"], strict=True)),
            "typical": tuple(TypicalTrack(**one.asDict()) for one in row["typical"] or ()),
        }
        for row in totals.join(ranks, on=CLUSTER, how="left").collect()
    }


def _squared_distance(centers: np.ndarray) -> Column:
    """From a track to its own center."""
    from pyspark.ml.functions import vector_to_array

    point = vector_to_array(POINT)
    own = [F.array(*map(F.lit, column))[F.col(CLUSTER)] for column in centers.T.tolist()]
    return sum((F.pow(point[i] - center, 2) for i, center in enumerate(own)), F.lit(0.0))


def _artists(tracks: DataFrame) -> dict[int, tuple[TypicalArtist, ...]]:
    """The artists with the most tracks in each cluster."""
    named = tracks.filter(F.col(ARTIST).isNotNull())
    counts = named.groupBy(CLUSTER, ARTIST).agg(F.count(F.lit(1)).alias("n"))
    totals = counts.withColumn("total", F.sum("n").over(Window.partitionBy(ARTIST)))
    most = F.max_by(F.struct(ARTIST, "n", "total"), F.struct("n", ARTIST), TYPICAL)
    return {
        row[CLUSTER]: tuple(
            TypicalArtist(
                name=one[ARTIST], tracks=one["n"], share=round(one["n"] / one["total"], 4)
            )
            for one in row["most"]
        )
        for row in totals.groupBy(CLUSTER).agg(most.alias("most")).collect()
    }


def _genre_counts(tracks: DataFrame) -> dict[int, dict[str, int]]:
    """Labelled tracks per cluster and genre; of very many genres those with the most tracks."""
    counts = tracks.filter(F.col(GENRE).isNotNull()).groupBy(CLUSTER, GENRE).count()
    found: dict[int, dict[str, int]] = {}
    for row in counts.orderBy(F.desc("count"), CLUSTER, GENRE).limit(_MOST_GENRE_COUNTS).collect():
        found.setdefault(row[CLUSTER], {})[row[GENRE]] = row["count"]
    return found
