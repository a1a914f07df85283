"""What every command has: settings, a terminal, and Spark once it needs it."""

import functools
import logging
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from genre_spark.errors import ConfigError, exit_code
from genre_spark.monitoring import json_logs

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from genre_spark.bundle.files import Bundle
    from genre_spark.cli.options import OutputOptions, RunOptions
    from genre_spark.cli.terminal import Terminal
    from genre_spark.config import Settings
    from genre_spark.monitoring.finished_run import FinishedRun

logger = logging.getLogger(__name__)

Send = Callable[["FinishedRun"], None]

# Commands that run on Spark Connect too; the others need the driver's JVM, or no Spark.
ON_CONNECT = ("inspect", "score", "labels", "report")
# Makes --warm the default of these.
WARM = "GENRE_SPARK_WARM"


@dataclass
class Job:
    """One run of a command.

    Attributes
    ----------
    run_id : str
        In the logs, in the metrics, and in the manifest of what is published.
    session : SparkSession or None
        None until `spark` is called.
    """

    settings: "Settings"
    terminal: "Terminal"
    master: str | None
    run_id: str
    verbose: bool
    warm: bool = False
    remote: str | None = None
    session: "SparkSession | None" = None
    _open: ExitStack = field(default_factory=ExitStack)

    def spark(self, table: str | None = None) -> "SparkSession":
        """The session; started late, so that mistakes in the options are reported at once.

        Parameters
        ----------
        table : str, optional
            Path of the largest table that the command reads.
        """
        from genre_spark.platform import signals
        from genre_spark.platform.progress import Watch, stages_of

        if self.session is None:
            self.session = self._started(table)
            signals.raise_at_signals()
            terminal = self.terminal
            watch = Watch(stages_of(self.session), lambda: terminal.step, terminal.add)
            self._open.callback(watch.stop)
            watch.start()
        return self.session

    def _started(self, table: str | None) -> "SparkSession":
        from genre_spark.platform.session import get_session, is_small, on_connect

        batch_rows = self.settings.scoring.batch_rows
        if self.warm or self.remote:
            self.terminal.report_progress("connecting to Spark")
            return self._open.enter_context(on_connect(self.remote, self.master, batch_rows))
        self.terminal.report_progress("starting Spark")
        small = table is not None and is_small(table)
        session = get_session(self.master, batch_rows, self.verbose, small)
        self._open.callback(session.stop)
        return session

    def end(self) -> None:
        """Takes the line of progress away, and stops Spark, or leaves its server."""
        self._open.close()
        self.terminal.close()

    def model(self, reference: str) -> "Bundle":
        """A verified bundle by its path or name; Spark is started for what only Hadoop can reach.

        Raises `BundleError` if it is not there, or cannot be trusted.
        """
        from genre_spark.bundle import store

        return store.open_bundle(self.spark, reference, self.settings.models.registry)

    def run(self, pipeline: Any, request: Any) -> Any:
        """What a pipeline makes of a request, on a session that suits its table."""
        spark = self.spark(request.source.path)
        return pipeline.run(spark, request, self.terminal.report_progress)


@contextmanager
def job_of(run: "RunOptions") -> Iterator[Job]:
    """A job by its options; what it started is stopped at the end of the block."""
    from genre_spark.config import load_settings

    run_id, send = uuid.uuid4().hex[:12], _sender(run.metrics, run.openlineage)
    with (
        terminal_of(run.out, run.log_format, run_id, run.command) as terminal,
        _reported(run.command, run_id, terminal, send),
    ):
        warm = _is_warm(run)
        settings = load_settings(run.config, run.overrides, run.seed, run.settings)
        job = Job(settings, terminal, run.master, run_id, run.out.verbose, warm, run.remote)
        try:
            yield job
        finally:
            job.end()


def _is_warm(run: "RunOptions") -> bool:
    """Whether a command runs on the warm server: by its option, or by the variable if it can.

    Raises `ConfigError` if options exclude each other, or the command cannot run on Spark Connect.
    """
    option = "--remote" if run.remote else "--warm"
    if (run.remote or run.warm) and run.command not in ON_CONNECT:
        able = f"{', '.join(ON_CONNECT[:-1])} and {ON_CONNECT[-1]}"
        raise ConfigError(
            f"{run.command} does not run on Spark Connect, only {able} do: run it without {option}"
        )
    if run.remote and (run.warm or run.master):
        raise ConfigError("--remote names a running Spark: it excludes --warm and --master")
    wanted = os.environ.get(WARM, "") not in ("", "0") and run.command in ON_CONNECT
    return run.warm or (wanted and not run.remote and not run.master)


@contextmanager
def terminal_of(
    out: "OutputOptions", log_format: str = json_logs.TEXT, run_id: str = "", command: str = ""
) -> Iterator["Terminal"]:
    """A terminal for the time of a command; logs and warnings are set to the same options.

    Raises `ConfigError` if both less and more output is asked for.
    """
    from genre_spark.cli.terminal import Terminal
    from genre_spark.platform.session import under_spark_submit

    if out.quiet and out.verbose:
        raise ConfigError("--quiet and --verbose exclude each other")
    json_logs.configure(log_format, out.verbose, run_id, command)
    as_lines = log_format == json_logs.JSON
    # spark-submit sends both outputs of Python to one, where machines want the JSON alone; lines of
    # the log differ from it by their fields.
    silent = out.quiet or (out.as_json and under_spark_submit() and not as_lines)
    logging.disable(logging.WARNING if silent else logging.NOTSET)
    if not out.verbose:
        # Libraries warn about each other, and of nothing that a user could mend.
        warnings.simplefilter("ignore")
    terminal = Terminal(out.as_json, silent, logger.info if as_lines else None)
    try:
        yield terminal
    finally:
        terminal.close()


def _sender(metrics: str | None, lineage: str | None) -> Send:
    """Writes metrics and lineage; a missing library is reported now and not after the work."""
    sends: list[Send] = []
    if metrics is not None:
        from genre_spark.monitoring import prometheus

        sends.append(functools.partial(prometheus.send, metrics))
    if lineage is not None:
        from genre_spark.monitoring import openlineage

        sends.append(functools.partial(openlineage.send, lineage))

    def send(run: "FinishedRun") -> None:
        for one in sends:
            one(run)

    return send


@contextmanager
def _reported(command: str, run_id: str, terminal: "Terminal", send: Send) -> Iterator[None]:
    """Writes how a run ended to its log and to its metrics."""
    from genre_spark.monitoring.finished_run import Facts, FinishedRun

    started, code = time.monotonic(), 0
    try:
        yield
    except BaseException as err:
        code = exit_code(err)
        raise
    finally:
        seconds = round(time.monotonic() - started, 1)
        if code == 0:
            ended = {"exit_code": code, "seconds": seconds, "summary": terminal.shown}
            logger.info("finished", extra=ended)
        facts = terminal.facts if code == 0 else Facts()
        send(FinishedRun(command, run_id, code, seconds, facts))
