"""From a labelled sample to a fitted, calibrated, evaluated network."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark import decision, evaluation, network
from genre_spark.bundle import GenrePart, pack_artists
from genre_spark.config import NetworkSettings, Settings
from genre_spark.decision import Decision, HeldOut, Opinions
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
    """A network that was fitted on a part of the sample, and what it says of all of it.

    `unseen` holds what members of the generalist say of training tracks whose artists they did not
    see: to them these artists were new.
    """

    opinions: Opinions
    known: np.ndarray
    epochs: list[int]
    unseen: HeldOut


def train(sample: Sample, settings: Settings, say: Say = logger.info) -> Trained:
    """Evaluates on known and on new artists, then fits on all labels.

    The final network decides on known artists by what the held-out tracks of that evaluation
    allow, and on new ones by what its members say of artists they did not see; the metrics that
    are published come from decisions fitted inside each training side.

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
    evaluated: dict[Protocol, tuple[_Fit, np.ndarray]] = {}
    for protocol in protocols:
        metrics, fitted, rows = evaluate(sample, protocol, settings, settings.seed, say)
        report["protocols"][protocol] = metrics
        evaluated[protocol] = fitted, rows
    # As long as the evaluation found right, branch by branch.
    fitted, test = evaluated["known"]
    model, _, unseen = _fit_network(
        sample, None, settings.network, settings.seed, "all labels", say, fitted.epochs
    )
    held_out = {False: unseen, True: _known(fitted, sample, test)}
    return Trained(model, decision.fit(held_out, target), report)


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
    what = f"{protocol} artists"
    fitted, held_out = _fit(sample, protocol, side, settings.network, seed, what, say)
    decisions = decision.fit(held_out, settings.training.target_precision)
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
    protocol: Protocol,
    side: np.ndarray,
    settings: NetworkSettings,
    seed: int,
    what: str,
    say: Say,
) -> tuple[_Fit, dict[bool, HeldOut]]:
    """A network from a training side, and the tracks of that side by which it decides.

    On new artists only the generalist has a say, whose members need no tracks to be held out.
    """
    train, stop = side, None
    if protocol == "known":
        inner, outer = evaluation.split(sample.take(side), protocol, _INNER_SHARE, seed)
        train, stop = side[inner], side[outer]
    model, epochs, unseen = _fit_network(
        sample.take(train),
        None if stop is None else sample.take(stop),
        settings,
        seed,
        what,
        say,
        specialists=stop is not None,
    )
    opinions = Opinions(network.log_probabilities(model, sample.tensor()), sample.artists)
    known = np.isin(sample.artists, sample.artists[train]) & sample.has_artists
    fitted = _Fit(opinions, known, epochs, unseen)
    return fitted, {False: unseen} | ({} if stop is None else {True: _known(fitted, sample, stop)})


def _known(fitted: _Fit, sample: Sample, rows: np.ndarray) -> HeldOut:
    """Held-out tracks of artists that the network was fitted to."""
    return HeldOut(fitted.opinions, sample.labels, rows[fitted.known[rows]])


def _fit_network(
    sample: Sample,
    held_out: Sample | None,
    settings: NetworkSettings,
    seed: int,
    what: str,
    say: Say,
    epochs: list[int] | None = None,
    specialists: bool = True,
) -> tuple["keras.Model", list[int], HeldOut]:
    model, done, unseen = network.fit(
        _labelled(sample),
        tuple(sample.contexts),
        settings,
        seed,
        held_out and _labelled(held_out),
        epochs,
        lambda branch, done, of: say(f"fitting on {what}: {branch}, epoch {done} of {of} at most"),
        specialists,
    )
    # On new artists the generalist stands for both opinions.
    opinions = Opinions(np.stack([unseen, unseen], axis=1), sample.artists)
    return model, done, HeldOut(opinions, sample.labels, np.arange(len(sample)))


def _labelled(sample: Sample) -> network.Labelled:
    return network.Labelled(sample.tensor(), sample.labels, sample.artists, len(sample.classes))
