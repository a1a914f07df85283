"""The study: how good the network is, what each part of it gives, over several seeds."""

import functools
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genre_spark.classifier.calibration import attainable_coverage, reliability, risk_coverage
from genre_spark.classifier.training_set import SYNTHETIC_GENRES, Sample
from genre_spark.config import Settings
from genre_spark.evaluation import baselines, training
from genre_spark.evaluation import metrics as evaluation
from genre_spark.evaluation.metrics import Protocol
from genre_spark.schema import MODEL

logger = logging.getLogger(__name__)

_DRAWS = 1000
_PERCENTILES = (2.5, 97.5)

Say = Callable[[str], None]


@dataclass(frozen=True)
class _Split:
    """What all classifiers made of the held-out side of one split.

    Attributes
    ----------
    test : np.ndarray [dtype=int64]
        The rows that were held out.
    never_learned : list of str
        Genres of which all tracks were held out.
    probabilities : dict of str to np.ndarray [shape=(n_test, n_classes)]
        By classifier.
    metrics : dict of str to dict
        By classifier.
    """

    test: np.ndarray
    never_learned: list[str]
    probabilities: dict[str, np.ndarray]
    metrics: dict[str, dict[str, Any]]


def run(
    sample: Sample,
    settings: Settings,
    n_seeds: int,
    say: Say = logger.info,
    with_ablations: bool = True,
) -> dict[str, Any]:
    """Both protocols, each over several splits, with baselines and ablations on the same rows.

    Parameters
    ----------
    sample : Sample
    settings : Settings
        The first seed is the settings' own, the others follow it.
    n_seeds : int
        At least 1.
    say : callable
        Told in one line what is being done.
    with_ablations : bool
        Whether the network is also fitted without each of its parts, four times as often.

    Returns
    -------
    dict
        Per protocol the CNN, ablations and baselines: each measure with its mean, spread and values
        over the seeds. What the CNN gains over each of the others comes with a 95 % interval.
    """
    started = time.monotonic()
    protocols = evaluation.protocols(sample)
    seeds = [settings.seed + i for i in range(n_seeds)]
    parts = ablations(sample) if with_ablations else {}
    found = {}
    for protocol in (name for name, reason in protocols.items() if not reason):
        splits = []
        for i, seed in enumerate(seeds, start=1):
            at = f"{protocol} artists, split {i} of {n_seeds}: "
            tell = functools.partial(_tell, say, at)
            splits.append(_split(sample, parts, protocol, settings, seed, tell))
        found[protocol] = _summary(sample, parts, splits)
    return {
        "classes": list(sample.classes),
        "tracks": len(sample),
        "artists": len(np.unique(sample.artists)) if sample.has_artists else None,
        "target_precision": settings.training.target_precision,
        "seeds": seeds,
        "skipped": {name: reason for name, reason in protocols.items() if reason},
        "protocols": found,
        "seconds": round(time.monotonic() - started, 1),
    }


def ablations(sample: Sample) -> dict[str, tuple[str, ...]]:
    """What the CNN is fitted without, by name: only what this sample has."""
    groups = tuple(sample.contexts)
    found = {"no context": groups} if groups else {}
    if len(groups) > 1:
        found |= {f"no {group}": (group,) for group in groups}
    return found | {f"no {SYNTHETIC_GENRES}": (SYNTHETIC_GENRES,)}


def gain(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    artists: Sequence[np.ndarray],
    seed: int,
) -> dict[str, float]:
    """How many more labels are right, with a 95 % interval, from paired splits.

    Both classifiers judged the same tracks. Tracks of one artist are right or wrong together, and
    an artist is held out in several splits: artists and splits are drawn anew, each apart, and the
    difference is taken of what is drawn. It speaks for other artists and for other splits.

    Parameters
    ----------
    ours, theirs : sequence of np.ndarray [shape=(n_test,), dtype=bool]
        Per split, whether each held-out track's label is right.
    artists : sequence of np.ndarray [shape=(n_test,), dtype=int64]
    seed : int

    Returns
    -------
    dict of str to float
        ``mean``, ``low`` and ``high``: differences of accuracies, in [-1, 1].

    References
    ----------
    Owen (2007), "The pigeonhole bootstrap", Annals of Applied Statistics 1.
    """
    codes = np.unique(np.concatenate(artists), return_inverse=True)[1]
    n_artists, ends = codes.max() + 1, np.cumsum([len(one) for one in artists])[:-1]
    more, tracks = np.zeros((2, len(artists), n_artists))
    for i, code in enumerate(np.split(codes, ends)):
        np.add.at(more[i], code, ours[i].astype(float) - theirs[i])
        np.add.at(tracks[i], code, 1.0)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_DRAWS):
        splits = np.bincount(rng.integers(0, len(more), len(more)), minlength=len(more))
        who = np.bincount(rng.integers(0, n_artists, n_artists), minlength=n_artists)
        drawn.append((splits @ more @ who) / max(1.0, splits @ tracks @ who))
    low, high = np.percentile(drawn, _PERCENTILES)
    return {"mean": float(more.sum() / tracks.sum()), "low": float(low), "high": float(high)}


