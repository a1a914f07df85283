"""Simple and strong classifiers to compare with, on the same rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from genre_spark.classifier.estimator import FittedClassifier
from genre_spark.classifier.evidence import Evidence
from genre_spark.classifier.head import KINDS, TERMS
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.classifier.word_model import word_log_probabilities
from genre_spark.features.tensor import build

MAJORITY = "majority"
ARTIST_LOOKUP, ALBUM_LOOKUP = "artist lookup", "album lookup"
LOOKUP_OR_FOREST = "artist lookup, else random forest"
WORDS = "words alone"
FOREST, POOLED_FOREST = "random forest", "random forest, pooled"
SAME_INPUTS = "random forest, same inputs"

_TREES, _MIN_LEAF = 100, 2
# Of gradient boosting, which grows a tree per genre and round: rounds are cut where genres are
# many, and the steps lengthened.
_MOST_TREES, _MOST_ROUNDS, _FEWEST_ROUNDS = 600, 100, 20
# Gradient boosting and regression learn from so many tracks at most.
_MOST_TRACKS = 20_000
_FLOOR = 0.01


def predict(
    tracks: LabelledTracks,
    train: np.ndarray,
    test: np.ndarray,
    fitted: FittedClassifier,
    seed: int,
    everything: bool = True,
) -> Iterator[tuple[str, np.ndarray]]:
    """Predict held-out tracks with each baseline.

    Parameters
    ----------
    tracks : LabelledTracks
    train, test : np.ndarray [dtype=int64]
        Rows of either side.
    fitted : FittedClassifier
        Fitted on `train`: its words and evidence are given to the baseline with the same inputs.
    seed : int
    everything : bool
        Whether the slow ones are fitted too.

    Yields
    ------
    name : str
    probabilities : np.ndarray [shape=(n_test, n_classes)]
        A lookup has one-hot ones.
    """
    learned, held_out = tracks.take(train), tracks.take(test)
    prior = learned.targets.mean(axis=0)
    majority = np.tile(prior, (len(test), 1))
    yield MAJORITY, majority
    counts = Evidence.of(learned.inputs, learned.synthetic, learned.targets).look_up(
        held_out.inputs, held_out.synthetic
    )
    by_artist = _lookup(counts[:, 0], majority)
    yield ARTIST_LOOKUP, by_artist
    yield ALBUM_LOOKUP, _lookup(counts[:, 2], majority)
    x, y = _context(learned), _context(held_out)
    forest = _fit(_forest(seed), x, learned, y)
    yield LOOKUP_OR_FOREST, _lookup(counts[:, 0], forest)
    yield FOREST, forest
    yield POOLED_FOREST, _pooled(forest, held_out)
    terms = fitted.terms(tracks)[:, test]
    if (words := fitted.part.words) is not None:
        logs = word_log_probabilities(words, words.vocabulary, held_out.inputs)
        yield WORDS, np.exp(logs)
    if everything:
        yield SAME_INPUTS, _same_inputs(fitted, learned, held_out, terms, (x, y), seed)
        for name, model in _slow(learned, seed).items():
            yield name, _pooled(_fit(model, x, learned, y, _MOST_TRACKS), held_out)


def _lookup(counts: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """The most frequent genre of the labelled tracks; `otherwise` where there are none."""
    found = np.eye(counts.shape[1])[counts.argmax(axis=1)]
    return np.where(np.any(counts, axis=1, keepdims=True), found, otherwise)


def _context(tracks: LabelledTracks) -> np.ndarray:
    """All that is known of a track's sound: its tensor, and the mean of its artist."""
    tensor = build(tracks.inputs, tracks.bin_edges).reshape(len(tracks), -1)
    artist = np.nan_to_num(tracks.inputs.artist_mean, nan=0.0)
    return np.concatenate([tensor, artist], axis=1)


def _pooled(probabilities: np.ndarray, tracks: LabelledTracks) -> np.ndarray:
    """The mean log-probabilities of each artist, as the network's are pooled."""
    groups = tracks.groups
    means = groups.means(np.log(probabilities + _FLOOR).astype(np.float32))[groups.code]
    found = np.exp(means.astype(float))
    return found / found.sum(axis=1, keepdims=True)


def _same_inputs(
    fitted: FittedClassifier,
    learned: LabelledTracks,
    held_out: LabelledTracks,
    terms: np.ndarray,
    contexts: tuple[np.ndarray, np.ndarray],
    seed: int,
) -> np.ndarray:
    """A forest on sound, words and evidence; one for new artists, and one for known ones."""
    x, y = contexts
    kinds = fitted.kinds(held_out)
    found = np.zeros((len(held_out), len(learned.classes)))
    for kind, one in fitted.held_out.items():
        if (rows := kinds == KINDS.index(kind)).any():
            given = np.concatenate([x[one.rows], _flat(one.terms)], axis=1)
            asked = np.concatenate([y[rows], _flat(terms[:, rows])], axis=1)
            found[rows] = _fit(_forest(seed), given, learned.take(one.rows), asked)
    return found


def _flat(terms: np.ndarray) -> np.ndarray:
    """Terms without those of the network [shape=(n_tracks, n_terms * n_classes)]."""
    kept = [i for i, name in enumerate(TERMS) if not name.startswith("network")]
    return terms[kept].transpose(1, 0, 2).reshape(terms.shape[1], -1)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(_TREES, min_samples_leaf=_MIN_LEAF, n_jobs=2, random_state=seed)


def _slow(learned: LabelledTracks, seed: int) -> dict[str, Any]:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rounds = np.clip(_MOST_TREES // len(learned.classes), _FEWEST_ROUNDS, _MOST_ROUNDS)
    boosting = HistGradientBoostingClassifier(
        max_iter=int(rounds),
        learning_rate=0.1 * (_MOST_ROUNDS / rounds) ** 0.5,
        max_features=0.2,
        early_stopping=False,
        random_state=seed,
    )
    regression = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200))
    return {"gradient boosting, pooled": boosting, "logistic regression, pooled": regression}


def _fit(
    model: Any, x: np.ndarray, learned: LabelledTracks, y: np.ndarray, most: int | None = None
) -> np.ndarray:
    import warnings

    from sklearn.exceptions import ConvergenceWarning

    rows = np.random.default_rng(0).permutation(len(x))[:most]
    with warnings.catch_warnings():
        # The bound on iterations is meant.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(x[rows], learned.labels[rows])
    if hasattr(model, "n_jobs"):
        # Threads would add the trees' votes in any order, and other last digits come out.
        model.set_params(n_jobs=1)
    found = np.zeros((len(y), len(learned.classes)))
    found[:, model.classes_] = model.predict_proba(y)
    return found / found.sum(axis=1, keepdims=True)
