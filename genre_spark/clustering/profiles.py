"""What each synthetic genre is, in numbers that people can read."""

from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.clustering.counts import GroupCounts
from genre_spark.clustering.results import (
    MapTrack,
    Neighbour,
    Relation,
    SyntheticGenre,
    TypicalArtist,
    TypicalTrack,
)
from genre_spark.clustering.sample import Sample
from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.features.artist_batches import ARTIST_KEY
from genre_spark.features.scaling import FeatureScaler
from genre_spark.schema import ALBUM, ARTIST, TITLE, TRACK_ID

TYPICAL = 5
_NEIGHBOURS = 3


def describe(
    narrowed: DataFrame,
    sample: Sample,
    counts: GroupCounts,
    part: SyntheticPart,
    artists: Mapping[int, tuple[str, int]],
) -> tuple[SyntheticGenre, ...]:
    """Every synthetic genre, in the order of `part`.

    Parameters
    ----------
    narrowed : DataFrame
        From `artist_pass.narrow`, with `ARTIST`, `TITLE` and `ALBUM`.
    sample : Sample
        Of which medians and typical tracks are.
    counts : GroupCounts
        Over all tracks.
    part : SyntheticPart
    artists : mapping of int to (str, int)
        From `artist_names`.
    """
    rows, distances = part.assign(sample.inputs)
    order = np.lexsort((sample.ids, distances))
    typical = [order[rows[order] == row][:TYPICAL] for row in range(len(part.ids))]
    by_id = named_tracks(narrowed, sample.ids[np.concatenate(typical)].tolist())
    raw, near = sample.raw, nearest(np.array(part.centers), part.ids)
    genres = counts.genres
    totals = _total(genres)
    return tuple(
        SyntheticGenre(
            id=part.ids[row],
            name=part.names[row],
            centroid=tuple(counts.centroids[row].round(9).tolist()),
            size=int(counts.sizes[row]),
            share=round(float(counts.sizes[row] / counts.sizes.sum()), 6),
            medians=_medians(raw[rows == row], counts.centroids[row], sample.scaler),
            typical=tuple(
                TypicalTrack(**by_id[one].model_dump(exclude={ALBUM}))
                for one in sample.ids[typical[row]]
            ),
            artists=_most(counts.artists[row], artists),
            nearest=near[row],
            genres=genres[row],
            purity=_purity(genres[row]),
            lift=lift(genres[row], totals),
        )
        for row in range(len(part.ids))
    )


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


def artist_names(
    narrowed: DataFrame, counts: GroupCounts, owner: str | None
) -> dict[int, tuple[str, int]]:
    """Name and number of tracks, by key, of the artists with the most tracks."""
    keys = set(counts.largest)
    for of_row in counts.artists:
        keys |= {key for key, _ in of_row.most_common(TYPICAL)}
    if owner != ARTIST or not keys:
        return {}
    named = narrowed.filter(F.col(ARTIST_KEY).isin(sorted(keys))).groupBy(ARTIST_KEY)
    found = named.agg(F.min(ARTIST), F.count(F.lit(1))).collect()
    return {row[0]: (row[1], row[2]) for row in found}


def named_tracks(narrowed: DataFrame, ids: list[str]) -> dict[str, MapTrack]:
    """Tracks with their names, by id."""
    wanted = narrowed.filter(F.col(TRACK_ID).isin(ids)).select(TRACK_ID, ARTIST, TITLE, ALBUM)
    return {row[TRACK_ID]: MapTrack(**row.asDict()) for row in wanted.collect()}


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


def _total(tables: Sequence[dict[str, int]]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for table in tables:
        for name, n in table.items():
            totals[name] = totals.get(name, 0) + n
    return totals


def _purity(own: dict[str, int]) -> float | None:
    return round(max(own.values()) / sum(own.values()), 4) if own else None


def _medians(raw: np.ndarray, centroid: np.ndarray, scaler: FeatureScaler) -> dict[str, float]:
    """Of a group's sampled tracks; of a feature that none of them has, the group's mean."""
    means = dict(zip(scaler.features, scaler.medians, strict=True))
    for scaled, value in zip(scaler.scaled_features, centroid, strict=True):
        if scaled.name == scaled.feature:
            means[scaled.feature] = float(scaled.decode(np.array(value)))
    known = [column[~np.isnan(column)] for column in raw.T]
    return means | {
        name: float(np.median(values))
        for name, values in zip(scaler.features, known, strict=True)
        if len(values)
    }


def _most(
    counts: Mapping[int, int], names: Mapping[int, tuple[str, int]]
) -> tuple[TypicalArtist, ...]:
    """The artists with the most tracks in one synthetic genre."""
    known = [(n, *names[key]) for key, n in counts.items() if key in names]
    known.sort(key=lambda one: (-one[0], one[1]))
    return tuple(
        TypicalArtist(name=name, tracks=n, share=round(n / total, 4))
        for n, name, total in known[:TYPICAL]
    )
