"""The well-known public tables: what each is, and what `datasets` and `fetch` say and do."""

from pathlib import Path
from typing import Any

from genre_spark.catalog.download import Advance, fetch
from genre_spark.errors import ConfigError
from genre_spark.source import Dataset, Origin, dataset_names, load_dataset


def listed() -> list[dict[str, Any]]:
    """All of them, by name."""
    return [described(name) for name in dataset_names()]


def described(name: str) -> dict[str, Any]:
    """One of them.

    Raises
    ------
    ConfigError
        Where there is none of that name.
    """
    dataset = _load(name)
    return {"name": name, "get": _how(name, dataset), **dataset.model_dump(exclude_defaults=True)}


def where_to(name: str, output: str | None) -> Path:
    """Where a table goes.

    Raises
    ------
    ConfigError
        Where there is none of that name, or it is not hosted openly; then it says where to go.
    """
    origin = _origin(name)
    if origin.download is None:
        raise ConfigError(
            f"{name} is not among the tables that can be fetched. How to get {origin.file}:"
            f" {origin.how} ({origin.page}); then give it as --catalog, with --dataset {name}"
        )
    return Path(output or origin.file)


def get(name: str, target: Path, advance: Advance) -> dict[str, Any]:
    """Downloads a table to `target`, from `where_to`; see `download.fetch`."""
    fetched = fetch(_origin(name).download, target, advance)
    return {
        "dataset": name,
        "path": str(target),
        "bytes": target.stat().st_size,
        "fetched": fetched,
        "licence": _origin(name).licence,
    }


def _load(name: str) -> Dataset:
    if name not in dataset_names():
        raise ConfigError(f"{name}: no such dataset; there are {', '.join(dataset_names())}")
    return load_dataset(name)


def _origin(name: str) -> Origin:
    return _load(name).origin


def _how(name: str, dataset: Dataset) -> str:
    return f"genre-spark fetch {name}" if dataset.origin.download else dataset.origin.how
