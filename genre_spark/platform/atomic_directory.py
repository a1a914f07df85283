"""Publishes a directory safely: staged beside it, verified, then switched in one step."""

import fnmatch
import json
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlparse

from genre_spark.errors import InputError, OutputError
from genre_spark.platform import locks
from genre_spark.platform.storage import Storage
from genre_spark.schema import PARTITION_COLUMNS

MANIFEST = "_manifest.json"
QUARANTINE = "_quarantine"
SUCCESS = "_SUCCESS"
QUARANTINED = ".quarantined"
_PARQUET = ".parquet"
MADE_BY = "genre-spark"


@dataclass(frozen=True)
class Kind:
    """What a directory that genre-spark publishes consists of.

    Attributes
    ----------
    manifest : str
        The file that says who made it.
    others : str
        Names beside it, as a regular expression.
    """

    manifest: str
    others: str


_PARTITION = rf"({'|'.join(PARTITION_COLUMNS)})=\d+"
CATALOGUE = Kind(MANIFEST, rf"{QUARANTINE}|{SUCCESS}|part-.*\.parquet|{_PARTITION}")
STUDY = Kind("evaluation.json", r"evaluation\.md|[a-z_]+\.png")


@dataclass(frozen=True)
class Target:
    """Where a catalogue is published, and the names that are used beside it meanwhile."""

    path: str
    run_id: str

    @property
    def parent(self) -> str:
        """The directory that holds the catalogue's."""
        return self.path.rpartition("/")[0]

    @property
    def hidden(self) -> str:
        """Common start of the names beside the catalogue; readers of the parent skip it."""
        return f".{self.path.rpartition('/')[2]}."

    @property
    def staging(self) -> str:
        """Where the new catalogue is made."""
        return f"{self.parent}/{self.hidden}staging-{self.run_id}"

    @property
    def retired(self) -> str:
        """Where the old catalogue stands between two renames, if there have to be two."""
        return f"{self.parent}/{self.hidden}retired-{self.run_id}"

    @property
    def lock(self) -> str:
        """The file that says that somebody is publishing."""
        return f"{self.parent}/{self.hidden}lock"


def check_target(
    storage: Storage,
    output: str,
    inputs: list[str],
    kind: Kind = CATALOGUE,
    option: str = "--output",
    allow_gap: bool = False,
) -> str:
    """The resolved output, once it is known to be safe.

    Parameters
    ----------
    storage : Storage
    output : str
    inputs : list of str
    kind : Kind
        Of what is published.
    option : str
        By which the output was named, for messages.
    allow_gap : bool
        Take an object store too, where readers may find half of it during the switch.

    Raises
    ------
    OutputError
        Where output and an input contain each other, the output holds anything that genre-spark
        did not make, or a switch there has a gap.
    """
    path = storage.resolve(output)
    if os.path.ismount(path):
        raise OutputError(
            f"{option} {output}: is a mount point, which cannot be exchanged for another directory;"
            f" give a folder inside it: {output.rstrip('/')}/labelled"
        )
    if not (storage.renames_whole or allow_gap):
        raise OutputError(
            f"{option} {output}: an object store renames file by file, and readers could find half"
            " of what is published. Publish to HDFS or a local disk, or, where nobody reads"
            " meanwhile and one run at a time is sure, --set allow_gap=true"
        )
    for given in inputs:
        if _overlap(storage, path, given):
            raise OutputError(
                f"{option} {output}: lies inside the input {given}, or holds it;"
                " writing there would destroy what is read. Choose another directory"
            )
    if storage.exists(path) and not _is_replaceable(storage, path, kind):
        raise OutputError(
            f"{option} {output}: exists and was not made by genre-spark; it is left as it is."
            " Choose another directory"
        )
    return path


