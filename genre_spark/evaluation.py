"""Accuracy on tracks, and on artists, that the model has not seen."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from genre_spark.calibration import (
    expected_calibration_error,
    reliability,
    risk_coverage,
)
from genre_spark.sample import Sample

Protocol = Literal["known", "new"]


def split(
    sample: Sample, protocol: Protocol, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the training and of the held-out side, stratified by genre.

    Parameters
    ----------
    sample : Sample
    protocol : {'known', 'new'}
        ``known`` holds out tracks: the same recording is never on both sides. ``new`` holds out
        artists, with all of their tracks.
    share : float
        Of the tracks to hold out, in (0, 0.5].
    seed : int

    Returns
    -------
    train, test : np.ndarray [dtype=int64]
    """
    from sklearn.model_selection import StratifiedGroupKFold

    together = sample.artists if protocol == "new" else sample.recordings
    folds = StratifiedGroupKFold(max(2, round(1 / share)), shuffle=True, random_state=seed)
    return next(folds.split(sample.axes, sample.labels, together))


def measure(
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: tuple[str, ...],
    uncalibrated: np.ndarray,
    thresholds: np.ndarray,
) -> dict[str, Any]:
    """All metrics of one set of held-out predictions.

    Parameters
    ----------
    probabilities, uncalibrated : np.ndarray [shape=(n_tracks, n_classes)]
        After and before temperature scaling.
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]
    classes : tuple of str
    thresholds : np.ndarray [shape=(n_tracks,)]
        Least confidence of an accepted label, fitted elsewhere.

    Returns
    -------
    dict
        Shares in [0, 1]; ``precision`` is that of accepted labels, None where there are none.
    """
    from sklearn.metrics import classification_report, confusion_matrix, f1_score, log_loss

    winners, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct, codes = winners == labels, np.arange(len(classes))
    accepted = confidence >= thresholds
    top3 = (np.argsort(-probabilities, axis=1)[:, :3] == labels[:, None]).any(axis=1)
    per_genre = classification_report(
        labels, winners, labels=codes, target_names=classes, output_dict=True, zero_division=0
    )
    return {
        "tracks": len(labels),
        "accuracy": float(correct.mean()),
        "macro_f1": float(f1_score(labels, winners, average="macro", zero_division=0)),
        "top3": float(top3.mean()),
        "log_loss": float(log_loss(labels, probabilities, labels=codes)),
        "ece_before": expected_calibration_error(uncalibrated.max(axis=1), correct),
        "ece": expected_calibration_error(confidence, correct),
        "coverage": float(accepted.mean()),
        "precision": float(correct[accepted].mean()) if accepted.any() else None,
        "confusion": confusion_matrix(labels, winners, labels=codes).tolist(),
        "per_genre": {
            name: {key: float(value) for key, value in per_genre[name].items()} for name in classes
        },
        "reliability": reliability(confidence, correct),
        "risk_coverage": risk_coverage(confidence, correct),
    }


def baselines(train: Sample, test: Sample, seed: int) -> dict[str, float]:
    """Accuracy of simple and of strong classifiers on the same rows, of the same channels.

    Parameters
    ----------
    train, test : Sample
        Both sides of a split.

    Returns
    -------
    dict of str to float
        ``majority``; ``<model>, track`` on the track's own features; ``<model>, context`` on all
        channels that the network reads.
    """
    own, everything = _flat(train, False), _flat(train, True)
    found = {"majority": float((test.labels == np.bincount(train.labels).argmax()).mean())}
    for name, make in _classifiers(seed).items():
        for scope, x, y in (
            ("track", own, _flat(test, False)),
            ("context", everything, _flat(test, True)),
        ):
            model = make().fit(x, train.labels)
            found[f"{name}, {scope}"] = float((model.predict(y) == test.labels).mean())
    return found


def strongest(accuracies: dict[str, float]) -> tuple[str, float]:
    """The best baseline and its accuracy."""
    return max(accuracies.items(), key=lambda item: item[1])


def _classifiers(seed: int) -> dict[str, Callable]:
    from sklearn.ensemble import RandomForestClassifier

    return {
        "random forest": lambda: RandomForestClassifier(
            200, min_samples_leaf=2, n_jobs=-1, random_state=seed
        ),
    }


def _flat(sample: Sample, with_context: bool) -> np.ndarray:
    return sample.tensor().reshape(len(sample), -1) if with_context else sample.axes
