"""Options that several commands share."""

import functools
from collections.abc import Callable
from typing import Any

import click

CATALOG = click.option(
    "--catalog", required=True, metavar="PATH", help="The table of tracks: any URI Hadoop reads."
)

_TABLE = (
    click.option(
        "--dataset",
        metavar="NAME|FILE",
        help="How the table's columns map to genre-spark's: one of conf/datasets, or a file.",
    ),
    click.option("--format", "fmt", help="Spark's name of the table's format.  [guessed]"),
)
_RUN = (
    click.option("--config", metavar="FILE", help="Settings that replace defaults."),
    click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="One setting of conf/default.yaml; may be given often.",
    ),
    click.option("--master", metavar="URL", help="Spark's master, to run without a cluster."),
    click.option("--seed", type=int, help="Seed of all that is random."),
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    click.option("-v", "--verbose", is_flag=True, help="Say more; show tracebacks."),
)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that read a catalogue."""
    return _apply(_TABLE, command)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that run a job."""
    return _apply(_RUN, command)


def _apply(
    options: tuple[Callable[..., Any], ...], command: Callable[..., Any]
) -> Callable[..., Any]:
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)
