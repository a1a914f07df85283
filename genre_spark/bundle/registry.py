"""Bundles by path or name, and the model registry: ``ROOT/NAME/VERSION``, ``NAME@champion``.

New bundles appear whole or not at all; remote ones are fetched.

What an alias means is never rewritten: each promotion is a file of its own,
``NAME/_promotions/000001.json`` and so on, and the latest one counts. So readers never find half an
alias, two promotions at once cannot both be the next one, and the history is all there.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasPath, BaseModel, BeforeValidator, ConfigDict, Field
from pyspark.sql import SparkSession

from genre_spark._model import Count, Finite, Share, SparseModel, StrictModel
from genre_spark.bundle import files
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.genre_metrics import Protocol
from genre_spark.errors import BundleError, ConfigError, InputError, OutputError
from genre_spark.platform import atomic_directory
from genre_spark.platform.hadoop import GetSpark, storage_at, storage_of
from genre_spark.platform.storage import LocalStorage, Storage, is_remote, local_path

CHAMPION = "champion"
# Other registries by the start of their references: a name, and the module, which needs an extra.
OTHERS = {"models:/": ("mlflow", "genre_spark.scoring.mlflow_model")}
PROMOTIONS = "_promotions"
# Bytes of a whole bundle; its network has some hundred thousand weights.
MAX_BYTES = 2**30
# No dots: abfs://container@account.dfs.core.windows.net names no alias.
_ALIAS = r"[A-Za-z][\w-]*"
_ALIASED = re.compile(rf"(?P<folder>.*[^/])@(?P<alias>{_ALIAS})")
_VERSIONED = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


class ComparedAccuracy(SparseModel):
    """Accuracies of two models on the same tracks.

    `labelled`: Labelled tracks of the catalogue; this and the following of a comparison on a
        catalogue.
    `won`, `lost`: Tracks that only the candidate, or only the champion, labels right.
    """

    tracks: Count
    champion: Finite
    candidate: Finite
    labelled: Count | None = None
    artists: Count | None = None
    won: Count | None = None
    lost: Count | None = None


class Evidence(SparseModel):
    """Comparison of a candidate with the champion; other fields, of earlier versions, are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    by: str
    source: str | None = None
    protocols: dict[Protocol, ComparedAccuracy]


class Promotion(StrictModel):
    """What an alias means from some time on.

    `at`: ISO 8601.
    `evidence`: By which the gate was met; None where there was nothing to compare with.
    """

    alias: str
    version: str
    model_id: str
    at: str
    evidence: Evidence | None = None


class Listed(BaseModel):
    """What a list shows of a ``bundle.json``, of any version of the format; all else is ignored."""

    kind: str
    model_id: str
    created_at: str
    accuracy: dict[Protocol, Annotated[Share, BeforeValidator(itemgetter("accuracy"))]] = Field(
        {}, validation_alias=AliasPath("genres", "protocols")
    )


@dataclass(frozen=True)
class Entry:
    """One bundle of a registry, as its ``bundle.json`` says, unverified.

    `version`: None for a bundle that stands right under the root.
    `manifest`: None where it cannot be read.
    """

    name: str
    version: str | None
    path: str
    manifest: Listed | None
    aliases: tuple[str, ...]


def _registry_of(reference: str) -> Any:
    """The module that finds, fetches and promotes a bundle: that of folders, or of another registry."""
    modules = [of for start, (_, of) in OTHERS.items() if reference.startswith(start)]
    return import_module(modules[0] if modules else __name__)


def open_bundle(get_spark: GetSpark, reference: str, root: str) -> Bundle:
    """A verified bundle by its path or name; see `locate`.

    Raises `BundleError` if it is not there, or cannot be trusted.
    """
    path = _registry_of(reference).locate(get_spark, reference, root)
    with on_disk(get_spark, path) as opened:
        return opened


@contextmanager
def on_disk(get_spark: GetSpark, path: str) -> Iterator[Bundle]:
    """A verified bundle whose files are on the local disk for as long as the block lasts."""
    if not is_remote(path):
        if not local_path(path).exists():
            raise BundleError(f"{path}: no such bundle")
        yield files.load(local_path(path))
        return
    with tempfile.TemporaryDirectory(prefix="genre-spark-") as folder:
        copy = _registry_of(path).download(get_spark, path, Path(folder), MAX_BYTES)
        yield replace(files.load(copy), reference=path)


