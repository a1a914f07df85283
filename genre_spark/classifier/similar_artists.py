"""What few labels say of similar artists: a regression on the representation, and labels spread in it.

The representation is learned from all artists without labels, so both work with some dozens of
labels, and take milliseconds.
"""

from dataclasses import dataclass

import numpy as np

from genre_spark.classifier import representation
from genre_spark.classifier.representation import Artists, Representation
from genre_spark.classifier.softmax import fit_kernel, log_softmax, softmax
from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import Keys, TrackInputs

# Centers of neighbourhoods that labels spread over, and how many an artist belongs to.
_ANCHORS = 256
_NEAREST = 3
# How much smoother than the labels the spread shares are.
_SMOOTHNESS = 0.1
_PRIOR = 1e-4
# What the spread labels count beside the regression, where weights are not fitted.
_SPREAD_WEIGHT = 0.5
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
        from threadpoolctl import threadpool_limits

        fitted = representation.fit(artists, seed)
        points = fitted.artists(artists.mean, artists.tracks, artists.documents)
        n_anchors = min(_ANCHORS, max(1, len(artists) // 4))
        kmeans = MiniBatchKMeans(
            n_anchors, random_state=seed, n_init=1, batch_size=4096, max_iter=30
        )
        # Threads add up in another order each time.
        with threadpool_limits(1):
            anchors = kmeans.fit(points).cluster_centers_.astype(np.float32)
        near = _memberships(points, anchors)
        shared = near.T @ near
        load = np.maximum(near.sum(axis=0), 1e-9)
        return cls(fitted, anchors, shared - (shared / load) @ shared)


@dataclass(frozen=True)
class SimilarArtists(Representation):
    """A representation with a model that is fitted in it.

    Attributes
    ----------
    anchors : np.ndarray [shape=(n_anchors, n_dimensions), dtype=float32]
    weights : np.ndarray [shape=(n_dimensions + n_directions, n_classes), dtype=float32]
        Of the artist's point and the track's own place.
    bias : np.ndarray [shape=(n_classes,), dtype=float32]
    shares : np.ndarray [shape=(n_anchors, n_classes), dtype=float32]
        Of the genres, spread over the anchors.
    """

    anchors: np.ndarray
    weights: np.ndarray
    bias: np.ndarray
    shares: np.ndarray

    def regression(self, points: np.ndarray, scaled: np.ndarray, groups: Groups) -> np.ndarray:
        """Log-probabilities of tracks by the regression [shape=(n_tracks, n_classes)].

        Parameters
        ----------
        points : np.ndarray [shape=(n_groups, n_dimensions)]
            Of the tracks' artists, from `Representation.artists`.
        scaled : np.ndarray [shape=(n_tracks, n_scaled)]
        groups : Groups
            Tracks by artist.
        """
        of_artists, of_tracks = np.split(self.weights, [points.shape[1]])
        logits = np.einsum("ij,jk->ik", points, of_artists)[groups.code]
        logits += np.einsum("ij,jk->ik", self.own(scaled), of_tracks)
        return log_softmax(logits + self.bias)

    def spread(self, points: np.ndarray) -> np.ndarray:
        """Log-shares of genres at artists by the spread labels [shape=(n_artists, n_classes)]."""
        near, weights = _nearest(points, self.anchors)
        shares = np.einsum("ij,ijk->ik", weights, self.shares[near])
        return np.log(shares / shares.sum(axis=1, keepdims=True))

    def log_probabilities(self, inputs: TrackInputs, groups: Groups, texts: Keys) -> np.ndarray:
        """Predict by the regression, and by the spread labels [shape=(2, n_tracks, n_classes)].

        `groups` are tracks by artist, `texts` the documents of these.
        """
        points = self.of_inputs(inputs, groups, texts)
        spread = self.spread(points)[groups.code]
        return np.stack([self.regression(points, inputs.scaled, groups), spread])

    def predict(self, points: np.ndarray, mean: np.ndarray) -> np.ndarray:
        """Predict genres of artists [shape=(n_artists, n_classes)], each as its average track."""
        each = Groups.of(np.arange(len(points)))
        regression = self.regression(points, mean, each)
        return softmax(regression + _SPREAD_WEIGHT * self.spread(points))


def fit(
    space: Space,
    points: np.ndarray,
    scaled: np.ndarray,
    targets: np.ndarray,
    groups: Groups,
) -> SimilarArtists:
    """Fit to labelled tracks.

    Parameters
    ----------
    space : Space
    points : np.ndarray [shape=(n_groups, n_dimensions)]
        Of the tracks' artists.
    scaled : np.ndarray [shape=(n_tracks, n_scaled)]
    targets : np.ndarray [shape=(n_tracks, n_classes)]
        Shares of the genres.
    groups : Groups
        Tracks by artist. Artists count by the root of their number of tracks.
    """
    n, code = groups.sizes, groups.code
    weight = n[code] ** -0.5
    prior = (np.average(targets, axis=0, weights=weight) * len(n) + 0.5) / (
        len(n) + 0.5 * targets.shape[1]
    )
    own = space.representation.own(scaled)
    columns = np.hstack([points[code], own, np.ones((len(code), 1))]).astype(np.float64)
    kernel = fit_kernel((columns, targets, weight), np.log(prior), _C, _ITERATIONS)
    shares = _spread(space, points, groups.means(targets), np.sqrt(n), prior)
    found = {"weights": kernel[:-1], "bias": kernel[-1] + np.log(prior), "shares": shares}
    return SimilarArtists(
        **vars(space.representation),
        anchors=space.anchors,
        **{name: one.astype(np.float32) for name, one in found.items()},
    )


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
    near, weights = _nearest(points, anchors)
    found = np.zeros((len(points), len(anchors)))
    np.put_along_axis(found, near, weights, 1)
    return found


def _nearest(points: np.ndarray, anchors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest anchors of points, and how much they belong to each [shape=(n, _NEAREST + 1)].

    The last one, as the farthest, counts little.
    """
    n = min(_NEAREST + 1, len(anchors))
    # Twice as many by BLAS, whose last digits depend on the other points; then exactly.
    about = (anchors**2).sum(axis=1) - 2 * points @ anchors.T
    close = np.argpartition(about, min(2 * n, len(anchors)) - 1, axis=1)[:, : 2 * n]
    gaps = points[:, None] - anchors[close]
    squared = np.einsum("ijk,ijk->ij", gaps, gaps)
    order = np.lexsort((close, squared))[:, :n]
    near, distances = (np.take_along_axis(one, order, 1) for one in (close, squared))
    weights = np.exp(-3 * distances / np.maximum(distances[:, -1:], 1e-9))
    return near, weights / weights.sum(axis=1, keepdims=True)
