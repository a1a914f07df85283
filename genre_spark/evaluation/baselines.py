"""Simple and strong classifiers, to hold the network against: on its rows, of its channels."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from genre_spark.classifier.training_set import Sample

MAJORITY = "majority"
FOREST = "random forest"

# Trees are grown, asked and dropped in parts: with a hundred genres, a whole forest of large trees
# takes more than ten gigabytes.
_PARTS, _TREES_PER_PART = 20, 10
# Of gradient boosting, which grows a tree per genre and round: rounds are cut where genres are
# many, and the steps lengthened, so that 114 genres take as long as 30.
_MOST_TREES, _MOST_ROUNDS, _FEWEST_ROUNDS = 600, 100, 20
# Gradient boosting and regression learn from so many tracks at most, the same ones.
_MOST_TRACKS = 20_000


def judge(
    train: Sample, test: Sample, seed: int, names: Sequence[str] | None = None
) -> Iterator[tuple[str, np.ndarray]]:
    """What each baseline says of held-out tracks.

    Parameters
    ----------
    train, test : Sample
        Both sides of a split.
    seed : int
    names : sequence of str, optional
        Of the classifiers, those to fit; all by default.

    Yields
    ------
    name : str
        ``majority``; ``<classifier>, track`` on the track's own features; ``<classifier>,
        context`` on all channels that the network reads.
    probabilities : np.ndarray [shape=(n_tracks, n_classes)]
        0 for a genre that the training side does not have.

    Notes
    -----
    Time is bounded: regression ends after 200 iterations, and learns, like gradient boosting, from
    20,000 tracks at most; gradient boosting grows 600 trees in all, or 20 for each genre.
    """
    n_classes = len(train.classes)
    share = np.bincount(train.labels, minlength=n_classes) / len(train)
    yield MAJORITY, np.tile(share, (len(test), 1))
    for scope, flat in _SCOPES.items():
        x, y = flat(train), flat(test)
        for name in names or _CLASSIFIERS:
            found, codes = _CLASSIFIERS[name](x, train.labels, y, seed)
            probabilities = np.zeros((len(test), n_classes))
            # Some are in single precision, and sum to one only nearly.
            probabilities[:, codes] = found
            probabilities /= probabilities.sum(axis=1, keepdims=True)
            yield f"{name}, {scope}", probabilities


def _forest(
    x: np.ndarray, labels: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.ensemble import RandomForestClassifier

    seeds = np.random.SeedSequence(seed).generate_state(_PARTS)
    total = 0.0
    for part in range(_PARTS):
        model = RandomForestClassifier(
            _TREES_PER_PART, min_samples_leaf=2, n_jobs=-1, random_state=int(seeds[part])
        )
        # Threads would add the trees' votes in any order, and ties be broken by chance.
        total = total + model.fit(x, labels).set_params(n_jobs=1).predict_proba(y)
    return total / _PARTS, model.classes_


def _regression(
    x: np.ndarray, labels: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    return _fitted(model, x, labels, y, seed)


def _boosting(
    x: np.ndarray, labels: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rounds = np.clip(_MOST_TREES // len(np.unique(labels)), _FEWEST_ROUNDS, _MOST_ROUNDS)
    model = HistGradientBoostingClassifier(
        max_iter=int(rounds),
        learning_rate=0.1 * (_MOST_ROUNDS / rounds) ** 0.5,
        # Of several hundred channels that tell much the same, a part will do at each split.
        max_features=1.0 if x.shape[1] < 50 else 0.2,
        early_stopping=False,
        random_state=seed,
    )
    return _fitted(model, x, labels, y, seed)


def _fitted(
    model: Any, x: np.ndarray, labels: np.ndarray, y: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    rows = np.random.default_rng(seed).permutation(len(x))[:_MOST_TRACKS]
    with warnings.catch_warnings():
        # The bound on iterations is meant.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x[rows], labels[rows])
    return model.predict_proba(y), model.classes_


_CLASSIFIERS: dict[str, Callable] = {
    "logistic regression": _regression,
    FOREST: _forest,
    "gradient boosting": _boosting,
}
_SCOPES: dict[str, Callable[[Sample], np.ndarray]] = {
    "track": lambda sample: sample.axes,
    "context": lambda sample: sample.tensor().reshape(len(sample), -1),
}
