"""The commands that make bundles, labels, studies and reports."""

from pathlib import Path

import click

from genre_spark.cli.job import job_of
from genre_spark.cli.options import (
    ANSWERS,
    CATALOG,
    TABLE_FORMAT,
    RunOptions,
    TableOptions,
    place,
    run_options,
    setting,
    table_options,
)
from genre_spark.errors import ConfigError
from genre_spark.schema import PARTITION_COLUMNS


@click.command(epilog="Example: genre-spark cluster --catalog tracks.parquet --output models/mine")
@CATALOG
@place("--output", required=True, metavar="BUNDLE", help="Directory of the new bundle.")
@place("--labels", metavar="DIR", help="Also publish the catalogue, labelled with them.")
@TABLE_FORMAT
@place(
    "--previous",
    metavar="BUNDLE",
    help="Keep ids and names of synthetic genres that match those of this bundle.",
)
@table_options
@run_options
def cluster(
    table: TableOptions, run: RunOptions, output: str, labels: str | None, previous: str | None
) -> None:
    """Discovers synthetic genres."""
    with job_of(run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import cluster as pipeline
        from genre_spark.pipelines.requests import ClusterRequest

        source = table.source(job.settings)
        earlier = job.model(previous) if previous else None
        request = ClusterRequest(source, output, job.settings, labels, earlier, job.run_id)
        summary = pipeline.run(
            job.spark(request.source.path), request, job.terminal.report_progress
        )
        summaries.show_bundle(job.terminal, summary)
        same = table.words()
        if summary.rows.with_genre:
            job.terminal.show_next(
                "train", *same, "--clusters", output, "--output", f"{output}-full"
            )
        else:
            job.terminal.show_next("score", *same, "--model", output, "--output", "labelled")


@click.command(
    epilog="Example: genre-spark train --catalog tracks.parquet --clusters models/mine"
    " --output models/mine-full"
)
@CATALOG
@place("--clusters", required=True, metavar="BUNDLE", help="A bundle made by cluster.")
@place("--output", required=True, metavar="BUNDLE", help="Directory of the new bundle.")
@click.option(
    "--mlflow", is_flag=True, help="Also log it as a run of MLflow (MLFLOW_TRACKING_URI)."
)
@click.option(
    "--register", metavar="NAME", help="With --mlflow: also register it there, as models:/NAME/1 …"
)
@ANSWERS
@table_options
@run_options
def train(  # noqa: PLR0913  # an argument for each option
    table: TableOptions,
    run: RunOptions,
    clusters: str,
    output: str,
    mlflow: bool,
    register: str | None,
    answers: tuple[str, ...],
) -> None:
    """Trains, calibrates, evaluates and exports the CNN on the labelled tracks."""
    with job_of(run) as job:
        from genre_spark.bundle import store
        from genre_spark.cli import summaries
        from genre_spark.pipelines import train as pipeline
        from genre_spark.pipelines.requests import TrainRequest

        if register and not mlflow:
            raise ConfigError("--register NAME goes with --mlflow: what is logged is registered")
        if mlflow:
            from genre_spark.reporting import mlflow_run

            mlflow_run.check(register)

        source = table.source(job.settings)
        request = TrainRequest(source, job.model(clusters), output, job.settings, answers)
        summary = pipeline.run(
            job.spark(request.source.path), request, job.terminal.report_progress
        )
        if mlflow:
            job.terminal.report_progress("logging to MLflow")
            with store.on_disk(job.spark(), output) as made:
                logged = mlflow_run.log(made, job.settings, job.run_id, output)
                if register:
                    logged |= mlflow_run.register(logged, made, register)
            summary = summary.model_copy(update={"mlflow": logged})
        summaries.show_bundle(job.terminal, summary)
        same = table.words()
        job.terminal.show_next("score", *same, "--model", output, "--output", "labelled")


@click.command(
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
    help="Splits per protocol; each takes about as long as four trainings.",
)
@click.option(
    "--ablations/--no-ablations",
    default=True,
    show_default=True,
    help="Also fit the classifier on fewer labels (learning curve).",
)
@ANSWERS
@table_options
@run_options
def evaluate(  # noqa: PLR0913  # an argument for each option
    table: TableOptions,
    run: RunOptions,
    clusters: str,
    output: str,
    seeds: int,
    ablations: bool,
    answers: tuple[str, ...],
) -> None:
    """Evaluates the classifier: honest splits, all baselines, each of its steps, fewer labels."""
    with job_of(run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import evaluate as pipeline
        from genre_spark.pipelines.requests import EvaluateRequest

        source = table.source(job.settings)
        request = EvaluateRequest(
            source, job.model(clusters), output, job.settings, seeds, ablations, answers
        )
        summary = pipeline.run(
            job.spark(request.source.path), request, job.terminal.report_progress
        )
        summaries.show_study(job.terminal, summary)


@click.command(
    epilog="Example: genre-spark suggest --catalog tracks.parquet --model models/mine --number 50"
    " --output questions.csv"
)
@CATALOG
@place("--model", required=True, metavar="BUNDLE", help="A bundle of cluster or train.")
@place(
    "--output",
    required=True,
    metavar="FILE.csv|.html",
    help="A new file: a table, or a page to answer on.",
)
@click.option(
    "--number",
    type=click.IntRange(min=1, max=2_000),
    default=50,
    show_default=True,
    help="Tracks to label, each of another artist.",
)
@click.option(
    "--check", is_flag=True, help="Ask about labels that are likely wrong instead, by a new model."
)
@ANSWERS
@table_options
@run_options
def suggest(  # noqa: PLR0913  # an argument for each option
    table: TableOptions,
    run: RunOptions,
    model: str,
    output: str,
    number: int,
    check: bool,
    answers: tuple[str, ...],
) -> None:
    """Chooses the tracks whose labels teach most about a catalogue."""
    with job_of(run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import suggest as pipeline

        source = table.source(job.settings)
        request = pipeline.SuggestRequest(
            source, job.model(model), output, job.settings, number, answers, check
        )
        summary = pipeline.run(job.spark(source.path), request, job.terminal.report_progress)
        summaries.show_questions(job.terminal, summary)


@click.command(
    epilog="Example: genre-spark score --catalog tracks.parquet --model models/reference"
    " --output labelled"
)
@CATALOG
@place("--model", required=True, metavar="BUNDLE", help="A bundle made by cluster or train.")
@place("--output", required=True, metavar="DIR", help="The labelled catalogue.")
@click.option(
    "--incremental", is_flag=True, help="Score only new and changed tracks, with the same result."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Do everything except publishing, and show what would be published.",
)
@setting(
    "scoring.explain",
    "--explain",
    is_flag=True,
    help="Also give the features that support each label most.",
)
@setting(
    "publishing.max_shrink",
    "--allow-shrink",
    flag_value=1.0,
    help="Publish even if most of the published tracks are gone.",
)
@TABLE_FORMAT
@setting(
    "publishing.partition_by",
    "--partition-by",
    type=click.Choice(PARTITION_COLUMNS),
    help="Write one directory per value of a column.",
)
@table_options
@run_options
def score(
    table: TableOptions,
    run: RunOptions,
    model: str,
    output: str,
    incremental: bool,
    dry_run: bool,
) -> None:
    """Labels every track of a catalogue."""
    with job_of(run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import score as pipeline
        from genre_spark.pipelines.requests import ScoreRequest

        source = table.source(job.settings)
        model = job.model(model)
        request = ScoreRequest(
            source, model, output, job.settings, incremental, dry_run, job.run_id
        )
        summary = pipeline.run(
            job.spark(request.source.path), request, job.terminal.report_progress
        )
        summaries.show_labels(job.terminal, summary)
        if not dry_run:
            job.terminal.show_next(
                "report", "--model", model, "--labels", output, "--output", "report.html"
            )


@click.command(
    epilog="Example: genre-spark report --model models/reference --labels labelled"
    " --output report.html"
)
@place("--model", required=True, metavar="BUNDLE", help="A bundle made by cluster or train.")
@place("--labels", metavar="DIR", help="A catalogue labelled with this model.")
@place("--output", required=True, metavar="FILE.html", help="The page.")
@place("--pictures", metavar="DIR", help="Also write its charts there as PNG files.")
@run_options
def report(
    run: RunOptions, model: str, labels: str | None, output: str, pictures: str | None
) -> None:
    """Writes one HTML page on a model and on what it labelled."""
    with job_of(run) as job:
        from genre_spark.bundle.registry import is_in_mlflow
        from genre_spark.cli import summaries
        from genre_spark.pipelines import report as pipeline
        from genre_spark.pipelines.requests import ReportRequest
        from genre_spark.platform.storage import is_remote

        gap = job.settings.publishing.allow_gap
        options = job.settings.delta.storage_options
        request = ReportRequest(job.model(model), output, labels, pictures, gap, options)
        job.terminal.report_progress(f"reporting on {request.model}")
        # Local pages need no Spark, and so no Java.
        by_hadoop = [p for p in request.paths if is_remote(p) and not is_in_mlflow(p)]
        spark = job.spark() if by_hadoop else None
        summary = pipeline.run(spark, request)
        summaries.show_report(job.terminal, summary)


@click.command(epilog="Example: genre-spark demo --output genre-spark-demo")
@place(
    "--output",
    default="genre-spark-demo",
    show_default=True,
    metavar="DIR",
    help="Output folder; that of an earlier demo is replaced.",
)
@run_options
def demo(run: RunOptions, output: str) -> None:
    """Runs the whole way on a small real table: cluster, train, score, report."""
    with job_of(run) as job:
        from genre_spark.cli import summaries
        from genre_spark.pipelines import demo as pipeline
        from genre_spark.pipelines.requests import DemoRequest

        request = DemoRequest(pipeline.table(), Path(output), job.settings)
        pipeline.make_room(request.output)
        summary = pipeline.run(
            job.spark(str(request.catalog)), request, job.terminal.report_progress
        )
        summaries.show_demo(job.terminal, summary)
