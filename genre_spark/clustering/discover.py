"""From a table of tracks to its synthetic genres: the space, their number, the fit, what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pyspark.sql import DataFrame

from genre_spark.clustering import (
    kmeans,
    matching,
    metric,
    model_selection,
    naming,
    profiles,
    projection,
    rules,
)
from genre_spark.clustering.matching import Previous
from genre_spark.clustering.metric import ClusterSpace
from genre_spark.clustering.results import Discovery, SyntheticGenre
from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.config import Settings
from genre_spark.features import scaling
from genre_spark.features.scaling import FeatureSpace
from genre_spark.features.tensor import assign

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
    """Tracks of the catalogue on the driver, in random order: raw, scaled and as compared."""

    space: FeatureSpace
    compared: ClusterSpace
    raw: np.ndarray
    axes: np.ndarray
    points: np.ndarray


@dataclass(frozen=True)
class _Groups:
    """Centers of all tracks' groups, the largest first, and fields of each `SyntheticGenre`."""

    centers: np.ndarray
    found: list[dict[str, Any]]


def survey(
    tracks: DataFrame,
    drawn: DataFrame,
    names: tuple[str, ...],
    settings: Settings,
    previous: Previous | None = None,
) -> Survey:
    """Discovers the synthetic genres of a catalogue.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks, cached, partitioned the same way in each run.
    drawn : DataFrame
        A bounded part of them, drawn by chance, on which all is found but the groups themselves.
    names : tuple of str
        Features to use where they vary.
    settings : Settings
    previous : Previous, optional
        Whose ids and names are kept where synthetic genres are the same.

    Raises
    ------
    PreviousError
        Where `previous` rests on other features.
    """
    space = scaling.fit(drawn, names)
    if previous:
        matching.check(previous, space)
    sample = _sample(drawn, space, settings)
    wanted, seed = settings.clustering, settings.seed
    candidates = model_selection.try_each_k(sample.points, wanted, seed)
    k = model_selection.choose(candidates, len(previous.synthetic.ids) if previous else None)
    start, stability = model_selection.settle(sample.points, k, wanted, seed)
    groups = _fit(tracks, drawn, sample, start, wanted.max_iterations)
    synthetic, discovery = _tell(sample, groups, previous, seed)
    tried = {"candidates": candidates, "stability": stability}
    return Survey(space, synthetic, discovery.model_copy(update=tried))


def _sample(drawn: DataFrame, space: FeatureSpace, settings: Settings) -> _Sample:
    raw = kmeans.sample_raw(drawn, space, settings.clustering.sample_size, settings.seed)
    axes = space.to_numpy(raw)
    compared = metric.fit(axes, space, settings.clustering)
    return _Sample(space, compared, raw, axes, compared.to_numpy(axes))


def _fit(
    tracks: DataFrame, drawn: DataFrame, sample: _Sample, start: np.ndarray, max_iterations: int
) -> _Groups:
    points, some = (
        kmeans.add_points(part, sample.space, sample.compared) for part in (tracks, drawn)
    )
    model = kmeans.fit(points, start, max_iterations)
    # The last digits hang on the order in which Spark added.
    centers = np.array(model.clusterCenters()).round(9)
    grouped = model.transform(points), model.transform(some)
    found = profiles.describe(*grouped, sample.space, centers)
    order = sorted(found, key=lambda row: (-found[row]["size"], tuple(centers[row])))
    return _Groups(centers[order], [found[row] for row in order])


def _tell(
    sample: _Sample, groups: _Groups, previous: Previous | None, seed: int
) -> tuple[SyntheticPart, Discovery]:
    """Ids, names, rules and all else that is said of the groups."""
    space, centers, k = sample.space, groups.centers, len(groups.centers)
    genres = assign(sample.points, centers)[0]
    line = matching.begin(k)
    if previous:
        line = matching.follow(previous, sample.raw, space.features, genres, k)
    words = naming.vocabulary(sample.raw, space.features)
    names = naming.name_all(sample.raw, genres, k, words, line.names)
    synthetic = SyntheticPart(
        ids=line.ids,
        names=tuple(names),
        compared=sample.compared,
        centers=tuple(map(tuple, centers.tolist())),
        centroids=tuple(fields["centroid"] for fields in groups.found),
    )
    shown = slice(0, _MAP_TRACKS)
    discovery = Discovery(
        k=k,
        synthetic_genres=_genres(groups, line.ids, names),
        relation=profiles.relate([fields["genres"] for fields in groups.found]),
        rules=rules.learn(sample.raw, genres, line.ids, space.features, seed),
        map=projection.draw(
            sample.axes[shown], genres[shown], centers, sample.compared, space, line.ids
        ),
        retired=line.retired,
        change=line.change,
    )
    return synthetic, discovery


def _genres(
    groups: _Groups, ids: Sequence[int], names: Sequence[str]
) -> tuple[SyntheticGenre, ...]:
    total = sum(fields["size"] for fields in groups.found)
    rows = zip(ids, names, profiles.nearest(groups.centers, ids), groups.found, strict=True)
    return tuple(
        SyntheticGenre(
            id=own, name=name, share=round(fields["size"] / total, 6), nearest=near, **fields
        )
        for own, name, near, fields in rows
    )
