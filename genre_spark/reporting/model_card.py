"""The model card: what a bundle is, in words."""

from collections.abc import Callable
from typing import Any

from genre_spark.bundle.manifest import Manifest
from genre_spark.clustering.quality_results import QualityComparison, Stability
from genre_spark.platform.redaction import redact
from genre_spark.platform.safe_text import code
from genre_spark.platform.safe_text import markdown as cell
from genre_spark.reporting.text import PROTOCOLS, QUALITIES, attainable, never_learned, plain


def render(manifest: Manifest) -> str:
    """A Markdown page on a bundle.

    References
    ----------
    Mitchell et al. (2019), "Model Cards for Model Reporting", FAT*.
    """
    parts = [
        f"# genre-spark {manifest.kind} bundle `{manifest.model_id}`",
        _facts(manifest),
        "## Synthetic genres",
        _synthetic(manifest),
    ]
    if manifest.genres:
        parts += ["## Genres", _accuracy(manifest.genres), _LIMITS]
        parts += ["## What decides", _importance(manifest.genres)]
    return "\n\n".join(parts) + "\n"


_LIMITS = """Accuracies are of tracks held out from all fitting by labels; for new artists, of artists
held out. Without a link means: no other named artist and no album of the track has a labelled track.
Known artists' accuracy rests on the labels of the artist's other tracks: see the artist lookup among
the baselines. Medians, scales, bin edges and centers are fitted on all tracks, without labels. One
fold is held out of each kind; `evaluate` holds out every artist. The figures hold for catalogues like
the one named above. A genre without labelled tracks is never predicted."""


def _facts(manifest: Manifest) -> str:
    rows = manifest.data["rows"]
    features = ", ".join(map(cell, manifest.scoring.space.features))
    left_out = ", ".join(map(cell, manifest.left_out)) or "none"
    return "\n".join(
        [
            f"- made from: {code(redact(manifest.data['source']))}, {rows['accepted']} tracks of"
            f" {rows['read']} rows, fingerprint `{rows['fingerprint']}`",
            f"- made at: {manifest.created_at}, by genre-spark {manifest.genre_spark_version},"
            f" seed {manifest.seed}",
            f"- features: {features}; left out, since the catalogue lacks them: {left_out}",
        ]
    )


def _synthetic(manifest: Manifest) -> str:
    found = manifest.clusters
    lines = ["| id | name | tracks |", "| --- | --- | --- |"]
    lines += [f"| {one.id} | {cell(one.name)} | {one.size} |" for one in found.synthetic_genres]
    if found.stability:
        lines += ["", _stability(found.stability)]
    if found.quality:
        lines += ["", *_quality(found.quality)]
    if found.rules:
        lines += [
            "",
            f"{found.rules.n_leaves} rules on features of tracks and artists agree with them on"
            f" {found.rules.agreement:.1%} of {found.rules.unseen} unseen tracks; that says nothing"
            " of real genres.",
        ]
    return "\n".join(lines)


def _quality(found: QualityComparison) -> list[str]:
    """Synthetic genres, plain KMeans and a null, side by side."""
    compared = (found.synthetic_genres, found.plain_kmeans, found.permuted)
    lines = [
        f"Measured on {found.tracks} tracks, beside plain KMeans at the same k and beside the same"
        " method on features that tracks have exchanged by chance:",
        "",
        "| measure | synthetic genres | plain KMeans | permuted features |",
        "| --- | --- | --- | --- |",
    ]
    for name, title in QUALITIES.items():
        values = [getattr(one, name) for one in compared]
        if values[0] is not None:
            lines.append(f"| {title} | {' | '.join(f'{value:.2f}' for value in values)} |")
    return lines


def _stability(stability: Stability) -> str:
    found = [
        f"{mean:.3f} ± {spread:.3f} over {name}"
        for name, (mean, spread) in stability.summary().items()
    ]
    return f"The same groups are found again: adjusted Rand index {', '.join(found)}."


def _accuracy(genres: dict[str, Any]) -> str:
    lines = [
        "| held out | tracks | accuracy | macro-F1 | top 3 | ECE | AURC | coverage | best baseline |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for protocol, metrics in genres["protocols"].items():
        name, accuracy = max(metrics["baselines"].items(), key=lambda item: item[1])
        lines.append(
            f"| {PROTOCOLS[protocol]} | {metrics['tracks']} | {metrics['accuracy']:.3f} |"
            f" {metrics['macro_f1']:.3f} | {metrics['top3']:.3f} | {metrics['ece']:.3f} |"
            f" {metrics['aurc']:.3f} | {metrics['coverage']:.2f} | {accuracy:.3f} ({name}) |"
        )
    lines += ["", *_by_protocol("accuracy of", "ladder", genres, "{:.3f}".format)]
    lines += ["", *_by_protocol("accepted at", "coverage_at", genres, _accepted)]
    lines += ["", *_by_protocol("baseline", "baselines", genres, "{:.3f}".format)]
    lines += [
        f"\nAccepted, {PROTOCOLS[name]}: {attainable(of, genres['target_precision'])}."
        for name, of in genres["protocols"].items()
    ]
    classes = ", ".join(cell(name) for name in genres["classes"])
    skipped = [
        f"\n\nNot measured on {PROTOCOLS[name]}: {reason}."
        for name, reason in genres.get("skipped", {}).items()
    ]
    for metrics in genres["protocols"].values():
        if metrics.get("never_learned"):
            skipped.append(f"\n\n{never_learned(map(cell, metrics['never_learned']))}")
    return "\n".join(lines) + "".join(skipped) + f"\n\nGenres: {classes}."


def _by_protocol(
    title: str, key: str, genres: dict[str, Any], form: Callable[[Any], str]
) -> list[str]:
    """A table with a row per name in `key` of the protocols, a column per protocol."""
    protocols = genres["protocols"]
    names = next(iter(protocols.values()))[key] if protocols else {}
    head = [title, *(PROTOCOLS[name] for name in protocols)]
    rows = [[name, *(form(of[key][name]) for of in protocols.values())] for name in names]
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def _accepted(one: dict[str, float | None]) -> str:
    precision = "" if one["precision"] is None else f" ({one['precision']:.3f} right)"
    return f"{one['coverage']:.2f}{precision}"


def _importance(genres: dict[str, Any]) -> str:
    """What is lost with each scope, and with each feature in all scopes, the most first."""
    measured = {
        PROTOCOLS[name]: of["importance"]
        for name, of in genres["protocols"].items()
        if of.get("importance")
    }
    lines = [_EXCHANGED, ""]
    for title, found in measured.items():
        lost = {f"scope: {name}": one["accuracy"] for name, one in found["scopes"].items()}
        lost |= {
            f"feature: {plain(name)}": one["all"]["accuracy"]
            for name, one in found["features"].items()
        }
        order = sorted(lost, key=lambda name: -lost[name]["mean"])
        lines += [f"| {title} | accuracy lost |", "| --- | --- |"]
        lines += [f"| {cell(name)} | {_loss(lost[name])} |" for name in order] + [""]
    return "\n".join(lines).rstrip()


def _loss(loss: dict[str, float]) -> str:
    return f"{loss['mean']:.3f} ± {loss['spread']:.3f}"


_EXCHANGED = """Accuracy that is lost on held-out tracks where a part of the input is another
track's: a feature in all scopes, or a scope with all of its features. ± is the standard deviation
over repeats."""
