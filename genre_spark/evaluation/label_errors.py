"""Labels that are likely wrong: held-out predictions contradict them with confidence."""

from dataclasses import dataclass

import numpy as np

from genre_spark.classifier.estimator import FittedClassifier
from genre_spark.classifier.softmax import softmax


@dataclass(frozen=True)
class LabelErrors:
    """Tracks whose labels are likely wrong, the clearest first.

    Attributes
    ----------
    rows : np.ndarray [shape=(n,), dtype=int64]
        Of the labelled tracks.
    likely : np.ndarray [shape=(n,), dtype=int64]
        The genre that each more likely has.
    confidence : np.ndarray [shape=(n,)]
        Probability of that genre.
    """

    rows: np.ndarray
    likely: np.ndarray
    confidence: np.ndarray


def held_out(fitted: FittedClassifier, n_tracks: int, n_classes: int) -> np.ndarray:
    """Probabilities of each labelled track without its own label [shape=(n_tracks, n_classes)].

    NaN for tracks of a kind that is too rare to be predicted.
    """
    found = np.full((n_tracks, n_classes), np.nan)
    # Tracks that have features are predicted with them.
    for kind, terms in reversed(list(fitted.held_out.items())):
        found[terms.rows] = softmax(fitted.part.heads[kind].logits(terms.terms))
    return found


def find(probabilities: np.ndarray, labels: np.ndarray) -> LabelErrors:
    """Find label errors by confident learning.

    A genre is confident for a track if its probability is at least the mean probability of the
    genre over tracks labelled so. A label is likely wrong if the likeliest confident genre is
    another one.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_classes)]
        Held out; rows of NaN are left out.
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]

    References
    ----------
    Northcutt, Jiang & Chuang (2021), "Confident Learning: Estimating Uncertainty in Dataset
    Labels", JAIR 70.
    """
    predicted = np.flatnonzero(~np.isnan(probabilities).any(axis=1))
    p, given = probabilities[predicted], labels[predicted]
    n = np.bincount(given, minlength=p.shape[1])
    own = np.bincount(given, p[np.arange(len(p)), given], minlength=p.shape[1])
    # A genre without labels has no threshold to reach.
    confident = np.where(p >= np.where(n > 0, own / np.maximum(n, 1), np.inf), p, -1.0)
    likely = confident.argmax(axis=1)
    wrong = np.flatnonzero((confident.max(axis=1) > 0) & (likely != given))
    margin = p[wrong, likely[wrong]] - p[wrong, given[wrong]]
    wrong = wrong[np.argsort(-margin, kind="stable")]
    return LabelErrors(predicted[wrong], likely[wrong], p[wrong, likely[wrong]])
