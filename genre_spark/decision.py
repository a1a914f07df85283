"""From the network's two opinions on a track to one genre and how sure it is.

The network has a generalist, for artists it knows nothing of, and specialists, for artists of the
labelled sample. How much each counts, how much the artist's other tracks count, and how sure the
result is, is fitted on held-out tracks, apart for known and for new artists.
"""

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from genre_spark.calibration import NEVER, fit_temperature, fit_threshold, softmax

GENERAL, SPECIAL = 0, 1

# A genre that one track rules out may still be the artist's: no opinion counts below this.
_FLOOR = 0.01
_SPECIALIST_SHARES = (0.0, 0.15, 0.3, 0.5, 0.7, 0.85, 1.0)
_CONSENSUS_SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
_FEWEST_TRACKS = 100
_MOST_TRACKS = 5000
# Equal accuracies are told apart by likelihood; it also steadies the choice on few tracks.
_LIKELIHOOD_SHARE = 0.1
_TIE = 1e-9


class Decision(BaseModel):
    """How opinions become a label.

    Attributes
    ----------
    specialist : float
        Weight of the specialists, in [0, 1]; the generalist has the rest.
    consensus : float
        Weight of the artist's mean opinion, in [0, 1]; the track's own has the rest.
    temperature : float
        Divides the logits.
    threshold : float
        Least calibrated confidence of an accepted genre; above 1 where none can be accepted.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    specialist: float = Field(ge=0, le=1)
    consensus: float = Field(ge=0, le=1)
    temperature: float = Field(gt=0, allow_inf_nan=False)
    threshold: float = Field(ge=0, allow_inf_nan=False)


@dataclass(frozen=True)
class Opinions:
    """What the network says of tracks.

    Attributes
    ----------
    log_probabilities : np.ndarray [shape=(n_tracks, 2, n_classes)]
        Of the generalist and of the specialists.
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
    """

    opinions: Opinions
    labels: np.ndarray
    rows: np.ndarray


def blend(log_probabilities: np.ndarray, specialist: np.ndarray | float) -> np.ndarray:
    """One opinion on each track [shape=(n_tracks, n_classes)], as log-probabilities.

    Parameters
    ----------
    log_probabilities : np.ndarray [shape=(n_tracks, 2, n_classes)]
    specialist : float or np.ndarray [shape=(n_tracks, 1)]
        Weight of the specialists.
    """
    general, special = log_probabilities[:, GENERAL], log_probabilities[:, SPECIAL]
    mixed = (1.0 - specialist) * general + specialist * special
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
    own = blend(opinions.log_probabilities, pick(known, decisions, "specialist"))
    artist = artist_means(own, opinions.artists)
    consensus = pick(known, decisions, "consensus")
    return softmax(logits(own, artist, consensus, pick(known, decisions, "temperature")))


def pick(known: np.ndarray, decisions: dict[bool, Decision], what: str) -> np.ndarray:
    """A parameter of each track's decision [shape=(n_tracks, 1)]."""
    values = (getattr(decisions[False], what), getattr(decisions[True], what))
    return np.where(known, values[1], values[0])[:, None]


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
    found = {
        kind: fit_one(one.opinions, one.labels, one.rows, target)
        for kind, one in held_out.items()
        if kind in enough
    }
    return {kind: found.get(kind, found[most]) for kind in (False, True)}


def fit_one(opinions: Opinions, labels: np.ndarray, rows: np.ndarray, target: float) -> Decision:
    """The most accurate weights, then the temperature, then the threshold."""
    judged = rows[:: max(1, len(rows) // _MOST_TRACKS)]
    best, best_score = None, -np.inf
    for specialist in _SPECIALIST_SHARES:
        own = blend(opinions.log_probabilities, specialist)
        artist = artist_means(own, opinions.artists)
        for consensus in _CONSENSUS_SHARES:
            found = logits(own[judged], artist[judged], consensus, 1.0)
            temperature = fit_temperature(found, labels[judged])
            score = _score(softmax(found / temperature), labels[judged])
            # Where the opinions are one and the same, rounding should not choose.
            if score > best_score + _TIE:
                best, best_score = (specialist, consensus, temperature), score
    decision = Decision(specialist=best[0], consensus=best[1], temperature=best[2], threshold=NEVER)
    return replace_threshold(decision, opinions, labels, rows, target)


def replace_threshold(
    decision: Decision, opinions: Opinions, labels: np.ndarray, rows: np.ndarray, target: float
) -> Decision:
    """The decision with the threshold that held-out tracks allow."""
    same = {False: decision, True: decision}
    probabilities = apply(opinions, np.zeros(len(labels), dtype=bool), same)[rows]
    correct = probabilities.argmax(axis=1) == labels[rows]
    confidence = probabilities.max(axis=1)
    threshold = fit_threshold(confidence, correct, opinions.artists[rows], target)
    return decision.model_copy(update={"threshold": threshold})


def _score(probabilities: np.ndarray, labels: np.ndarray) -> float:
    rows = np.arange(len(labels))
    likelihood = np.log(np.maximum(probabilities[rows, labels], 1e-9)).mean()
    return (probabilities.argmax(axis=1) == labels).mean() + _LIKELIHOOD_SHARE * likelihood