def _tell(say: Say, at: str, message: str) -> None:
    say(at + message)


def _split(
    sample: Sample,
    parts: Mapping[str, tuple[str, ...]],
    protocol: Protocol,
    settings: Settings,
    seed: int,
    say: Say,
) -> _Split:
    side, test = evaluation.split(sample, protocol, settings.training.test_share, seed)
    found = _Split(test, evaluation.never_learned(sample, side, test), {}, {})
    shown = {MODEL: sample} | {name: sample.without(*scopes) for name, scopes in parts.items()}
    for name, seen in shown.items():
        tell = functools.partial(_tell, say, f"{name}: ")
        judged = training.judge(seen, protocol, side, settings, seed, tell)
        found.probabilities[name] = judged.probabilities[test]
        found.metrics[name] = judged.measure(sample, test)
    say("baselines")
    for name, probabilities in baselines.judge(sample.take(side), sample.take(test), seed):
        say(f"baselines: {name}")
        found.probabilities[name] = probabilities
        found.metrics[name] = evaluation.scores(probabilities, sample.labels[test])
    for name, probabilities in found.probabilities.items():
        found.metrics[name]["attainable"] = attainable_coverage(
            probabilities.max(axis=1),
            probabilities.argmax(axis=1) == sample.labels[test],
            settings.training.target_precision,
        )
    return found


def _summary(
    sample: Sample, parts: Mapping[str, tuple[str, ...]], splits: Sequence[_Split]
) -> dict[str, Any]:
    measured = {
        name: _over_seeds([split.metrics[name] for split in splits]) for name in splits[0].metrics
    }
    others = {
        name: one | {"cnn_gain": _gain_over(name, sample, splits)}
        for name, one in measured.items()
        if name != MODEL
    }
    own = [split.metrics[MODEL] for split in splits]
    return {
        "tracks": [len(split.test) for split in splits],
        "never_learned": sorted({name for split in splits for name in split.never_learned}),
        "cnn": measured[MODEL],
        "ablations": {name: others[name] for name in parts},
        "baselines": {name: one for name, one in others.items() if name not in parts},
        "confusion": np.sum([one["confusion"] for one in own], axis=0).tolist(),
        "per_genre": {
            genre: _over_seeds([one["per_genre"][genre] for one in own]) for genre in sample.classes
        },
        **_curves(sample, splits),
    }


def _over_seeds(metrics: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Mean, spread and values of each measure that is a number."""
    names = [name for name, value in metrics[0].items() if not isinstance(value, list | dict)]
    return {name: _statistics([one[name] for one in metrics]) for name in names}


def _statistics(values: Sequence[float | None]) -> dict[str, Any]:
    """Of the values that there are; a spread takes two."""
    there = [value for value in values if value is not None]
    return {
        "mean": float(np.mean(there)) if there else None,
        "spread": float(np.std(there, ddof=1)) if len(there) > 1 else None,
        "values": list(values),
    }


def _gain_over(name: str, sample: Sample, splits: Sequence[_Split]) -> dict[str, float]:
    def right(classifier: str) -> list[np.ndarray]:
        return [
            split.probabilities[classifier].argmax(axis=1) == sample.labels[split.test]
            for split in splits
        ]

    artists = [sample.artists[split.test] for split in splits]
    return gain(right(MODEL), right(name), artists, seed=0)


def _curves(sample: Sample, splits: Sequence[_Split]) -> dict[str, Any]:
    """Curves over the held-out tracks of all splits together."""
    probabilities = np.concatenate([split.probabilities[MODEL] for split in splits])
    labels = np.concatenate([sample.labels[split.test] for split in splits])
    confidence, correct = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    return {
        "reliability": reliability(confidence, correct),
        "risk_coverage": risk_coverage(confidence, correct),
    }


def strongest(metrics: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The baseline with the best mean accuracy, of one protocol's results."""
    found = metrics["baselines"]
    name = max(found, key=lambda one: found[one]["accuracy"]["mean"])
    return name, found[name]
