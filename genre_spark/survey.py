"""From a table of tracks to its synthetic genres: the space, their number, the fit, what they are."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from genre_spark import (
    atlas,
    choice,
    clustering,
    clusterspace,
    features,
    lineage,
    naming,
    profiles,
    rules,
)
from genre_spark.bundle import Bundle, SyntheticPart
from genre_spark.clusterspace import ClusterSpace
from genre_spark.config import Settings
from genre_spark.discovery import Discovery, SyntheticGenre
from genre_spark.features import FeatureSpace
from genre_spark.tensor import assign

# Enough to show where synthetic genres lie, few enough for a page.
_MAP_TRACKS = 1500


@dataclass(frozen=True)
class Survey:
    """What was found: what scoring needs of it, and the rest."""

    space: FeatureSpace
    synthetic: SyntheticPart
    discovery: Discovery


@dataclass(frozen=True)
class _Sample:
    """Tracks of the catalogue on the driver, in random order, and where they are compared."""

    raw: np.ndarray
    axes: np.ndarray
    points: np.ndarray


def survey(
    tracks: DataFrame, names: tuple[str, ...], settings: Settings, previous: Bundle | None = None
) -> Survey:
    """Discovers the synthetic genres of a catalogue.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks, cached, partitioned the same way in each run.
    names : tuple of str
        Features to use where they vary.
    settings : Settings
    previous : Bundle, optional
        Whose ids and names are kept where synthetic genres are the same.

    Raises
    ------
    BundleError
        Where `previous` rests on other features.
    """
    space = features.fit(tracks, names)
    if previous:
        lineage.check(previous, space)
    wanted, seed = settings.clustering, settings.seed
    raw = clustering.sample_raw(tracks, space, wanted.sample_size, seed)
    axes = space.to_numpy(raw)
    compared = clusterspace.fit(axes, space, wanted)
    sample = _Sample(raw, axes, compared.to_numpy(axes))
    candidates = choice.try_each_k(sample.points, wanted, seed)
    k = choice.choose(candidates, previous and previous.manifest.clusters.k)
    start, stability = choice.settle(sample.points, k, wanted, seed)
    centers, found = _fit(tracks, space, compared, start, wanted.max_iterations)
    synthetic, discovery = _name(sample, space, compared, centers, found, previous, seed)
    discovery = discovery.model_copy(
        update={"k": len(centers), "candidates": candidates, "stability": stability}
    )
    return Survey(space, synthetic, discovery)


def _fit(
    tracks: DataFrame,
    space: FeatureSpace,
    compared: ClusterSpace,
    start: np.ndarray,
    max_iterations: int,
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Centers and what is in them, the largest first."""
    points = clustering.add_points(tracks, space, compared)
    model = clustering.fit(points, start, max_iterations)
    # The last digits hang on the order in which Spark added.
    centers = np.array(model.clusterCenters()).round(9)
    found = profiles.describe(model.transform(points), space, centers)
    order = sorted(found, key=lambda row: (-found[row]["size"], tuple(centers[row])))
    return centers[order], [found[row] for row in order]


def _name(
    sample: _Sample,
    space: FeatureSpace,
    compared: ClusterSpace,
    centers: np.ndarray,
    found: list[dict[str, Any]],
    previous: Bundle | None,
    seed: int,
) -> tuple[SyntheticPart, Discovery]:
    """Ids, names and rules of what was found."""
    genres = assign(sample.points, centers)[0]
    line = lineage.begin(len(centers))
    if previous:
        line = lineage.follow(previous, sample.raw, space.features, genres, len(centers))
    words = naming.vocabulary(sample.raw, space.features)
    names = naming.name_all(sample.raw, genres, len(centers), words, line.names)
    synthetic = SyntheticPart(
        ids=line.ids,
        names=tuple(names),
        compared=compared,
        centers=tuple(map(tuple, centers.tolist())),
        centroids=tuple(fields["centroid"] for fields in found),
    )
    shown = slice(0, _MAP_TRACKS)
    total = sum(fields["size"] for fields in found)
    neighbours = profiles.nearest(centers, line.ids)
    return synthetic, Discovery(
        k=len(centers),
        synthetic_genres=tuple(
            SyntheticGenre(
                id=line.ids[row],
                name=names[row],
                share=round(fields["size"] / total, 6),
                nearest=neighbours[row],
                **fields,
            )
            for row, fields in enumerate(found)
        ),
        relation=profiles.relate([fields["genres"] for fields in found]),
        rules=rules.learn(sample.raw, genres, line.ids, space.features, seed),
        map=atlas.draw(sample.axes[shown], genres[shown], centers, compared, space, line.ids),
        retired=line.retired,
        change=line.change,
    )
