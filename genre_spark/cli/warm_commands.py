"""Commands on the Spark that --warm leaves behind."""

import click

from genre_spark.cli.job import terminal_of
from genre_spark.cli.options import OutputOptions, output_options


@click.group()
def warm() -> None:
    """The Spark that --warm starts and leaves for the next command."""


@warm.command(epilog="Example: genre-spark warm stop")
@output_options
def stop(out: OutputOptions) -> None:
    """Stops it; by itself it ends half an hour after the last command."""
    with terminal_of(out) as terminal:
        from genre_spark.platform import warm_server

        stopped = warm_server.stop()
        shown = "stopped" if stopped else "none runs"
        terminal.show({"stopped": stopped}, [{"warm Spark": shown}])
