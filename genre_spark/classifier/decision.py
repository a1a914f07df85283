"""From the network's opinions on a track to one genre and how sure it is.

The network has three opinions: of the track's sound, of all there is (both for artists of whom it
knows no label), and of specialists in the artists of the labelled sample. How much each counts, how
much the artist's other tracks count, and how sure the result is, is fitted on held-out tracks,
apart for known and for new artists.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from genre_spark.classifier.calibration import NEVER, fit_temperature, fit_threshold, softmax

# What the network has to say of a track, in order.
OPINIONS = (SOUND, GENERAL, SPECIAL) = ("sound", "general", "special")
N_OPINIONS = len(OPINIONS)

# A genre that one track rules out may still be the artist's: no opinion counts below this.
_FLOOR = 0.01
# Weights are tried in fifths.
_STEPS = 5
_CONSENSUS_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_FEWEST_TRACKS = 100
_MOST_TRACKS = 5000
# Equal accuracies are told apart by likelihood; it also steadies the choice on few tracks.
_LIKELIHOOD_SHARE = 0.1
_TIE = 1e-9


Share = Annotated[float, Field(ge=0, le=1)]


def log_probabilities_of(opinion: str) -> str:
    """What the network's output of an opinion is called; its input has the opinion's name."""
    return f"{opinion}_log_probabilities"


class Decision(BaseModel):
    """How opinions become a label.

    Attributes
    ----------
    weights : tuple of float
        Of the three opinions, in [0, 1]; they sum to 1.
    consensus : float
        Weight of the artist's mean opinion, in [0, 1]; the track's own has the rest.
    temperature : float
        Divides the logits.
    threshold : float
        Least calibrated confidence of an accepted genre; above 1 where none can be accepted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    weights: tuple[Share, Share, Share]
    consensus: float = Field(ge=0, le=1)
    temperature: float = Field(gt=0, allow_inf_nan=False)
    threshold: float = Field(ge=0, allow_inf_nan=False)

    @field_validator("weights")
    @classmethod
    def _share_one_vote(cls, weights: tuple[float, ...]) -> tuple[float, ...]:
        if abs(sum(weights) - 1.0) > _TIE:
            raise ValueError(f"the opinions' weights sum to {sum(weights):g} instead of 1")
        return weights


@dataclass(frozen=True)
class Opinions:
    """What the network says of tracks.

    Attributes
    ----------
    log_probabilities : np.ndarray [shape=(n_tracks, 3, n_classes)]
        Of sound, of everything, and of the specialists.
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks of one artist.
    """

    log_probabilities: np.ndarray
    artists: np.ndarray

    def take(self, rows: np.ndarray) -> "Opinions":
        """Those on some of the tracks."""
        return Opinions(self.log_probabilities[rows], self.artists[rows])


@dataclass(frozen=True)
class HeldOut:
    """Tracks by which to decide.

    Attributes
    ----------
    opinions : Opinions
        Of these tracks and of those that inform them.
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]
    rows : np.ndarray [dtype=int64]
        Tracks on which the opinions are those of a network that was not fitted to them.
    n_opinions : int
        The first so many of the opinions may count; to new artists specialists have none.
    sharpening : float
        Factor of the temperature, where the network will be less sure than these opinions are.
    """

    opinions: Opinions
    labels: np.ndarray
    rows: np.ndarray
    n_opinions: int = N_OPINIONS
    sharpening: float = 1.0


