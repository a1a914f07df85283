"""What people see of a bundle, a study, a labelled catalogue, a report and the demo."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from genre_spark.cli import meaning
from genre_spark.cli.terminal import Terminal
from genre_spark.monitoring.drift import WARN, beyond
from genre_spark.reporting.text import PROTOCOLS, QUALITIES, attainable, gained, spread

_PUBLISHED = {True: "labelled catalogue", False: "would be published at"}


def show_bundle(terminal: Terminal, summary: Mapping[str, Any]) -> None:
    """What cluster or train made."""
    if terminal.told_as_json(summary):
        return
    terminal.pairs(
        {
            "tracks": f"{summary['rows']['accepted']:,} of {summary['rows']['read']:,} rows",
            "quarantined": reasons(summary["rows"]),
            "left out (the catalogue lacks them)": ", ".join(summary["left_out"]),
            "synthetic genres": _numbered(summary["synthetic_genres"]),
        }
    )
    _discovered(terminal, summary)
    if "genres" in summary:
        _accuracy(terminal, summary["genres"])
    in_mlflow = summary.get("mlflow", {})
    logged = in_mlflow.get("registered") or in_mlflow.get("model_uri", "")
    terminal.pairs(
        {"model id": summary["model_id"], "bundle": summary["bundle"], "in MLflow": logged}
    )


def show_study(terminal: Terminal, summary: Mapping[str, Any]) -> None:
    """What evaluate found."""
    if terminal.told_as_json(summary):
        return
    n_seeds = len(summary["seeds"])
    terminal.pairs(
        {
            "labelled tracks": f"{summary['tracks']:,}",
            "splits of known artists": f"{n_seeds}",
            "repetitions of new artists, each held out once": f"{summary['repetitions']}",
            **{f"no {PROTOCOLS[name]}": why for name, why in summary["skipped"].items()},
        }
    )
    for protocol, metrics in summary["protocols"].items():
        terminal.table(_study_rows(PROTOCOLS[protocol], metrics))
    terminal.pairs({"tables and pictures": f"{summary['path']}/evaluation.md"})


def show_labels(terminal: Terminal, manifest: Mapping[str, Any]) -> None:
    """What score published."""
    if terminal.told_as_json(manifest):
        return
    labels, rows = manifest["labels"], manifest["rows"]
    genres = {name: f"{n:,}" for name, n in list(labels["genres"].items())[:10]}
    terminal.pairs(
        {
            "labelled": f"{rows['labelled']:,} of {rows['read']:,} rows",
            "quarantined": reasons(rows),
            "tracks with imputed features": f"{rows['imputed']:,}",
            "synthetic genres": _numbered(list(labels["synthetic_genres"])),
            "genres": ", ".join(f"{name} {n}" for name, n in genres.items()),
            "accepted": _percent(labels["accepted"]),
            "drift": _drift(manifest["drift"]),
            "scored": _scored(manifest),
            "replaces": _replaced(manifest["replaces"]),
            "would change": _listed(manifest.get("changes") or {}),
            "model id": manifest["model_id"],
            _PUBLISHED[manifest["published"]]: manifest["path"],
        }
    )


def show_report(terminal: Terminal, summary: Mapping[str, Any]) -> None:
    """Where the page is, and its pictures."""
    if not terminal.told_as_json(summary):
        terminal.pairs(summary)


def show_demo(terminal: Terminal, summary: Mapping[str, Any]) -> None:
    """What the demo found, and what to look at next."""
    if terminal.told_as_json(summary):
        return
    trained, scored = summary["trained"], summary["scored"]
    terminal.pairs(
        {
            "tracks": f"{scored['rows']['labelled']:,} of {scored['rows']['read']:,} rows",
            "quarantined": reasons(scored["rows"]),
            "synthetic genres": _numbered(trained["synthetic_genres"]),
        }
    )
    _accuracy(terminal, trained["genres"])
    paths = summary["paths"]
    terminal.pairs(
        {
            "labelled catalogue": paths["labelled catalogue"],
            "model": paths["model"],
            "look at next": paths["report"],
        }
    )


def _discovered(terminal: Terminal, summary: Mapping[str, Any]) -> None:
    """How good synthetic genres are, and what changed."""
    if quality := summary.get("quality"):
        terminal.table(_quality_rows(quality))
    stability = {
        f"same groups over {name} (adjusted Rand index)": f"{of['mean']:.3f} ± {of['spread']:.3f}"
        for name, of in summary.get("stability", {}).items()
    }
    agreement, change = summary.get("rules_agreement"), summary.get("change")
    said = {"rules agree with synthetic genres on unseen tracks": _percent(agreement)}
    if change:
        said |= {
            "compared with": change["previous"],
            "tracks that keep their id": _percent(1 - change["moved"]),
            "kept": _ids(one["id"] for one in change["matched"]),
            "new": _ids(change["new"]),
            "retired": _ids(change["retired"]),
            "split": "; ".join(f"{s['id']} into {_ids(s['into'])}" for s in change["split"]),
            "merged": "; ".join(f"{_ids(m['of'])} in {m['id']}" for m in change["merged"]),
        }
    terminal.pairs(stability | said)


def _quality_rows(quality: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Synthetic genres, plain KMeans at the same k, and the method on permuted features."""
    compared = [quality[name] for name in ("synthetic_genres", "plain_kmeans", "permuted")]
    rows: list[tuple[str, ...]] = [
        ("quality", "synthetic genres", "plain KMeans", "permuted features")
    ]
    for name, title in QUALITIES.items():
        values = [one[name] for one in compared]
        if values[0] is not None:
            rows.append((title, *(f"{value:.2f}" for value in values)))
    return rows


