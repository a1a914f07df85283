"""Profile of each synthetic genre: size, medians, typical tracks and artists; and the map (t-SNE)."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.clustering.catalogue_passes import GroupCounts, Sample
from genre_spark.clustering.metric import SyntheticPart
from genre_spark.clustering.results import (
    CatalogueMap,
    Landmark,
    MapTrack,
    Neighbour,
    Relation,
    SyntheticGenre,
    TypicalArtist,
    TypicalTrack,
)
from genre_spark.features.artist_batches import ARTIST_KEY
from genre_spark.features.scaling import FeatureScaler
from genre_spark.schema import ALBUM, ARTIST, GENRE, TITLE, TRACK_ID

TYPICAL = 5
_NEIGHBOURS = 3
# Tracks that the map is fitted to, and all that a page can hold: the others are interpolated.
_FITTED, _SHOWN = 1500, 6000
# Fitted tracks that another track is interpolated from.
_BETWEEN = 5
_MOST_GENRES, _MOST_ARTISTS = 12, 16
# A real genre of fewer sampled tracks has no place of its own.
_FEWEST = 5
_FEWEST_POINTS = 20


def describe(
    narrowed: DataFrame,
    sample: Sample,
    counts: GroupCounts,
    part: SyntheticPart,
    artists: Mapping[int, tuple[str, int]],
) -> tuple[SyntheticGenre, ...]:
    """Every synthetic genre, in the order of `part`.

    `narrowed`: From `artist_pass.narrow`, with `ARTIST`, `TITLE` and `ALBUM`.
    `sample`: Of which medians and typical tracks are.
    `counts`: Over all tracks.
    `artists`: From `artist_names`.
    """
    rows, distances = part.assign(sample.inputs)
    order = np.lexsort((sample.ids, distances))
    typical = [order[rows[order] == row][:TYPICAL] for row in range(len(part.ids))]
    by_id = named_tracks(narrowed, sample.ids[np.concatenate(typical)].tolist())
    raw, near = sample.raw, nearest(np.array(part.centers), part.ids)
    totals, sizes, centroids = sum(counts.genres, Counter()), counts.sizes, counts.centroids
    return tuple(
        SyntheticGenre(
            id=part.ids[row],
            name=part.names[row],
            centroid=tuple(centroids[row].round(9).tolist()),
            size=int(sizes[row]),
            share=round(float(sizes[row] / sizes.sum()), 6),
            medians=_medians(raw[rows == row], centroids[row], sample.scaler),
            typical=tuple(
                TypicalTrack(**by_id[one].model_dump(exclude={ALBUM}))
                for one in sample.ids[typical[row]]
            ),
            artists=_most(counts.artists[row], artists),
            nearest=near[row],
            genres=genres,
            purity=max(genres.values()) / genres.total() if genres else None,
            lift=lift(genres, totals),
        )
        for row, genres in enumerate(counts.genres)
    )


def nearest(centers: np.ndarray, ids: Sequence[int]) -> list[tuple[Neighbour, ...]]:
    """The nearest other synthetic genres of each, by row."""
    distances = np.linalg.norm(centers[:, None] - centers[None], axis=2)
    np.fill_diagonal(distances, np.inf)  # itself comes last
    order = np.argsort(distances, axis=1, kind="stable")[:, :-1][:, :_NEIGHBOURS]
    return [
        tuple(Neighbour(id=ids[other], distance=distances[row, other]) for other in others)
        for row, others in enumerate(order)
    ]


def artist_names(
    narrowed: DataFrame, counts: GroupCounts, owner: str | None
) -> dict[int, tuple[str, int]]:
    """Name and number of tracks, by key, of the artists with the most tracks."""
    most = (key for of_row in counts.artists for key, _ in of_row.most_common(TYPICAL))
    keys = {*counts.largest, *most}
    if owner != ARTIST or not keys:
        return {}
    named = narrowed.filter(F.col(ARTIST_KEY).isin(sorted(keys))).groupBy(ARTIST_KEY)
    found = named.agg(F.min(ARTIST), F.count(F.lit(1))).collect()
    return {row[0]: (row[1], row[2]) for row in found}


def named_tracks(narrowed: DataFrame, ids: list[str]) -> dict[str, MapTrack]:
    """Tracks with their names, by id."""
    wanted = narrowed.filter(F.col(TRACK_ID).isin(ids)).select(TRACK_ID, ARTIST, TITLE, ALBUM)
    return {row[TRACK_ID]: MapTrack(**row.asDict()) for row in wanted.collect()}


def lift(own: Counter[str], totals: Counter[str]) -> dict[str, float]:
    """Per real genre, its share in one synthetic genre divided by its share of all labelled tracks."""
    return {name: n / own.total() / (totals[name] / totals.total()) for name, n in own.items()}


def relate(tables: Sequence[Counter[str]]) -> Relation | None:
    """Relation of synthetic to real genres; None without any labelled track.

    `tables`: Per synthetic genre, the labelled tracks of each real genre.
    """
    totals: Counter[str] = sum(tables, Counter())
    if not totals:
        return None
    n = totals.total()
    return Relation(
        labelled=n,
        purity=sum(max(table.values()) for table in tables if table) / n,
        chance=max(totals.values()) / n,
        nmi=nmi(tables),
    )


def nmi(tables: Sequence[Counter[str]]) -> float:
    """Normalised mutual information of synthetic and real genres, in [0, 1]; 0 for a single group.

    References
    ----------
    Strehl & Ghosh (2002), "Cluster ensembles", JMLR 3; normalised by the arithmetic mean.
    """
    from scipy.stats import entropy

    names = sorted({name for table in tables for name in table})
    counts = np.array([[table[name] for name in names] for table in tables], dtype=float)
    if not counts.sum():
        return 0.0
    rows, columns = entropy(counts.sum(axis=1)), entropy(counts.sum(axis=0))
    shared = rows + columns - entropy(counts.ravel())
    return float(max(0.0, 2 * shared / (rows + columns))) if rows + columns else 0.0


def draw_map(
    narrowed: DataFrame,
    sample: Sample,
    counts: GroupCounts,
    part: SyntheticPart,
    artists: Mapping[int, tuple[str, int]],
    seed: int,
) -> CatalogueMap:
    """A map of tracks, and on it synthetic genres, real genres and the largest artists.

    Parameters are those of `describe`.

    References
    ----------
    van der Maaten & Hinton (2008), "Visualizing Data using t-SNE", JMLR 9.
    """
    points = part.points(sample.inputs)
    rows = part.assign(sample.inputs)[0][:_SHOWN]
    genres, means = _genres(sample, points), counts.largest
    largest = sorted((key for key in means if key in artists), key=lambda key: -artists[key][1])
    named = {artists[key][0]: means[key][1:] / means[key][0] for key in largest[:_MOST_ARTISTS]}
    fitted, rest = np.split(points[:_SHOWN], [_FITTED])
    marks = [np.array(part.centers), *genres.values(), *named.values()]
    places = _places(np.vstack([fitted, *marks]), seed)
    ends = np.cumsum([len(fitted), len(part.ids), len(genres), len(named)])
    tracks, centers, of_genres, of_artists = np.split(places.round(3), ends[:-1])
    if len(rest):
        tracks = np.vstack([tracks, _between(fitted, tracks, rest).round(3)])
    ids = sample.ids[:_SHOWN].tolist()
    by_id = named_tracks(narrowed, ids)
    return CatalogueMap(
        tracks=tuple(by_id[one] for one in ids),
        points=tuple(
            (*place, part.ids[row]) for place, row in zip(tracks.tolist(), rows, strict=True)
        ),
        centers=tuple((*place, own) for place, own in zip(centers.tolist(), part.ids, strict=True)),
        genres=_landmarks(genres, of_genres),
        artists=_landmarks(named, of_artists),
    )


def _medians(raw: np.ndarray, centroid: np.ndarray, scaler: FeatureScaler) -> dict[str, float]:
    """Of a group's sampled tracks; of a feature that none of them has, the group's mean if it has one."""
    means = {}
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
        TypicalArtist(name=name, tracks=n, share=n / total) for n, name, total in known[:TYPICAL]
    )


def _places(points: np.ndarray, seed: int) -> np.ndarray:
    """Where points lie on the plane [shape=(n, 2)]."""
    from sklearn.manifold import TSNE

    if len(points) < _FEWEST_POINTS:
        return points[:, [0, -1]].astype(float)
    fitted = TSNE(
        init="pca" if points.shape[1] > 1 else "random",
        perplexity=min(40.0, (len(points) - 1) / 4),
        random_state=seed % 2**31,
        n_jobs=1,
    )
    return fitted.fit_transform(points.astype(np.float32)).astype(float)


def _between(fitted: np.ndarray, places: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Where other points lie: among the nearest fitted ones, the nearer the closer."""
    from sklearn.neighbors import NearestNeighbors

    distances, at = NearestNeighbors(n_neighbors=_BETWEEN).fit(fitted).kneighbors(others)
    weights = 1 / np.maximum(distances, 1e-9)
    return np.asarray((places[at] * weights[..., None]).sum(axis=1) / weights.sum(axis=1)[:, None])


def _genres(sample: Sample, points: np.ndarray) -> dict[str, np.ndarray]:
    """Mean point of the most frequent real genres, by name."""
    names = sample.rows[GENRE].combine_chunks().dictionary_encode().dictionary.to_pylist()
    sizes = np.bincount(sample.genres[sample.genres >= 0], minlength=len(names))
    order = np.argsort(-sizes, kind="stable")[:_MOST_GENRES]
    return {names[i]: points[sample.genres == i].mean(axis=0) for i in order if sizes[i] >= _FEWEST}


def _landmarks(means: Mapping[str, np.ndarray], places: np.ndarray) -> tuple[Landmark, ...]:
    return tuple(
        Landmark(name=name, x=x, y=y) for name, (x, y) in zip(means, places.tolist(), strict=True)
    )