def blend(log_probabilities: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """One opinion on each track [shape=(n_tracks, n_classes)], as log-probabilities.

    Parameters
    ----------
    log_probabilities : np.ndarray [shape=(n_tracks, 3, n_classes)]
    weights : np.ndarray [shape=(n_tracks, 3) or (1, 3)]
        Of the opinions.
    """
    mixed = sum(weights[:, i, None] * log_probabilities[:, i] for i in range(N_OPINIONS))
    return np.log(softmax(mixed) + _FLOOR)


def logits(
    own: np.ndarray,
    artist: np.ndarray,
    consensus: np.ndarray | float,
    temperature: np.ndarray | float,
) -> np.ndarray:
    """Calibrated logits from a track's own opinion and its artist's mean one.

    Parameters
    ----------
    own, artist : np.ndarray [shape=(n_tracks, n_classes)]
        From `blend`, and its mean over the artist's tracks.
    consensus, temperature : float or np.ndarray [shape=(n_tracks, 1)]
    """
    return ((1.0 - consensus) * own + consensus * artist) / temperature


def artist_means(values: np.ndarray, artists: np.ndarray) -> np.ndarray:
    """For each track the mean [shape=(n_tracks, n_classes)] over its artist's tracks."""
    _, code = np.unique(artists, return_inverse=True)
    sums = np.zeros((code.max() + 1, values.shape[1]))
    np.add.at(sums, code, values)
    return (sums / np.bincount(code)[:, None])[code]


def apply(opinions: Opinions, known: np.ndarray, decisions: dict[bool, Decision]) -> np.ndarray:
    """Calibrated probabilities of tracks [shape=(n_tracks, n_classes)].

    Parameters
    ----------
    opinions : Opinions
        Of all tracks of each artist: they inform each other.
    known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether the artist is one of the labelled sample that the network was fitted to.
    decisions : dict of bool to Decision
        For new (False) and known (True) artists.
    """
    own = blend(opinions.log_probabilities, pick(known, decisions, "weights"))
    artist = artist_means(own, opinions.artists)
    consensus = pick(known, decisions, "consensus")
    return softmax(logits(own, artist, consensus, pick(known, decisions, "temperature")))


def pick(known: np.ndarray, decisions: dict[bool, Decision], what: str) -> np.ndarray:
    """A parameter of each track's decision [shape=(n_tracks, 1)], or [shape=(n_tracks, 3)]."""
    values = [np.atleast_1d(getattr(decisions[kind], what)) for kind in (False, True)]
    return np.where(known[:, None], values[1], values[0])


def plain(decisions: dict[bool, Decision]) -> dict[bool, Decision]:
    """The same decisions before calibration."""
    return {kind: one.model_copy(update={"temperature": 1.0}) for kind, one in decisions.items()}


def fit(held_out: dict[bool, HeldOut], target: float) -> dict[bool, Decision]:
    """Decisions for new (False) and known (True) artists from held-out tracks.

    Parameters
    ----------
    held_out : dict of bool to HeldOut
        Of either kind, or of both.
    target : float
        Precision of accepted labels.

    Returns
    -------
    dict of bool to Decision
        Where either kind has too few tracks, that of the other serves both.
    """
    most = max(held_out, key=lambda kind: len(held_out[kind].rows))
    enough = {kind for kind, one in held_out.items() if len(one.rows) >= _FEWEST_TRACKS} | {most}
    found = {kind: fit_one(one, target) for kind, one in held_out.items() if kind in enough}
    return {kind: found.get(kind, found[most]) for kind in (False, True)}


def fit_one(held_out: HeldOut, target: float) -> Decision:
    """The most accurate weights, then the temperature, then the threshold."""
    opinions, labels = held_out.opinions, held_out.labels
    judged = held_out.rows[:: max(1, len(held_out.rows) // _MOST_TRACKS)]
    best, best_score = None, -np.inf
    for weights in _weights(held_out.n_opinions):
        own = blend(opinions.log_probabilities, np.array([weights]))
        artist = artist_means(own, opinions.artists)
        for consensus in _CONSENSUS_SHARES:
            found = logits(own[judged], artist[judged], consensus, 1.0)
            temperature = fit_temperature(found, labels[judged])
            score = _score(softmax(found / temperature), labels[judged])
            # Where the opinions are one and the same, rounding should not choose.
            if score > best_score + _TIE:
                best, best_score = (weights, consensus, temperature), score
    decision = Decision(weights=best[0], consensus=best[1], temperature=best[2], threshold=NEVER)
    return decision.model_copy(
        update={
            "temperature": decision.temperature * held_out.sharpening,
            "threshold": _threshold(decision, held_out, target),
        }
    )


def _weights(n_opinions: int) -> Iterator[tuple[float, ...]]:
    """All ways to share out a weight of 1, in steps; opinions that may not count get none."""
    steps = [range(_STEPS + 1) if i < n_opinions else [0] for i in range(N_OPINIONS)]
    for parts in itertools.product(*steps):
        if sum(parts) == _STEPS:
            yield tuple(part / _STEPS for part in parts)


def _threshold(decision: Decision, held_out: HeldOut, target: float) -> float:
    """The least confidence of an accepted genre that held-out tracks allow."""
    opinions, rows = held_out.opinions, held_out.rows
    nobody = np.zeros(len(opinions.artists), dtype=bool)
    probabilities = apply(opinions, nobody, {False: decision, True: decision})[rows]
    correct = probabilities.argmax(axis=1) == held_out.labels[rows]
    return fit_threshold(probabilities.max(axis=1), correct, opinions.artists[rows], target)


def _score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    rows = np.arange(len(labels))
    likelihood = np.log(np.maximum(probabilities[rows, labels], 1e-9)).mean()
    return (probabilities.argmax(axis=1) == labels).mean() + _LIKELIHOOD_SHARE * likelihood
