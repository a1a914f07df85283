"""From a labelled sample to a fitted, calibrated, evaluated network."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark import decision, evaluation, network
from genre_spark.bundle import GenrePart, pack_artists
from genre_spark.config import NetworkSettings, Settings
from genre_spark.decision import Decision, Opinions
from genre_spark.evaluation import Protocol
from genre_spark.sample import Sample

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

# Share of a training side that tells when to stop and how to decide.
_INNER_SHARE = 0.15

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """What training gives to the bundle.

    Attributes
    ----------
    model : keras.Model
        Fitted on the whole labelled sample.
    decisions : dict of bool to Decision
        For new (False) and known (True) artists.
    report : dict
        Metrics per protocol, with baselines; for the bundle, the card and the report.
    """

    model: "keras.Model"
    decisions: dict[bool, Decision]
    report: dict[str, Any]


@dataclass(frozen=True)
class _Fit:
    """A network that was fitted on a part of the sample, and what it says of all of it."""

    opinions: Opinions
    known: np.ndarray
    epochs: list[int]


def train(sample: Sample, settings: Settings, say: Say = logger.info) -> Trained:
    """Evaluates on known and on new artists, then fits on all labels.

    The final network decides by what the held-out tracks of both evaluations allow; the metrics
    that are published come from decisions fitted inside each training side.

    Parameters
    ----------
    sample : Sample
    settings : Settings
    say : callable
        Told in one line what is being done.
    """
    protocols: tuple[Protocol, ...] = ("known", "new") if sample.has_artists else ("known",)
    target = settings.training.target_precision
    report: dict[str, Any] = {
        "classes": list(sample.classes),
        "target_precision": target,
        "protocols": {},
    }
    held_out: list[tuple[_Fit, np.ndarray]] = []
    for protocol in protocols:
        metrics, fitted, rows = evaluate(sample, protocol, settings, settings.seed, say)
        report["protocols"][protocol] = metrics
        held_out.append((fitted, rows))
    # As long as the evaluations found right, branch by branch.
    epochs = np.mean([fitted.epochs for fitted, _ in held_out], axis=0).round().astype(int)
    model, _ = _fit_network(
        sample, None, settings.network, settings.seed, "all labels", say, epochs.tolist()
    )
    return Trained(model, _decide(sample, held_out, target), report)


def evaluate(
    sample: Sample, protocol: Protocol, settings: Settings, seed: int, say: Say
) -> tuple[dict[str, Any], _Fit, np.ndarray]:
    """Metrics of one split; all that is fitted comes from inside its training side.

    Returns
    -------
    metrics : dict
    fitted : _Fit
        What the network of this split says of the sample.
    test : np.ndarray [dtype=int64]
        Rows that were held out.
    """
    side, test = evaluation.split(sample, protocol, settings.training.test_share, seed)
    inner_train, inner_test = evaluation.split(sample.take(side), protocol, _INNER_SHARE, seed)
    what = f"{protocol} artists"
    fitted = _fit(sample, side[inner_train], side[inner_test], settings.network, seed, what, say)
    target = settings.training.target_precision
    decisions = decision.fit(fitted.opinions, sample.labels, fitted.known, side[inner_test], target)
    probabilities = decision.apply(fitted.opinions, fitted.known, decisions)
    uncalibrated = decision.apply(fitted.opinions, fitted.known, decision.plain(decisions))
    threshold = decision.pick(fitted.known, decisions, "threshold")[:, 0]
    metrics = evaluation.measure(
        probabilities[test],
        sample.labels[test],
        sample.classes,
        uncalibrated[test],
        threshold[test],
    )
    say(f"fitting on {what}: baselines")
    metrics["baselines"] = evaluation.baselines(sample.take(side), sample.take(test), seed)
    return metrics, fitted, test


def genre_part(trained: Trained, sample: Sample, settings: Settings) -> GenrePart:
    """What scoring needs of the genres beside the network."""
    return GenrePart(
        classes=sample.classes,
        groups=tuple(sample.contexts),
        known=trained.decisions[True],
        new=trained.decisions[False],
        known_artists=pack_artists(sample.artists if sample.has_artists else np.array([], int)),
        target_precision=settings.training.target_precision,
    )


def _fit(
    sample: Sample,
    train_rows: np.ndarray,
    stop_rows: np.ndarray,
    settings: NetworkSettings,
    seed: int,
    what: str,
    say: Say,
) -> _Fit:
    model, epochs = _fit_network(
        sample.take(train_rows), sample.take(stop_rows), settings, seed, what, say
    )
    opinions = Opinions(network.log_probabilities(model, sample.tensor()), sample.artists)
    known = np.isin(sample.artists, sample.artists[train_rows]) & sample.has_artists
    return _Fit(opinions, known, epochs)


def _fit_network(
    sample: Sample,
    held_out: Sample | None,
    settings: NetworkSettings,
    seed: int,
    what: str,
    say: Say,
    epochs: list[int] | None = None,
) -> tuple["keras.Model", list[int]]:
    return network.fit(
        (sample.tensor(), sample.labels),
        tuple(sample.contexts),
        len(sample.classes),
        settings,
        seed,
        held_out and (held_out.tensor(), held_out.labels),
        epochs,
        lambda branch, done, of: say(f"fitting on {what}: {branch}, epoch {done} of {of} at most"),
    )


def _decide(
    sample: Sample, held_out: list[tuple[_Fit, np.ndarray]], target: float
) -> dict[bool, Decision]:
    """Decisions of the final network, from the held-out tracks of all evaluations together.

    Each evaluation is a sample of its own, whose artists inform only each other.
    """
    n_tracks = len(sample)
    stacked = Opinions(
        np.concatenate([fitted.opinions.log_probabilities for fitted, _ in held_out]),
        _apart(sample.artists, len(held_out)),
    )
    labels = np.tile(sample.labels, len(held_out))
    known = np.concatenate([fitted.known for fitted, _ in held_out])
    rows = np.concatenate([test + i * n_tracks for i, (_, test) in enumerate(held_out)])
    return decision.fit(stacked, labels, known, rows, target)


def _apart(artists: np.ndarray, times: int) -> np.ndarray:
    """Artist codes repeated so that no two repetitions share one."""
    _, codes = np.unique(artists, return_inverse=True)
    return np.concatenate([codes + i * (codes.max() + 1) for i in range(times)])
