"""A forest over what is known of artists: grown by scikit-learn, evaluated by numpy alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

# More trees and leaves gain little, and take time per artist.
MAX_TREES, _LEAVES, _MIN_LEAF = 64, 512, 3
# Of the inputs, the share that each split chooses from, and the most: each genre adds inputs.
_INPUTS, _MOST_INPUTS = 0.6, 48
MAX_DEPTH = 12
# A genre that no tree expects is still possible.
_FLOOR = 1e-3
_UNIT = np.iinfo(np.int16).max


@dataclass(frozen=True)
class Forest:
    """Trees whose inner nodes stand before all leaves, parents before their children.

    Attributes
    ----------
    roots : np.ndarray [shape=(n_trees,), dtype=int32]
    inputs : np.ndarray [shape=(n_inner,), dtype=int16]
        The input that each inner node compares.
    thresholds : np.ndarray [shape=(n_inner,), dtype=float32]
        What is larger goes to the second child.
    children : np.ndarray [shape=(n_inner, 2), dtype=int32]
    shares : np.ndarray [shape=(n_leaves, n_classes), dtype=int16]
        Of the genres in each leaf, as multiples of 1 / 32,767.
    """

    roots: np.ndarray
    inputs: np.ndarray
    thresholds: np.ndarray
    children: np.ndarray
    shares: np.ndarray

    def log_probabilities(self, artists: np.ndarray) -> np.ndarray:
        """Log-probabilities of artists [shape=(n_artists, n_classes), dtype=float32].

        Parameters
        ----------
        artists : np.ndarray [shape=(n_artists, n_inputs), dtype=float32]
            From `LogProbabilities.artist_inputs`.
        """
        n_inner, n_leaves = len(self.inputs), len(self.shares)
        # A leaf compares anything, and leads to itself.
        inputs = np.append(self.inputs, np.zeros(n_leaves, np.int16))
        thresholds = np.append(self.thresholds, np.zeros(n_leaves, np.float32))
        itself = np.repeat(np.arange(n_inner, n_inner + n_leaves, dtype=np.int32), 2)
        children = np.append(self.children, itself)
        node = np.tile(self.roots, (len(artists), 1))
        first = np.arange(0, artists.size, artists.shape[1], dtype=np.int32)[:, None]
        # `take` is nearly twice as fast as brackets.
        for _ in range(MAX_DEPTH):
            larger = artists.take(first + inputs.take(node)) > thresholds.take(node)
            node = children.take(2 * node + larger)
        total = np.zeros((len(artists), self.shares.shape[1]), np.int32)
        for leaf in node.T - n_inner:
            total += self.shares.take(leaf, axis=0)
        return np.log(total / np.float32(_UNIT * len(self.roots)) + np.float32(_FLOOR))


def fit(artists: np.ndarray, shares: np.ndarray, weights: np.ndarray, seed: int) -> Forest:
    """Grow extremely randomised trees, each of which predicts all genres.

    An artist of several genres is one example of each, with its share as weight: the Gini impurity
    of these ranks splits as the variance of the shares does, and takes no longer for more genres.

    Parameters
    ----------
    artists : np.ndarray [shape=(n_artists, n_inputs), dtype=float32]
    shares : np.ndarray [shape=(n_artists, n_classes)]
        Of the genres.
    weights : np.ndarray [shape=(n_artists,)]
    seed : int

    References
    ----------
    Geurts, Ernst & Wehenkel (2006), "Extremely randomized trees", Machine Learning 63.
    """
    from sklearn.ensemble import ExtraTreesClassifier

    rows, genres = np.nonzero(shares)
    grown = ExtraTreesClassifier(
        MAX_TREES,
        max_leaf_nodes=_LEAVES,
        max_depth=MAX_DEPTH,
        min_samples_leaf=_MIN_LEAF,
        max_features=min(_INPUTS, _MOST_INPUTS / artists.shape[1]),
        n_jobs=-1,
        random_state=seed,
    ).fit(artists[rows], genres, weights[rows] * shares[rows, genres])
    return _packed([one.tree_ for one in grown.estimators_], grown.classes_, shares.shape[1])


def _packed(trees: Sequence[Any], genres: np.ndarray, n_classes: int) -> Forest:
    """Trees of scikit-learn, which know some of the genres, in the order that `Forest` has."""
    left, right, inputs, thresholds = (
        np.concatenate([getattr(tree, name) for tree in trees])
        for name in ("children_left", "children_right", "feature", "threshold")
    )
    sizes = [tree.node_count for tree in trees]
    roots = np.cumsum([0, *sizes[:-1]])
    is_leaf = left < 0
    place = np.where(is_leaf, (~is_leaf).sum() + np.cumsum(is_leaf), np.cumsum(~is_leaf)) - 1
    children = np.stack([left, right], axis=1) + np.repeat(roots, sizes)[:, None]
    shares = np.zeros((is_leaf.sum(), n_classes))
    shares[:, genres] = np.concatenate([tree.value[:, 0] for tree in trees])[is_leaf]
    return Forest(
        roots=place[roots].astype(np.int32),
        inputs=inputs[~is_leaf].astype(np.int16),
        thresholds=_rounded_down(thresholds[~is_leaf]),
        children=place[children[~is_leaf]].astype(np.int32),
        shares=np.rint(shares * _UNIT).astype(np.int16),
    )


def _rounded_down(thresholds: np.ndarray) -> np.ndarray:
    """In float32, and so that float32 inputs compare as they did."""
    near = thresholds.astype(np.float32)
    return np.where(near > thresholds, np.nextafter(near, np.float32(-np.inf)), near)
