"""From a labelled sample to a fitted, calibrated, evaluated network."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark import evaluation, network
from genre_spark.bundle import GenrePart
from genre_spark.calibration import fit_temperature, fit_threshold, softmax
from genre_spark.config import NetworkSettings, Settings
from genre_spark.sample import Sample

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

# Share of a training side that tells when to stop and how sure to be.
_CALIBRATION_SHARE = 0.15

Say = Callable[[str], None]


@dataclass(frozen=True)
class Trained:
    """What training gives to the bundle.

    Attributes
    ----------
    model : keras.Model
        Fitted on the whole labelled sample.
    temperature, threshold : float
    report : dict
        Metrics per protocol, with baselines; for the bundle, the card and the report.
    """

    model: "keras.Model"
    temperature: float
    threshold: float
    report: dict[str, Any]


@dataclass(frozen=True)
class HeldOut:
    """Predictions for tracks that a fit has not seen."""

    logits: np.ndarray
    labels: np.ndarray
    epochs: int


def train(sample: Sample, settings: Settings, say: Say = logger.info) -> Trained:
    """Evaluates on known and on new artists, then fits on all labels.

    The final network is calibrated on the held-out predictions of the evaluations; the metrics
    that are published come from thresholds fitted inside each training side.

    Parameters
    ----------
    sample : Sample
    settings : Settings
    say : callable
        Told in one line what is being done.
    """
    protocols = ("known", "new") if sample.has_artists else ("known",)
    report: dict[str, Any] = {"classes": list(sample.classes), "protocols": {}}
    held_out = {}
    for protocol in protocols:
        metrics, held_out[protocol] = _evaluate(sample, protocol, settings, say)
        report["protocols"][protocol] = metrics
    epochs = round(np.mean([found.epochs for found in held_out.values()]))
    final = settings.network.model_copy(update={"epochs": max(1, epochs)})
    model, _ = _fit(sample, None, final, settings.seed, "all labels", say)
    temperature, threshold = _calibrate(held_out, settings.training.target_precision)
    return Trained(model, temperature, threshold, report)


def genre_part(trained: Trained, sample: Sample, settings: Settings) -> GenrePart:
    """What scoring needs of the genres beside the network."""
    return GenrePart(
        classes=sample.classes,
        groups=tuple(sample.groups),
        temperature=trained.temperature,
        threshold=trained.threshold,
        target_precision=settings.training.target_precision,
    )


def _evaluate(
    sample: Sample, protocol: evaluation.Protocol, settings: Settings, say: Say
) -> tuple[dict[str, Any], HeldOut]:
    """Metrics of one split; temperature and threshold come from inside its training side."""
    rows, test_rows = evaluation.split(
        sample, protocol, settings.training.test_share, settings.seed
    )
    side, test = sample.take(rows), sample.take(test_rows)
    fit_rows, inner_rows = evaluation.split(side, protocol, _CALIBRATION_SHARE, settings.seed)
    inner = side.take(inner_rows)
    what = f"{protocol} artists"
    model, epochs = _fit(side.take(fit_rows), inner, settings.network, settings.seed, what, say)
    inside = HeldOut(network.logits(model, inner.tensor()), inner.labels, epochs)
    outside = HeldOut(network.logits(model, test.tensor()), test.labels, epochs)
    temperature, threshold = _calibrate({protocol: inside}, settings.training.target_precision)
    metrics = evaluation.measure(
        outside.logits, outside.labels, sample.classes, temperature, threshold
    )
    metrics["baselines"] = evaluation.baselines(side, test, settings.seed)
    return metrics, outside


def _fit(
    sample: Sample,
    held_out: Sample | None,
    settings: NetworkSettings,
    seed: int,
    what: str,
    say: Say,
) -> tuple["keras.Model", int]:
    return network.fit(
        (sample.tensor(), sample.labels),
        (held_out.tensor(), held_out.labels) if held_out else None,
        len(sample.classes),
        settings,
        seed,
        lambda epoch, epochs: say(f"fitting on {what}: epoch {epoch} of at most {epochs}"),
    )


def _calibrate(held_out: dict[str, HeldOut], target: float) -> tuple[float, float]:
    """Temperature and threshold that hold on all given sets of predictions together."""
    logits = np.concatenate([found.logits for found in held_out.values()])
    labels = np.concatenate([found.labels for found in held_out.values()])
    temperature = fit_temperature(logits, labels)
    probabilities = softmax(logits / temperature)
    correct = probabilities.argmax(axis=1) == labels
    return temperature, fit_threshold(probabilities.max(axis=1), correct, target)