def aliases_of(get_spark: GetSpark, path: str) -> "VersionAliases":
    """The aliases of a model, as seen from the version at a path."""
    made: VersionAliases = _registry_of(path).VersionAliases(get_spark, path)
    return made


def check_output(spark: SparkSession, output: str, inputs: list[str]) -> None:
    """Refuses a place for a new bundle where something is, since bundles are immutable.

    Raises `OutputError`, also if it contains an input, or lies inside one.
    """
    storage = storage_of(spark, output)
    path = storage.resolve(output)
    if storage.exists(path) and not (storage.is_dir(path) and not storage.names(path)):
        raise OutputError(
            f"--output {output}: exists; bundles are never overwritten. Choose a new name,"
            " or delete it yourself"
        )
    atomic_directory.check_apart(storage, output, inputs)


@contextmanager
def new_bundle(spark: SparkSession, output: str) -> Iterator[Path]:
    """A local folder to make a bundle in; it appears at `output` when the block is done.

    Raises `OutputError` if another run is making it, or it is there by now.
    """
    storage = storage_of(spark, output)
    with (
        atomic_directory.publishing(storage, storage.resolve(output), kind=None) as target,
        atomic_directory.staging_locally(storage, target) as folder,
    ):
        yield folder


def locate(get_spark: GetSpark, reference: str, root: str) -> str:
    """The path of a bundle.

    Raises `BundleError` if an alias has never been given, or its bundle is no longer the one that
    it was given to.

    `get_spark`: Called for what only Hadoop can reach.
    `reference`: A path; ``NAME@alias``, where NAME may be a path too; or ``NAME/VERSION``. What
        stands at the path goes before what has the name.
    """
    found = _ALIASED.fullmatch(reference)
    if not found and is_remote(reference):
        return reference
    if not is_remote(reference) and LocalStorage().exists(reference):
        return reference
    if found:
        folder = found["folder"] if "/" in found["folder"] else f"{root}/{found['folder']}"
        return _of_alias(storage_at(get_spark, folder), folder, found["alias"])
    named = f"{root}/{reference}"
    is_name = _VERSIONED.fullmatch(reference)
    return named if is_name and storage_at(get_spark, named).exists(named) else reference


def download(get_spark: GetSpark, path: str, folder: Path, max_bytes: int) -> Path:
    """A copy of a bundle, to below a local folder; unverified.

    Raises `BundleError` if it cannot be fetched.
    """
    copy = folder / "bundle"
    try:
        storage_at(get_spark, path).download(path, copy, max_bytes)
    except InputError as err:
        raise BundleError(f"{path}: cannot be fetched: {err}") from err
    return copy


class VersionAliases:
    """Aliases of a model, as seen from one of its versions; other registries have the same class."""

    def __init__(self, get_spark: GetSpark, path: str):
        self._folder, _, self.version = path.rstrip("/").rpartition("/")
        self._storage = storage_at(get_spark, path)

    def made(self) -> list[Promotion]:
        """All promotions, the oldest first."""
        return promotions(self._storage, self._folder)

    def current(self, alias: str) -> tuple[str, str] | None:
        """Path and model_id of the version that has an alias; None if no version has it."""
        found = current(self.made()).get(alias)
        return (_of_alias(self._storage, self._folder, alias), found.model_id) if found else None

    def give(self, promotion: Promotion, seen: int) -> None:
        """Gives an alias to this version; see `promote`."""
        promote(self._storage, self._folder, promotion, seen)


