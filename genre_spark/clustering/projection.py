"""Map of the catalogue in two dimensions (t-SNE)."""

from collections.abc import Callable, Mapping

import numpy as np

from genre_spark.clustering.catalogue_passes import GroupCounts
from genre_spark.clustering.results import CatalogueMap, Landmark, MapTrack
from genre_spark.clustering.sample import Sample
from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.schema import GENRE

# Tracks that the map is fitted to, and all that a page can hold: the others are interpolated.
_FITTED, _SHOWN = 1500, 6000
# Fitted tracks that another track is interpolated from.
_BETWEEN = 5
_MOST_GENRES, _MOST_ARTISTS = 12, 16
# A real genre of fewer sampled tracks has no place of its own.
_FEWEST = 5
_FEWEST_POINTS = 20


def draw(
    sample: Sample,
    part: SyntheticPart,
    counts: GroupCounts,
    names: Mapping[int, tuple[str, int]],
    look_up: Callable[[list[str]], Mapping[str, MapTrack]],
    seed: int,
) -> CatalogueMap:
    """A map of tracks, and on it synthetic genres, real genres and the largest artists.

    Parameters
    ----------
    names : mapping of int to (str, int)
        From `profiles.artist_names`.
    look_up : callable
        Gives tracks with their names, by id.

    References
    ----------
    van der Maaten & Hinton (2008), "Visualizing Data using t-SNE", JMLR 9.
    """
    points = part.points(sample.inputs)
    rows = part.assign(sample.inputs)[0][:_SHOWN]
    genres, means = _genres(sample, points), counts.largest
    largest = sorted((key for key in means if key in names), key=lambda key: -names[key][1])
    artists = {names[key][0]: means[key][1:] / means[key][0] for key in largest[:_MOST_ARTISTS]}
    fitted, rest = np.split(points[:_SHOWN], [_FITTED])
    marks = [np.array(part.centers), *genres.values(), *artists.values()]
    places = _places(np.vstack([fitted, *marks]), seed)
    ends = np.cumsum([len(fitted), len(part.ids), len(genres), len(artists)])
    tracks, centers, of_genres, of_artists = np.split(places.round(3), ends[:-1])
    if len(rest):
        tracks = np.vstack([tracks, _between(fitted, tracks, rest).round(3)])
    ids = sample.ids[:_SHOWN].tolist()
    named = look_up(ids)
    return CatalogueMap(
        tracks=tuple(named[one] for one in ids),
        points=tuple(
            (*place, part.ids[row]) for place, row in zip(tracks.tolist(), rows, strict=True)
        ),
        centers=tuple((*place, own) for place, own in zip(centers.tolist(), part.ids, strict=True)),
        genres=_landmarks(genres, of_genres),
        artists=_landmarks(artists, of_artists),
    )


def _places(points: np.ndarray, seed: int) -> np.ndarray:
    """Where points lie on the plane [shape=(n, 2)]."""
    from sklearn.manifold import TSNE

    if len(points) < _FEWEST_POINTS:
        return points[:, [0, -1]].astype(float)
    perplexity = min(40.0, (len(points) - 1) / 4)
    fitted = TSNE(
        init="pca" if points.shape[1] > 1 else "random",
        perplexity=perplexity,
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
