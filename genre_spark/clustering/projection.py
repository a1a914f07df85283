"""The catalogue in two dimensions: each shows two of the features that part synthetic genres most."""

from collections.abc import Sequence

import numpy as np

from genre_spark.clustering.metric import ClusterSpace
from genre_spark.clustering.results import CatalogueMap
from genre_spark.features.scaling import FeatureSpace
from genre_spark.schema import feature

# A second feature moves a track half as far as the first, so that four groups lie side by side.
_SECOND = 0.5
# How far, per spread, tracks of a group lie apart: the crowd itself would be a point.
_SCATTER = 0.1


def draw(
    axes: np.ndarray,
    genres: np.ndarray,
    centers: np.ndarray,
    compared: ClusterSpace,
    space: FeatureSpace,
    ids: Sequence[int],
) -> CatalogueMap:
    """A map of tracks.

    Parameters
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes)]
    genres : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of each track's synthetic genre.
    centers : np.ndarray [shape=(k, n_dimensions)]
    compared : ClusterSpace
    space : FeatureSpace
    ids : sequence of int
    """
    order = np.argsort(-centers.var(axis=0), kind="stable")
    taken = [compared.dimensions[i].axis for i in order[:4]]
    places = (compared.to_numpy(axes)[:, order[:4]] + _SCATTER * axes[:, taken]).round(3)
    right, up = places[:, 0::2], places[:, 1::2]
    x, y = (side @ [1, _SECOND][: side.shape[1]] for side in (right, up))
    words = [feature(space.axes[i].feature).high_word or space.axes[i].name for i in taken]
    return CatalogueMap(
        right=tuple(words[0::2]),
        up=tuple(words[1::2]),
        points=tuple(
            (round(a, 3), round(b, 3), ids[row])
            for a, b, row in zip(x.tolist(), y.tolist(), genres.tolist(), strict=True)
        ),
    )
