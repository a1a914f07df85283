"""What a study found, for people: a page of tables, and pictures beside it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from genre_spark.evaluation import cross_validation
from genre_spark.platform.safe_text import markdown as cell
from genre_spark.reporting import accuracy_findings, charts
from genre_spark.reporting.style import Picture
from genre_spark.reporting.text import (
    PROTOCOLS,
    count,
    gained,
    never_learned,
    said,
    spread,
)
from genre_spark.schema import MODEL

PAGE = "evaluation.md"
_MEASURES = {
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "top3": "top 3",
    "log_loss": "log loss",
    "ece": "ECE",
    "aurc": "AURC",
}


def write(content: Mapping[str, Any], folder: Path) -> None:
    """Writes the page and its pictures into a new folder.

    Parameters
    ----------
    content : dict
        From `study.run`, with ``data``.
    folder : Path
        Created here.
    """
    folder.mkdir()
    shown = {PROTOCOLS[name].capitalize(): of for name, of in content["protocols"].items()}
    drawn = list(_pictures(shown, content))
    for file, question, picture in drawn:
        (folder / file).write_bytes(picture.titled(question))
    lines = [
        "# How good are the genres?",
        _facts(content),
        *_tables(shown, content["target_precision"]),
        *[
            f"## {question}\n\n![{question}]({file})\n\n{cell(p.finding)}"
            for file, question, p in drawn
        ],
        *_curve(content["learning_curve"]),
        "## How well is each genre recognised?",
        _per_genre(shown, content["classes"]),
    ]
    (folder / PAGE).write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def _facts(content: Mapping[str, Any]) -> str:
    skipped = [f"- no {PROTOCOLS[name]}: {why}" for name, why in content["skipped"].items()]
    return "\n".join(
        [
            f"- catalogue: `{content['data']['source']}`, fingerprint"
            f" `{content['data']['rows']['fingerprint']}`",
            f"- {count(content['tracks'])} labelled tracks, {len(content['classes'])} genres",
            f"- seeds of known artists: {', '.join(map(str, content['seeds']))}; ± is the standard deviation over them",
            f"- new artists: every artist held out once in each of {content['repetitions']} repetitions",
            "- fitted on all tracks, without labels: medians, scales, bin edges and centers",
            *skipped,
        ]
    )


def _tables(shown: Mapping[str, Any], target: float) -> Iterable[str]:
    for title, metrics in shown.items():
        yield f"## {title}"
        head = ["", *_MEASURES.values(), "classifier minus this, points (95 % interval)"]
        rows = {
            "**the whole classifier**": metrics["cnn"],
            **metrics["ladder"],
            **metrics["baselines"],
        }
        yield _table(
            head,
            (
                [name, *(spread(one[key]) for key in _MEASURES), gained(one.get("cnn_gain"))]
                for name, one in rows.items()
            ),
        )
        own, bounds = metrics["cnn"], metrics["interval"]
        yield (
            f"Accuracy {bounds['mean']:.3f}, 95 % interval over artists {bounds['low']:.3f} to"
            f" {bounds['high']:.3f}. {metrics['linked']:.0%} of the held-out tracks share another"
            " named artist or an album with a labelled track."
            f" Held-out tracks: {', '.join(map(str, metrics['tracks']))}."
        )
        yield _table(
            ["target precision", "labels accepted", "of these right"],
            (
                [goal, spread(one["coverage"]), spread(one["precision"])]
                for goal, one in metrics["coverage_at"].items()
            ),
        )
        yield (
            f"Labels accepted at a target precision of {target:.2f}: {spread(own['coverage'])};"
            f" of these right: {spread(own['precision'])}. With hindsight, as many as"
            f" {spread(own['attainable'])} of the surest labels meet that precision."
        )
        if metrics["never_learned"]:
            yield never_learned(map(cell, metrics["never_learned"]))


def _curve(points: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    """Accuracy on new artists by number of labels."""
    if not points:
        return
    steps = list(points[0]["ladder"])
    gain = "synthetic genres' labels give, points (95 % interval)"
    yield "## How many labels are needed?"
    yield "Accuracy on one fold of new artists."
    yield _table(
        ["labels", *steps, gain],
        (
            [
                count(point["labels"]),
                *(f"{point['ladder'][name]:.3f}" for name in steps),
                gained(point["gain_by_synthetic_genres"]),
            ]
            for point in points
        ),
    )


def _per_genre(shown: Mapping[str, Any], classes: Sequence[str]) -> str:
    head = [
        "genre",
        *(
            f"{what}, {title.lower()}"
            for title in shown
            for what in ("tracks", "precision", "recall", "F1")
        ),
    ]
    keys = ("precision", "recall", "f1-score")

    def row(genre: str) -> list[str]:
        own = [metrics["per_genre"][genre] for metrics in shown.values()]
        cells = (
            [f"{one['support']['mean']:.0f}", *(spread(one[key]) for key in keys)] for one in own
        )
        return [cell(genre), *(one for part in cells for one in part)]

    return _table(head, map(row, classes))


def _pictures(
    shown: Mapping[str, Any], content: Mapping[str, Any]
) -> Iterable[tuple[str, str, Picture]]:
    """File, question and answer of each picture."""
    yield "accuracy.png", "Is the classifier better than the baselines?", _accuracy(shown)
    if parts := _parts(shown):
        yield "parts.png", "What does the whole classifier gain over each step?", parts
    for protocol, metrics in content["protocols"].items():
        title = PROTOCOLS[protocol]
        counts = np.array(metrics["confusion"])
        yield (
            f"confusion_{protocol}.png",
            f"Which genres are confused ({title})?",
            accuracy_findings.confusion(counts, content["classes"]),
        )
    plain = {title: _means(metrics) for title, metrics in shown.items()}
    yield (
        "confidence.png",
        "Does 80 % confidence mean 80 % right?",
        accuracy_findings.reliability(plain),
    )
    yield (
        "coverage.png",
        "How accurate are the surest labels?",
        accuracy_findings.risk_coverage(plain, content["target_precision"]),
    )


def _means(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """A protocol's results as those of one split: the CNN's mean measures, and the curves."""
    means = {name: one["mean"] for name, one in metrics["cnn"].items()}
    return means | {key: metrics[key] for key in ("reliability", "risk_coverage")}


def _accuracy(shown: Mapping[str, Any]) -> Picture:
    sentences, panels = [], {}
    for title, metrics in shown.items():
        name, best = cross_validation.strongest(metrics)
        sentences.append(
            f"{title}: {gained(best['cnn_gain'])} points of accuracy between the classifier and the best"
            f" baseline, {name}."
        )
        found = {MODEL: metrics["cnn"], **metrics["baselines"]}
        panels[title] = {name: _bounds(one["accuracy"]) for name, one in found.items()}
    return Picture(" ".join(sentences), charts.accuracies(panels))


def _parts(shown: Mapping[str, Any]) -> Picture | None:
    sentences, panels = [], {}
    for title, metrics in shown.items():
        gains = {name: one["cnn_gain"] for name, one in list(metrics["ladder"].items())[:-1]}
        if not gains:
            continue
        most = max(gains, key=lambda name: gains[name]["mean"])
        sentences.append(
            f"{title}: the whole classifier is ahead of the step {said(most)}"
            f" by {gained(gains[most])} points."
        )
        panels[title] = {
            "gain": {name: (one["mean"], one["low"], one["high"]) for name, one in gains.items()}
        }
    if not panels:
        return None
    label = "points of accuracy more than the step, 95 % intervals"
    return Picture(" ".join(sentences), charts.differences(panels, label))


def _bounds(measure: Mapping[str, Any]) -> charts.Interval:
    """The lowest and the highest of the seeds."""
    return measure["mean"], min(measure["values"]), max(measure["values"])


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
