"""The well-known public tables: what each is, for `datasets` and `fetch`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from genre_spark._model import StrictModel
from genre_spark.catalog.download import Advance, fetch
from genre_spark.errors import ConfigError
from genre_spark.source import Dataset, Download, Origin, dataset_names, load_dataset


@dataclass(frozen=True)
class KnownTable:
    """A well-known table.

    Attributes
    ----------
    how_to_get : str
        A command, or where to go.
    """

    name: str
    how_to_get: str
    dataset: Dataset
    origin: Origin

    def summary(self) -> dict[str, Any]:
        """The same for machines."""
        dataset = self.dataset.model_dump(exclude_defaults=True)
        return {"name": self.name, "get": self.how_to_get, **dataset}


def listed() -> list[KnownTable]:
    """All of them, by name."""
    return [described(name) for name in dataset_names()]


def described(name: str) -> KnownTable:
    """One of them.

    Raises
    ------
    ConfigError
        Where there is none of that name.
    """
    if name not in dataset_names():
        raise ConfigError(f"{name}: no such dataset; there are {', '.join(dataset_names())}")
    dataset = load_dataset(name)
    origin = dataset.origin
    if origin is None:
        raise ConfigError(f"{name}: its dataset file does not say where the table comes from")
    how = f"genre-spark fetch {name}" if origin.download else origin.how
    return KnownTable(name, how, dataset, origin)


def where_to(name: str, output: str | None) -> Path:
    """Where a table goes.

    Raises
    ------
    ConfigError
        Where there is none of that name, or it is not hosted openly; then it says where to go.
    """
    origin, _ = _hosted(name)
    return Path(output or origin.file)


class Fetched(StrictModel):
    """A table that is there now; ``fetched`` is False where it already was."""

    dataset: str
    path: str
    bytes: int
    fetched: bool
    licence: str


def get(name: str, target: Path, advance: Advance) -> Fetched:
    """Downloads a table to `target`, from `where_to`; see `download.fetch`."""
    origin, download = _hosted(name)
    fetched = fetch(download, target, advance)
    return Fetched(
        dataset=name,
        path=str(target),
        bytes=target.stat().st_size,
        fetched=fetched,
        licence=origin.licence,
    )


def _hosted(name: str) -> tuple[Origin, Download]:
    origin = described(name).origin
    if origin.download is None:
        raise ConfigError(
            f"{name} is not among the tables that can be fetched. How to get {origin.file}:"
            f" {origin.how} ({origin.page}); then give it as --catalog, with --dataset {name}"
        )
    return origin, origin.download
