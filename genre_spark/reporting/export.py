"""Writes the figures of a report as PNG files: all or none, and never over other files."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from genre_spark.platform import atomic_directory
from genre_spark.platform.atomic_directory import Kind
from genre_spark.platform.storage import Storage
from genre_spark.reporting import charts
from genre_spark.reporting.document import Figure

GALLERY = Kind("_pictures.json")


def check_target(storage: Storage, output: str, inputs: list[str], allow_gap: bool = False) -> str:
    """The resolved directory of the pictures, once it is known to be safe; see `publish`.

    Raises `OutputError` if it holds anything but pictures of an earlier report, overlaps with an
    input or output, or is an object store, unless `allow_gap`.
    """
    return atomic_directory.check_target(storage, output, inputs, GALLERY, "--pictures", allow_gap)


def write(storage: Storage, path: str, figures: Iterable[Figure]) -> int:
    """Publishes each figure with its question, and their findings; returns their number.

    Parameters
    ----------
    path : str
        From `check_target`; pictures of an earlier report are replaced.
    """
    shown = {f"{figure.name}.png": figure for figure in figures}
    with (
        atomic_directory.publishing(storage, path, kind=GALLERY) as target,
        tempfile.TemporaryDirectory() as made,
    ):
        for name, figure in shown.items():
            (Path(made) / name).write_bytes(charts.png(figure))
        storage.upload(Path(made), target.staging)
        captions = {
            name: {"question": figure.question, "answer": figure.finding}
            for name, figure in shown.items()
        }
        atomic_directory.write_manifest(storage, target, {"pictures": captions}, GALLERY)
    return len(shown)
