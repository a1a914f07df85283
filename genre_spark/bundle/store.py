"""Where bundles stand: new ones appear whole or not at all, remote ones are fetched."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pyspark.sql import SparkSession

from genre_spark.bundle import files
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.registry import is_in_mlflow
from genre_spark.errors import BundleError, InputError, OutputError
from genre_spark.platform import atomic_directory
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.storage import is_remote, local_path

# Of a whole bundle; the network of a bundle has some hundred thousand weights.
MAX_BYTES = 2**30


def open_local(path: str, kind: Literal["clusters", "full"] | None = None) -> Bundle | None:
    """A verified bundle, local or of MLflow, before Spark starts; None for one only Hadoop reaches."""
    if is_in_mlflow(path):
        with on_disk(None, path, kind) as opened:
            return opened
    if is_remote(path):
        return None
    if not local_path(path).exists():
        raise BundleError(f"{path}: no such bundle")
    return files.load(local_path(path), kind=kind)


def open_bundle(
    spark: SparkSession | None, path: str, kind: Literal["clusters", "full"] | None = None
) -> Bundle:
    """A verified bundle from wherever Hadoop reads."""
    if local := open_local(path, kind):
        return local
    with on_disk(spark, path, kind) as opened:
        return opened


@contextmanager
def on_disk(
    spark: SparkSession | None, path: str, kind: Literal["clusters", "full"] | None = None
) -> Iterator[Bundle]:
    """A verified bundle whose files are on the local disk for as long as the block lasts."""
    local = None if is_in_mlflow(path) else open_local(path, kind)
    if local:
        yield local
        return
    with tempfile.TemporaryDirectory(prefix="genre-spark-") as folder:
        copy = files.load(_fetched(spark, path, Path(folder)), kind=kind)
        yield replace(copy, reference=path)


def _fetched(spark: SparkSession | None, path: str, folder: Path) -> Path:
    """A copy of a bundle, to below a local folder; unverified."""
    if is_in_mlflow(path):
        # Needs the extra `mlflow`.
        from genre_spark.bundle import mlflow_registry

        return mlflow_registry.download(path, folder, MAX_BYTES)
    copy = folder / "bundle"
    try:
        storage_of(spark, path).download(path, copy, MAX_BYTES)
    except InputError as err:
        raise BundleError(f"{path}: cannot be fetched: {err}") from err
    return copy


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

    Raises
    ------
    OutputError
        Where another run is making it, or it is there by now.
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
