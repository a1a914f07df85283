"""What a study found, for people: a page of tables, and pictures beside it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from genre_spark.evaluation.study_results import (
    CurvePoint,
    OverSeeds,
    PublishedStudy,
    ScoresOverSeeds,
    StudiedProtocol,
)
from genre_spark.platform.safe_text import markdown as cell
from genre_spark.reporting import accuracy_findings, charts
from genre_spark.reporting.style import Picture
from genre_spark.reporting.text import (
    PROTOCOLS,
    count,
    gained,
    in_text,
    mean_and_std,
    never_learned,
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


def write(study: PublishedStudy, folder: Path) -> None:
    """Writes the page and its pictures into a new folder.

    Parameters
    ----------
    study : PublishedStudy
    folder : Path
        Created here.
    """
    folder.mkdir()
    shown = {PROTOCOLS[name].capitalize(): of for name, of in study.protocols.items()}
    pictures = list(_pictures(shown, study))
    for file, question, picture in pictures:
        (folder / file).write_bytes(picture.titled(question))
    lines = [
        "# How good are the genres?",
        _facts(study),
        *_tables(shown, study.target_precision),
        *[
            f"## {question}\n\n![{question}]({file})\n\n{cell(p.finding)}"
            for file, question, p in pictures
        ],
        *_curve(study.learning_curve),
        "## How well is each genre recognised?",
        _per_genre(shown, study.classes),
    ]
    (folder / PAGE).write_text("\n\n".join(lines) + "\n", encoding="utf-8")


def _facts(study: PublishedStudy) -> str:
    skipped = [f"- no {PROTOCOLS[name]}: {why}" for name, why in study.skipped.items()]
    return "\n".join(
        [
            f"- catalogue: `{study.data.source}`, fingerprint `{study.data.rows.fingerprint}`",
            f"- {count(study.tracks)} labelled tracks, {len(study.classes)} genres",
            f"- seeds of known artists: {', '.join(map(str, study.seeds))}; ± is the standard deviation over them",
            f"- new artists: every artist held out once in each of {study.repetitions} repetitions",
            "- fitted on all tracks, without labels: medians, scales, bin edges and centers",
            *skipped,
        ]
    )


def _tables(shown: Mapping[str, StudiedProtocol], target: float) -> Iterable[str]:
    for title, metrics in shown.items():
        yield f"## {title}"
        head = ["", *_MEASURES.values(), "classifier minus this, points (95 % interval)"]
        own, bounds = metrics.cnn, metrics.interval
        compared = metrics.ladder | metrics.baselines
        yield _table(
            head,
            [
                ["**the whole classifier**", *_scores(own), ""],
                *([name, *_scores(one), gained(one.cnn_gain)] for name, one in compared.items()),
            ],
        )
        yield (
            f"Accuracy {bounds.mean:.3f}, 95 % interval over artists {bounds.low:.3f} to"
            f" {bounds.high:.3f}. {metrics.linked:.0%} of the held-out tracks share another"
            " named artist or an album with a labelled track."
            f" Held-out tracks: {', '.join(map(str, metrics.tracks))}."
        )
        yield _table(
            ["target precision", "labels accepted", "of these right"],
            (
                [goal, mean_and_std(one.coverage), mean_and_std(one.precision)]
                for goal, one in metrics.coverage_at.items()
            ),
        )
        yield (
            f"Labels accepted at a target precision of {target:.2f}: {mean_and_std(own.coverage)};"
            f" of these right: {mean_and_std(own.precision)}. With hindsight, as many as"
            f" {mean_and_std(own.attainable)} of the surest labels meet that precision."
        )
        if metrics.never_learned:
            yield never_learned(map(cell, metrics.never_learned))


def _scores(one: ScoresOverSeeds) -> list[str]:
    return [mean_and_std(getattr(one, measure)) for measure in _MEASURES]


def _curve(points: Sequence[CurvePoint]) -> Iterable[str]:
    """Accuracy on new artists by number of labels."""
    if not points:
        return
    steps = list(points[0].ladder)
    gain = "synthetic genres' labels give, points (95 % interval)"
    yield "## How many labels are needed?"
    yield "Accuracy on one fold of new artists."
    yield _table(
        ["labels", *steps, gain],
        (
            [
                count(point.labels),
                *(f"{point.ladder[name]:.3f}" for name in steps),
                gained(point.gain_by_synthetic_genres),
            ]
            for point in points
        ),
    )


def _per_genre(shown: Mapping[str, StudiedProtocol], classes: Sequence[str]) -> str:
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
        own = [metrics.per_genre[genre] for metrics in shown.values()]
        cells = (
            [f"{one['support'].mean:.0f}", *(mean_and_std(one[key]) for key in keys)] for one in own
        )
        return [cell(genre), *(one for part in cells for one in part)]

    return _table(head, map(row, classes))


def _pictures(
    shown: Mapping[str, StudiedProtocol], study: PublishedStudy
) -> Iterable[tuple[str, str, Picture]]:
    """File, question and answer of each picture."""
    yield "accuracy.png", "Is the classifier better than the baselines?", _accuracy(shown)
    if parts := _parts(shown):
        yield "parts.png", "What does the whole classifier gain over each step?", parts
    for protocol, metrics in study.protocols.items():
        title = PROTOCOLS[protocol]
        counts = np.array(metrics.confusion)
        yield (
            f"confusion_{protocol}.png",
            f"Which genres are confused ({title})?",
            accuracy_findings.confusion(counts, study.classes),
        )
    curves = {title: _curves(metrics) for title, metrics in shown.items()}
    yield (
        "confidence.png",
        "Does 80 % confidence mean 80 % right?",
        accuracy_findings.reliability(curves),
    )
    yield (
        "coverage.png",
        "How accurate are the surest labels?",
        accuracy_findings.risk_coverage(curves, study.target_precision),
    )


def _curves(metrics: StudiedProtocol) -> accuracy_findings.Curves:
    """The curves of all splits, with the CNN's mean measures."""
    own = metrics.cnn
    return accuracy_findings.Curves(
        metrics.reliability,
        metrics.risk_coverage,
        own.ece.mean,
        own.coverage.mean,
        own.precision.mean,
    )


