"""Which tracks to label: one of each stratum of artists, drawn and not picked.

Strata are regions of the representation that hold about equal numbers of unsure tracks, so they
cover the catalogue in proportion. Within a stratum large and typical artists are likelier to be
drawn, but never certain: what is typical or large is not what a catalogue consists of.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genre_spark.classifier import similar_artists
from genre_spark.classifier.representation import Artists
from genre_spark.classifier.similar_artists import Space
from genre_spark.features.group_statistics import Groups

# Exponent of an artist's tracks in the draw; 1 would draw tracks evenly.
_TILT = 1.5
_MAX_ITERATIONS = 15
_FEWEST_LABELLED = 10


@dataclass(frozen=True)
class Question:
    """An artist of which one track is to be labelled.

    Attributes
    ----------
    artist : int
        Its place among those that were given.
    tracks : int
        Tracks of its stratum, all of which the answer informs.
    candidates : tuple of str
        The two likeliest genres by the labels so far; empty where there are none.
    """

    artist: int
    tracks: int
    candidates: tuple[str, ...]


@dataclass(frozen=True)
class LabelledArtists:
    """What labels of artists are known.

    Attributes
    ----------
    targets : np.ndarray [shape=(n_artists, n_classes)]
        Labelled tracks by genre.
    classes : tuple of str
    """

    targets: np.ndarray
    classes: tuple[str, ...]

    @classmethod
    def of(cls, genres: Sequence[Sequence[str]]) -> "LabelledArtists":
        """From the genres of the labelled tracks of each artist."""
        classes = tuple(sorted({genre for own in genres for genre in own}))
        place = {genre: i for i, genre in enumerate(classes)}
        targets = np.zeros((len(genres), len(classes)))
        for row, own in enumerate(genres):
            for genre in own:
                targets[row, place[genre]] += 1
        return cls(targets, classes)


def choose(
    space: Space,
    artists: Artists,
    askable: np.ndarray,
    labelled: LabelledArtists,
    number: int,
    seed: int,
) -> list[Question]:
    """Choose artists whose labels inform most tracks, the most informative question first.

    Parameters
    ----------
    space : Space
    artists : Artists
    askable : np.ndarray [shape=(n_artists,), dtype=bool]
        Artists without any label or question so far.
    labelled : LabelledArtists
        With at least 10 of them in 2 genres, tracks count by how unsure their genre is.
    number : int
        Questions at most.
    seed : int
    """
    rows, weight = np.flatnonzero(askable), artists.weight
    points = space.representation.artists(artists.mean, artists.tracks, artists.documents)
    probabilities = _predict(space, points, artists.mean, labelled)
    unsure = np.ones(len(points)) if probabilities is None else 1.0 - probabilities.max(axis=1)
    mass = (weight * unsure)[rows]
    if not len(rows) or mass.sum() <= 0:
        return []
    stratum, distance = _strata(points[rows], mass, min(number, len(rows)), seed)
    drawn = _draw(stratum, distance, mass, seed)
    informed = np.bincount(stratum, weight[rows], minlength=stratum.max() + 1)
    order = drawn[np.argsort(-np.bincount(stratum, mass)[stratum[drawn]], kind="stable")]
    return [
        Question(
            artist=int(rows[i]),
            tracks=round(float(informed[stratum[i]])),
            candidates=_likeliest(probabilities, rows[i], labelled.classes),
        )
        for i in order
    ]


def _predict(
    space: Space, points: np.ndarray, mean: np.ndarray, labelled: LabelledArtists
) -> np.ndarray | None:
    """Genres of all artists by the labels of some [shape=(n_artists, n_classes)]."""
    known = np.flatnonzero(labelled.targets.sum(axis=1) > 0)
    if len(known) < _FEWEST_LABELLED or len(labelled.classes) < 2:
        return None
    shares = labelled.targets[known] / labelled.targets[known].sum(axis=1, keepdims=True)
    each = Groups.of(known)
    fitted = similar_artists.fit(space, points[known], mean[known], shares, each)
    return fitted.predict(points, mean)


def _strata(
    points: np.ndarray, mass: np.ndarray, number: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Stratum of each artist, and its squared distance from the center."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    kmeans = KMeans(number, n_init=1, max_iter=_MAX_ITERATIONS, random_state=seed)
    # Threads add up in another order each time.
    with threadpool_limits(1):
        stratum = kmeans.fit(points, sample_weight=mass).labels_
    return stratum, ((points - kmeans.cluster_centers_[stratum]) ** 2).sum(axis=1)


def _draw(stratum: np.ndarray, distance: np.ndarray, mass: np.ndarray, seed: int) -> np.ndarray:
    """One artist of each stratum, as places."""
    total = np.maximum(np.bincount(stratum, mass), 1e-12)
    usual = np.maximum(np.bincount(stratum, mass * distance) / total, 1e-9)[stratum]
    odds = _TILT * np.log(np.maximum(mass, 1e-12)) - distance / usual
    # The largest of log-odds with Gumbel noise is a draw in proportion to the odds.
    noisy = odds + np.random.default_rng(seed).gumbel(size=len(odds))
    order = np.lexsort((-noisy, stratum))
    return order[np.unique(stratum[order], return_index=True)[1]]


def _likeliest(
    probabilities: np.ndarray | None, artist: int, classes: Sequence[str]
) -> tuple[str, ...]:
    if probabilities is None:
        return ()
    best = np.argsort(-probabilities[artist], kind="stable")[:2]
    return tuple(classes[i] for i in best)
