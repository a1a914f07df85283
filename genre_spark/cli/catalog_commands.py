"""Commands that help to a table: which there are, getting one, looking into one."""

from pathlib import Path

import click

from genre_spark.cli.job import job_of, terminal_of
from genre_spark.cli.options import (
    CATALOG,
    DatasetName,
    OutputOptions,
    RunOptions,
    TableOptions,
    output_options,
    place,
    run_options,
    table_options,
)


@click.command(epilog="Example: genre-spark datasets tidytuesday")
@click.argument("name", type=DatasetName(files=False), required=False)
@output_options
def datasets(out: OutputOptions, name: str | None) -> None:
    """Lists well-known public tables, or describes one.

    Each name is good for --dataset: it maps the table's columns to genre-spark's.
    """
    with terminal_of(out) as terminal:
        from genre_spark.catalog import public_datasets
        from genre_spark.cli import views

        if name:
            views.show_dataset(terminal, public_datasets.described(name))
        else:
            views.show_datasets(terminal, public_datasets.listed())


@click.command(epilog="Example: genre-spark fetch tidytuesday")
@click.argument("name", type=DatasetName(files=False))
@place("--output", metavar="FILE", help="Where it goes.  [its own name, in this folder]")
@output_options
def fetch(out: OutputOptions, name: str, output: str | None) -> None:
    """Downloads a well-known table, or names the page to get it from.

    A download that broke off goes on where it ended; the file has its name once its checksum is right.
    """
    with terminal_of(out) as terminal:
        from genre_spark.catalog import public_datasets
        from genre_spark.cli import views

        target = public_datasets.where_to(name, output)
        with terminal.downloading(f"fetching {name} to {target}") as advance:
            table = public_datasets.get(name, target, advance)
        views.show_fetched(terminal, table)


@click.command(epilog="Example: genre-spark inspect --catalog tracks.csv.gz --output mine.yaml")
@CATALOG
@place("--output", metavar="FILE.yaml", help="Write the guessed mapping there, to be edited.")
@table_options
@run_options
def inspect(table: TableOptions, run: RunOptions, output: str | None) -> None:
    """Shows what is in a table, how it would be read, and which rows would be quarantined.

    Without --dataset it guesses which columns are which.
    """
    if table.dataset and output:
        raise click.UsageError("--output writes a guessed mapping; --dataset has one already")
    with job_of(run) as job:
        from genre_spark.catalog import advice
        from genre_spark.cli import views
        from genre_spark.pipelines import inspect as pipeline
        from genre_spark.pipelines.requests import InspectRequest

        if output:
            advice.check_absent(Path(output))
        settings = job.settings.catalog
        request = InspectRequest(table.source(job.settings), settings, table.dataset, output)
        spark = job.spark(request.source.path)
        job.terminal.report_progress(f"looking into {table.catalog}")
        views.show_inspection(job.terminal, pipeline.run(spark, request))
