"""From log-probabilities and label counts to one calibrated genre: a log-linear model.

A track's logits are a weighted sum of few terms. The weights, all at least 0, are those under which
held-out labels are likeliest, so that what is worth nothing on a table gets the weight 0. There is
one set of weights for each kind of track. In it genres may have weights of their own: titles tell more
of one genre, labels of the artist more of another.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import model_validator

from genre_spark._model import Finite, StrictModel
from genre_spark.classifier.softmax import to_log_probabilities
from genre_spark.features.group_statistics import Groups
from genre_spark.features.tensor import n_statistics, steps

# Kinds of tracks with weights and thresholds of their own: their codes are their places.
KINDS = (NEW, KNOWN, NEW_WITHOUT, KNOWN_WITHOUT) = (
    "new", "known", "new_without_features", "known_without_features",
)  # fmt: skip

NETWORK_TERMS = ("network",)
NETWORK_MEAN_TERMS = ("network, artist mean", "network, artist mean by log n")
ARTIST_TERMS, DOCUMENT_TERMS = ("artist network", "artist forest"), ("artist document",)
SIMILAR_TERMS = ("similar artists", "similar artists, spread labels")
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
TERMS = (
    *NETWORK_TERMS, *NETWORK_MEAN_TERMS, *ARTIST_TERMS, *WORD_TERMS, *DOCUMENT_TERMS, *SIMILAR_TERMS,
    *EVIDENCE_TERMS,
)  # fmt: skip
# What each step of the ladder uses; the last one is what is shipped.
_POOLED = (*NETWORK_TERMS, *NETWORK_MEAN_TERMS)
LADDER = {
    "CNN on a track's sound alone": NETWORK_TERMS,
    "pooled over the artist": _POOLED,
    "with words": (*_POOLED, *WORD_TERMS),
    "with the artist's document": (*_POOLED, *WORD_TERMS, *DOCUMENT_TERMS),
    "with the artist network and forest": (*_POOLED, *WORD_TERMS, *DOCUMENT_TERMS, *ARTIST_TERMS),
    "with labels of artists and albums": tuple(
        name for name in TERMS if name not in _SYNTHETIC_TERMS
    ),
    "with labels of synthetic genres": TERMS,
}

# A genre that one track rules out may still be the artist's.
_FLOOR = 0.01
# Log-probabilities as an input of a network: about as large as scaled features.
_TOLD_UNIT = 0.5
# Steps in which the artist network also reads its inputs: statistics, and what it is told.
_STEPS, _STEPS_OF_TOLD = (-1.5, -0.5, 0.5, 1.5), (-2.0, -1.2, -0.5, 0.0)
# Of the mean likelihood, and of its sum: the second matters where labels are few.
_RIDGE, _RIDGE_OF_FEW = 1e-3, 6.0
# How much more the differences between genres' weights of a term are penalised than their mean.
_APART = 10.0
_MAX_WEIGHT = 5.0
_START = 0.3


class Head(StrictModel):
    """Weights of the terms for one kind of track.

    Attributes
    ----------
    weights : dict of str to tuple of float
        Of `TERMS`, one for each genre; terms that are left out count nothing.
    bias : tuple of float
        Added to the logit of each genre. Terms that agree on what is frequent say it more than once.
    """

    weights: dict[str, tuple[Finite, ...]]
    bias: tuple[Finite, ...]

    @model_validator(mode="after")
    def _genres_fit(self) -> "Head":
        if {len(one) for one in self.weights.values()} - {len(self.bias)}:
            raise ValueError(f"weights are not of {len(self.bias)} genres each")
        return self

    @classmethod
    def of(cls, matrix: np.ndarray, bias: np.ndarray) -> "Head":
        """From weights [shape=(n_terms, n_classes)] in the order of `TERMS`."""
        rows = zip(TERMS, matrix.round(6).tolist(), strict=True)
        weights = {name: tuple(row) for name, row in rows if any(row)}
        return cls(weights=weights, bias=tuple(bias.round(6).tolist()))

    def uses(self, terms: Sequence[str]) -> bool:
        """Whether any of the terms counts."""
        return any(any(self.weights.get(name, ())) for name in terms)

    def logits(self, stacked: np.ndarray) -> np.ndarray:
        """Add up terms [shape=(n_terms, n_tracks, n_classes)]."""
        return np.einsum("tc,tnc->nc", self.matrix, stacked) + np.array(self.bias, np.float32)

    def towards(self, other: "Head", share: float) -> "Head":
        """The weights and biases that lie at a share of the way to others."""
        bias = np.array(self.bias) + share * (np.array(other.bias) - np.array(self.bias))
        return Head.of(self.matrix + share * (other.matrix - self.matrix), bias)

    @property
    def mean_weights(self) -> dict[str, float]:
        """Over the genres, of each term that counts."""
        return {name: round(float(np.mean(own)), 6) for name, own in self.weights.items()}

    @property
    def matrix(self) -> np.ndarray:
        """Weights in the order of `TERMS` [shape=(n_terms, n_classes), dtype=float32]."""
        nothing = (0.0,) * len(self.bias)
        return np.array([self.weights.get(name, nothing) for name in TERMS], np.float32)


@dataclass(frozen=True)
class LogProbabilities:
    """What is told of tracks and of their artists, before labels are counted.

    Attributes
    ----------
    network, words : np.ndarray [shape=(n_tracks, n_classes)]
        Of the CNN; of the words, None without.
    network_mean, words_mean, documents : np.ndarray [shape=(n_groups, n_classes)]
        Means over the artist's tracks; of the artist's document.
    similar : np.ndarray [shape=(2, n_tracks, n_classes)]
        In the order of `SIMILAR_TERMS`; None without.
    groups : Groups
        Consecutive tracks of one artist.
    """

    network: np.ndarray
    network_mean: np.ndarray
    words: np.ndarray | None
    words_mean: np.ndarray | None
    documents: np.ndarray | None
    similar: np.ndarray | None
    groups: Groups

    @classmethod
    def of(
        cls,
        network: np.ndarray,
        groups: Groups,
        words: np.ndarray | None = None,
        documents: np.ndarray | None = None,
        similar: np.ndarray | None = None,
    ) -> "LogProbabilities":
        """Floor and pool log-probabilities of tracks (`documents`: of artists).

        NaN in `network` is a track without features: it has no term, and takes no part in the mean.
        """
        network = _floored(network)
        words = None if words is None else _floored(words)
        return cls(
            network=np.nan_to_num(network),
            network_mean=np.nan_to_num(groups.means(network)),
            words=words,
            words_mean=None if words is None else groups.means(words),
            documents=None if documents is None else _floored(documents),
            similar=None if similar is None else _floored(similar),
            groups=groups,
        )

    def artist_inputs(self, statistics: np.ndarray) -> np.ndarray:
        """All that is known of artists, as their network and forest read it, 0 for what there is not.

        Parameters
        ----------
        statistics : np.ndarray [shape=(n_groups, n_statistics)]
            From `tensor.artist_statistics`.
        """
        nothing = np.zeros_like(self.network_mean)
        told = (self.network_mean, self.words_mean, self.documents)
        given = [nothing if one is None else one * np.float32(_TOLD_UNIT) for one in told]
        return np.concatenate([statistics, *given], axis=1, dtype=np.float32)


def n_artist_inputs(n_scaled: int, n_classes: int) -> int:
    """Count the columns of `LogProbabilities.artist_inputs`."""
    return n_statistics(n_scaled) + 3 * n_classes


def encoded(inputs: np.ndarray, n_classes: int) -> np.ndarray:
    """Encode what is known of artists as their network reads it: each input, and steps of it.

    Parameters
    ----------
    inputs : np.ndarray [shape=(n_groups, n_inputs), dtype=float32]
        From `LogProbabilities.artist_inputs`.
    n_classes : int

    Returns
    -------
    np.ndarray [shape=(n_groups, 4 * n_inputs), dtype=float32]
    """
    n = inputs.shape[1]
    is_told = np.arange(n) >= n - 3 * n_classes
    edges = np.where(is_told, *(np.array(one)[:, None] for one in (_STEPS_OF_TOLD, _STEPS)))
    return np.concatenate([inputs, steps(inputs, edges).reshape(len(inputs), -1)], axis=1)


def n_encoded(n_scaled: int, n_classes: int) -> int:
    """Count the columns of `encoded`."""
    return len(_STEPS) * n_artist_inputs(n_scaled, n_classes)


def kinds_of(counts: np.ndarray, has_features: np.ndarray) -> np.ndarray:
    """Kind of each track, as its place in `KINDS` [shape=(n_tracks,), dtype=int64].

    Parameters
    ----------
    counts : np.ndarray [shape=(n_tracks, 4, n_classes)]
        Labelled tracks by group and genre; see `evidence`.
    has_features : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether a track has any.
    """
    has_labels = counts[:, 0].sum(axis=1) > 0
    return has_labels * KINDS.index(KNOWN) + ~has_features * KINDS.index(NEW_WITHOUT)


def terms(
    logs: LogProbabilities, artists: np.ndarray | None, counts: np.ndarray, prior: np.ndarray
) -> Iterator[np.ndarray | None]:
    """Compute the terms of the sum, one by one.

    Parameters
    ----------
    logs : LogProbabilities
    artists : np.ndarray [shape=(2, n_groups, n_classes)] or None
        Log-probabilities in the order of `ARTIST_TERMS`; None where they count nothing.
    counts : np.ndarray [shape=(n_tracks, 4, n_classes)]
        Labelled tracks by group and genre; see `evidence`.
    prior : np.ndarray [shape=(n_classes,)]
        Shares of the genres.

    Yields
    ------
    np.ndarray [shape=(n_tracks, n_classes), dtype=float32] or None
        In the order of `TERMS`. A term of counts is the log-ratio of the smoothed share of a genre
        to its prior: 0 for a track without labelled tracks in that group. All but the artist's own
        also count as their mean over the artist's tracks.
    """
    groups, code = logs.groups, logs.groups.code
    log_n = np.log(groups.sizes).astype(np.float32)[code, None]

    def pooled(own: np.ndarray | None, mean: np.ndarray | None) -> Iterator[np.ndarray | None]:
        if own is None or mean is None:
            yield from (None, None, None)
        else:
            yield from (own, mean[code], mean[code] * log_n)

    yield from pooled(logs.network, logs.network_mean)
    yield from (None, None) if artists is None else _floored(artists)[:, code]
    yield from pooled(logs.words, logs.words_mean)
    yield None if logs.documents is None else logs.documents[code]
    yield from (None, None) if logs.similar is None else logs.similar
    for group, smoothing, is_pooled in _COUNTS.values():
        ratio = _log_ratio(counts[:, group], prior, smoothing)
        yield ratio
        if is_pooled:
            yield groups.means(ratio)[groups.code]


def fit(
    stacked: np.ndarray,
    targets: np.ndarray,
    used: Sequence[str] = TERMS,
    by_genre: bool = False,
) -> Head:
    """Fit the weights under which held-out labels are likeliest.

    Parameters
    ----------
    stacked : np.ndarray [shape=(n_terms, n_tracks, n_classes)]
        All `TERMS` of tracks that none of them was fitted to.
    targets : np.ndarray [shape=(n_tracks, n_classes)]
        Shares of the genres.
    used : sequence of str
        Terms that may count.
    by_genre : bool
        Whether a term's weight may differ between genres.

    Returns
    -------
    Head
        Weights in [0, 5] of the terms that count, and biases. The likelihood is convex in them.

    References
    ----------
    Evgeniou & Pontil (2004), "Regularized Multi-Task Learning", KDD: the penalty on what weights
    share and on what they differ by.
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    places = [i for i, name in enumerate(TERMS) if name in used and stacked[i].any()]
    n, n_classes = max(1, len(targets)), targets.shape[1]
    # A product of a matrix and a vector for each genre.
    x = np.ascontiguousarray(stacked[places].transpose(2, 1, 0))
    by_class = np.ascontiguousarray(targets.T, np.float32)
    ridge, shape = max(_RIDGE, _RIDGE_OF_FEW / n), (len(places), n_classes if by_genre else 1)

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        weights, bias = flat[:-n_classes].reshape(shape), flat[-n_classes:]
        of_genres = np.broadcast_to(weights.T, (n_classes, len(places))).astype(np.float32)
        logs = (x @ of_genres[:, :, None])[:, :, 0] + bias.astype(np.float32)[:, None]
        wrong = to_log_probabilities(logs, axis=0)
        wrong -= by_class
        gradient = (wrong[:, None] @ x)[:, 0].T.astype(float)
        gradient = gradient if by_genre else gradient.sum(axis=1, keepdims=True)
        penalty, slope = _penalty(weights)
        likelihood = np.einsum("ij,ij->", by_class, logs, dtype=float)
        value = ridge * (penalty + bias @ bias) - likelihood / n
        of_bias = wrong.sum(axis=1, dtype=float) / n + 2.0 * ridge * bias
        return float(value), np.append(gradient / n + ridge * slope, of_bias)

    bounds = [(0.0, _MAX_WEIGHT)] * math.prod(shape) + [(-_MAX_WEIGHT, _MAX_WEIGHT)] * n_classes
    start = np.repeat([_START, 0.0], [math.prod(shape), n_classes])
    # On several threads the small products of each step take longer.
    with threadpool_limits(1):
        found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x
    matrix = np.zeros((len(TERMS), n_classes))
    matrix[places] = found[:-n_classes].reshape(shape)
    return Head.of(matrix, found[-n_classes:])


def _penalty(weights: np.ndarray) -> tuple[float, np.ndarray]:
    """Squares of each term's mean weight, and of what genres differ from it; with its derivative."""
    mean = weights.mean(axis=1, keepdims=True)
    own = weights - mean
    value = (mean**2).sum() + _APART * (own**2).sum()
    return float(value), 2.0 * (_APART * own + mean / weights.shape[1])


def stack(found: Iterator[np.ndarray | None], shape: tuple[int, int]) -> np.ndarray:
    """Stack terms [shape=(n_terms, n_tracks, n_classes)], 0 for those that there are not."""
    nothing = np.zeros(shape, np.float32)
    return np.stack([nothing if one is None else one for one in found])


def _floored(logs: np.ndarray) -> np.ndarray:
    return np.log(np.exp(logs) + np.float32(_FLOOR))


def _log_ratio(counts: np.ndarray, prior: np.ndarray, smoothing: float) -> np.ndarray:
    n = counts.sum(axis=1, keepdims=True)
    share = (counts / prior + np.float32(smoothing)) / (n + np.float32(smoothing))
    return np.log(share)
