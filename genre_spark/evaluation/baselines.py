"""Simple and strong classifiers to compare with, on the same rows."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from genre_spark.classifier import evidence, head, splits
from genre_spark.classifier.estimator import FittedClassifier
from genre_spark.classifier.evidence import Evidence
from genre_spark.classifier.head import (
    EVIDENCE_TERMS,
    KINDS,
    KNOWN,
    KNOWN_WITHOUT,
    TERMS,
    LogProbabilities,
)
from genre_spark.classifier.text_models import word_log_probabilities
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.features.tensor import artist_statistics, build

MAJORITY = "majority"
ARTIST_LOOKUP, ALBUM_LOOKUP = "artist lookup", "album lookup"
LOOKUP_OR_FOREST = "artist lookup, else random forest"
WORDS = "words alone"
FOREST, POOLED_FOREST = "random forest", "random forest, pooled"
# Of the track alone, then of all that the classifier reads.
PERCEPTRON, REGRESSION = "perceptron on the track, pooled", "logistic regression, pooled"
SAME_FOREST, SAME_BOOSTING = "random forest, same inputs", "gradient boosting, same inputs"

_FOLDS = 5
_EVIDENCE = [TERMS.index(name) for name in EVIDENCE_TERMS]
_TREES, _MIN_LEAF = 100, 2
# Of gradient boosting, which grows a tree per genre and round: rounds are cut where genres are
# many, and the steps lengthened.
_MOST_TREES, _MOST_ROUNDS, _FEWEST_ROUNDS = 600, 100, 20
# Without a penalty on its leaves, boosting of 15 genres, some of them rare, is worse than a lookup.
_PENALTY = 10.0
# Gradient boosting and regression learn from so many tracks at most.
_MOST_TRACKS = 20_000
_FLOOR = 0.01


def predict(
    tracks: LabelledTracks,
    test: np.ndarray,
    fitted: FittedClassifier,
    terms: np.ndarray,
    seed: int,
    everything: bool = True,
) -> Iterator[tuple[str, np.ndarray]]:
    """Predict held-out tracks with each baseline.

    `test`: Rows that are held out [dtype=int64].
    `fitted`: Fitted on the others, as the baselines are: its words and evidence are given to the
        baseline with the same inputs.
    `terms`: Of the held-out tracks, by `fitted` [shape=(n_terms, n_test, n_classes)].
    `everything`: Whether the slow ones are fitted too.

    Yields
    ------
    name : str
    probabilities : np.ndarray [shape=(n_test, n_classes)]
        A lookup has one-hot ones.
    """
    learned = tracks.take(np.setdiff1d(np.arange(len(tracks)), test))
    held_out = tracks.take(test)
    prior = learned.targets.mean(axis=0)
    majority = np.tile(prior, (len(test), 1))
    yield MAJORITY, majority
    counts = Evidence.of(learned.inputs, learned.synthetic, learned.targets).look_up(
        held_out.inputs, held_out.synthetic
    )
    yield ARTIST_LOOKUP, _lookup(counts[:, 0], majority)
    yield ALBUM_LOOKUP, _lookup(counts[:, 2], majority)
    x, y = _context(learned), _context(held_out)
    forest = _fit(_forest(seed), x, learned, y)
    yield LOOKUP_OR_FOREST, _lookup(counts[:, 0], forest)
    yield FOREST, forest
    yield POOLED_FOREST, _pooled(forest, held_out)
    if (words := fitted.part.words) is not None:
        logs = word_log_probabilities(words, words.vocabulary, held_out.inputs)
        yield WORDS, np.exp(logs)
    if everything:
        track = [build(one.inputs, one.bin_edges) for one in (learned, held_out)]
        flat = [one.reshape(len(one), -1) for one in track]
        perceptron, regression = _standardised(seed)
        for name, (given, asked), model in (
            (PERCEPTRON, flat, perceptron),
            (REGRESSION, (x, y), regression),
        ):
            yield name, _pooled(_fit(model, given, learned, asked, _MOST_TRACKS), held_out)
        same = _SameInputs(fitted, held_out, terms, y, seed)
        yield SAME_FOREST, same.predict(_forest(seed))
        yield SAME_BOOSTING, same.predict(_boosting(len(learned.classes), seed))


def _lookup(counts: np.ndarray, otherwise: np.ndarray) -> np.ndarray:
    """The most frequent genre of the labelled tracks; `otherwise` where there are none."""
    found = np.eye(counts.shape[1])[counts.argmax(axis=1)]
    return np.where(np.any(counts, axis=1, keepdims=True), found, otherwise)


def _context(tracks: LabelledTracks) -> np.ndarray:
    """All that is known of a track's sound: its tensor, and the statistics of its artist."""
    tensor = build(tracks.inputs, tracks.bin_edges).reshape(len(tracks), -1)
    artist = artist_statistics(tracks.inputs, tracks.groups)[tracks.groups.code]
    return np.concatenate([tensor, artist], axis=1)