def entries(get_spark: GetSpark, root: str) -> list[Entry]:
    """All bundles of a registry, in order of their names and versions.

    Raises `BundleError` if there is no such folder.
    """
    storage = storage_at(get_spark, root)
    if not storage.is_dir(root):
        raise BundleError(f"{root}: no such registry; name its folder with --registry PATH")
    found = []
    for name in _folders(storage, root):
        folder = f"{root}/{name}"
        if storage.exists(f"{folder}/{files.MANIFEST}"):
            found.append(Entry(name, None, folder, _manifest(storage, folder), ()))
            continue
        made = current(promotions(storage, folder))
        for version in _folders(storage, folder):
            path = f"{folder}/{version}"
            if storage.exists(f"{path}/{files.MANIFEST}"):
                aliases = tuple(alias for alias, one in made.items() if one.version == version)
                found.append(Entry(name, version, path, _manifest(storage, path), aliases))
    return found


def promotions(storage: Storage, folder: str) -> list[Promotion]:
    """All promotions of a model, the oldest first. Raises `BundleError` if one cannot be read."""
    made: list[Promotion] = []
    # Numbered without a gap, so that nobody need list a folder of an object store.
    while storage.exists(path := _file(folder, len(made) + 1)):
        made.append(_read(storage, path))
    return made


def promote(storage: Storage, folder: str, promotion: Promotion, seen: int) -> None:
    """Gives an alias to a version.

    Raises `OutputError` if another promotion was made meanwhile.

    `seen`: How many promotions there were when it was decided.
    """
    storage.make_dirs(f"{folder}/{PROMOTIONS}")
    content = promotion.model_dump(mode="json")
    text = json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False)
    if not storage.create_new(_file(folder, seen + 1), text + "\n"):
        raise OutputError(f"{folder}: another promotion was made meanwhile; look at it, and again")


def check_place(path: str, alias: str, root: str) -> None:
    """Checks that an alias, and what is to have it, will be found again by their names.

    Raises `ConfigError` if the alias cannot be written in a reference. Raises `BundleError` if the
    bundle has no version.
    """
    if not re.fullmatch(_ALIAS, alias):
        raise ConfigError(f"--alias {alias}: should be letters, digits, _ and -, a letter first")
    folder = path.rstrip("/").rpartition("/")[0]
    if folder in ("", root.rstrip("/")):
        raise BundleError(
            f"{path}: has no version, so that an alias could mean no other; copy it to"
            f" {root}/NAME/VERSION and promote that"
        )


def current(made: list[Promotion]) -> dict[str, Promotion]:
    """The promotion that counts, per alias."""
    return {one.alias: one for one in made}


def _of_alias(storage: Storage, folder: str, alias: str) -> str:
    made = current(promotions(storage, folder))
    if alias not in made:
        given = ", ".join(sorted(made)) or "none"
        raise BundleError(f"{folder}: has no {alias}; aliases given so far: {given}")
    path = f"{folder}/{made[alias].version}"
    manifest = _manifest(storage, path)
    found = manifest.model_id if manifest else None
    if found != made[alias].model_id:
        raise BundleError(
            f"{path}: is not the model that became {alias}: its model_id is"
            f" {found or 'unreadable'}, was {made[alias].model_id}. Promote a version that is there"
        )
    return path


def _folders(storage: Storage, path: str) -> list[str]:
    names = (name for name in storage.names(path) if name[0] not in "._")
    return [name for name in names if storage.is_dir(f"{path}/{name}")]


def _manifest(storage: Storage, path: str) -> Listed | None:
    """What ``bundle.json`` says, unverified; None where it cannot be listed."""
    try:
        found = storage.read_text(f"{path}/{files.MANIFEST}", files.MAX_MANIFEST)
        return Listed.model_validate_json(found)
    except Exception:  # a file system raises what it likes; `verify` says what is wrong
        return None


def _file(folder: str, number: int) -> str:
    return f"{folder}/{PROMOTIONS}/{number:06d}.json"


def _read(storage: Storage, path: str) -> Promotion:
    try:
        made = Promotion.model_validate(json.loads(storage.read_text(path)))
        # A version is a folder right inside that of the model, and no other place.
        is_elsewhere = made.version in ("", ".", "..") or set(made.version) & set("/\\\0")
        if not re.fullmatch(_ALIAS, made.alias) or is_elsewhere:
            raise ValueError("names what cannot be promoted")
        return made
    except Exception as err:  # a file system raises what it likes
        raise BundleError(f"{path}: is damaged, or being written; try again, or delete it") from err
