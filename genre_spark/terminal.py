"""What people see: one line of progress, then tables; or JSON for machines."""

import json
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
from rich.status import Status
from rich.table import Column, Table

from genre_spark.drift import WARN, beyond
from genre_spark.wording import MODEL, PROTOCOLS, gained, spread

# Seconds between two lines on how far a step has come, where each stays.
_BETWEEN_LINES = 30.0
_PUBLISHED = {True: "labelled catalogue", False: "would be published at"}


@dataclass(frozen=True, eq=False)
class Step:
    """Something that is being done.

    Attributes
    ----------
    message : str
    tracks : int
        It is done with so many; 0 where that is not known.
    """

    message: str
    tracks: int


class Terminal:
    """Progress goes to standard error, results to standard output.

    Parameters
    ----------
    as_json : bool
        Results as JSON instead of tables.
    silent : bool
        No progress.
    progress : callable, optional
        Told each line of progress, where it is not for standard error.

    Attributes
    ----------
    shown : mapping or sequence
        The summary that was shown last.
    step : Step
        What was said last.
    """

    def __init__(
        self,
        as_json: bool = False,
        silent: bool = False,
        progress: Callable[[str], None] | None = None,
    ):
        self.shown: Any = {}
        self.step = Step("", 0)
        self._told_at = 0.0
        self._tell = progress
        self._as_json = as_json
        self._silent = silent
        self._progress = Console(stderr=True)
        self._results = Console()
        self._status: Status | None = None

    def say(self, message: str, tracks: int = 0) -> None:
        """One line of progress: replaced by the next in a terminal, a line of its own elsewhere."""
        self.step = Step(message, tracks)
        self._line(message)

    def add(self, how_far: str) -> None:
        """Says how far the step has come: at once in a terminal, now and then elsewhere."""
        watched = self._progress.is_terminal and not self._tell
        if how_far and (watched or time.monotonic() - self._told_at >= _BETWEEN_LINES):
            self._line(f"{self.step.message}: {how_far}")

    def _line(self, message: str) -> None:
        if self._silent:
            return
        self._told_at = time.monotonic()
        if self._tell:
            self._tell(message)
        elif not self._progress.is_terminal:
            print(message, file=sys.stderr, flush=True)
        elif self._status is None:
            self._status = self._progress.status(escape(message))
            self._status.start()
        else:
            self._status.update(escape(message))

    def close(self) -> None:
        """Takes the line of progress away."""
        if self._status:
            self._status.stop()
            self._status = None

    @contextmanager
    def downloading(self, what: str) -> Iterator[Callable[[int, int | None], None]]:
        """A bar in a terminal, a line elsewhere; the block tells the bytes it has, and of how many."""
        if self._silent or self._tell or not self._progress.is_terminal:
            self.say(what)
            yield lambda have, total: None
            return
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
        with Progress(*columns, TransferSpeedColumn(), console=self._progress) as bar:
            task = bar.add_task(escape(what), total=None)
            yield lambda have, total: bar.update(task, completed=have, total=total)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """A drawn table in a terminal, tab-separated lines elsewhere."""
        self.close()
        head, *rest = [tuple(map(_printable, row)) for row in rows]
        if not self._results.is_terminal:
            for row in (head, *rest):
                print("\t".join(row))
            return
        # Rather a line more than half an id.
        table = Table(*(Column(name, overflow="fold") for name in head))
        for row in rest:
            table.add_row(*map(escape, row))
        self._results.print(table)

    def pairs(self, pairs: Mapping[str, str]) -> None:
        """Two columns in a terminal, ``name: value`` lines elsewhere."""
        self.close()
        said = {name: _printable(value) for name, value in pairs.items() if value}
        if not self._results.is_terminal:
            for name, value in said.items():
                print(f"{name}: {value}")
            return
        table = Table.grid(padding=(0, 2))
        for name, value in said.items():
            table.add_row(name, escape(value))
        self._results.print(table)

    def show(
        self,
        summary: Mapping[str, Any],
        parts: Iterable[Mapping[str, str] | Sequence[Sequence[str]]],
    ) -> None:
        """A summary for machines, or its parts for people: pairs, and tables with a head."""
        if self.told_as_json(summary):
            return
        for part in parts:
            if isinstance(part, Mapping):
                self.pairs(part)
            else:
                self.table(part)

    def show_next(self, *words: str) -> None:
        """The command to type next, for people."""
        if not self._as_json:
            self.pairs({"next": shlex.join(("genre-spark", *words))})

    def told_as_json(self, summary: Any) -> bool:
        """Prints the summary for machines, if they asked for it."""
        self.shown = summary
        if self._as_json:
            self.close()
            print(json.dumps(summary, ensure_ascii=False))
        return self._as_json

    def show_bundle(self, summary: Mapping[str, Any]) -> None:
        """What cluster or train made."""
        if self.told_as_json(summary):
            return
        self.pairs(
            {
                "tracks": f"{summary['rows']['accepted']:,} of {summary['rows']['read']:,} rows",
                "quarantined": reasons(summary["rows"]),
                "left out (the catalogue lacks them)": ", ".join(summary["left_out"]),
                "synthetic genres": _numbered(summary["synthetic_genres"]),
            }
        )
        self._discovered(summary)
        if "genres" in summary:
            self._accuracy(summary["genres"])
        logged = summary.get("mlflow", {}).get("model_uri", "")
        self.pairs(
            {"model id": summary["model_id"], "bundle": summary["bundle"], "in MLflow": logged}
        )

    def show_study(self, summary: Mapping[str, Any]) -> None:
        """What evaluate found."""
        if self.told_as_json(summary):
            return
        n_seeds = len(summary["seeds"])
        self.pairs(
            {
                "labelled tracks": f"{summary['tracks']:,}",
                "splits of each protocol": f"{n_seeds}",
                **{f"no {PROTOCOLS[name]}": why for name, why in summary["skipped"].items()},
            }
        )
        for protocol, metrics in summary["protocols"].items():
            self.table(_study_rows(PROTOCOLS[protocol], metrics))
        self.pairs({"tables and pictures": f"{summary['path']}/evaluation.md"})

    def show_labels(self, manifest: Mapping[str, Any]) -> None:
        """What score published."""
        if self.told_as_json(manifest):
            return
        labels, rows = manifest["labels"], manifest["rows"]
        genres = {name: f"{n:,}" for name, n in list(labels["genres"].items())[:10]}
        self.pairs(
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

    def show_report(self, summary: Mapping[str, Any]) -> None:
        """Where the page is, and its pictures."""
        if not self.told_as_json(summary):
            self.pairs(summary)

    def show_demo(self, summary: Mapping[str, Any]) -> None:
        """What the demo found, and what to look at next."""
        if self.told_as_json(summary):
            return
        trained, scored = summary["trained"], summary["scored"]
        self.pairs(
            {
                "tracks": f"{scored['rows']['labelled']:,} of {scored['rows']['read']:,} rows",
                "quarantined": reasons(scored["rows"]),
                "synthetic genres": _numbered(trained["synthetic_genres"]),
            }
        )
        self._accuracy(trained["genres"])
        paths = summary["paths"]
        self.pairs(
            {
                "labelled catalogue": paths["labelled catalogue"],
                "model": paths["model"],
                "look at next": paths["report"],
            }
        )

    def _discovered(self, summary: Mapping[str, Any]) -> None:
        """How firm synthetic genres are, and what changed."""
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
        self.pairs(stability | said)

    def _accuracy(self, genres: Mapping[str, Any]) -> None:
        target = f"coverage at {genres['target_precision']:.0%}"
        rows = [("held out", "tracks", "accuracy", "best baseline", "majority", "ECE", target)]
        for protocol, metrics in genres["protocols"].items():
            name, best = max(metrics["baselines"].items(), key=lambda item: item[1])
            majority = metrics["baselines"]["majority"]
            rows.append(
                (
                    PROTOCOLS[protocol],
                    f"{metrics['tracks']:,}",
                    f"{metrics['accuracy']:.3f}",
                    f"{best:.3f} ({name})",
                    f"{majority:.3f}",
                    f"{metrics['ece']:.3f}",
                    f"{metrics['coverage']:.2f}",
                )
            )
        self.table(rows)


def _study_rows(title: str, metrics: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """The CNN, then the others, each with what the CNN gains over it."""
    rows: list[tuple[str, ...]] = [(title, "accuracy", "macro-F1", "ECE", "CNN minus this, points")]
    for name, one in {
        MODEL: metrics["cnn"],
        **metrics["ablations"],
        **metrics["baselines"],
    }.items():
        measures = ("accuracy", "macro_f1", "ece")
        rows.append((name, *(spread(one[key]) for key in measures), gained(one.get("cnn_gain"))))
    return rows


def reasons(rows: Mapping[str, Any]) -> str:
    """How many rows are set aside, and why."""
    listed = ", ".join(f"{reason} {n:,}" for reason, n in rows["reasons"].items())
    return f"{rows['read'] - rows['accepted']:,}" + (f" ({listed})" if listed else "")


def _printable(text: str) -> str:
    """Without what a terminal would obey: genres and paths are whatever somebody typed."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)


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
