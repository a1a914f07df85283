"""Where bundles stand: new ones appear whole or not at all, remote ones are fetched."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from genre_spark.bundle import files, registry
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.registry import VersionAliases
from genre_spark.errors import BundleError, OutputError
from genre_spark.platform import atomic_directory
from genre_spark.platform.hadoop import GetSpark, storage_of
from genre_spark.platform.storage import is_remote, local_path

# Of a whole bundle; the network of a bundle has some hundred thousand weights.
MAX_BYTES = 2**30


def _registry_of(reference: str) -> Any:
    """The module that finds, fetches and promotes a bundle: that of folders, or of another registry."""
    modules = [of for start, (_, of) in registry.OTHERS.items() if reference.startswith(start)]
    return import_module(modules[0]) if modules else registry


def open_bundle(get_spark: GetSpark, reference: str, root: str) -> Bundle:
    """A verified bundle by its path or name; see `registry.locate`.

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


def aliases_of(get_spark: GetSpark, path: str) -> VersionAliases:
    """The aliases of a model, as seen from the version at a path."""
    made: VersionAliases = _registry_of(path).VersionAliases(get_spark, path)
    return made


def check_absent(spark: SparkSession, output: str) -> None:
    """Bundles are immutable: there must be nothing where a new one is to stand."""
    storage = storage_of(spark, output)
    path = storage.resolve(output)
    if storage.exists(path) and not (storage.is_dir(path) and not storage.names(path)):
        raise OutputError(
            f"--output {output}: exists; bundles are never overwritten. Choose a new name,"
            " or delete it yourself"
        )


@contextmanager
def new_bundle(spark: SparkSession, output: str) -> Iterator[Path]:
    """A local folder to make a bundle in; it appears at `output` when the block is done.

    Raises `OutputError` if another run is making it, or it is there by now.
    """
    made_in = Path(tempfile.mkdtemp(prefix="genre-spark-"))
    # Temporary folders are private to their owner; a bundle is for all who may read its parent.
    folder = made_in / "bundle"
    folder.mkdir()
    storage = storage_of(spark, output)
    try:
        with atomic_directory.publishing(storage, storage.resolve(output), kind=None) as target:
            yield folder
            storage.upload(folder, target.staging)
    finally:
        shutil.rmtree(made_in, ignore_errors=True)
