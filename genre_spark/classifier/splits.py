"""Parts of a sample that keep together what belongs together."""

import warnings

import numpy as np


def grouped(labels: np.ndarray, groups: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """A fold for each track: equal for tracks of one group, genres spread evenly.

    Parameters
    ----------
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]
        Genres with fewer tracks than there are folds are spread as if they were one.
    groups : np.ndarray [shape=(n_tracks,), dtype=int64]
    n_folds : int
        At least 2; where there are fewer groups, some folds stay empty.
    seed : int

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=int64]
        In [0, n_folds).
    """
    from sklearn.model_selection import StratifiedGroupKFold

    n_folds = min(n_folds, len(np.unique(groups)))
    folds = np.zeros(len(labels), dtype=np.int64)
    if n_folds < 2:
        return folds
    n_tracks = np.bincount(labels)[labels]
    strata = np.where(n_tracks < n_folds, -1, labels)
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # The few tracks of all rare genres together may still be fewer than the folds.
        warnings.simplefilter("ignore", UserWarning)
        for fold, (_, rows) in enumerate(splitter.split(strata, strata, groups)):
            folds[rows] = fold
    return folds
