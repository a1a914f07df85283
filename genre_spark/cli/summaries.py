"""Summaries of a bundle, a study, a labelled catalogue, a report and the demo."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from genre_spark.catalog.rows import RowCounts
from genre_spark.cli.terminal import Terminal
from genre_spark.monitoring.drift import WARN, Drift, beyond
from genre_spark.reporting import study_report
from genre_spark.reporting.text import percent, protocol, quarantined, tally
from genre_spark.reporting.topics import accuracy, confidence, synthetic_genres

if TYPE_CHECKING:
    from genre_spark.bundle.genre_metrics import GenreMetrics
    from genre_spark.evaluation.study_results import StudySummary
    from genre_spark.pipelines.bundles import BundleSummary
    from genre_spark.pipelines.demo import DemoResult
    from genre_spark.pipelines.suggest import Suggested
    from genre_spark.publishing.manifest import Manifest, Replaced
    from genre_spark.publishing.request import PublishedLabels

_PUBLISHED = {True: "labelled catalogue", False: "would be published at"}


def show_bundle(terminal: Terminal, summary: "BundleSummary") -> None:
    """What cluster or train made: accuracy first."""
    if terminal.shown_as_json(summary):
        return
    if summary.genres:
        _accuracy(terminal, summary.genres)
    rows = summary.rows
    stability = {
        f"stability over {name} (adjusted Rand index)": f"{of.mean:.3f} ± {of.std:.3f}"
        for name, of in (summary.stability or {}).items()
    }
    in_mlflow = summary.mlflow or {}
    terminal.pairs(
        {
            "tracks": f"{rows.accepted:,} of {rows.read:,} rows",
            "quarantined": quarantined(rows),
            **_lacking(rows),
            "not used (absent or constant)": ", ".join(summary.left_out),
            "synthetic genres": _numbered(summary.synthetic_genres),
            **stability,
            "rules agree with synthetic genres on unseen tracks": _share(summary.rules_agreement),
        }
    )
    if not summary.genres and (quality := synthetic_genres.quality(summary.quality)):
        terminal.table(quality.texts())
    if changes := synthetic_genres.changes(summary.change):
        terminal.pairs(dict(changes.rows))
    logged = in_mlflow.get("registered") or in_mlflow.get("model_uri", "")
    terminal.pairs({"model id": summary.model_id, "bundle": summary.bundle, "in MLflow": logged})


def show_questions(terminal: Terminal, summary: "Suggested") -> None:
    """Which tracks to label, and what the answers inform."""
    if terminal.shown_as_json(summary):
        return
    terminal.pairs(
        {
            "questions": f"{summary.number:,}",
            "informed": f"{summary.tracks:,} tracks",
            "labels taken into account": f"{summary.labelled:,}",
            "file": summary.questions,
        }
    )


def show_study(terminal: Terminal, summary: "StudySummary") -> None:
    """What evaluate found."""
    if terminal.shown_as_json(summary):
        return
    terminal.pairs(
        {
            "labelled tracks": f"{summary.tracks:,}",
            "splits of known artists": f"{len(summary.seeds)}",
            "repetitions of new artists, each held out once": f"{summary.repetitions}",
            **{f"not measured on {protocol(one)}": why for one, why in summary.skipped.items()},
        }
    )
    for name, of in summary.protocols.items():
        terminal.table(study_report.scores(name, of, ("accuracy", "macro_f1", "ece")).texts())
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
            **_lacking(rows),
            "synthetic genres": _numbered(list(labels.synthetic_genres)),
            "genres": tally(dict(list(labels.genres.items())[:10])),
            "accepted": _share(labels.accepted),
            "drift": _drift(manifest.drift),
            "scored": _scored(manifest),
            "replaces": _replaced(made.replaces),
            "would change": tally(made.changes.model_dump() if made.changes else {}),
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
    if demo.trained.genres:
        _accuracy(terminal, demo.trained.genres)
    rows = demo.scored.manifest.rows
    terminal.pairs(
        {
            "tracks": f"{rows.labelled:,} of {rows.read:,} rows",
            "quarantined": quarantined(rows),
            "synthetic genres": _numbered(demo.trained.synthetic_genres),
            "labelled catalogue": demo.scored.path,
            "model": demo.trained.bundle,
            "look at next": demo.report,
        }
    )


def _accuracy(terminal: Terminal, genres: "GenreMetrics") -> None:
    """The accuracies, and under them what is accepted and what to beware of."""
    terminal.table(accuracy.headline(genres, brief=True).texts())
    terminal.pairs(confidence.accepted_shares(genres))
    remarks = accuracy.remarks(genres)
    terminal.pairs({f"note {i}": line for i, line in enumerate(remarks, start=1)})


def _lacking(rows: RowCounts) -> dict[str, str]:
    """How many tracks lack features, and which; nothing where none does."""
    if not rows.imputed:
        return {}
    found = f"{rows.imputed:,}" + (f" ({tally(rows.missing)})" if rows.missing else "")
    without = {"tracks without any feature": f"{rows.without_features:,}"}
    return {"tracks that lack features": found, **(without if rows.without_features else {})}


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


def _numbered(names: Sequence[str]) -> str:
    return f"{len(names)}: " + ", ".join(names)


def _share(share: float | None) -> str:
    return "" if share is None else percent(share)
