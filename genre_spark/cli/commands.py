"""The group of all commands, and those that are not of the model registry."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import click

from genre_spark.cli.job import Job
from genre_spark.cli.options import (
    ANSWERS,
    CATALOG,
    DATASET,
    PLACE,
    TABLE_FORMAT,
    TableOptions,
    complete_dataset,
    output_options,
    place,
    reader_options,
    run_options,
    setting,
    table_options,
)
from genre_spark.errors import ConfigError
from genre_spark.monitoring.finished_run import Facts
from genre_spark.schema import PARTITION_COLUMNS
from genre_spark.versions import __version__

if TYPE_CHECKING:
    from genre_spark.cli.terminal import Terminal

CLUSTERS = place("--clusters", required=True, metavar="BUNDLE", help="A bundle made by cluster.")
MODEL = place("--model", required=True, metavar="BUNDLE", help="A bundle made by cluster or train.")
NEW_BUNDLE = place("--output", required=True, metavar="BUNDLE", help="Directory of the new bundle.")
EXIT_CODES = """\b
Exit codes:
  0  done
  1  unexpected failure
  2  usage or configuration
  3  input refused
  4  bundle refused
  5  gate not passed (too many bad rows, drift, a less accurate candidate)
  6  output busy or unsafe"""
SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(epilog=EXIT_CODES, context_settings=SETTINGS)
@click.version_option(__version__, prog_name="genre-spark")
def cli() -> None:
    """Labels music catalogues with synthetic and real genres, on Spark."""


@cli.command(epilog="Example: genre-spark cluster --catalog tracks.parquet --output models/mine")
@CATALOG
@NEW_BUNDLE
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
    table: TableOptions, job: Job, output: str, labels: str | None, previous: str | None
) -> None:
    """Discovers synthetic genres."""
    from genre_spark.cli import views
    from genre_spark.pipelines import cluster as pipeline

    source = table.source(job.settings)
    earlier = job.model(previous) if previous else None
    summary = job.run(
        pipeline,
        pipeline.ClusterRequest(source, output, job.settings, labels, earlier, job.run_id),
    )
    job.terminal.show(summary, views.bundle(summary), summary.facts)
    same = table.words()
    if summary.rows.with_genre:
        job.terminal.show_next("train", *same, "--clusters", output, "--output", f"{output}-full")
    else:
        job.terminal.show_next("score", *same, "--model", output, "--output", "labelled")


@cli.command(
    epilog="Example: genre-spark train --catalog tracks.parquet --clusters models/mine"
    " --output models/mine-full"
)
@CATALOG
@CLUSTERS
@NEW_BUNDLE
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
    job: Job,
    clusters: str,
    output: str,
    mlflow: bool,
    register: str | None,
    answers: tuple[str, ...],
) -> None:
    """Trains, calibrates, evaluates and exports the CNN on the labelled tracks."""
    from genre_spark.bundle import registry
    from genre_spark.cli import views
    from genre_spark.pipelines import report as report_pipeline
    from genre_spark.pipelines import train as pipeline
    from genre_spark.pipelines.bundles import Request

    if register and not mlflow:
        raise ConfigError("--register NAME needs --mlflow, which logs the model to register")
    if mlflow:
        from genre_spark.scoring import mlflow_model

        mlflow_model.check(register)
    source = table.source(job.settings)
    request = Request(source, job.model(clusters), output, job.settings, answers)
    summary = job.run(pipeline, request)
    shown, parts = summary.model_dump(mode="json", by_alias=True), [*views.bundle(summary)]
    if mlflow:
        job.terminal.report_progress("logging to MLflow")
        with registry.on_disk(job.spark, output) as made, TemporaryDirectory() as folder:
            page, pictures = f"{folder}/report.html", f"{folder}/pictures"
            report_pipeline.run(job.spark, made, page, job.settings, pictures=pictures)
            logged = mlflow_model.log(made, job.settings, job.run_id, output, Path(folder))
            if register:
                logged |= mlflow_model.register(logged, made, register)
        shown["mlflow"] = logged
        parts.append({"in MLflow": logged.get("registered", logged["model_uri"])})
    job.terminal.show(shown, parts, summary.facts)
    same = table.words()
    job.terminal.show_next("score", *same, "--model", output, "--output", "labelled")


@cli.command(
    epilog="Example: genre-spark evaluate --catalog tracks.parquet --clusters models/mine"
    " --output study"
)
@CATALOG
@CLUSTERS
@place("--output", required=True, metavar="DIR", help="Tables and pictures.")
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Splits per protocol; each takes about four times as long as train.",
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
    job: Job,
    clusters: str,
    output: str,
    seeds: int,
    ablations: bool,
    answers: tuple[str, ...],
) -> None:
    """Evaluates the classifier on held-out artists: baselines, ablation, learning curve."""
    from genre_spark.cli import views
    from genre_spark.pipelines import evaluate as pipeline
    from genre_spark.pipelines.bundles import Request

    source = table.source(job.settings)
    request = Request(source, job.model(clusters), output, job.settings, answers)
    summary = job.run(pipeline, request, n_seeds=seeds, with_ablations=ablations)
    job.terminal.show(summary, views.study(summary))


@cli.command(
    epilog="Example: genre-spark suggest --catalog tracks.parquet --model models/mine --number 50"
    " --output questions.csv"
)
@CATALOG
@MODEL
@place(
    "--output",
    required=True,
    metavar="FILE.csv|.html",
    help="A new file: a table, or a page with the questions.",
)
@click.option(
    "--number",
    type=click.IntRange(min=1, max=2_000),
    default=50,
    show_default=True,
    help="Number of tracks, each by a different artist.",
)
@click.option(
    "--check", is_flag=True, help="Instead list labels that are likely wrong, by a new model."
)
@ANSWERS
@table_options
@run_options
def suggest(  # noqa: PLR0913  # an argument for each option
    table: TableOptions,
    job: Job,
    model: str,
    output: str,
    number: int,
    check: bool,
    answers: tuple[str, ...],
) -> None:
    """Chooses the most informative tracks to label."""
    from genre_spark.cli import views
    from genre_spark.pipelines import suggest as pipeline
    from genre_spark.pipelines.bundles import Request

    source = table.source(job.settings)
    request = Request(source, job.model(model), output, job.settings, answers)
    summary = job.run(pipeline, request, number=number, likely_wrong=check)
    job.terminal.show(summary, views.questions(summary))


@cli.command(
    epilog="Example: genre-spark score --catalog tracks.parquet --model models/reference"
    " --output labelled"
)
@CATALOG
@MODEL
@place("--output", required=True, metavar="DIR", help="The labelled catalogue.")
@click.option(
    "--incremental", is_flag=True, help="Score only new and changed tracks, with the same result."
)
@click.option(
    "--dry-run",
    is_flag=True,
    help="Do everything but publish, and report the changes.",
)
@setting(
    "scoring.explain",
    "--explain",
    is_flag=True,
    help="Add the features that support each label most.",
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
    job: Job,
    model: str,
    output: str,
    incremental: bool,
    dry_run: bool,
) -> None:
    """Labels every track of a catalogue."""
    from genre_spark.cli import views
    from genre_spark.pipelines import score as pipeline
    from genre_spark.publishing.labels import LabelRequest

    source, bundle = table.source(job.settings), job.model(model)
    made = job.run(
        pipeline,
        LabelRequest(source, bundle, output, job.settings, incremental, dry_run, job.run_id),
    )
    job.terminal.show(made.summary(), views.labels(made), made.facts)
    if not dry_run:
        words = ("--model", bundle.location, "--labels", output, "--output", "report.html")
        job.terminal.show_next("report", *words)


@cli.command(
    epilog="Example: genre-spark report --model models/reference --labels labelled"
    " --output report.html"
)
@MODEL
@place("--labels", metavar="DIR", help="A catalogue labelled with this model.")
@place("--output", required=True, metavar="FILE.html", help="The page.")
@place("--pictures", metavar="DIR", help="Also write its charts there as PNG files.")
@run_options
def report(job: Job, model: str, labels: str | None, output: str, pictures: str | None) -> None:
    """Writes an HTML report on a model and the catalogue that it labelled."""
    from genre_spark.pipelines import report as pipeline

    bundle = job.model(model)
    job.terminal.report_progress(f"reporting on {bundle.location}")
    summary = pipeline.run(job.spark, bundle, output, job.settings, labels, pictures)
    job.terminal.show(summary, [summary], Facts(made=(output,)))


@cli.command(epilog="Example: genre-spark demo --output genre-spark-demo")
@place(
    "--output",
    default="genre-spark-demo",
    show_default=True,
    metavar="DIR",
    help="Output folder; the output of an earlier demo is replaced.",
)
@run_options
def demo(job: Job, output: str) -> None:
    """Runs cluster, train, score and report on a small real table."""
    from genre_spark.cli import views
    from genre_spark.pipelines import demo as pipeline

    catalog, folder, progress = pipeline.table(), Path(output), job.terminal.report_progress
    pipeline.make_room(folder)
    made = pipeline.run(job.spark(str(catalog)), catalog, folder, job.settings, progress)
    job.terminal.show(made.summary(), views.demo(made))


@cli.command(epilog="Example: genre-spark datasets tidytuesday")
@click.argument("name", shell_complete=complete_dataset, required=False)
@output_options
def datasets(terminal: "Terminal", name: str | None) -> None:
    """Lists well-known public tables, or describes one.

    Pass a name to --dataset to map the columns of that table.
    """
    from genre_spark.catalog import public_datasets
    from genre_spark.cli import views

    if name:
        table = public_datasets.described(name)
        terminal.show(table.summary(), views.dataset(table))
    else:
        tables = public_datasets.listed()
        terminal.show([one.summary() for one in tables], views.datasets(tables))


@cli.command(epilog="Example: genre-spark fetch tidytuesday")
@click.argument("name", shell_complete=complete_dataset)
@place("--output", metavar="FILE", help="The file.  [its own name, in the current folder]")
@output_options
def fetch(terminal: "Terminal", name: str, output: str | None) -> None:
    """Downloads a well-known table, or prints the page to get it from.

    Resumes an interrupted download; the file gets its name once its checksum is correct.
    """
    from genre_spark.catalog import public_datasets
    from genre_spark.cli import views

    target = public_datasets.where_to(name, output)
    with terminal.downloading(f"fetching {name} to {target}") as advance:
        table = public_datasets.get(name, target, advance)
    terminal.show(table, views.fetched(table))


@cli.command(epilog="Example: genre-spark inspect --catalog tracks.csv.gz --output mine.yaml")
@CATALOG
@place("--output", metavar="FILE.yaml", help="Write the inferred mapping there, to be edited.")
@table_options
@run_options
def inspect(table: TableOptions, job: Job, output: str | None) -> None:
    """Shows the columns of a table, how they are read, and the rows that would be quarantined.

    Without --dataset the mapping of columns is inferred.
    """
    from genre_spark.catalog import advice, inspection
    from genre_spark.cli import views

    if table.dataset and output:
        raise ConfigError(
            "--output writes an inferred mapping, and --dataset has one: give only one of them"
        )
    if output:
        advice.check_absent(Path(output))
    source = table.source(job.settings)
    spark = job.spark(source.path)
    job.terminal.report_progress(f"inspecting {table.catalog}")
    is_mapped = table.dataset is not None
    found = inspection.inspect(spark, source, is_mapped, job.settings.catalog)
    if output:
        advice.write(found, Path(output))
    then = advice.next_command(found, table.dataset, output, source.fmt)
    found = found.model_copy(update={"draft": output, "next": then})
    job.terminal.show(found, views.inspection(found), Facts(rows=found.rows))


@cli.command(epilog="Example: genre-spark labels labelled --rows 5")
@click.argument("labelled", metavar="DIR", type=PLACE)
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Tracks to show, a sample of the whole catalogue.",
)
@place(
    "--output", metavar="FILE.html", help="Instead write a page to search and correct the labels."
)
@click.option(
    "--max-tracks",
    type=click.IntRange(min=1, max=20_000),
    default=5_000,
    show_default=True,
    help="Tracks on that page, a sample of the whole catalogue.",
)
@place("--catalog", metavar="PATH", help="The labelled table: adds titles and artists to the page.")
@DATASET
@reader_options
def labels(  # noqa: PLR0913  # an argument for each option
    job: Job,
    labelled: str,
    rows: int,
    output: str | None,
    max_tracks: int,
    catalog: str | None,
    dataset: str | None,
) -> None:
    """Shows a labelled catalogue: tracks per genre, and a sample of tracks.

    Local directories and Delta tables are read without Spark; --catalog needs it. Its columns are mapped
    as they were for the labels; a mapping with SQL expressions must be given as --dataset.
    """
    from genre_spark.cli import views
    from genre_spark.pipelines import report as pipeline
    from genre_spark.publishing import reader
    from genre_spark.source import load_dataset

    options = job.settings.delta.storage_options
    if output:
        mapping = None if dataset is None else load_dataset(dataset)
        made = pipeline.browse(job.spark, labelled, output, max_tracks, catalog, mapping, options)
        tracks = f"{made.tracks:,} of {made.of:,}"
        job.terminal.show(made, [{"page": made.page, "tracks": tracks}])
        return
    if catalog or dataset:
        raise ConfigError(
            "--catalog and --dataset add names to a page: give --output FILE.html too"
        )
    found = reader.LabelledTable(job.spark, labelled, options).look(rows)
    job.terminal.show(found.summary(), views.labelled(found))


@cli.command(epilog="Example: genre-spark schema manifest > manifest.schema.json")
@click.argument("part", metavar="PART", type=click.Choice(["labels", "manifest"]))
def schema(part: str) -> None:
    """Prints the JSON Schema of a labelled catalogue.

    PART is labels for its rows, or manifest for _manifest.json.
    """
    from genre_spark.publishing import manifest

    made = manifest.labelled_schema() if part == "labels" else manifest.manifest_schema()
    click.echo(json.dumps(made, indent=1, ensure_ascii=False))


@cli.group()
def warm() -> None:
    """Manages the Spark server that --warm keeps running between commands."""


@warm.command(epilog="Example: genre-spark warm stop")
@output_options
def stop(terminal: "Terminal") -> None:
    """Stops the server; it stops by itself half an hour after the last command."""
    from genre_spark.platform import warm_server

    stopped = warm_server.stop()
    shown = "stopped" if stopped else "none runs"
    terminal.show({"stopped": stopped}, [{"warm Spark": shown}])