def _pooled(probabilities: np.ndarray, tracks: LabelledTracks) -> np.ndarray:
    """The mean log-probabilities of each artist, as the network's are pooled."""
    groups = tracks.groups
    means = groups.means(np.log(probabilities + _FLOOR).astype(np.float32))[groups.code]
    found = np.exp(means.astype(float))
    return found / found.sum(axis=1, keepdims=True)


class _SameInputs:
    """Sound, words, documents, the artist forest and evidence, for a model for each kind of track.

    While a model learns, evidence is counted by folds of artists (for known ones, of recordings).
    """

    def __init__(
        self,
        fitted: FittedClassifier,
        held_out: LabelledTracks,
        terms: np.ndarray,
        context: np.ndarray,
        seed: int,
    ):
        self._classes, self._held_out = fitted.part.classes, held_out
        kinds = fitted.kinds(held_out)
        self._sides = []
        for kind, one in fitted.held_out.items():
            asked = np.flatnonzero(kinds == KINDS.index(kind))
            if not len(asked):
                continue
            told = one.terms.copy()
            counted = _counted_by_folds(fitted, one.tracks, kind, seed)
            told[_EVIDENCE] = counted[_EVIDENCE][:, one.rows]
            given = np.concatenate([_context(one.tracks)[one.rows], _flat(told)], axis=1)
            wanted = np.concatenate([context[asked], _flat(terms[:, asked])], axis=1)
            self._sides.append((one.tracks.take(one.rows), given, asked, wanted))

    def predict(self, model: Any) -> np.ndarray:
        """Predict the held-out tracks, pooled over the artist."""
        found = np.zeros((len(self._held_out), len(self._classes)))
        for learned, given, asked, wanted in self._sides:
            found[asked] = _fit(model, given, learned, wanted, _MOST_TRACKS)
        return _pooled(found, self._held_out)


def _counted_by_folds(
    fitted: FittedClassifier, learned: LabelledTracks, kind: str, seed: int
) -> np.ndarray:
    """Terms of evidence [shape=(n_terms, n_tracks, n_classes)]; the others are of no use."""
    is_known = kind in (KNOWN, KNOWN_WITHOUT)
    together = learned.recordings if is_known else learned.artists
    fold = splits.grouped(learned.labels, together, _FOLDS, seed)
    counts = evidence.by_folds(learned.inputs, learned.synthetic, learned.targets, fold)
    nothing, prior = np.zeros(learned.targets.shape, np.float32), fitted.part.prior
    logs = LogProbabilities.of(nothing, learned.groups)
    found = head.terms(logs, None, counts, np.array(prior, np.float32))
    return head.stack(found, learned.targets.shape)


def _flat(terms: np.ndarray) -> np.ndarray:
    """Terms without those of the networks [shape=(n_tracks, n_terms * n_classes)]."""
    kept = [i for i, name in enumerate(TERMS) if "network" not in name]
    return terms[kept].transpose(1, 0, 2).reshape(terms.shape[1], -1)


def _forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return RandomForestClassifier(_TREES, min_samples_leaf=_MIN_LEAF, n_jobs=2, random_state=seed)


def _boosting(n_classes: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier

    rounds = np.clip(_MOST_TREES // n_classes, _FEWEST_ROUNDS, _MOST_ROUNDS)
    return HistGradientBoostingClassifier(
        max_iter=int(rounds),
        learning_rate=0.1 * (_MOST_ROUNDS / rounds) ** 0.5,
        max_leaf_nodes=15,
        max_features=0.2,
        l2_regularization=_PENALTY,
        early_stopping=False,
        random_state=seed,
    )


def _standardised(seed: int) -> tuple[Any, Any]:
    """A perceptron and a logistic regression, each on standardised inputs."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    network = MLPClassifier((64,), alpha=0.01, max_iter=30, batch_size=256, random_state=seed)
    regression = LogisticRegression(C=0.1, max_iter=200)
    return make_pipeline(StandardScaler(), network), make_pipeline(StandardScaler(), regression)


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
