"""Options that several commands share."""

import functools
from collections.abc import Callable
from typing import Any

import click

from genre_spark.logs import JSON, TEXT

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
    click.option(
        "--log-format",
        type=click.Choice([TEXT, JSON]),
        default=TEXT,
        help="json: one object a line on standard error, each with the id of the run.",
    ),
    click.option(
        "--metrics",
        metavar="FILE|URL",
        help="Where Prometheus finds how it went: a textfile, or a Pushgateway's address.",
    ),
)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that read a catalogue."""
    return _apply(_TABLE, command)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that run a job; the command gets its own name with them."""

    @functools.wraps(command)
    def named(**given: Any) -> Any:
        return command(command=_name(click.get_current_context()), **given)

    return _apply(_RUN, named)


def _name(context: click.Context) -> str:
    """``score`` or ``models list``, by whichever script it is run."""
    chain = [context.command, *([context.parent.command] if context.parent else [])]
    return " ".join(one.name or "" for one in reversed(chain) if one.name != "cli")


def _apply(
    options: tuple[Callable[..., Any], ...], command: Callable[..., Any]
) -> Callable[..., Any]:
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)
