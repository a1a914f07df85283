"""Acceptance of labels by their confidence."""

from collections.abc import Mapping
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from genre_spark._model import Share, StrictModel
from genre_spark.classifier.head import KINDS

# Precisions that are promised where they can be; the target is one more.
PRECISIONS = (0.95, 0.93, 0.90, 0.85, 0.80)

# No confidence can reach it: nothing is accepted.
NEVER = 2.0
# The statement "at least this precision" may be wrong in one of so many bundles.
_RISK = 0.05
_FEWEST_ACCEPTED = 50
_STEPS = 100
# The sequence of tests begins at this share of the tracks, and at this many times the artists that
# are the fewest to be certain of the target if all of their labels are right.
_START, _MARGIN = 0.1, 3


class HeldOutLabels(NamedTuple):
    """Predicted and true genres of one kind of track.

    Attributes
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_classes)]
    labels, artists : np.ndarray [shape=(n_tracks,), dtype=int64]
    """

    probabilities: np.ndarray
    labels: np.ndarray
    artists: np.ndarray

    def threshold(self, target: float) -> float:
        """The least confidence at which the labels meet a precision; see `fit_threshold`."""
        correct = self.probabilities.argmax(axis=1) == self.labels
        return fit_threshold(self.probabilities.max(axis=1), correct, self.artists, target)


class Acceptance(StrictModel):
    """The least confidence at which labels meet each of several precisions.

    Attributes
    ----------
    target : float
        Precision that accepted labels are to meet; one of `levels`.
    levels : tuple of float
        Precisions, the strictest first.
    thresholds : dict of str to tuple of float
        By kind of track, one for each level; `NEVER` where it cannot be met.
    """

    target: Share
    levels: tuple[Share, ...]
    thresholds: dict[str, tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...]]

    @model_validator(mode="after")
    def _levels_fit(self) -> "Acceptance":
        if self.target not in self.levels or list(self.levels) != sorted(self.levels)[::-1]:
            raise ValueError("levels are not in order, or the target is none of them")
        if set(self.thresholds) != set(KINDS):
            raise ValueError(f"thresholds are not of the kinds {', '.join(KINDS)}")
        for own in self.thresholds.values():
            if len(own) != len(self.levels) or list(own) != sorted(own)[::-1]:
                raise ValueError(f"thresholds {own} do not fall with the {len(self.levels)} levels")
        return self

    @classmethod
    def fit(cls, held_out: Mapping[str, HeldOutLabels], target: float) -> "Acceptance":
        """Fit the thresholds of each kind of track on held-out labels."""
        levels = tuple(sorted({*PRECISIONS, target}, reverse=True))
        thresholds = {}
        for kind, one in held_out.items():
            found = [one.threshold(level) for level in levels]
            # What meets a level meets all lower ones.
            thresholds[kind] = tuple(np.minimum.accumulate(found).tolist())
        return cls(target=target, levels=levels, thresholds=thresholds)

    def precision(self, probabilities: np.ndarray, kinds: np.ndarray) -> np.ndarray:
        """Look up the highest precision that labels of such confidence meet.

        Parameters
        ----------
        probabilities : np.ndarray [shape=(n_tracks, n_classes)]
        kinds : np.ndarray [shape=(n_tracks,), dtype=int64]
            Places in `head.KINDS`.

        Returns
        -------
        np.ndarray [shape=(n_tracks,), dtype=float64]
            One of `levels`; NaN where none is met.
        """
        thresholds = np.array([self.thresholds[kind] for kind in KINDS])
        met = (probabilities.max(axis=1, keepdims=True) >= thresholds[kinds]).sum(axis=1)
        return np.array([np.nan, *self.levels[::-1]])[met]

    @property
    def accepting(self) -> dict[str, float]:
        """The least confidence of an accepted label, by kind of track; above 1 none is accepted."""
        at = self.levels.index(self.target)
        return {kind: self.thresholds[kind][at] for kind in KINDS}

    @property
    def rejecting(self) -> dict[str, float | None]:
        """Kinds of tracks of which no label is accepted, and the highest precision that is met."""
        found = {}
        for kind in (kind for kind, least in self.accepting.items() if least >= NEVER):
            met = zip(self.levels, self.thresholds[kind], strict=True)
            found[kind] = next((level for level, least in met if least < NEVER), None)
        return found


def fit_threshold(
    confidence: np.ndarray, correct: np.ndarray, artists: np.ndarray, target: float
) -> float:
    """The least confidence above which labels meet a precision, with 95 % certainty.

    Thresholds are tested from strict to lenient, by the Clopper-Pearson bound, until one fails; the
    most lenient that passed is taken. Tests in a fixed order need no correction for their number.
    They begin where a tenth of the tracks, and enough artists, are above the threshold: a stricter
    one leaves too few to be certain of anything. Neither depends on which labels are right.

    Tracks of one artist are right or wrong together, so they count as fewer: as many independent
    ones as would give the same variance of the precision between samples of artists.

    Parameters
    ----------
    confidence : np.ndarray [shape=(n_tracks,)]
        Calibrated probability of the winner, on held-out tracks.
    correct : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether the winner is the label.
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks of one artist.
    target : float
        Precision to meet, in (0, 1).

    Returns
    -------
    float
        `NEVER` where no threshold meets the target.

    References
    ----------
    Angelopoulos et al. (2021), "Learn then Test"; Clopper & Pearson (1934), Biometrika 26; Korn &
    Graubard (1998), "Confidence Intervals for Proportions with Small Expected Number of Positive
    Counts Estimated from Survey Data", Survey Methodology 24.
    """
    order = np.argsort(-confidence, kind="stable")
    sure, codes = correct[order].astype(float), np.unique(artists, return_inverse=True)[1][order]
    lenient = 0
    for n in _sequence(_first(codes, target), len(order)):
        if _lower_bound(sure[:n], codes[:n], _RISK) < target:
            break
        lenient = n
    return float(confidence[order[lenient - 1]]) if lenient else NEVER


def _first(artists: np.ndarray, target: float) -> int:
    """How many tracks the first test is of."""
    needed = _MARGIN * np.log(_RISK) / np.log(target)
    first = np.sort(np.unique(artists, return_index=True)[1])
    with_enough = first[int(needed)] if needed < len(first) else len(artists)
    return max(int(_START * len(artists)), int(with_enough))


def _lower_bound(correct: np.ndarray, artists: np.ndarray, risk: float) -> float:
    """Of the share that is right, in all but `risk` of samples of artists."""
    from scipy.stats import beta

    share = correct.mean()
    n = _effective_number(correct, artists)
    return float(beta.ppf(risk, share * n, (1.0 - share) * n + 1.0)) if share else 0.0


def _effective_number(correct: np.ndarray, artists: np.ndarray) -> float:
    """How many independent tracks would tell the share that is right as well as these do."""
    n, share = len(correct), correct.mean()
    errors = np.bincount(artists, correct - share)
    n_artists = np.count_nonzero(np.bincount(artists))
    if share == 1.0 or n_artists < 2:
        return float(n_artists)
    variance = (errors**2).sum() / n**2 * n_artists / (n_artists - 1)
    return min(float(n), share * (1.0 - share) / max(variance, 1e-12))


def _sequence(first: int, last: int) -> list[int]:
    """Numbers of accepted tracks to test, at most `_STEPS`, the last among them."""
    first = max(first, _FEWEST_ACCEPTED)
    if first > last:
        return []
    return np.unique(np.linspace(first, last, _STEPS).astype(int)).tolist()
