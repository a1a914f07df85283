"""What people see: one line of progress, then tables; or JSON for machines."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.status import Status
from rich.table import Table

_PROTOCOLS = {"known": "known artists", "new": "new artists"}


class Terminal:
    """Progress goes to standard error, results to standard output.

    Parameters
    ----------
    as_json : bool
        Results as JSON instead of tables.
    """

    def __init__(self, as_json: bool = False):
        self._as_json = as_json
        self._progress = Console(stderr=True)
        self._results = Console(soft_wrap=True)
        self._status: Status | None = None

    def say(self, message: str) -> None:
        """One line of progress: replaced by the next in a terminal, a line of its own elsewhere."""
        if not self._progress.is_terminal:
            print(message, file=sys.stderr, flush=True)
        elif self._status is None:
            self._status = self._progress.status(message)
            self._status.start()
        else:
            self._status.update(message)

    def close(self) -> None:
        """Takes the line of progress away."""
        if self._status:
            self._status.stop()
            self._status = None

    def show_bundle(self, summary: Mapping[str, Any]) -> None:
        """What cluster or train made."""
        if self._json(summary):
            return
        self._pairs(
            {
                "tracks": f"{summary['rows']['accepted']:,} of {summary['rows']['read']:,} rows",
                "quarantined": _reasons(summary["rows"]),
                "left out (the catalogue lacks them)": ", ".join(summary["left_out"]),
                "synthetic genres": _numbered(summary["synthetic_genres"]),
            }
        )
        if "genres" in summary:
            self._accuracy(summary["genres"])
        self._pairs({"model id": summary["model_id"], "bundle": summary["bundle"]})

    def show_labels(self, manifest: Mapping[str, Any]) -> None:
        """What score published."""
        if self._json(manifest):
            return
        labels, rows = manifest["labels"], manifest["rows"]
        genres = {name: f"{n:,}" for name, n in list(labels["genres"].items())[:10]}
        self._pairs(
            {
                "labelled": f"{rows['labelled']:,} of {rows['read']:,} rows",
                "quarantined": _reasons(rows),
                "tracks with imputed features": f"{rows['imputed']:,}",
                "synthetic genres": _numbered(list(labels["synthetic_genres"])),
                "genres": ", ".join(f"{name} {n}" for name, n in genres.items()),
                "accepted": _percent(labels["accepted"]),
                "model id": manifest["model_id"],
                "labelled catalogue": manifest["path"],
            }
        )

    def show_paths(self, paths: Mapping[str, str]) -> None:
        """Where things are, and what to do next."""
        if not self._as_json:
            self._pairs(paths)

    def _accuracy(self, genres: Mapping[str, Any]) -> None:
        table = Table("held-out", "accuracy", "best baseline", "majority", "ECE", "coverage")
        for protocol, metrics in genres["protocols"].items():
            name, best = max(metrics["baselines"].items(), key=lambda item: item[1])
            table.add_row(
                f"{_PROTOCOLS[protocol]} ({metrics['tracks']:,} tracks)",
                f"{metrics['accuracy']:.3f}",
                f"{best:.3f} ({name})",
                f"{metrics['baselines']['majority']:.3f}",
                f"{metrics['ece']:.3f}",
                f"{metrics['coverage']:.2f}",
            )
        self.close()
        self._results.print(table)

    def _pairs(self, pairs: Mapping[str, str]) -> None:
        self.close()
        table = Table.grid(padding=(0, 2))
        for name, value in pairs.items():
            if value:
                table.add_row(name, value)
        self._results.print(table)

    def _json(self, summary: Mapping[str, Any]) -> bool:
        if self._as_json:
            self.close()
            print(json.dumps(summary, ensure_ascii=False))
        return self._as_json


def _reasons(rows: Mapping[str, Any]) -> str:
    quarantined = rows["read"] - rows["accepted"]
    reasons = ", ".join(f"{reason} {n:,}" for reason, n in rows["reasons"].items())
    return f"{quarantined:,}" + (f" ({reasons})" if reasons else "")


def _numbered(names: list[str]) -> str:
    return f"{len(names)}: " + ", ".join(names)


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.1%}"
