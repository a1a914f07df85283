"""Permutation importance of features and of other inputs."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from genre_spark.bundle.genre_metrics import FeatureLosses, Importance, Loss, Losses
from genre_spark.classifier.estimator import FittedClassifier
from genre_spark.classifier.training_set import LabelledTracks

_REPEATS = 3
_MOST_TRACKS = 1000
_LEAST = 1e-12
# Fields with a value of each scaled feature.
_ARTIST = ("artist_mean", "artist_deviation", "artist_counts")
_ALBUM = ("album_mean", "album_deviation", "album_counts")
# Fields of a track's inputs, by input.
_INPUTS = {
    "track": ("scaled",),
    "artist": _ARTIST,
    "album": _ALBUM,
    "words": ("title", "album_name"),
    "artist's labels": ("artist",),
    "other artists' labels": ("other_artists",),
    "album's labels": ("album",),
    "artist's document": ("document",),
    "synthetic genre's labels": ("synthetic",),
}
# Those that are not of `LabelledTracks.inputs`.
_OF_TRACKS = ("document", "synthetic")


def importance(
    fitted: FittedClassifier, tracks: LabelledTracks, rows: np.ndarray, seed: int
) -> Importance:
    """Loss on held-out tracks when a part of the input is shuffled between tracks.

    The input is shuffled before the network, and everything after it stays as in scoring: pooling
    over the artist, words, evidence, weights. The artist's other tracks are changed too.

    A *feature* is shuffled for the track alone (``own``), and together with the artist's and the
    album's statistics of it (``all``). An *input* is shuffled as a whole. Parts with the same
    information replace each other, so each may lose little. The losses describe what this classifier
    uses, not what genres are.

    `fitted`: Fitted without `rows`.
    `rows`: Held-out tracks [dtype=int64], on which losses are counted. About 1,000 tracks are drawn,
        by whole artists, and never more than 2,000.

    References
    ----------
    Breiman (2001), "Random Forests", Machine Learning 45; Fisher, Rudin & Dominici (2019), "All
    Models are Wrong, but Many are Useful", JMLR 20: reliance of a given model, on groups of inputs.
    """
    together = _whole_artists(tracks.artists, rows, seed)
    counted = np.flatnonzero(np.isin(together, rows))
    bench = _Bench(fitted, tracks.take(together), counted, seed)
    columns = {
        name: [i for i, one in enumerate(tracks.features) if one == name]
        for name in dict.fromkeys(tracks.features)
    }
    features = {
        name: FeatureLosses(
            own=bench.loss(("scaled",), own), all=bench.loss(("scaled", *_ARTIST, *_ALBUM), own)
        )
        for name, own in columns.items()
    }
    inputs = {name: bench.loss(fields) for name, fields in _INPUTS.items()}
    return Importance(tracks=len(counted), repeats=_REPEATS, features=features, inputs=inputs)


def _exchanged(
    tracks: LabelledTracks, order: np.ndarray, fields: Sequence[str], columns: Sequence[int] | None
) -> LabelledTracks:
    """The tracks with fields, or some columns of them, of the tracks in another order."""
    other, changed = tracks.take(order), {}
    for name in fields:
        is_own = name in _OF_TRACKS
        own, values = (getattr(one if is_own else one.inputs, name) for one in (tracks, other))
        if columns is not None:
            own = own.copy()
            own[:, columns] = values[:, columns]
            values = own
        changed[name] = values
    outer = {name: changed.pop(name) for name in fields if name in _OF_TRACKS}
    return replace(tracks, inputs=replace(tracks.inputs, **changed), **outer)


class _Bench:
    """Held-out tracks with those that inform them, to be predicted with changed inputs.

    `counted`: Rows of `tracks` on which losses are counted [dtype=int64].
    """

    def __init__(
        self, fitted: FittedClassifier, tracks: LabelledTracks, counted: np.ndarray, seed: int
    ):
        self._fitted, self._tracks, self._counted = fitted, tracks, counted
        self._labels = tracks.labels[counted]
        rng = np.random.default_rng(seed)
        self._orders = [rng.permutation(len(tracks)) for _ in range(_REPEATS)]
        self._before = self._success(tracks)

    def loss(self, fields: Sequence[str], columns: Sequence[int] | None = None) -> Losses:
        """Losses with fields of the input, or some of their columns, of another track."""
        changed = (_exchanged(self._tracks, order, fields, columns) for order in self._orders)
        # [shape=(n_repeats, n_measures, n_counted)]
        lost = np.array([self._before - self._success(tracks) for tracks in changed])
        return Losses(
            accuracy=self._statistics(lost[:, 0]), log_likelihood=self._statistics(lost[:, 1])
        )

    def _success(self, tracks: LabelledTracks) -> np.ndarray:
        """Whether right, and the label's log-likelihood [shape=(2, n_counted)]."""
        found = self._fitted.predict(tracks).probabilities[self._counted]
        likelihood = found[np.arange(len(found)), self._labels]
        right = found.argmax(axis=1) == self._labels
        return np.stack([right.astype(float), np.log(np.maximum(likelihood, _LEAST))])

    def _statistics(self, lost: np.ndarray) -> Loss:
        """Of losses [shape=(n_repeats, n_counted)]."""
        classes = self._tracks.classes
        n_tracks = np.bincount(self._labels, minlength=len(classes))
        by_genre = np.bincount(self._labels, lost.mean(axis=0), len(classes))
        return Loss(
            mean=_rounded(lost.mean()),
            std=_rounded(lost.mean(axis=1).std(ddof=1)),
            per_genre={
                name: _rounded(by_genre[i] / n_tracks[i])
                for i, name in enumerate(classes)
                if n_tracks[i]
            },
        )


def _whole_artists(artists: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """All tracks of some of the artists of these rows, up to about `_MOST_TRACKS` of them.

    An artist with very many tracks is represented by some of them.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(np.unique(artists[rows]))
    keys, n_tracks = np.unique(artists, return_counts=True)
    sizes = n_tracks[np.searchsorted(keys, shuffled)]
    enough = np.searchsorted(np.cumsum(sizes), _MOST_TRACKS) + 1
    found = np.flatnonzero(np.isin(artists, shuffled[:enough]))
    return np.sort(rng.permutation(found)[: 2 * _MOST_TRACKS])


def _rounded(value: float) -> float:
    return round(float(value), 5)
