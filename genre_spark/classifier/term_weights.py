"""Weights of the terms, fitted on held-out tracks and taken over as far as they gain beyond chance."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from genre_spark.classifier import head, splits
from genre_spark.classifier.calibration import HeldOutLabels
from genre_spark.classifier.head import SIMILAR_TERMS, TERMS, Head
from genre_spark.classifier.network import MEMBERS
from genre_spark.classifier.softmax import log_softmax, softmax
from genre_spark.classifier.training_set import LabelledTracks

# Fewest held-out tracks for each weight of a term and genre: with fewer, what they gain is mostly chance.
_TRACKS_PER_WEIGHT = 5


@dataclass(frozen=True)
class HeldOutTerms:
    """Terms of labelled tracks that nothing in them was fitted to.

    Attributes
    ----------
    terms : np.ndarray [shape=(n_terms, n_rows, n_classes)]
    rows : np.ndarray [shape=(n_rows,), dtype=int64]
        Their places among `tracks`.
    tracks : LabelledTracks
        Those that were learned from; a third of them without features, where the terms are of such.
    """

    terms: np.ndarray
    rows: np.ndarray
    tracks: LabelledTracks

    def fit(self, used: Sequence[str] = TERMS) -> Head:
        """Fit weights; what makes them more count as far as their gain is beyond chance.

        First those of similar artists are added, then genres get weights of their own.
        """
        targets = self.tracks.targets[self.rows]
        of_similar, by_genre = self.trust
        fitted = head.fit(self.terms, targets, _plain(used))
        if of_similar and len(_plain(used)) < len(used):
            fitted = fitted.towards(head.fit(self.terms, targets, used), of_similar)
        if by_genre:
            trusted = used if of_similar else _plain(used)
            own = head.fit(self.terms, targets, trusted, by_genre=True)
            fitted = fitted.towards(own, by_genre)
        return fitted

    @functools.cached_property
    def trust(self) -> tuple[float, float]:
        """How far the weights of similar artists, and weights by genre, are taken over, in [0, 1]."""
        own = self.tracks.take(self.rows)
        fold = splits.grouped(own.labels, own.artists, MEMBERS, 0)
        _, artist = np.unique(own.artists, return_inverse=True)

        def likelihood(logits: np.ndarray) -> np.ndarray:
            return (own.targets * log_softmax(logits)).sum(axis=1)

        def predicted(used: Sequence[str], by_genre: bool = False) -> np.ndarray:
            logits = np.zeros(own.targets.shape)
            for test in (fold == number for number in np.unique(fold)):
                fitted = head.fit(self.terms[:, ~test], own.targets[~test], used, by_genre)
                logits[test] = fitted.logits(self.terms[:, test])
            return logits

        trusted, of_similar = _plain(TERMS), 0.0
        logits = predicted(trusted)
        if self.terms[[TERMS.index(name) for name in SIMILAR_TERMS]].any():
            added = predicted(TERMS)
            of_similar = _beyond_chance(likelihood(added) - likelihood(logits), artist)
            logits += of_similar * (added - logits)
            trusted = list(TERMS) if of_similar else trusted
        if len(own) < _TRACKS_PER_WEIGHT * len(TERMS) * len(own.classes):
            return of_similar, 0.0
        gain = likelihood(predicted(trusted, by_genre=True)) - likelihood(logits)
        return of_similar, _beyond_chance(gain, artist)

    def predicted(self, fitted: Head) -> HeldOutLabels:
        """Predict tracks under one genre with some weights."""
        own = self.tracks.take(self.rows)
        found = softmax(fitted.logits(self.terms))[own.certain]
        return HeldOutLabels(found, own.labels[own.certain], own.artists[own.certain])


def _plain(terms: Sequence[str]) -> list[str]:
    """Without those of similar artists."""
    return [name for name in terms if name not in SIMILAR_TERMS]


def _beyond_chance(gain: np.ndarray, artist: np.ndarray) -> float:
    """How far to go towards what gains so much log-likelihood per track, in [0, 1].

    1 - (s / g)^2, where g is the sum of the gains and s its standard error over artists; 0 where g is
    less.

    References
    ----------
    Efron & Morris (1973), "Stein's Estimation Rule and Its Competitors", JASA 68: the positive-part
    rule, here of one effect.
    """
    error = np.linalg.norm(np.bincount(artist, gain - gain.mean()))
    return max(0.0, 1.0 - float(error / gain.sum()) ** 2) if gain.sum() > 0 else 0.0
