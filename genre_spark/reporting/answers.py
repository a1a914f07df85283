"""The questions that the page answers with a picture; those on genres and on labels."""

from collections.abc import Iterator, Mapping

import numpy as np

from genre_spark.bundle.genre_metrics import ProtocolMetrics
from genre_spark.bundle.manifest import Manifest
from genre_spark.classifier.head import KINDS, NEW
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.reporting import accuracy_findings, charts, cluster_answers, importance_findings
from genre_spark.reporting.style import Answer
from genre_spark.reporting.text import PROTOCOLS, count

_INTERVALS = (
    "A lookup gives the most frequent genre of the labelled tracks of the artist or album; “pooled”"
    " takes the mean over the artist’s tracks. Whiskers: 95 % intervals for as many independent"
    " tracks; where the tracks of an artist stand or fall together, the truth is wider."
)


def collect(manifest: Manifest, labels: LabelledManifest | None) -> dict[str, Answer]:
    """Every answer that the bundle, and the labelled catalogue's manifest, can give, by name."""
    parts = (
        cluster_answers.on_synthetic(manifest),
        _on_genres(manifest),
        _on_labels(manifest, labels) if labels else (),
    )
    return {answer.name: answer for part in parts for answer in part}


def protocols(manifest: Manifest) -> dict[str, ProtocolMetrics]:
    """The metrics of each protocol that was measured, by its title."""
    measured = manifest.genres.protocols if manifest.genres else {}
    return {
        title.capitalize(): measured[name] for name, title in PROTOCOLS.items() if name in measured
    }


def thresholds(manifest: Manifest) -> dict[str, float]:
    """Least confidence of an accepted label, by the artists that it holds for."""
    part = manifest.scoring.genres
    if part is None:
        return {}
    if not part.has_artists:
        return {"all artists": part.acceptance.threshold(NEW)}
    return {f"{kind} artists": part.acceptance.threshold(kind) for kind in KINDS[::-1]}


def _on_genres(manifest: Manifest) -> Iterator[Answer]:
    found, part = protocols(manifest), manifest.scoring.genres
    if not found or not part:
        return
    held_out = f"One split of each kind, seed {manifest.seed}; "
    held_out += ", ".join(
        f"{title.lower()}: {count(of.tracks)} tracks" for title, of in found.items()
    )
    held_out += " held out."
    finding = accuracy_findings.baselines(found)
    note = f"{held_out} {_INTERVALS}"
    yield Answer("accuracy", "Is the CNN better than the baselines?", "Bar charts", finding, note)
    yield _confusion(found, part.classes)
    curves = {title: accuracy_findings.Curves.of(of) for title, of in found.items()}
    note = (
        "Above the dotted line the model is too modest, below it too sure. Larger marks stand"
        f" for more tracks. {held_out}"
    )
    question, finding = (
        "Does 80 % confidence mean 80 % right?",
        accuracy_findings.reliability(curves),
    )
    yield Answer("reliability", question, "Reliability diagram", finding, note)
    note = f"Marks on the curves: the labels that the model accepts. {held_out}"
    question = "How accurate are the surest labels?"
    finding = accuracy_findings.risk_coverage(curves, part.acceptance.target)
    yield Answer("risk-coverage", question, "Risk–coverage curve", finding, note)
    yield from _on_what_decides(found, part.classes)


def _on_what_decides(
    found: Mapping[str, ProtocolMetrics], classes: tuple[str, ...]
) -> Iterator[Answer]:
    counted = {title: of.importance.tracks for title, of in found.items() if of.importance}
    tracks = "; ".join(f"{title.lower()}: {count(n)}" for title, n in counted.items())
    held_out = f"Whiskers: one standard deviation over repeats. Held-out tracks: {tracks}."
    if finding := importance_findings.features(found):
        note = (
            "“Of the track alone”: the track’s own value is another’s. “In all channels”: so are its"
            f" album’s statistics of that feature. {held_out}"
        )
        yield Answer("features", "Which features decide?", "Dot plot", finding, note)
    if finding := importance_findings.inputs(found):
        note = (
            "A whole input is another track’s: all features of the track, the statistics of its album,"
            " its words, or the labels counted for its artist, other artists, album or synthetic"
            f" genre. {held_out}"
        )
        yield Answer(
            "inputs", "Is it the sound, the words or the labels?", "Dot plot", finding, note
        )
    shown = list(counted)[-1] if counted else list(found)[-1]
    if finding := importance_findings.features_of_genres(found[shown], classes):
        note = f"{shown}, {count(counted[shown])} held-out tracks; a feature in all channels."
        question = "Which features tell each genre apart?"
        yield Answer("features-of-genres", question, "Heatmap", finding, note)


def _confusion(found: Mapping[str, ProtocolMetrics], classes: tuple[str, ...]) -> Answer:
    shown = list(found)[-1]
    finding = min(len(classes), accuracy_findings.MOST_CONFUSED)
    note = f"{shown}, {count(found[shown].tracks)} held-out tracks."
    note += " Rows are true genres, columns the labels given"
    note += ", in per cent of the row." if finding <= charts.MOST_WRITTEN else "."
    if finding < len(classes):
        note += f" Drawn are the {finding} genres with the most mistakes."
    picture = accuracy_findings.confusion(np.array(found[shown].confusion), classes)
    return Answer("confusion", "Which genres are confused?", "Heatmap", picture, note)


def _on_labels(manifest: Manifest, labels: LabelledManifest) -> Iterator[Answer]:
    mix = labels.labels
    if finding := accuracy_findings.mix(mix.genres):
        yield Answer("label-mix", "Which genres did the tracks get?", "Bar chart", finding)
    yield from cluster_answers.on_mix(manifest, labels)
    if manifest.scoring.genres and (
        finding := accuracy_findings.confidence(mix, thresholds(manifest))
    ):
        question = "How sure is the model of this catalogue?"
        yield Answer("confidence", question, "Histogram", finding)
    reasons = mix.reasons or {}
    for kind, name in (("genre", "genre"), ("synthetic_genre", "synthetic genre")):
        if finding := accuracy_findings.reasons(
            reasons.get(kind, {}), manifest.scoring.scaler.features
        ):
            note = "Rows add up to 100 %: tracks for whose label nothing speaks are left out."
            question = f"Which feature speaks most for each {name}?"
            yield Answer(f"reasons-{kind.replace('_', '-')}", question, "Heatmap", finding, note)
