"""Splits labelled tracks so that tracks that belong together stay on one side."""

import numpy as np

# Of labelled tracks, at least this share is taken as lacking features, where they are fitted or measured.
_WITHOUT_FEATURES = 1 / 3


def grouped(labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Deal groups to folds in random order, genres evenly.

    Each group is held out by exactly one fold. Groups come in random order, whatever their size,
    and each goes to the fold with the fewest tracks of the group's most frequent genre. So over
    seeds every group, a large one too, is in any one fold with probability 1 / n_folds, and two
    large groups meet by chance alone. (`sklearn.model_selection.StratifiedGroupKFold` orders groups
    by the variance of their labels, which puts the same large groups into the same fold for every
    seed.)

    Parameters
    ----------
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]
    groups : np.ndarray [shape=(n_tracks,), dtype=int64]
    n_folds : int
        At least 2; where there are fewer groups, some folds stay empty.
    seed : int

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=int64]
        In [0, n_folds).
    """
    _, code = np.unique(groups, return_inverse=True)
    n_groups, n_classes = code.max() + 1, labels.max() + 1
    counts = np.bincount(code * n_classes + labels, minlength=n_groups * n_classes)
    counts = counts.reshape(n_groups, n_classes)
    rng = np.random.default_rng(seed)
    order, genre, ties = rng.permutation(n_groups), counts.argmax(axis=1), rng.random(n_folds)
    filled = np.zeros((n_classes, n_folds))
    fold = np.empty(n_groups, np.int64)
    for group in order:
        of_genre = filled[genre[group]]
        # Equal folds: the emptiest over all genres, then one drawn by chance.
        fold[group] = np.lexsort((ties, filled.sum(axis=0), of_genre))[0]
        filled[:, fold[group]] += counts[group]
    return fold[code]


def without_features(has_features: np.ndarray, albums: np.ndarray, seed: int) -> np.ndarray:
    """Draw tracks to lose their features, so that a third has none: half of them by whole albums.

    Parameters
    ----------
    has_features : np.ndarray [shape=(n_tracks,), dtype=bool]
        Where a third of the tracks has none already, nothing is drawn.
    albums : np.ndarray [shape=(n_tracks,), dtype=int64]
        0 without one.
    seed : int

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=bool]
    """
    lacking = 1.0 - has_features.mean()
    share = max(0.0, (_WITHOUT_FEATURES - lacking) / max(1.0 - lacking, 1e-9))
    rng, n = np.random.default_rng(seed), len(albums)
    _, code = np.unique(np.where(albums == 0, -1 - np.arange(n), albums), return_inverse=True)
    of_album = rng.random(n)[code] < share / 2
    return has_features & (of_album | (rng.random(n) < share / 2 / (1.0 - share / 2)))
