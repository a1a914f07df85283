"""What every command has: settings, a terminal, and Spark once it needs it."""

import functools
import logging
import os
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from genre_spark.errors import ConfigError, exit_code
from genre_spark.monitoring import json_logs
from genre_spark.monitoring.finished_run import Facts, FinishedRun

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from genre_spark.bundle.files import Bundle
    from genre_spark.cli.options import RunOptions
    from genre_spark.cli.terminal import Terminal
    from genre_spark.config import Settings

logger = logging.getLogger(__name__)

Send = Callable[[FinishedRun], None]

# Commands that run on Spark Connect too; the others need the driver's JVM, or no Spark.
ON_CONNECT = ("inspect", "score", "labels", "report")
# Makes --warm the default of these.
WARM = "GENRE_SPARK_WARM"


@dataclass
class Job:
    """One run of a command.

    `run_id`: In the logs, in the metrics, and in the manifest of what is published.
    `on_connect`: Whether Spark Connect is used.
    `session`: None until `spark` is called.
    """

    settings: "Settings"
    terminal: "Terminal"
    options: "RunOptions"
    run_id: str
    on_connect: bool
    session: "SparkSession | None" = None
    opened: ExitStack = field(default_factory=ExitStack)

    def spark(self, table: str | None = None) -> "SparkSession":
        """The session; started late, so that mistakes in the options are reported at once.

        `table`: Path of the largest table that the command reads.
        """
        from genre_spark.platform import signals
        from genre_spark.platform.progress import Watch, stages_of
        from genre_spark.platform.session import get_session, is_small, on_connect

        run, batch_rows = self.options, self.settings.scoring.batch_rows
        if self.session is None:
            if self.on_connect:
                self.terminal.report_progress("connecting to Spark")
                connected = on_connect(run.remote, run.master, batch_rows)
                self.session = self.opened.enter_context(connected)
            else:
                self.terminal.report_progress("starting Spark")
                small = table is not None and is_small(table)
                self.session = get_session(run.master, batch_rows, run.verbose, small)
                self.opened.callback(self.session.stop)
            signals.raise_at_signals()
            terminal = self.terminal
            watch = Watch(stages_of(self.session), lambda: terminal.step, terminal.add)
            self.opened.callback(watch.stop)
            watch.start()
        return self.session

    def model(self, reference: str) -> "Bundle":
        """A verified bundle by its path or name; Spark is started for what only Hadoop can reach.

        Raises `BundleError` if it is not there, or cannot be trusted.
        """
        from genre_spark.bundle import registry

        return registry.open_bundle(self.spark, reference, self.settings.models.registry)

    def run(self, pipeline: Any, request: Any, **options: Any) -> Any:
        """What a pipeline makes of a request, on a session that suits its table."""
        spark = self.spark(request.source.path)
        return pipeline.run(spark, request, self.terminal.report_progress, **options)


@contextmanager
def job_of(run: "RunOptions") -> Iterator[Job]:
    """A job by its options; what it started is stopped at the end of the block."""
    from genre_spark.config import load_settings

    run_id, sends = uuid.uuid4().hex[:12], _sends(run)
    with (
        terminal_of(run, run_id) as terminal,
        _reported(run.command, run_id, terminal, sends),
    ):
        on_connect = _is_on_connect(run)
        settings = load_settings(run.config, run.overrides, run.seed, run.settings)
        job = Job(settings, terminal, run, run_id, on_connect)
        with job.opened:  # at its end, Spark is stopped, or its server left
            yield job


def _is_on_connect(run: "RunOptions") -> bool:
    """Whether a command runs on Spark Connect: by its options, or by the variable if it can.

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
    return bool(run.remote) or run.warm or (wanted and not run.master)


@contextmanager
def terminal_of(run: "RunOptions", run_id: str = "") -> Iterator["Terminal"]:
    """A terminal for the time of a command; logs and warnings are set to the same options.

    Raises `ConfigError` if both less and more output is asked for.
    """
    from genre_spark.cli.terminal import Terminal
    from genre_spark.platform.session import under_spark_submit

    if run.quiet and run.verbose:
        raise ConfigError("--quiet and --verbose exclude each other")
    json_logs.configure(run.log_format, run.verbose, run_id, run.command)
    as_lines = run.log_format == json_logs.JSON
    # spark-submit sends both outputs of Python to one, where machines want the JSON alone; lines of
    # the log differ from it by their fields.
    silent = run.quiet or (run.as_json and under_spark_submit() and not as_lines)
    logging.disable(logging.WARNING if silent else logging.NOTSET)
    if not run.verbose:
        # Libraries warn about each other, and of nothing that a user could mend.
        warnings.simplefilter("ignore")
    with closing(Terminal(run.as_json, silent, logger.info if as_lines else None)) as terminal:
        yield terminal


def _sends(run: "RunOptions") -> list[Send]:
    """What writes metrics and lineage; a missing library is reported now and not after the work."""
    targets = {"prometheus": run.metrics, "openlineage": run.openlineage}
    return [
        functools.partial(import_module(f"genre_spark.monitoring.{name}").send, target)
        for name, target in targets.items()
        if target is not None
    ]


@contextmanager
def _reported(
    command: str, run_id: str, terminal: "Terminal", sends: Sequence[Send]
) -> Iterator[None]:
    """Writes how a run ended to its log and to its metrics."""
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
        for send in sends:
            send(FinishedRun(command, run_id, code, seconds, facts))
