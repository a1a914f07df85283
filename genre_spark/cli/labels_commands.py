"""Commands on labelled catalogues for those who read them."""

import json

import click

from genre_spark.cli.job import job_of
from genre_spark.cli.options import DATASET, Place, RunOptions, place, reader_options
from genre_spark.errors import ConfigError


@click.command(epilog="Example: genre-spark labels labelled --rows 5")
@click.argument("labelled", metavar="DIR", type=Place())
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Tracks to show, from all over the catalogue.",
)
@place("--output", metavar="FILE.html", help="Instead write a page to search the tracks.")
@click.option(
    "--max-tracks",
    type=click.IntRange(min=1, max=20_000),
    default=5_000,
    show_default=True,
    help="On that page, from all over the catalogue.",
)
@place("--catalog", metavar="PATH", help="The labelled table: adds titles and artists to the page.")
@DATASET
@reader_options
def labels(  # noqa: PLR0913  # an argument for each option
    run: RunOptions,
    labelled: str,
    rows: int,
    output: str | None,
    max_tracks: int,
    catalog: str | None,
    dataset: str | None,
) -> None:
    """Shows what is in a labelled catalogue: how many tracks of which genre, and some of them.

    A local directory and a Delta table need no Spark; --catalog does. Its columns are mapped as they
    were for the labels; where that takes more than plain column names, by --dataset.
    """
    with job_of(run) as job:
        from genre_spark.cli import views
        from genre_spark.pipelines import browse
        from genre_spark.pipelines.requests import BrowseRequest
        from genre_spark.publishing import reader
        from genre_spark.source import load_dataset

        options = job.settings.delta.storage_options
        if output:
            mapping = None if dataset is None else load_dataset(dataset)
            request = BrowseRequest(labelled, output, max_tracks, catalog, mapping, options)
            views.show_browse(job.terminal, browse.run(job.spark, request))
            return
        if catalog or dataset:
            raise ConfigError(
                "--catalog, with --dataset, adds names to the page that --output FILE.html writes"
            )
        spark = None if reader.by_arrow(labelled, options) else job.spark()
        views.show_labelled(job.terminal, reader.look(spark, labelled, rows, options))


@click.command(epilog="Example: genre-spark schema manifest > manifest.schema.json")
@click.argument("part", metavar="PART", type=click.Choice(["labels", "manifest"]))
def schema(part: str) -> None:
    """Prints what readers of a labelled catalogue may rely on, as JSON Schema.

    PART is labels, for a labelled row, or manifest, for _manifest.json.
    """
    from genre_spark.publishing import manifest

    made = manifest.labelled_schema() if part == "labels" else manifest.manifest_schema()
    click.echo(json.dumps(made, indent=1, ensure_ascii=False))
