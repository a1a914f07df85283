"""From a table of tracks to its synthetic genres: metric, number, fit and description."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog.catalogue import Catalogue
from genre_spark.clustering import (
    catalogue_passes,
    matching,
    metric,
    model_selection,
    naming,
    profiles,
    rules,
)
from genre_spark.clustering.catalogue_passes import Sample
from genre_spark.clustering.matching import Lineage, Previous
from genre_spark.clustering.metric import ClusterMetric, SyntheticPart
from genre_spark.clustering.results import Discovery, Stability
from genre_spark.config import Settings
from genre_spark.features import scaling
from genre_spark.features.artist_batches import GROUP
from genre_spark.features.artist_pass import narrow, oversized_artists
from genre_spark.features.scaling import FeatureScaler
from genre_spark.schema import ALBUM, ARTIST, GENRE, TITLE

_TRACKS_PER_PARTITION = 50_000


@dataclass(frozen=True)
class Found:
    """Synthetic genres: the parts that scoring needs, and the results for people."""

    scaler: FeatureScaler
    synthetic: SyntheticPart
    discovery: Discovery


@dataclass(frozen=True)
class _Compared:
    """Tracks by artist, and how they are compared."""

    narrowed: DataFrame
    owner: str | None
    metric: ClusterMetric
    sample: Sample


def discover(
    catalogue: Catalogue, sampled: DataFrame, settings: Settings, previous: Previous | None = None
) -> Found:
    """Discovers the synthetic genres of a catalogue; those that `previous` has too keep id and name.

    Raises `InputError` where artists do not differ in any feature, or there are too few distinct
    tracks; `BundleError` where `previous` rests on other features.

    `sampled`: The catalogue's `sampled`, to which scaling is fitted.
    """
    scaler = scaling.fit(sampled, catalogue.features)
    if catalogue.sources:
        scaler = scaler.model_copy(update={"sources": catalogue.sources})
    if previous:
        matching.check(previous, scaler)
        scaler = previous.scaler
    with _compared(catalogue, scaler, settings, previous) as compared:
        if previous:
            matching.check_owner(previous, compared.owner)
        part, stability, chosen = _fit(compared, settings, previous)
        part, ids = _identify(compared.sample, part, previous)
        discovery = chosen.model_copy(update=ids)
        return _describe(compared, part, stability, discovery, settings)


@contextmanager
def _compared(
    catalogue: Catalogue, scaler: FeatureScaler, settings: Settings, previous: Previous | None
) -> Iterator[_Compared]:
    """By artist; by album where too few artists have several tracks; else each track alone."""
    tracks, n_tracks = catalogue.tracks, catalogue.counts.accepted
    names = {name: F.col(name) for name in (ARTIST, TITLE, ALBUM, GENRE)}
    for owner in (*catalogue.groups, None):
        parts = (
            oversized_artists(tracks, n_tracks, settings.scoring.max_group, owner) if owner else {}
        )
        narrowed = narrow(tracks, scaler, parts, others=names, owner=owner)
        # Artists complete in partitions, the same ones on every machine.
        narrowed = narrowed.repartition(-(-n_tracks // _TRACKS_PER_PARTITION), GROUP).persist()
        try:
            if owner is None:
                fitted = metric.plain(scaler)
            else:
                moments = catalogue_passes.moments(narrowed, scaler)
                if moments.artists.max() < metric.MIN_ARTISTS:
                    continue
                fitted = metric.fit(moments, scaler, settings.clustering, owner)
            metrics = [fitted, *([previous.synthetic.metric] if previous else [])]
            n, size = n_tracks - catalogue.counts.without_features, settings.clustering.sample_size
            sampled = catalogue_passes.draw_sample(
                narrowed, n, scaler, metrics, size, settings.seed
            )
            yield _Compared(narrowed, owner, fitted, sampled)
            return
        finally:
            narrowed.unpersist()


def _fit(
    compared: _Compared, settings: Settings, previous: Previous | None
) -> tuple[SyntheticPart, Stability, Discovery]:
    """Earlier synthetic genres as they are, where they still fit, or new ones without names."""
    sampled, wanted, seed = compared.sample, settings.clustering, settings.seed
    points = compared.metric.points(sampled.inputs)
    candidates = model_selection.try_each_k(points, sampled.group, wanted, seed)
    k = model_selection.choose(candidates, len(previous.synthetic.ids) if previous else None)
    start, stability = model_selection.fit_best(points, k, wanted, seed)
    found = Discovery(k=k, candidates=candidates, stability=stability)
    before = previous.synthetic if previous else None
    if before and len(before.ids) == k:
        earlier = before.assign(sampled.inputs)[0]
        if model_selection.still_fit(points, earlier, start):
            return before, stability, found
    of_all = catalogue_passes.points(compared.narrowed, sampled.scaler, compared.metric)
    centers = catalogue_passes.fit_kmeans(of_all, start, wanted.max_iterations)
    part = SyntheticPart(
        ids=tuple(range(k)),
        names=tuple(map(str, range(k))),
        metric=compared.metric,
        centers=tuple(map(tuple, centers.tolist())),
        owner=compared.owner,
    )
    return part, stability, found


def _identify(
    sampled: Sample, part: SyntheticPart, previous: Previous | None
) -> tuple[SyntheticPart, dict[str, object]]:
    """Ids and names: the largest group of the sample first, earlier ones kept."""
    k = len(part.ids)
    sizes = np.bincount(part.assign(sampled.inputs)[0], minlength=k)
    order = np.argsort(-sizes, kind="stable")
    part = part.model_copy(update={"centers": tuple(part.centers[row] for row in order)})
    genres = part.assign(sampled.inputs)[0]
    line = Lineage(tuple(range(k)))
    if previous:
        before = previous.synthetic.assign(sampled.inputs)[0]
        line = matching.follow(previous, before, genres, k)
    names = naming.name_all(sampled.raw, genres, k, sampled.scaler.features, line.names)
    named = {"ids": line.ids, "names": tuple(names)}
    return part.model_copy(update=named), {"retired": line.retired, "change": line.change}


def _describe(
    compared: _Compared,
    part: SyntheticPart,
    stability: Stability,
    discovery: Discovery,
    settings: Settings,
) -> Found:
    """Profiles, rules, map and quality."""
    sampled, narrowed, seed = compared.sample, compared.narrowed, settings.seed
    measured = model_selection.compare_quality(
        sampled, part, stability.mean, settings.clustering, seed
    )
    if part.owner is None:
        model_selection.check_structure(measured)
    counts = catalogue_passes.group_counts(narrowed, sampled.scaler, part)
    names = profiles.artist_names(narrowed, counts, part.owner)
    values, subjects = rules.table(sampled, part.metric, part.owner)
    described = {
        "synthetic_genres": profiles.describe(narrowed, sampled, counts, part, names),
        "relation": profiles.relate(counts.genres),
        "rules": rules.learn(values, part.assign(sampled.inputs)[0], part.ids, subjects, seed),
        "map": profiles.draw_map(narrowed, sampled, counts, part, names, seed),
        "quality": measured,
    }
    return Found(sampled.scaler, part, discovery.model_copy(update=described))
