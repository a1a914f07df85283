"""Summaries of a bundle, a study, a labelled catalogue, a report and the demo."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from genre_spark.cli import meaning
from genre_spark.cli.terminal import Terminal
from genre_spark.monitoring.drift import beyond
from genre_spark.monitoring.drift_results import WARN, Drift
from genre_spark.reporting.text import (
    PROTOCOLS,
    QUALITIES,
    accepted,
    attainable,
    by_protocol,
    gained,
    mean_and_std,
)

if TYPE_CHECKING:
    from genre_spark.bundle.genre_metrics import GenreMetrics
    from genre_spark.catalog.rows import RowCounts
    from genre_spark.clustering.changes import Change
    from genre_spark.clustering.quality_results import QualityComparison
    from genre_spark.evaluation.study_results import ScoresOverSeeds, StudiedProtocol, StudySummary
    from genre_spark.pipelines.bundles import BundleSummary
    from genre_spark.pipelines.demo import DemoResult
    from genre_spark.publishing.manifest import Manifest, Replaced
    from genre_spark.publishing.request import PublishedLabels

_PUBLISHED = {True: "labelled catalogue", False: "would be published at"}


def show_bundle(terminal: Terminal, summary: "BundleSummary") -> None:
    """What cluster or train made."""
    if terminal.shown_as_json(summary):
        return
    rows = summary.rows
    terminal.pairs(
        {
            "tracks": f"{rows.accepted:,} of {rows.read:,} rows",
            "quarantined": quarantined(rows),
            "left out (the catalogue lacks them)": ", ".join(summary.left_out),
            "synthetic genres": _numbered(summary.synthetic_genres),
        }
    )
    _discovered(terminal, summary)
    if summary.genres:
        _accuracy(terminal, summary.genres)
    in_mlflow = summary.mlflow or {}
    logged = in_mlflow.get("registered") or in_mlflow.get("model_uri", "")
    terminal.pairs({"model id": summary.model_id, "bundle": summary.bundle, "in MLflow": logged})


def show_study(terminal: Terminal, summary: "StudySummary") -> None:
    """What evaluate found."""
    if terminal.shown_as_json(summary):
        return
    terminal.pairs(
        {
            "labelled tracks": f"{summary.tracks:,}",
            "splits of known artists": f"{len(summary.seeds)}",
            "repetitions of new artists, each held out once": f"{summary.repetitions}",
            **{f"no {PROTOCOLS[name]}": why for name, why in summary.skipped.items()},
        }
    )
    for protocol, metrics in summary.protocols.items():
        terminal.table(_study_rows(PROTOCOLS[protocol], metrics))
    terminal.pairs({"tables and pictures": f"{summary.path}/evaluation.md"})


def show_labels(terminal: Terminal, made: "PublishedLabels") -> None:
    """What score published."""
    if terminal.shown_as_json(made.summary()):
        return
    manifest = made.manifest
    labels, rows = manifest.labels, manifest.rows
    terminal.pairs(
        {
            "labelled": f"{rows.labelled:,} of {rows.read:,} rows",
            "quarantined": quarantined(rows),
            "tracks with imputed features": f"{rows.imputed:,}",
            "synthetic genres": _numbered(list(labels.synthetic_genres)),
            "genres": _listed(dict(list(labels.genres.items())[:10])),
            "accepted": _percent(labels.accepted),
            "drift": _drift(manifest.drift),
            "scored": _scored(manifest),
            "replaces": _replaced(made.replaces),
            "would change": _listed(made.changes.model_dump() if made.changes else {}),
            "model id": manifest.model_id,
            _PUBLISHED[made.published]: made.path,
        }
    )


def show_report(terminal: Terminal, summary: Mapping[str, str]) -> None:
    """Where the page is, and its pictures."""
    if not terminal.shown_as_json(summary):
        terminal.pairs(summary)


def show_demo(terminal: Terminal, demo: "DemoResult") -> None:
    """What the demo found, and what to look at next."""
    if terminal.shown_as_json(demo.summary()):
        return
    rows = demo.scored.manifest.rows
    terminal.pairs(
        {
            "tracks": f"{rows.labelled:,} of {rows.read:,} rows",
            "quarantined": quarantined(rows),
            "synthetic genres": _numbered(demo.trained.synthetic_genres),
        }
    )
    if demo.trained.genres:
        _accuracy(terminal, demo.trained.genres)
    terminal.pairs(
        {
            "labelled catalogue": demo.scored.path,
            "model": demo.trained.bundle,
            "look at next": demo.report,
        }
    )


def _discovered(terminal: Terminal, summary: "BundleSummary") -> None:
    """How good synthetic genres are, and what changed."""
    if summary.quality:
        terminal.table(_quality_rows(summary.quality))
    stability = {
        f"same groups over {name} (adjusted Rand index)": f"{of.mean:.3f} ± {of.std:.3f}"
        for name, of in (summary.stability or {}).items()
    }
    agreement = {
        "rules agree with synthetic genres on unseen tracks": _percent(summary.rules_agreement)
    }
    terminal.pairs(stability | agreement | (_change(summary.change) if summary.change else {}))


def _change(change: "Change") -> dict[str, str]:
    """What became of the synthetic genres of an earlier bundle."""
    return {
        "compared with": change.previous,
        "tracks that keep their id": _percent(1 - change.moved),
        "kept": _ids(one.id for one in change.matched),
        "new": _ids(change.new),
        "retired": _ids(change.retired),
        "split": "; ".join(f"{one.id} into {_ids(one.into)}" for one in change.split),
        "merged": "; ".join(f"{_ids(one.of)} in {one.id}" for one in change.merged),
    }


def _quality_rows(quality: "QualityComparison") -> list[tuple[str, ...]]:
    """Synthetic genres, plain KMeans at the same k, and the method on permuted features."""
    compared = (quality.synthetic_genres, quality.plain_kmeans, quality.permuted)
    rows: list[tuple[str, ...]] = [
        ("quality", "synthetic genres", "plain KMeans", "permuted features")
    ]
    for name, title in QUALITIES.items():
        values = [getattr(one, name) for one in compared]
        if values[0] is not None:
            rows.append((title, *(f"{value:.2f}" for value in values)))
    return rows


def _accuracy(terminal: Terminal, genres: "GenreMetrics") -> None:
    protocols, target = genres.protocols, genres.target_precision
    rows = [("held out", "tracks", "accuracy (95 %)", "best baseline", "majority", "ECE")]
    for protocol, metrics in protocols.items():
        (name, best), bounds = metrics.best_baseline, metrics.interval
        rows.append(
            (
                PROTOCOLS[protocol],
                f"{metrics.tracks:,}",
                f"{metrics.accuracy:.3f} ({bounds.low:.3f}–{bounds.high:.3f})",
                f"{best:.3f} ({name})",
                f"{metrics.baselines['majority']:.3f}",
                f"{metrics.ece:.3f}",
            )
        )
    terminal.table(rows)
    terminal.table(by_protocol("accuracy of", protocols, lambda of: of.ladder, "{:.3f}".format))
    terminal.table(by_protocol("accepted at", protocols, lambda of: of.coverage_at, accepted))
    terminal.pairs(
        {f"accepted of {PROTOCOLS[name]}": attainable(of, target) for name, of in protocols.items()}
    )
    lines = [
        line
        for protocol, metrics in protocols.items()
        for line in meaning.of_accuracy(PROTOCOLS[protocol], metrics, target)
    ]
    terminal.pairs({f"note {i}": line for i, line in enumerate(lines, start=1)})


def _study_rows(title: str, metrics: "StudiedProtocol") -> list[tuple[str, ...]]:
    """The classifier, then its steps and the baselines, each with what it gains over them."""

    def scores(one: "ScoresOverSeeds") -> tuple[str, ...]:
        return mean_and_std(one.accuracy), mean_and_std(one.macro_f1), mean_and_std(one.ece)

    compared = metrics.ladder | metrics.baselines
    return [
        (title, "accuracy", "macro-F1", "ECE", "classifier minus this, points"),
        ("the whole classifier", *scores(metrics.cnn), ""),
        *((name, *scores(one), gained(one.cnn_gain)) for name, one in compared.items()),
    ]


def quarantined(rows: "RowCounts") -> str:
    """Number of quarantined rows, with the reasons."""
    return f"{rows.n_quarantined:,}" + (f" ({_listed(rows.reasons)})" if rows.reasons else "")


def _drift(drift: "Drift") -> str:
    """What warns; nothing where nothing does."""
    if not drift.assessed:
        return f"not assessed: fewer than {drift.limits.min_tracks:,} tracks"
    return ", ".join(beyond(drift, WARN))


def _scored(manifest: "Manifest") -> str:
    """How much an incremental run scored; nothing of a full one."""
    if not manifest.incremental.asked:
        return ""
    if because := manifest.incremental.in_full_because:
        return f"all tracks: {because}"
    rescored = sum(run.tracks for run in manifest.runs if run.run_id == manifest.run_id)
    return f"{rescored:,} of {manifest.rows.labelled:,} tracks, the rest carried over"


def _replaced(old: "Replaced | None") -> str:
    if old is None:
        return ""
    rows = (old.rows or {}).get("labelled", 0)
    return f"{rows:,} tracks of {old.scored_at}, model {old.model_id}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _numbered(names: Sequence[str]) -> str:
    return f"{len(names)}: " + ", ".join(names)


def _ids(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
