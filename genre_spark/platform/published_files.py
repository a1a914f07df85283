"""What a published directory consists of: its manifest lists its files, all others are foreign."""

import json
from dataclasses import dataclass
from typing import Any

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
