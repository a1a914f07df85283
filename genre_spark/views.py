"""What people see of tables: those that are known, one that is inspected, one that is labelled."""

from collections.abc import Mapping, Sequence
from typing import Any

from genre_spark.terminal import Terminal


def show_datasets(terminal: Terminal, datasets: Sequence[Mapping[str, Any]]) -> None:
    """All known tables."""
    if terminal.told_as_json(datasets):
        return
    rows = [("dataset", "rows", "genres", "file", "licence", "get it")]
    for one in datasets:
        origin = one["origin"]
        genres = f"{origin['genres']:,}" if "genres" in origin else "none"
        about = (f"{origin['rows']:,}", genres, _size(origin), origin["licence"])
        rows.append((one["name"], *about, one["get"]))
    terminal.table(rows)


def show_dataset(terminal: Terminal, dataset: Mapping[str, Any]) -> None:
    """One known table."""
    if terminal.told_as_json(dataset):
        return
    origin, name = dataset["origin"], dataset["name"]
    terminal.pairs(
        {
            "dataset": name,
            "about": dataset["about"],
            "page": origin["page"],
            "licence": origin["licence"],
            "file": f"{origin['file']} {_size(origin)}".strip(),
            "rows": f"{origin['rows']:,}",
            "genres": f"{origin.get('genres', 'none')}",
            "get it": dataset["get"],
            **{f"column {to}": by for to, by in dataset["columns"].items()},
            "extra features": ", ".join(dataset.get("extra_features", ())),
        }
    )


def show_fetched(terminal: Terminal, summary: Mapping[str, Any]) -> None:
    """Where a table is, and what to type next."""
    if terminal.told_as_json(summary):
        return
    name, path = summary["dataset"], summary["path"]
    terminal.pairs(
        {
            "fetched" if summary["fetched"] else "was there already": path,
            "bytes": f"{summary['bytes']:,}",
            "licence": summary["licence"],
            "next": f"genre-spark inspect --catalog {path} --dataset {name}",
        }
    )


def _size(origin: Mapping[str, Any]) -> str:
    return f"{origin['size'] / 1e6:.1f} MB" if "size" in origin else ""
