"""Commands that help to a table: which there are, getting one, looking into one."""

from typing import Any

import click

from genre_spark.options import DatasetName, place, speaking, speech_options


@click.command(epilog="Example: genre-spark datasets tidytuesday")
@click.argument("name", type=DatasetName(files=False), required=False)
@speech_options
def datasets(name: str | None, **speech: bool) -> None:
    """Lists well-known public tables, or says more of one.

    Each name is good for --dataset: it maps the table's columns to genre-spark's.
    """
    with speaking(**speech) as terminal:
        from genre_spark import presets, views

        if name:
            views.show_dataset(terminal, presets.described(name))
        else:
            views.show_datasets(terminal, presets.listed())


@click.command(epilog="Example: genre-spark fetch tidytuesday")
@click.argument("name", type=DatasetName(files=False))
@place("--output", metavar="FILE", help="Where it goes.  [its own name, in this folder]")
@speech_options
def fetch(name: str, output: str | None, **speech: Any) -> None:
    """Downloads a well-known table, or says where to get it.

    A download that broke off goes on where it ended; the file has its name once its checksum is right.
    """
    with speaking(**speech) as terminal:
        from genre_spark import presets, views

        target = presets.where_to(name, output)
        with terminal.downloading(f"fetching {name} to {target}") as advance:
            summary = presets.get(name, target, advance)
        views.show_fetched(terminal, summary)
