"""Which features, and which scopes of them, decide a track's genre."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from genre_spark.classifier import decision
from genre_spark.classifier.decision import Decision, Opinions
from genre_spark.classifier.training_set import SYNTHETIC_GENRES, Sample
from genre_spark.features import tensor

_REPEATS = 5
_MOST_TRACKS = 1000
_LEAST = 1e-12

Opine = Callable[[np.ndarray], np.ndarray]


def importance(
    opine: Opine,
    sample: Sample,
    known: np.ndarray,
    decisions: Mapping[bool, Decision],
    rows: np.ndarray,
    seed: int,
) -> dict[str, Any]:
    """What is lost on held-out tracks where a part of the network's input is another track's.

    The input is broken before the network, and everything after it is as it is scored: the
    opinions, their blend, the artist's consensus, the temperature. An artist's other tracks are
    broken too, since their opinions take part in the consensus.

    Three questions are asked. A *feature* of the track's *own*: how much hangs on the value that
    was measured for the track? A feature in *all* scopes, with the synthetic genre's and the
    context's statistics of it: how much hangs on that feature being in the catalogue? A *scope*
    whole: how much hangs on, say, the artist's context being the artist's? There each track gets
    all statistics of one other track's artist, so that they fit each other, but two tracks of one
    artist get those of two.

    Parts that say the same stand in for each other, so that each of them may lose little; and
    broken inputs are unlike any track. This says what this network uses, not what genres are.

    Parameters
    ----------
    opine : callable
        From tensors to log-probabilities [shape=(n_tracks, 3, n_classes)].
    sample : Sample
    known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether the artist is one that the network was fitted to.
    decisions : dict of bool to Decision
    rows : np.ndarray [dtype=int64]
        Held-out tracks, on which losses are counted. About 1,000 tracks are drawn, by whole
        artists, and never more than 2,000.
    seed : int

    Returns
    -------
    dict
        ``tracks`` that losses were counted on, ``repeats``, ``features`` (name to ``own`` and
        ``all``) and ``scopes`` (name to loss). A loss has ``accuracy`` and ``log_likelihood``:
        the mean loss over the repeats, their ``spread``, and the mean of each genre's tracks.

    References
    ----------
    Breiman (2001), "Random Forests", Machine Learning 45; Fisher, Rudin & Dominici (2019), "All
    Models are Wrong, but Many are Useful", JMLR 20: reliance of a given model, on groups of inputs.
    """
    together = _whole_artists(sample.artists, rows, seed)
    counted = np.flatnonzero(np.isin(together, rows))
    bench = _Bench(opine, sample.take(together), known[together], decisions, counted, seed)
    groups = tuple(sample.contexts)
    scopes, of_features = _scopes(groups), _of_features(groups)
    axes = {
        name: [i for i, one in enumerate(sample.features) if one == name]
        for name in dict.fromkeys(sample.features)
    }
    everything = range(len(sample.features))
    return {
        "tracks": len(counted),
        "repeats": _REPEATS,
        "features": {
            name: {"own": bench.loss(own, scopes["track"]), "all": bench.loss(own, of_features)}
            for name, own in axes.items()
        },
        "scopes": {name: bench.loss(everything, channels) for name, channels in scopes.items()},
    }


class _Bench:
    """Held-out tracks with those that inform them, to be judged with broken inputs.

    Parameters
    ----------
    counted : np.ndarray [dtype=int64]
        Rows of `sample` on which losses are counted.
    """

    def __init__(
        self,
        opine: Opine,
        sample: Sample,
        known: np.ndarray,
        decisions: Mapping[bool, Decision],
        counted: np.ndarray,
        seed: int,
    ):
        self._opine, self._known, self._decisions = opine, known, decisions
        self._artists, self._counted = sample.artists, counted
        self._labels, self._classes = sample.labels[counted], sample.classes
        self._whole = sample.tensor()
        rng = np.random.default_rng(seed)
        self._orders = [rng.permutation(len(sample)) for _ in range(_REPEATS)]
        (self._before,) = self._success(self._whole)

    def loss(self, axes: Sequence[int], channels: Sequence[int]) -> dict[str, Any]:
        """What is lost where these channels of these axes are those of another track."""
        rows = np.arange(len(self._whole))
        copies = [self._whole.copy() for _ in self._orders]
        for copy, order in zip(copies, self._orders, strict=True):
            copy[np.ix_(rows, axes, channels)] = self._whole[np.ix_(order, axes, channels)]
        # [shape=(n_repeats, n_measures, n_counted)]
        lost = self._before - self._success(np.concatenate(copies))
        return {
            measure: self._statistics(lost[:, i])
            for i, measure in enumerate(("accuracy", "log_likelihood"))
        }

    def _success(self, tensors: np.ndarray) -> np.ndarray:
        """Whether right, and the label's log-likelihood [shape=(n_copies, 2, n_counted)]."""
        opinions = self._opine(tensors)
        n_copies = len(tensors) // len(self._whole)
        found = [self._judge(one) for one in np.split(opinions, n_copies)]
        return np.array(found)

    def _judge(self, opinions: np.ndarray) -> np.ndarray:
        judged = Opinions(opinions, self._artists)
        found = decision.apply(judged, self._known, dict(self._decisions))[self._counted]
        likelihood = found[np.arange(len(found)), self._labels]
        right = found.argmax(axis=1) == self._labels
        return np.stack([right.astype(float), np.log(np.maximum(likelihood, _LEAST))])

    def _statistics(self, lost: np.ndarray) -> dict[str, Any]:
        """Of losses [shape=(n_repeats, n_counted)]."""
        tracks = np.bincount(self._labels, minlength=len(self._classes))
        by_genre = np.bincount(self._labels, lost.mean(axis=0), len(self._classes))
        return {
            "mean": _rounded(lost.mean()),
            "spread": _rounded(lost.mean(axis=1).std(ddof=1)),
            "per_genre": {
                name: _rounded(by_genre[i] / tracks[i])
                for i, name in enumerate(self._classes)
                if tracks[i]
            },
        }


def _whole_artists(artists: np.ndarray, rows: np.ndarray, seed: int) -> np.ndarray:
    """All tracks of some of the artists of these rows, up to about `_MOST_TRACKS` of them.

    Of an artist with very many tracks there are some, which stand for the others.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.permutation(np.unique(artists[rows]))
    keys, n_tracks = np.unique(artists, return_counts=True)
    sizes = n_tracks[np.searchsorted(keys, drawn)]
    enough = np.searchsorted(np.cumsum(sizes), _MOST_TRACKS) + 1
    found = np.flatnonzero(np.isin(artists, drawn[:enough]))
    return np.sort(rng.permutation(found)[: 2 * _MOST_TRACKS])


def _scopes(groups: Sequence[str]) -> dict[str, list[int]]:
    """Channels of each scope; the synthetic genre's lie among the track's own."""
    found: dict[str, list[int]] = {"track": [], SYNTHETIC_GENRES: []}
    places = [(scope, name) for scope, names in tensor.layout(groups).items() for name in names]
    for channel, (scope, name) in enumerate(places):
        scope = SYNTHETIC_GENRES if name.startswith("synthetic_genre") else scope
        found.setdefault(scope, []).append(channel)
    return found


def _of_features(groups: Sequence[str]) -> list[int]:
    """Channels that say something of a feature: how many tracks an artist has is none."""
    counts = {f"{group}_{name}" for group in groups for name in tensor.COUNTS[group]}
    return [i for i, name in enumerate(tensor.channel_names(groups)) if name not in counts]


def _rounded(value: float) -> float:
    return round(float(value), 5)
