"""What every command has: settings, a terminal, and Spark once it needs it."""

import functools
import logging
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genre_spark import logs
from genre_spark.errors import exit_code

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from genre_spark.config import Settings
    from genre_spark.intake import Source
    from genre_spark.models import Entry, Promotion
    from genre_spark.terminal import Terminal

logger = logging.getLogger(__name__)

# Of a command, how it ended, and its summary.
Send = Callable[[str, Mapping[str, Any], Mapping[str, Any]], None]


@dataclass
class Job:
    """One run of a command.

    Attributes
    ----------
    settings : Settings
    terminal : Terminal
    master : str or None
        Spark's master URL.
    run_id : str
        In the logs, in the metrics, and in the manifest of what is published.
    session : SparkSession or None
        None until `spark` is called.
    """

    settings: "Settings"
    terminal: "Terminal"
    master: str | None
    run_id: str
    session: "SparkSession | None" = None

    def spark(self) -> "SparkSession":
        """The session; started late, so that mistakes in the options are told at once."""
        from genre_spark.session import get_session

        if self.session is None:
            self.terminal.say("starting Spark")
            self.session = get_session(self.master, self.settings.scoring.batch_rows)
        return self.session

    def model(self, reference: str) -> str:
        """The path of a bundle, by its path or name; what is local is verified before Spark starts.

        Raises
        ------
        BundleError
            Where it is not there, or cannot be trusted.
        """
        from genre_spark import models, registry

        root = self.settings.models.registry
        needs_spark = _is_remote(reference) or (models.is_name(reference) and _is_remote(root))
        path = models.locate(self.spark() if needs_spark else None, reference, root)
        registry.open_local(path)
        return path

    def entries(self) -> "list[Entry]":
        """The models of the registry."""
        from genre_spark import models

        root = self.settings.models.registry
        return models.entries(self.spark() if _is_remote(root) else None, root)

    def promotions(self, path: str) -> "list[Promotion]":
        """What a version has been promoted to."""
        from genre_spark import models
        from genre_spark.hadoop import storage_of

        folder, _, version = path.rstrip("/").rpartition("/")
        made = models.promotions(storage_of(self.session, path), folder)
        return [one for one in made if one.version == version]


def _is_remote(path: str) -> bool:
    from genre_spark.storage import is_remote

    return is_remote(path)


@contextmanager
def open_job(
    config: str | None,
    overrides: tuple[str, ...],
    seed: int | None,
    master: str | None,
    as_json: bool,
    verbose: bool,
    log_format: str,
    metrics: str | None,
    command: str,
) -> Iterator[Job]:
    """A job by its options; what it started is stopped at the end of the block.

    Parameters
    ----------
    config, overrides, seed, master, as_json, verbose, log_format, metrics
        What the user gave; see `options`.
    command : str
        Its name, for logs and metrics.
    """
    from genre_spark.config import load_settings

    run_id = uuid.uuid4().hex[:12]
    logs.configure(log_format, verbose, run_id, command)
    if not verbose:
        # Libraries warn about each other, and of nothing that a user could mend.
        warnings.simplefilter("ignore")
    terminal = _terminal(as_json, log_format)
    with _told(command, run_id, terminal, _sender(metrics)):
        job = Job(load_settings(config, overrides, seed), terminal, master, run_id)
        try:
            yield job
        finally:
            job.terminal.close()
            if job.session:
                job.session.stop()


def _terminal(as_json: bool, log_format: str) -> "Terminal":
    from genre_spark.session import under_spark_submit
    from genre_spark.terminal import Terminal

    if log_format == logs.JSON:
        return Terminal(as_json, progress=logger.info)
    # spark-submit sends both outputs of Python to one, where machines want the JSON alone.
    silent = as_json and under_spark_submit()
    if silent:
        logging.disable(logging.WARNING)
    return Terminal(as_json, progress=(lambda _: None) if silent else None)


def _sender(target: str | None) -> Send:
    """What writes the metrics; where it is not installed, that is told now and not after the work."""
    if target is None:
        return lambda *_: None
    from genre_spark.metrics import send

    return functools.partial(send, target)


@contextmanager
def _told(command: str, run_id: str, terminal: "Terminal", send: Send) -> Iterator[None]:
    """Tells machines how a run ended: in its log, and in its metrics."""
    started, code = time.monotonic(), 0
    try:
        yield
    except BaseException as err:
        code = exit_code(err)
        raise
    finally:
        shown = terminal.shown if code == 0 else {}
        ended = {"exit_code": code, "seconds": round(time.monotonic() - started, 1)}
        if code == 0:
            logger.info("finished", extra={**ended, "summary": shown})
        send(command, {"run_id": run_id, **ended}, shown)


def source_of(path: str, dataset: str | None, fmt: str | None) -> "Source":
    """A catalogue by its options."""
    from genre_spark.config import load_dataset
    from genre_spark.intake import Source

    return Source(path, load_dataset(dataset), fmt)
