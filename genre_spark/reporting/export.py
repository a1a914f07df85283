"""Writes the page, and its pictures as PNG files: whole, and never over other files."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from genre_spark.errors import OutputError
from genre_spark.platform import atomic_directory
from genre_spark.platform.atomic_directory import Kind
from genre_spark.platform.storage import Storage
from genre_spark.reporting.style import Answer

GALLERY = Kind("_pictures.json")
# By this, at the beginning of a page, it is known that a report may replace it.
PAGE_MARK = '<meta name="generator" content="genre-spark report">'
_HEAD = 2000


def check_page(storage: Storage, output: str) -> None:
    """Refuses to replace anything but the page of an earlier report.

    Raises
    ------
    OutputError
    """
    if not storage.exists(output):
        return
    if storage.is_dir(output) or PAGE_MARK not in storage.beginning(output, _HEAD):
        raise OutputError(
            f"--output {output}: exists and is no page of genre-spark report; it is left as it is."
            " Choose another name, or delete it yourself"
        )


def write_page(storage: Storage, output: str, html: str) -> None:
    """Writes the page over an earlier one, if there is one.

    Raises
    ------
    OutputError
        Where another file stands there by now.
    """
    check_page(storage, output)
    storage.write_text(output, html)


def check_target(storage: Storage, output: str, inputs: list[str], allow_gap: bool = False) -> str:
    """The resolved directory of the pictures, once it is known to be safe; see `publish`.

    Raises
    ------
    OutputError
        Where it holds anything but pictures of an earlier report, or what is read or written, or
        is an object store, unless `allow_gap`.
    """
    return atomic_directory.check_target(storage, output, inputs, GALLERY, "--pictures", allow_gap)


def write(storage: Storage, path: str, answers: Iterable[Answer]) -> int:
    """Publishes each picture under its question, and what is seen on it; gives their number.

    Parameters
    ----------
    storage : Storage
    path : str
        From `check_target`; pictures of an earlier report are replaced.
    answers : iterable of Answer
    """
    shown = {f"{answer.name}.png": answer for answer in answers}
    with (
        atomic_directory.publishing(storage, path, kind=GALLERY) as target,
        tempfile.TemporaryDirectory() as made,
    ):
        for name, answer in shown.items():
            (Path(made) / name).write_bytes(answer.picture.titled(answer.question))
        storage.upload(Path(made), target.staging)
        captions = {
            name: {"question": answer.question, "answer": answer.picture.finding}
            for name, answer in shown.items()
        }
        atomic_directory.write_manifest(storage, target, {"pictures": captions}, GALLERY)
    return len(shown)
