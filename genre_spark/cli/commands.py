"""The commands, and what becomes of their errors."""

import logging
import signal
import sys
from pathlib import Path
from typing import Any

import click

from genre_spark import __version__
from genre_spark.cli.catalog_commands import datasets, fetch, inspect
from genre_spark.cli.job import job_of, source_of
from genre_spark.cli.labels_commands import labels, schema
from genre_spark.cli.models_commands import models
from genre_spark.cli.options import CATALOG, place, run_options, table_options, table_words
from genre_spark.errors import STOPPED, TERMINATED, GenreSparkError
from genre_spark.monitoring import json_logs
from genre_spark.platform.redaction import redact
from genre_spark.platform.safe_text import plain
from genre_spark.schema import PARTITION_COLUMNS

EXIT_CODES = """\b
Exit codes:
  0  done
  1  unexpected failure
  2  usage or configuration
  3  input refused
  4  bundle refused
  5  gate not met (too many bad rows, drift, a less accurate champion)
  6  output busy or unsafe"""


SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(epilog=EXIT_CODES, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="genre-spark")
def cli() -> None:
    """Labels whole music catalogues with synthetic and real genres, on Spark."""


class _TerminatedError(BaseException):
    """A signal asked the process to end; nothing on the way catches it."""


def _terminate(*_: Any) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    raise _TerminatedError


def main() -> None:
    """The console script."""
    run(cli)


def run(command: click.Command) -> None:
    """Runs a command; what a user can cause ends in one line and its exit code."""
    # So that locks and temporary files go, as after Ctrl-C; by itself it would end at once.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(command(standalone_mode=False))
    except GenreSparkError as err:
        _fail(str(err), err.exit_code)
    except click.ClickException as err:
        err.show()
        sys.exit(2)
    except ModuleNotFoundError as err:
        extra = _EXTRAS.get(err.name or "", "train")
        _fail(f"{err.name} is not installed; type: pip install 'genre-spark[{extra}]'", 2)
    except _TerminatedError:
        _fail("terminated", TERMINATED)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped", STOPPED)
    except Exception as err:  # the last line of defence: one line, the rest under -v
        logging.getLogger(__name__).debug("unexpected", exc_info=True)
        from genre_spark.platform import spark_errors

        if known := spark_errors.explained(err):
            _fail(f"{known} (-v shows more)", known.exit_code)
        message = spark_errors.cause(err) if spark_errors.is_of_spark(err) else _first_line(err)
        _fail(f"unexpected {type(err).__name__}: {message} (-v shows more)", 1)


# What is needed for an option alone; all else that may be missing is needed for training.
_EXTRAS = {"mlflow": "mlflow", "xxhash": "mlflow", "prometheus_client": "metrics"}


