"""What few labels say of similar artists: a regression on the representation, and labels spread in it.

The representation is learned from all artists without labels, so both work with some dozens of
labels, and take milliseconds.
"""

from dataclasses import dataclass

import numpy as np

from genre_spark.classifier import representation
from genre_spark.classifier.representation import Artists, Representation
from genre_spark.classifier.softmax import log_softmax, softmax

# Centers of neighbourhoods that labels spread over, and how many an artist belongs to.
_ANCHORS = 256
_NEAREST = 3
# How much smoother than the labels the spread shares are.
_SMOOTHNESS = 0.1
_PRIOR = 1e-4
# What the spread labels count beside the regression.
_SPREAD_WEIGHT = 0.5
_FLOOR = 0.01
# Inverse strength of the ridge penalty, and steps of the fit.
_C = 0.3
_ITERATIONS = 60


@dataclass(frozen=True)
class Space:
    """The representation of a catalogue's artists, with anchors between which labels spread.

    Attributes
    ----------
    representation : Representation
    anchors : np.ndarray [shape=(n_anchors, n_dimensions), dtype=float32]
    laplacian : np.ndarray [shape=(n_anchors, n_anchors)]
        Of the graph of anchors that share artists.

    References
    ----------
    Liu, He & Chang (2010), "Large Graph Construction for Scalable Semi-Supervised Learning", ICML.
    """

    representation: Representation
    anchors: np.ndarray
    laplacian: np.ndarray

    @classmethod
    def of(cls, artists: Artists, seed: int) -> "Space":
        """Fit to the artists of a catalogue."""
        from sklearn.cluster import MiniBatchKMeans

        fitted = representation.fit(artists, seed)
        points = fitted.artists(artists.mean, artists.tracks, artists.grams)
        n_anchors = min(_ANCHORS, max(1, len(artists) // 4))
        kmeans = MiniBatchKMeans(
            n_anchors, random_state=seed, n_init=1, batch_size=4096, max_iter=30
        )
        anchors = kmeans.fit(points).cluster_centers_
        near = _memberships(points, anchors)
        shared = near.T @ near
        load = np.maximum(near.sum(axis=0), 1e-9)
        return cls(fitted, anchors, shared - (shared / load) @ shared)


@dataclass(frozen=True)
class SimilarArtists:
    """A fitted model.

    Attributes
    ----------
    space : Space
    weights : np.ndarray [shape=(n_dimensions + n_directions, n_classes)]
        Of the artist's point and the track's own place.
    bias : np.ndarray [shape=(n_classes,)]
    shares : np.ndarray [shape=(n_anchors, n_classes)]
        Of the genres, spread over the anchors.
    """

    space: Space
    weights: np.ndarray
    bias: np.ndarray
    shares: np.ndarray

    def predict(self, points: np.ndarray, scaled: np.ndarray) -> np.ndarray:
        """Predict genres [shape=(n_tracks, n_classes)] by the regression and the spread labels.

        Parameters
        ----------
        points : np.ndarray [shape=(n_tracks, n_dimensions)]
            Of the tracks' artists, from `Representation.artists`.
        scaled : np.ndarray [shape=(n_tracks, n_scaled)]
        """
        features = np.hstack([points, self.space.representation.own(scaled)])
        shares = _memberships(points, self.space.anchors) @ self.shares
        by_spreading = np.log(shares / shares.sum(axis=1, keepdims=True) + _FLOOR)
        by_regression = log_softmax(features @ self.weights + self.bias)
        return softmax(by_regression + _SPREAD_WEIGHT * by_spreading)


def fit(
    space: Space,
    points: np.ndarray,
    scaled: np.ndarray,
    targets: np.ndarray,
    artists: np.ndarray,
) -> SimilarArtists:
    """Fit to labelled tracks.

    Parameters
    ----------
    space : Space
    points : np.ndarray [shape=(n_tracks, n_dimensions)]
        Of the tracks' artists.
    scaled : np.ndarray [shape=(n_tracks, n_scaled)]
    targets : np.ndarray [shape=(n_tracks, n_classes)]
        Shares of the genres.
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
        Artists count by the root of their number of tracks.
    """
    _, first, code, n = np.unique(
        artists, return_index=True, return_inverse=True, return_counts=True
    )
    weight = n[code] ** -0.5
    prior = (np.average(targets, axis=0, weights=weight) * len(n) + 0.5) / (
        len(n) + 0.5 * targets.shape[1]
    )
    features = np.hstack([points, space.representation.own(scaled)]).astype(np.float64)
    weights, bias = _regression(features, targets, weight, prior)
    sums = np.zeros((len(n), targets.shape[1]))
    np.add.at(sums, code, targets)
    shares = _spread(space, points[first], sums / n[:, None], np.sqrt(n), prior)
    return SimilarArtists(space, weights, bias, shares)


def _spread(
    space: Space, points: np.ndarray, shares: np.ndarray, weight: np.ndarray, prior: np.ndarray
) -> np.ndarray:
    """Shares at the anchors: close to the labels of artists, and alike where anchors share artists."""
    near = _memberships(points, space.anchors)
    weighted = near.T * weight
    penalty = _SMOOTHNESS * space.laplacian + _PRIOR * np.eye(len(space.anchors))
    solved = np.linalg.solve(weighted @ near + penalty, weighted @ (shares - prior))
    return np.maximum(solved + prior, _PRIOR * prior)


def _memberships(points: np.ndarray, anchors: np.ndarray) -> np.ndarray:
    """How much points belong to their nearest anchors [shape=(n, n_anchors)]; rows sum to 1."""
    squares = (points**2).sum(axis=1, keepdims=True) + (anchors**2).sum(axis=1)
    squared = np.maximum(squares - 2 * points @ anchors.T, 0)
    n = min(_NEAREST, len(anchors) - 1)
    near = np.argpartition(squared, n, axis=1)[:, : n + 1]
    distances = np.take_along_axis(squared, near, 1)
    weights = np.exp(-3 * distances / np.maximum(distances.max(axis=1, keepdims=True), 1e-9))
    found = np.zeros_like(squared)
    np.put_along_axis(found, near, weights / weights.sum(axis=1, keepdims=True), 1)
    return found


def _regression(
    x: np.ndarray, targets: np.ndarray, weight: np.ndarray, prior: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Weights and bias of a multinomial logistic regression."""
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    shape, start = (x.shape[1] + 1, targets.shape[1]), np.log(prior)
    extended = np.hstack([x, np.ones((len(x), 1))])

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = flat.reshape(shape)
        logs = log_softmax(extended @ kernel + start)
        gradient = extended.T @ ((np.exp(logs) - targets) * weight[:, None])
        value = -(weight[:, None] * targets * logs).sum() + flat @ flat / (2.0 * _C)
        return float(value), (gradient + kernel / _C).ravel()

    # On several threads the small products of each step take longer.
    with threadpool_limits(1):
        found = minimize(
            loss,
            np.zeros(shape[0] * shape[1]),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": _ITERATIONS},
        )
    kernel = found.x.reshape(shape)
    return kernel[:-1], kernel[-1] + start
