"""The model card: what a bundle is, in words."""

from collections.abc import Sequence

from genre_spark.bundle.genre_metrics import GenreMetrics, Loss
from genre_spark.bundle.manifest import Manifest
from genre_spark.clustering.quality_results import QualityComparison, Stability
from genre_spark.platform.redaction import redact
from genre_spark.platform.safe_text import code
from genre_spark.platform.safe_text import markdown as cell
from genre_spark.reporting.text import (
    PROTOCOLS,
    QUALITIES,
    accepted,
    attainable,
    by_protocol,
    never_learned,
    plain,
)


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
    rows = manifest.data.rows
    features = ", ".join(map(cell, manifest.scoring.scaler.features))
    left_out = ", ".join(map(cell, manifest.left_out)) or "none"
    return "\n".join(
        [
            f"- made from: {code(redact(manifest.data.source))}, {rows.accepted} tracks of"
            f" {rows.read} rows, fingerprint `{rows.fingerprint}`",
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
        f"{mean:.3f} ± {std:.3f} over {name}" for name, (mean, std) in stability.summary().items()
    ]
    return f"The same groups are found again: adjusted Rand index {', '.join(found)}."


def _accuracy(genres: GenreMetrics) -> str:
    lines = [
        "| held out | tracks | accuracy | macro-F1 | top 3 | ECE | AURC | coverage | best baseline |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for protocol, metrics in genres.protocols.items():
        name, accuracy = metrics.best_baseline
        lines.append(
            f"| {PROTOCOLS[protocol]} | {metrics.tracks} | {metrics.accuracy:.3f} |"
            f" {metrics.macro_f1:.3f} | {metrics.top3:.3f} | {metrics.ece:.3f} |"
            f" {metrics.aurc:.3f} | {metrics.coverage:.2f} | {accuracy:.3f} ({name}) |"
        )
    measured = genres.protocols
    for table in (
        by_protocol("accuracy of", measured, lambda of: of.ladder, "{:.3f}".format),
        by_protocol("accepted at", measured, lambda of: of.coverage_at, accepted),
        by_protocol("baseline", measured, lambda of: of.baselines, "{:.3f}".format),
    ):
        lines += ["", *_table(table)]
    lines += [
        f"\nAccepted, {PROTOCOLS[name]}: {attainable(of, genres.target_precision)}."
        for name, of in measured.items()
    ]
    classes = ", ".join(cell(name) for name in genres.classes)
    skipped = [
        f"\n\nNot measured on {PROTOCOLS[name]}: {reason}."
        for name, reason in genres.skipped.items()
    ]
    for metrics in measured.values():
        if metrics.never_learned:
            skipped.append(f"\n\n{never_learned(map(cell, metrics.never_learned))}")
    return "\n".join(lines) + "".join(skipped) + f"\n\nGenres: {classes}."


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    head, *rest = rows
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rest)]


def _importance(genres: GenreMetrics) -> str:
    """What is lost with each input, and with each feature in all channels, the most first."""
    lines = [_EXCHANGED, ""]
    for name, of in genres.protocols.items():
        if not of.importance:
            continue
        lost = {f"input: {name}": one.accuracy for name, one in of.importance.inputs.items()}
        lost |= {
            f"feature: {plain(feature)}": one.all.accuracy
            for feature, one in of.importance.features.items()
        }
        order = sorted(lost, key=lambda part: -lost[part].mean)
        lines += [f"| {PROTOCOLS[name]} | accuracy lost |", "| --- | --- |"]
        lines += [f"| {cell(part)} | {_loss(lost[part])} |" for part in order] + [""]
    return "\n".join(lines).rstrip()


def _loss(loss: Loss) -> str:
    return f"{loss.mean:.3f} ± {loss.std:.3f}"


_EXCHANGED = """Accuracy that is lost on held-out tracks where a part of the input is another
track's: a feature in all channels, or a whole input. ± is the standard deviation
over repeats."""
