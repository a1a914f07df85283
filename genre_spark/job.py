"""What every command has: settings, a terminal, and Spark once it needs it."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from genre_spark.config import Settings
    from genre_spark.intake import Source
    from genre_spark.terminal import Terminal


@dataclass
class Job:
    """One run of a command.

    Attributes
    ----------
    settings : Settings
    terminal : Terminal
    master : str or None
        Spark's master URL.
    session : SparkSession or None
        None until `spark` is called.
    """

    settings: "Settings"
    terminal: "Terminal"
    master: str | None
    session: "SparkSession | None" = None

    def spark(self) -> "SparkSession":
        """The session; started late, so that mistakes in the options are told at once."""
        from genre_spark.session import get_session

        if self.session is None:
            self.terminal.say("starting Spark")
            self.session = get_session(self.master, self.settings.scoring.batch_rows)
        return self.session


@contextmanager
def open_job(
    config: str | None,
    overrides: tuple[str, ...],
    seed: int | None,
    master: str | None,
    as_json: bool,
    verbose: bool,
) -> Iterator[Job]:
    """A job by its options; what it started is stopped at the end of the block."""
    from genre_spark.config import load_settings
    from genre_spark.session import under_spark_submit
    from genre_spark.terminal import Terminal

    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(levelname)s: %(message)s",
        force=True,
    )
    for noisy in ("py4j", "tensorflow", "tf2onnx", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # spark-submit sends both outputs of Python to one, where machines want the JSON alone.
    silent = as_json and under_spark_submit()
    if silent:
        logging.disable(logging.WARNING)
    if not verbose:
        # Libraries warn about each other, and of nothing that a user could mend.
        warnings.simplefilter("ignore")
    job = Job(load_settings(config, overrides, seed), Terminal(as_json, silent), master)
    try:
        yield job
    finally:
        job.terminal.close()
        if job.session:
            job.session.stop()


def source_of(path: str, dataset: str | None, fmt: str | None) -> "Source":
    """A catalogue by its options."""
    from genre_spark.config import load_dataset
    from genre_spark.intake import Source

    return Source(path, load_dataset(dataset), fmt)