@contextmanager
def publishing(
    storage: Storage, path: str, switch: bool = True, run_id: str | None = None
) -> Iterator[Target]:
    """Holds the lock on an output; what the block puts into `Target.staging` is then published.

    Parameters
    ----------
    storage : Storage
    path : str
        From `check_target`.
    switch : bool
        False throws away what was staged.
    run_id : str, optional
        12 hexadecimal digits; one of its own by default.

    Raises
    ------
    OutputError
        Where another run is publishing there.
    """
    target = Target(path, run_id or uuid.uuid4().hex[:12])
    storage.make_dirs(target.parent)
    locks.acquire(storage, target.path, target.lock, f"{target.staging}-lock")
    try:
        _recover(storage, target)
        yield target
        if switch:
            _switch(storage, target)
    finally:
        storage.delete(target.staging)
        storage.delete(target.lock)


def hide(storage: Storage, quarantine: str) -> None:
    """Gives Parquet files another ending.

    DuckDB and Polars would take whatever ends on ``.parquet`` below a directory for its table.
    Spark, pandas, and whoever names the quarantine itself, read any name.
    """
    for name in storage.names(quarantine):
        if name.endswith(_PARQUET):
            hidden = name.removesuffix(_PARQUET) + QUARANTINED
            storage.rename(f"{quarantine}/{name}", f"{quarantine}/{hidden}")


def write_manifest(
    storage: Storage, target: Target, manifest: dict[str, Any], kind: Kind = CATALOGUE
) -> None:
    """Puts the manifest into the staged directory."""
    content = {"made_by": MADE_BY, "run_id": target.run_id, **manifest}
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    storage.write_text(f"{target.staging}/{kind.manifest}", text + "\n")


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


def _overlap(storage: Storage, path: str, given: str) -> bool:
    """Whether the output lies inside an input, maybe given as a pattern, or holds it."""
    scheme = urlparse(given).scheme
    if scheme not in ("", "file" if path.startswith("/") else urlparse(path).scheme):
        return False
    source = storage.resolve(given)
    # The part of the output that is as deep as the pattern is what the pattern can match.
    as_deep = "/".join(path.split("/")[: source.count("/") + 1])
    pattern = re.sub(r"\{.*?\}", "*", source)
    fixed = re.split(r"/[^/]*[*?\[{]", source)[0]
    return as_deep == source or fnmatch.fnmatchcase(as_deep, pattern) or _inside(fixed, path)


def _inside(path: str, other: str) -> bool:
    return f"{path}/".startswith(f"{other.rstrip('/')}/")


def _is_replaceable(storage: Storage, path: str, kind: Kind) -> bool:
    if not storage.is_dir(path):
        return False
    names = storage.names(path)
    if not names:
        return True
    if read_manifest(storage, path, kind) is None:
        return False
    return all(name == kind.manifest or re.fullmatch(kind.others, name) for name in names)


def _recover(storage: Storage, target: Target) -> None:
    """Puts a catalogue back that a killed run left aside, and deletes what else it left."""
    ours = re.compile(
        re.escape(target.hidden) + r"(staging-[0-9a-f]{12}(-lock)?|retired-[0-9a-f]{12})"
    )
    for name in filter(ours.fullmatch, storage.names(target.parent)):
        path = f"{target.parent}/{name}"
        if name.startswith(f"{target.hidden}retired-") and not storage.exists(target.path):
            storage.rename(path, target.path)
        else:
            storage.delete(path)


def _switch(storage: Storage, target: Target) -> None:
    """Readers see the old catalogue before and the new one after, never a part of either."""
    if not storage.exists(target.staging):
        raise OutputError(f"{target.path}: nothing was written for it; the old one stays")
    if not storage.exists(target.path):
        storage.rename(target.staging, target.path)
    elif not storage.exchange(target.staging, target.path):
        _switch_by_renames(storage, target)


def _switch_by_renames(storage: Storage, target: Target) -> None:
    """In two steps; a run that is killed between them is completed by the next one."""
    storage.rename(target.path, target.retired)
    try:
        storage.rename(target.staging, target.path)
    except OutputError:
        storage.rename(target.retired, target.path)
        raise
    storage.delete(target.retired)