def _accuracy(shown: Mapping[str, StudiedProtocol]) -> Picture:
    sentences, panels = [], {}
    for title, metrics in shown.items():
        name, best = metrics.strongest_baseline
        sentences.append(
            f"{title}: {gained(best.cnn_gain)} points of accuracy between the classifier and the best"
            f" baseline, {name}."
        )
        found = {MODEL: metrics.cnn, **metrics.baselines}
        panels[title] = {name: _bounds(one.accuracy) for name, one in found.items()}
    return Picture(" ".join(sentences), charts.accuracies(panels))


def _parts(shown: Mapping[str, StudiedProtocol]) -> Picture | None:
    sentences, panels = [], {}
    for title, metrics in shown.items():
        gains = {name: one.cnn_gain for name, one in list(metrics.ladder.items())[:-1]}
        if not gains:
            continue
        most = max(gains, key=lambda name: gains[name].mean)
        sentences.append(
            f"{title}: the whole classifier is ahead of the step {in_text(most)}"
            f" by {gained(gains[most])} points."
        )
        panels[title] = {
            "gain": {name: (one.mean, one.low, one.high) for name, one in gains.items()}
        }
    if not panels:
        return None
    label = "points of accuracy more than the step, 95 % intervals"
    return Picture(" ".join(sentences), charts.differences(panels, label))


def _bounds(measure: OverSeeds) -> charts.Interval:
    """The lowest and the highest of the seeds."""
    values = [value for value in measure.values if value is not None]
    return measure.mean or 0.0, min(values, default=0.0), max(values, default=0.0)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