def _accuracy(terminal: Terminal, genres: Mapping[str, Any]) -> None:
    rows = [("held out", "tracks", "accuracy (95 %)", "best baseline", "majority", "ECE")]
    for protocol, metrics in genres["protocols"].items():
        name, best = max(metrics["baselines"].items(), key=lambda item: item[1])
        majority, bounds = metrics["baselines"]["majority"], metrics["interval"]
        rows.append(
            (
                PROTOCOLS[protocol],
                f"{metrics['tracks']:,}",
                f"{metrics['accuracy']:.3f} ({bounds['low']:.3f}–{bounds['high']:.3f})",
                f"{best:.3f} ({name})",
                f"{majority:.3f}",
                f"{metrics['ece']:.3f}",
            )
        )
    terminal.table(rows)
    terminal.table(_by_protocol("accuracy of", "ladder", genres["protocols"], "{:.3f}".format))
    terminal.table(_by_protocol("accepted at", "coverage_at", genres["protocols"], _accepted))
    terminal.pairs(
        {
            f"accepted of {PROTOCOLS[name]}": attainable(of, genres["target_precision"])
            for name, of in genres["protocols"].items()
        }
    )
    lines = [
        line
        for protocol, metrics in genres["protocols"].items()
        for line in meaning.of_accuracy(PROTOCOLS[protocol], metrics, genres["target_precision"])
    ]
    terminal.pairs({f"note {i}": line for i, line in enumerate(lines, start=1)})


def _by_protocol(
    title: str, key: str, protocols: Mapping[str, Any], form: Callable[[Any], str]
) -> list[tuple[str, ...]]:
    """A row per name in `key` of the protocols, a column per protocol."""
    names = next(iter(protocols.values()))[key]
    rows: list[tuple[str, ...]] = [(title, *(PROTOCOLS[name] for name in protocols))]
    for name in names:
        rows.append((name, *(form(of[key][name]) for of in protocols.values())))
    return rows


def _accepted(one: Mapping[str, float | None]) -> str:
    """Coverage, and the precision that was reached."""
    precision = "" if one["precision"] is None else f" ({one['precision']:.3f} right)"
    return f"{one['coverage']:.2f}{precision}"


def _study_rows(title: str, metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The classifier, then its steps and the baselines, each with what it gains over them."""
    rows: list[tuple[str, ...]] = [
        (title, "accuracy", "macro-F1", "ECE", "classifier minus this, points")
    ]
    for name, one in {
        "the whole classifier": metrics["cnn"],
        **metrics["ladder"],
        **metrics["baselines"],
    }.items():
        measures = ("accuracy", "macro_f1", "ece")
        rows.append((name, *(spread(one[key]) for key in measures), gained(one.get("cnn_gain"))))
    return rows


def reasons(rows: Mapping[str, Any]) -> str:
    """How many rows are set aside, and why."""
    listed = ", ".join(f"{reason} {n:,}" for reason, n in rows["reasons"].items())
    return f"{rows['read'] - rows['accepted']:,}" + (f" ({listed})" if listed else "")


def _drift(drift: Mapping[str, Any]) -> str:
    """What warns; nothing where nothing does."""
    if not drift["judged"]:
        return f"not judged: fewer than {drift['limits']['min_tracks']:,} tracks"
    return ", ".join(beyond(drift, WARN))


def _scored(manifest: Mapping[str, Any]) -> str:
    """How much an incremental run scored; nothing of a full one."""
    if not manifest["incremental"]["asked"]:
        return ""
    if because := manifest["incremental"]["in_full_because"]:
        return f"all tracks: {because}"
    anew = sum(run["tracks"] for run in manifest["runs"] if run["run_id"] == manifest["run_id"])
    return f"{anew:,} of {manifest['rows']['labelled']:,} tracks, the rest carried over"


def _replaced(old: Mapping[str, Any] | None) -> str:
    if old is None:
        return ""
    rows = (old["rows"] or {}).get("labelled", 0)
    return f"{rows:,} tracks of {old['scored_at']}, model {old['model_id']}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def _numbered(names: list[str]) -> str:
    return f"{len(names)}: " + ", ".join(names)


def _ids(ids: Iterable[int]) -> str:
    return ", ".join(map(str, ids))


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
