"""The questions on synthetic genres that the page answers with a picture."""

from collections.abc import Iterator

import numpy as np

from genre_spark.bundle.manifest import Manifest
from genre_spark.clustering.results import Discovery
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.reporting import accuracy_findings, cluster_findings
from genre_spark.reporting.style import Answer
from genre_spark.reporting.text import count


def on_synthetic(manifest: Manifest) -> Iterator[Answer]:
    """The answers on a bundle's synthetic genres."""
    found, scoring = manifest.clusters, manifest.scoring
    genres, names = found.synthetic_genres, list(numbered(found).values())
    if found.map and (finding := cluster_findings.catalogue_map(found.map, genres)):
        note = (
            f"{count(len(found.map.points))} tracks drawn by chance. Tracks that are alike lie beside"
            " each other; directions and distances between far groups mean nothing (t-SNE)."
        )
        yield Answer("map", "Where do the synthetic genres lie?", "Scatter plot", finding, note)
    if finding := cluster_findings.artist_map(found.map, genres):
        note = "The same map, with an artist’s name where the mean of all of its tracks lies."
        yield Answer("artists", "Where do the largest artists lie?", "Scatter plot", finding, note)
    if finding := cluster_findings.quality(found.quality):
        note = (
            "Plain KMeans: as many groups of the scaled features. Permuted features: the same method"
            " where tracks have exchanged their features by chance, so that there is nothing to find."
        )
        yield Answer("quality", "How good are the groups?", "Bar charts", finding, note)
    finding = cluster_findings.sizes(names, [genre.size for genre in genres])
    yield Answer("sizes", "How large is each synthetic genre?", "Bar chart", finding)
    values = np.array([genre.centroid for genre in genres])
    finding = cluster_findings.centroids(scoring, values, names)
    note = "Red is above the average track, blue below, pale is near it."
    if any(one.name != one.feature for one in scoring.scaler.scaled_features):
        note += " Key is a circle and is drawn as its two coordinates."
    yield Answer("centroids", "What sets each synthetic genre apart?", "Heatmap", finding, note)
    for genre in genres:
        finding = cluster_findings.profile(scoring, genre)
        question = f"What does {genre.name} sound like?"
        yield Answer(profile_name(genre.id), question, "Bar chart", finding)
    nmi = found.relation.nmi if found.relation else None
    if finding := cluster_findings.held(names, [genre.genres for genre in genres], nmi):
        note = "Each row adds up to 100 %, up to rounding."
        yield Answer("held", "Which real genres does each hold?", "Heatmap", finding, note)
    yield from _on_model_selection(found)


def on_mix(manifest: Manifest, labels: LabelledManifest) -> Iterator[Answer]:
    """The answer on the synthetic genres of a labelled catalogue, from its manifest."""
    counts = labels.labels.synthetic_genres
    question = "Which synthetic genres did the tracks get?"
    if labels.model_id == manifest.model_id:
        genres = manifest.clusters.synthetic_genres
        finding, kind = cluster_findings.shift(genres, counts), "Dot plot"
    else:
        # The names are those of another model.
        finding, kind = accuracy_findings.mix(counts), "Bar chart"
    if finding:
        yield Answer("synthetic-mix", question, kind, finding)


def profile_name(genre: int) -> str:
    """The name of the answer on how one synthetic genre sounds."""
    return f"synthetic-genre-{genre}"


def numbered(found: Discovery) -> dict[int, str]:
    """Name of each synthetic genre with its id before it, by id."""
    return {genre.id: f"{genre.id} {genre.name}" for genre in found.synthetic_genres}


def _on_model_selection(found: Discovery) -> Iterator[Answer]:
    if finding := cluster_findings.candidates(found.candidates, found.k):
        note = (
            "Each number was tried on a bounded sample. Stability says how alike the groups of"
            " other samples are (1 is the same), the silhouette how much nearer tracks lie to their"
            " own group than to the next, kappa how often two tracks of one artist share a group (0"
            " is chance, 1 always). Of numbers with a stability of 0.80 the one with the highest"
            " kappa is chosen."
        )
        yield Answer("choice", "Why this many?", "Line charts", finding, note)
    if found.stability and (finding := cluster_findings.stability(found.stability)):
        note = (
            f"Each dot compares two fits to a sample of {count(found.stability.tracks)} tracks: 1"
            " is the same groups, 0 what chance would give. Lines: means."
        )
        yield Answer("stability", "Are the same groups found again?", "Dot plot", finding, note)
    if finding := cluster_findings.rules(found.rules, numbered(found)):
        note = (
            "This is agreement with the groups themselves; it says nothing of the accuracy on real"
            " genres."
        )
        yield Answer(
            "rules", "Can rules tell the synthetic genres apart?", "Dot plot", finding, note
        )
