"""What a published directory consists of: its manifest lists its files, all others are foreign."""

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from genre_spark.errors import InputError
from genre_spark.platform.storage import Storage

MANIFEST = "_manifest.json"
QUARANTINE = "_quarantine"
QUARANTINED = ".quarantined"
MADE_BY = "genre-spark"
_PARQUET = ".parquet"


@dataclass(frozen=True)
class Kind:
    """A kind of directory that genre-spark publishes.

    Attributes
    ----------
    manifest : str
        The file that says who made it, and lists its files.
    """

    manifest: str


CATALOGUE = Kind(MANIFEST)
STUDY = Kind("evaluation.json")


@dataclass(frozen=True)
class Target:
    """Where a catalogue is published, and the names that are used beside it meanwhile."""

    path: str
    run_id: str

    @property
    def parent(self) -> str:
        """The directory that holds the catalogue's."""
        above = self.path.rpartition("/")[0]
        # The root of a file system keeps its slash: `hdfs://host:8020` alone is no path.
        return above if urlparse(above).path.strip("/") else f"{above}/"

    @property
    def hidden(self) -> str:
        """Common start of the names beside the catalogue; readers of the parent skip it."""
        return f".{self.path.rpartition('/')[2]}."

    @property
    def staging(self) -> str:
        """Where the new catalogue is made."""
        return self._beside(f"{self.hidden}staging-{self.run_id}")

    @property
    def retired(self) -> str:
        """A whole catalogue that waits for the switch, or that was switched off."""
        return self._beside(f"{self.hidden}retired-{self.run_id}")

    @property
    def kept(self) -> str:
        """Where files go that stood in the catalogue and that genre-spark did not publish."""
        return self._beside(f"{self.path.rpartition('/')[2]}.kept-{self.run_id}")

    @property
    def lock(self) -> str:
        """Start of the lock files' paths; see `locks`."""
        return self._beside(f"{self.hidden}lock-")

    def _beside(self, name: str) -> str:
        return f"{self.path.rpartition('/')[0]}/{name}"


def read_manifest(storage: Storage, path: str, kind: Kind = CATALOGUE) -> dict[str, Any] | None:
    """The manifest of a published directory; None where there is none of genre-spark's."""
    try:
        manifest = json.loads(storage.read_text(f"{path}/{kind.manifest}"))
    except Exception:  # a file system raises what it likes; whatever it is, there is no manifest
        return None
    return manifest if isinstance(manifest, dict) and manifest.get("made_by") == MADE_BY else None


def require_manifest(storage: Storage, path: str) -> dict[str, Any]:
    """The manifest of a labelled catalogue.

    Raises
    ------
    InputError
        Where the path is not a labelled catalogue.
    """
    manifest = read_manifest(storage, path)
    if manifest is None:
        if storage.exists(f"{path}/{MANIFEST}"):
            with suppress(OSError, ValueError):  # a pipe, or too large a file, is named as such
                storage.read_text(f"{path}/{MANIFEST}")
        raise InputError(f"{path}: not a labelled catalogue: it has no {MANIFEST} of genre-spark")
    return manifest


def hide(storage: Storage, quarantine: str) -> None:
    """Gives Parquet files another ending.

    DuckDB and Polars would take whatever ends on ``.parquet`` below a directory for its table.
    Spark, pandas, and whoever names the quarantine itself, read any name.
    """
    for name in storage.names(quarantine):
        if name.endswith(_PARQUET):
            hidden = name.removesuffix(_PARQUET) + QUARANTINED
            storage.rename(f"{quarantine}/{name}", f"{quarantine}/{hidden}")


def divide(storage: Storage, path: str, kind: Kind | None) -> tuple[list[str], list[str]]:
    """Files at a path that its manifest lists with their sizes, the manifest last; and all others.

    Where the path is a file and no directory, it is the only other.
    """
    if not storage.exists(path):
        return [], []
    found = storage.files(path)
    if found is None:
        return [], [path.rpartition("/")[2]]
    listed = _listed_files(storage, path, kind)
    if kind and listed is not None:
        listed = {**listed, kind.manifest: found.get(kind.manifest)}
    ours = {name for name, size in found.items() if listed and listed.get(name) == size}
    last = kind.manifest if kind else ""
    return sorted(ours, key=lambda name: (name == last, name)), sorted(set(found) - ours)


def _listed_files(storage: Storage, path: str, kind: Kind | None) -> dict[str, int | None] | None:
    """What the manifest of a directory lists; None where there is no such list."""
    manifest = read_manifest(storage, path, kind) if kind else None
    files = manifest.get("files") if manifest else None
    return files if isinstance(files, dict) else None


def is_partial(storage: Storage, path: str, kind: Kind | None) -> bool:
    """Whether a published directory has lost some of its files."""
    listed, found = _listed_files(storage, path, kind), storage.files(path) or {}
    return bool(set(listed or {}) - set(found))


def listed(names: list[str], limit: int = 3) -> str:
    """Names for a message."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
