"""Options that several commands share, and how shells complete them."""

import functools
from collections.abc import Callable
from typing import Any

import click
from click.shell_completion import CompletionItem

from genre_spark.monitoring.json_logs import JSON, TEXT


class Place(click.ParamType):
    """A path or URI: any text, which shells complete as a file."""

    name = "path"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Leaves it to the shell."""
        return [CompletionItem(incomplete, type="file")]


class DatasetName(click.ParamType):
    """A mapping in conf/datasets; where `files`, also any file."""

    name = "name"

    def __init__(self, files: bool):
        self._files = files

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Names that begin so."""
        from genre_spark.source import dataset_names

        found = [CompletionItem(n) for n in dataset_names() if n.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")] if self._files else found


def place(*names: str, **settings: Any) -> Callable[..., Any]:
    """An option that is a path or URI."""
    return click.option(*names, type=Place(), **settings)


CATALOG = place(
    "--catalog", required=True, metavar="PATH", help="The table of tracks: any URI Hadoop reads."
)
MASTER = click.option("--master", metavar="URL", help="Spark's master, to run without a cluster.")


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that read a catalogue."""
    return _apply(
        click.option(
            "--dataset",
            type=DatasetName(files=True),
            metavar="NAME|FILE",
            help="How the table's columns map to genre-spark's: one of conf/datasets, or a file.",
        ),
        click.option("--format", "fmt", help="Spark's name of the table's format.  [guessed]"),
    )(command)


def speech_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of all commands: what they say."""
    return _apply(
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        click.option("-q", "--quiet", is_flag=True, help="Print the summary and errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Say more; show tracebacks."),
    )(command)


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that run a job; the command gets its own name with them."""

    @functools.wraps(command)
    def named(**given: Any) -> Any:
        return command(command=_name(click.get_current_context()), **given)

    return _apply(
        place("--config", metavar="FILE", help="Settings that replace defaults."),
        click.option(
            "--set",
            "overrides",
            metavar="KEY=VALUE",
            multiple=True,
            help="One setting of conf/default.yaml; may be given often.",
        ),
        MASTER,
        click.option("--seed", type=int, help="Seed of all that is random."),
        speech_options,
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
    )(named)


def _name(context: click.Context) -> str:
    """``score`` or ``models list``, by whichever script it is run."""
    chain = [context.command, *([context.parent.command] if context.parent else [])]
    return " ".join(one.name or "" for one in reversed(chain) if one.name != "cli")


def _apply(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Options in the order in which help lists them."""
    return lambda command: functools.reduce(lambda c, option: option(c), reversed(options), command)


def table_words(path: str, dataset: str | None, fmt: str | None) -> tuple[str, ...]:
    """The options that name the same catalogue again."""
    given = {"--catalog": path, "--dataset": dataset, "--format": fmt}
    return tuple(word for name, value in given.items() if value for word in (name, value))
