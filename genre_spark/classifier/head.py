"""From log-probabilities and label counts to one calibrated genre: a log-linear model.

A track's logits are a weighted sum of few terms. The weights, all at least 0, are those under which
held-out labels are likeliest, so that what is worth nothing on a table gets the weight 0. There is
one set of weights for each kind of track.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from genre_spark._model import Finite, StrictModel
from genre_spark.classifier.softmax import log_softmax
from genre_spark.features.group_statistics import Groups

# Kinds of tracks with weights and thresholds of their own: their codes are their places.
KINDS = (NEW, KNOWN) = ("new", "known")

NETWORK_TERMS = ("network",)
NETWORK_MEAN_TERMS = ("network, artist mean", "network, artist mean by log n")
WORD_TERMS = ("words", "words, artist mean", "words, artist mean by log n")
# Label counts, as (group in the order of `evidence.EVIDENCE`, smoothing, also as the artist's mean):
# the smaller the smoothing, the fewer labelled tracks are believed.
_COUNTS = {
    "artist": (0, 0.5, False),
    "artist, slowly": (0, 5.0, False),
    "other artists": (1, 0.3, True),
    "album": (2, 0.3, True),
    "synthetic genre": (3, 20.0, True),
}
_MEAN = ", artist mean"
_SYNTHETIC_TERMS = ("synthetic genre", f"synthetic genre{_MEAN}")
EVIDENCE_TERMS = tuple(
    term for name, (*_, pooled) in _COUNTS.items() for term in (name, name + _MEAN)[: 1 + pooled]
)
TERMS = (*NETWORK_TERMS, *NETWORK_MEAN_TERMS, *WORD_TERMS, *EVIDENCE_TERMS)
# What each step of the ladder uses; the last one is what is shipped.
_POOLED = (*NETWORK_TERMS, *NETWORK_MEAN_TERMS)
LADDER = {
    "CNN on a track's sound alone": NETWORK_TERMS,
    "pooled over the artist": _POOLED,
    "with words": (*_POOLED, *WORD_TERMS),
    "with labels of artists and albums": tuple(
        name for name in TERMS if name not in _SYNTHETIC_TERMS
    ),
    "with labels of synthetic genres": TERMS,
}

# A genre that one track rules out may still be the artist's.
_FLOOR = 0.01
_RIDGE = 1e-3
_MAX_WEIGHT = 5.0
_START = 0.3


class Head(StrictModel):
    """Weights of `TERMS` for one kind of track; those that are left out count nothing."""

    weights: dict[str, Finite]

    def uses(self, terms: Sequence[str]) -> bool:
        """Whether any of the terms counts."""
        return any(self.weights.get(name) for name in terms)

    @property
    def vector(self) -> np.ndarray:
        """Weights in the order of `TERMS` [dtype=float32]."""
        return np.array([self.weights.get(name, 0.0) for name in TERMS], np.float32)


def kinds_of(counts: np.ndarray) -> np.ndarray:
    """Kind of each track, as its place in `KINDS` [shape=(n_tracks,), dtype=int64].

    Parameters
    ----------
    counts : np.ndarray [shape=(n_tracks, 4, n_classes)]
        Labelled tracks by group and genre; see `evidence`.
    """
    has_labels = counts[:, 0].sum(axis=1) > 0
    return np.where(has_labels, KINDS.index(KNOWN), KINDS.index(NEW))


def terms(
    network: np.ndarray,
    words: np.ndarray | None,
    counts: np.ndarray,
    prior: np.ndarray,
    groups: Groups,
) -> Iterator[np.ndarray | None]:
    """Compute the terms of the sum, one by one.

    Parameters
    ----------
    network, words : np.ndarray [shape=(n_tracks, n_classes)]
        Log-probabilities; None without words.
    counts : np.ndarray [shape=(n_tracks, 4, n_classes)]
        Labelled tracks by group and genre; see `evidence`.
    prior : np.ndarray [shape=(n_classes,)]
        Shares of the genres.
    groups : Groups
        Consecutive tracks of one artist.

    Yields
    ------
    np.ndarray [shape=(n_tracks, n_classes), dtype=float32] or None
        In the order of `TERMS`. A term of counts is the log-ratio of the smoothed share of a genre
        to its prior: 0 for a track without labelled tracks in that group. All but the artist's own
        also count as their mean over the artist's tracks.
    """
    log_n = np.log(groups.sizes).astype(np.float32)[groups.code, None]
    for one in (network, words):
        if one is None:
            yield from (None, None, None)
            continue
        floored = np.log(np.exp(one) + np.float32(_FLOOR))
        yield floored
        mean = groups.means(floored)[groups.code]
        yield mean
        yield mean * log_n
    for group, smoothing, pooled in _COUNTS.values():
        ratio = _log_ratio(counts[:, group], prior, smoothing)
        yield ratio
        if pooled:
            yield groups.means(ratio)[groups.code]


def fit(stacked: np.ndarray, targets: np.ndarray, used: Sequence[str] = TERMS) -> dict[str, float]:
    """Fit the weights under which held-out labels are likeliest.

    Parameters
    ----------
    stacked : np.ndarray [shape=(n_terms, n_tracks, n_classes)]
        All `TERMS` of tracks that none of them was fitted to.
    targets : np.ndarray [shape=(n_tracks, n_classes)]
        Shares of the genres.
    used : sequence of str
        Terms that may count.

    Returns
    -------
    dict of str to float
        Weights in [0, 5] of the terms that count. The likelihood is convex in them.
    """
    from scipy.optimize import minimize

    names = [name for i, name in enumerate(TERMS) if name in used and stacked[i].any()]
    x = stacked[[TERMS.index(name) for name in names]]
    n = max(1, len(targets))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logs = log_softmax(np.tensordot(weights.astype(np.float32), x, 1))
        gradient = np.tensordot(x, np.exp(logs) - targets, ([1, 2], [0, 1])) / n
        value = -(targets * logs).sum() / n + _RIDGE * (weights**2).sum()
        return float(value), gradient.astype(float) + 2.0 * _RIDGE * weights

    bounds = [(0.0, _MAX_WEIGHT)] * len(names)
    start = np.full(len(names), _START)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds)
    return {name: round(float(w), 6) for name, w in zip(names, found.x, strict=True) if w > 0}


def stack(found: Iterator[np.ndarray | None], shape: tuple[int, int]) -> np.ndarray:
    """Stack terms [shape=(n_terms, n_tracks, n_classes)], 0 for those that there are not."""
    nothing = np.zeros(shape, np.float32)
    return np.stack([nothing if one is None else one for one in found])


def _log_ratio(counts: np.ndarray, prior: np.ndarray, smoothing: float) -> np.ndarray:
    n = counts.sum(axis=1, keepdims=True)
    share = (counts / prior + np.float32(smoothing)) / (n + np.float32(smoothing))
    return np.log(share)
