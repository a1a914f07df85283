"""Accuracy on tracks, and on artists, that the model has not seen."""

from typing import Any, Literal

import numpy as np

from genre_spark.classifier import splits
from genre_spark.classifier.calibration import (
    expected_calibration_error,
    reliability,
    risk_coverage,
)
from genre_spark.classifier.training_set import Sample
from genre_spark.errors import InputError

Protocol = Literal["known", "new"]

# Below, hardly any artist is held out, and what is said of new ones is said of one or two.
_FEWEST_ARTISTS = 20


def protocols(sample: Sample) -> dict[Protocol, str | None]:
    """The protocols, each with the reason for which this sample has no use for it."""
    n_artists = len(np.unique(sample.artists))
    reason = None
    if not sample.has_artists:
        reason = "the catalogue names no artists"
    elif n_artists < _FEWEST_ARTISTS:
        reason = f"the labelled tracks are of {n_artists} artists, {_FEWEST_ARTISTS} are needed"
    return {"known": None, "new": reason}


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

    Raises
    ------
    InputError
        Where the tracks cannot be parted: all are of one artist, or of one recording.
    """
    together = sample.artists if protocol == "new" else sample.recordings
    fold = splits.grouped(sample.labels, together, max(2, round(1 / share)), seed)
    held_out = fold == fold.min()
    if held_out.all():
        raise InputError(
            f"{len(sample)} labelled tracks are of one {'artist' if protocol == 'new' else 'recording'}:"
            " none can be held out to tell how good the model is; label tracks of others"
        )
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def never_learned(sample: Sample, train: np.ndarray, test: np.ndarray) -> list[str]:
    """Genres that are held out whole: all of their tracks are of one artist, or of few.

    No classifier can be right on them.
    """
    missing = np.setdiff1d(sample.labels[test], sample.labels[train])
    return [sample.classes[code] for code in missing]


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
    from sklearn.metrics import classification_report, confusion_matrix

    winners, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct, codes = winners == labels, np.arange(len(classes))
    accepted = confidence >= thresholds
    per_genre = classification_report(
        labels, winners, labels=codes, target_names=classes, output_dict=True, zero_division=0
    )
    return {
        "tracks": len(labels),
        **scores(probabilities, labels),
        "ece_before": expected_calibration_error(uncalibrated.max(axis=1), correct),
        "coverage": float(accepted.mean()),
        "precision": float(correct[accepted].mean()) if accepted.any() else None,
        "confusion": confusion_matrix(labels, winners, labels=codes).tolist(),
        "per_genre": {
            name: {key: float(value) for key, value in per_genre[name].items()} for name in classes
        },
        "reliability": reliability(confidence, correct),
        "risk_coverage": risk_coverage(confidence, correct),
    }


def scores(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """What any classifier can be measured by.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_classes)]
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]

    Returns
    -------
    dict of str to float
        ``accuracy``, ``macro_f1`` over the genres that are held out or given, ``top3``,
        ``log_loss``, ``ece`` and ``aurc``.
    """
    from sklearn.metrics import f1_score, log_loss

    winners, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct, codes = winners == labels, np.arange(probabilities.shape[1])
    top3 = (np.argsort(-probabilities, axis=1)[:, :3] == labels[:, None]).any(axis=1)
    return {
        "accuracy": float(correct.mean()),
        "macro_f1": float(f1_score(labels, winners, average="macro", zero_division=0)),
        "top3": float(top3.mean()),
        "log_loss": float(log_loss(labels, probabilities, labels=codes)),
        "ece": expected_calibration_error(confidence, correct),
        "aurc": area_under_risk_coverage(confidence, correct),
    }


def area_under_risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean share of wrong labels over all shares of the surest tracks, in [0, 1]; lower is better.

    References
    ----------
    Geifman, Uziel & El-Yaniv (2019), "Bias-Reduced Uncertainty Estimation for Deep Neural
    Classifiers", ICLR.
    """
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~correct[order]) / np.arange(1, len(order) + 1)
    return float(wrong.mean())
