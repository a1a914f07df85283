"""Commands on labelled catalogues for those who read them."""

import json

import click

from genre_spark.cli.job import job_of
from genre_spark.cli.options import MASTER, OutputOptions, Place, RunOptions, output_options


@click.command(epilog="Example: genre-spark labels labelled --rows 5")
@click.argument("labelled", metavar="DIR", type=Place())
@click.option(
    "--rows",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Tracks to show, from all over the catalogue.",
)
@MASTER
@output_options
def labels(out: OutputOptions, labelled: str, rows: int, master: str | None) -> None:
    """Shows what is in a labelled catalogue: how many tracks of which genre, and some of them.

    A local directory and a Delta table need no Spark.
    """
    with job_of(RunOptions(out, master=master)) as job:
        from genre_spark.cli import views
        from genre_spark.platform.storage import is_remote
        from genre_spark.publishing import reader

        options = job.settings.delta.storage_options
        by_arrow = not is_remote(labelled) or reader.is_delta(labelled, options)
        spark = None if by_arrow else job.spark()
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