@cli.command(epilog="Example: genre-spark cluster --catalog tracks.parquet --output models/mine")
@CATALOG
@place("--output", required=True, metavar="BUNDLE", help="Directory of the new bundle.")
@place("--labels", metavar="DIR", help="Also publish the catalogue, labelled with them.")
@place(
    "--previous", metavar="BUNDLE", help="Keep the ids and names of this one's that are the same."
)
@table_options
@run_options
def cluster(
    catalog: str,
    output: str,
    labels: str | None,
    previous: str | None,
    dataset: str | None,
    fmt: str | None,
    **run: Any,
) -> None:
    """Discovers synthetic genres."""
    with job_of(**run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import cluster as pipeline

        source = source_of(catalog, dataset, fmt)
        if previous:
            previous = job.model(previous)
        summary = pipeline.run(
            job.spark(),
            source,
            output,
            job.settings,
            labels,
            previous,
            job.terminal.say,
            job.run_id,
        )
        summaries.show_bundle(job.terminal, summary)
        same = table_words(catalog, dataset, fmt)
        if summary["rows"]["with_genre"]:
            job.terminal.show_next(
                "train", *same, "--clusters", output, "--output", f"{output}-full"
            )
        else:
            job.terminal.show_next("score", *same, "--model", output, "--output", "labelled")


@cli.command(
    epilog="Example: genre-spark train --catalog tracks.parquet --clusters models/mine"
    " --output models/mine-full"
)
@CATALOG
@place("--clusters", required=True, metavar="BUNDLE", help="A bundle made by cluster.")
@place("--output", required=True, metavar="BUNDLE", help="Directory of the new bundle.")
@click.option(
    "--mlflow", is_flag=True, help="Also log it as a run of MLflow (MLFLOW_TRACKING_URI)."
)
@table_options
@run_options
def train(
    catalog: str,
    clusters: str,
    output: str,
    mlflow: bool,
    dataset: str | None,
    fmt: str | None,
    **run: Any,
) -> None:
    """Trains, calibrates, evaluates and exports the CNN on the labelled tracks."""
    with job_of(**run) as job:
        from genre_spark.bundle import store
        from genre_spark.cli import summaries
        from genre_spark.pipelines import train as pipeline

        if mlflow:
            from genre_spark.reporting import mlflow_run

            mlflow_run.check()

        source = source_of(catalog, dataset, fmt)
        clusters = job.model(clusters)
        summary = pipeline.run(
            job.spark(), source, clusters, output, job.settings, job.terminal.say
        )
        if mlflow:
            job.terminal.say("logging to MLflow")
            with store.on_disk(job.spark(), output) as made:
                summary["mlflow"] = mlflow_run.log(made, job.settings, job.run_id, output)
        summaries.show_bundle(job.terminal, summary)
        same = table_words(catalog, dataset, fmt)
        job.terminal.show_next("score", *same, "--model", output, "--output", "labelled")


@cli.command(
    epilog="Example: genre-spark evaluate --catalog tracks.parquet --clusters models/mine"
    " --output study"
)
@CATALOG
@place("--clusters", required=True, metavar="BUNDLE", help="A bundle made by cluster.")
@place("--output", required=True, metavar="DIR", help="Tables and pictures.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Splits of each protocol; each takes as long as some four trainings.",
)
@click.option(
    "--ablations/--no-ablations",
    default=True,
    show_default=True,
    help="Also fit the classifier on fewer labels: a learning curve.",
)
@table_options
@run_options
def evaluate(
    catalog: str,
    clusters: str,
    output: str,
    seeds: int,
    ablations: bool,
    dataset: str | None,
    fmt: str | None,
    **run: Any,
) -> None:
    """Evaluates the classifier: honest splits, all baselines, each of its steps, fewer labels."""
    with job_of(**run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import evaluate as pipeline

        source = source_of(catalog, dataset, fmt)
        clusters = job.model(clusters)
        summary = pipeline.run(
            job.spark(), source, clusters, output, job.settings, seeds, ablations, job.terminal.say
        )
        summaries.show_study(job.terminal, summary)


@cli.command(
    epilog="Example: genre-spark score --catalog tracks.parquet --model models/reference"
    " --output labelled"
)
@CATALOG
@place("--model", required=True, metavar="BUNDLE", help="A bundle of cluster or train.")
@place("--output", required=True, metavar="DIR", help="The labelled catalogue.")
@click.option(
    "--incremental", is_flag=True, help="Score only what is new or changed; the result is the same."
)
@click.option(
    "--dry-run", is_flag=True, help="Do all but publish, and say what would be published."
)
@click.option("--explain", is_flag=True, help="Also say which features speak most for each label.")
@click.option(
    "--partition-by",
    type=click.Choice(PARTITION_COLUMNS),
    help="A directory per value of that column, for readers that want some of them.",
)
@table_options
@run_options
def score(
    catalog: str,
    model: str,
    output: str,
    incremental: bool,
    dry_run: bool,
    explain: bool,
    partition_by: str | None,
    dataset: str | None,
    fmt: str | None,
    **run: Any,
) -> None:
    """Labels every track of a catalogue."""
    if explain:
        run["overrides"] += ("explain=true",)
    if partition_by:
        run["overrides"] += (f"partition_by={partition_by}",)
    with job_of(**run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import score as pipeline

        source = source_of(catalog, dataset, fmt)
        model = job.model(model)
        summary = pipeline.run(
            job.spark(),
            source,
            model,
            output,
            job.settings,
            job.terminal.say,
            incremental,
            dry_run,
            job.run_id,
        )
        summaries.show_labels(job.terminal, summary)
        if not dry_run:
            job.terminal.show_next(
                "report", "--model", model, "--labels", output, "--output", "report.html"
            )


@cli.command(
    epilog="Example: genre-spark report --model models/reference --labels labelled"
    " --output report.html"
)
@place("--model", required=True, metavar="BUNDLE", help="A bundle of cluster or train.")
@place("--labels", metavar="DIR", help="A catalogue that was labelled with it.")
@place("--output", required=True, metavar="FILE.html", help="The page.")
@place("--pictures", metavar="DIR", help="Also write its pictures there, as PNG files.")
@run_options
def report(model: str, labels: str | None, output: str, pictures: str | None, **run: Any) -> None:
    """Writes one HTML page on a model and on what it labelled."""
    with job_of(**run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import report as pipeline
        from genre_spark.platform.storage import is_remote

        model = job.model(model)
        # Local pages need no Spark, and so no Java.
        remote = any(is_remote(path) for path in (model, labels or "", output, pictures or ""))
        job.terminal.say(f"reporting on {model}")
        spark = job.spark() if remote else None
        gap = job.settings.publishing.allow_gap
        summary = pipeline.run(spark, model, labels, output, pictures, gap)
        summaries.show_report(job.terminal, summary)


@cli.command(epilog="Example: genre-spark demo --output genre-spark-demo")
@place(
    "--output",
    default="genre-spark-demo",
    show_default=True,
    metavar="DIR",
    help="Where everything goes; the folder of an earlier demo is made anew.",
)
@run_options
def demo(output: str, **run: Any) -> None:
    """Runs the whole way on a small real table: cluster, train, score, report."""
    with job_of(**run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import demo as way

        table = way.table()
        way.make_room(Path(output))
        summary = way.run(job.spark(), table, Path(output), job.settings, job.terminal.say)
        summaries.show_demo(job.terminal, summary)


for _command in (datasets, fetch, inspect, labels, schema, models):
    cli.add_command(_command)


def _fail(message: str, code: int) -> None:
    message = plain(redact(message))
    if json_logs.are_json():
        logging.getLogger(__name__).error(message, extra={"exit_code": code})
    else:
        click.echo(f"genre-spark: {message}", err=True)
    sys.exit(code)


def _first_line(err: Exception) -> str:
    return next((line for line in str(err).splitlines() if line.strip()), "no message")
