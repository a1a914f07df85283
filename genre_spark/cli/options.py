"""Options that several commands share, and how shells complete them."""

import functools
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from genre_spark.cli.job import job_of, terminal_of
from genre_spark.monitoring.json_logs import JSON, TEXT
from genre_spark.schema import TABLE_FORMATS

if TYPE_CHECKING:
    from genre_spark.catalog.catalogue import Source
    from genre_spark.config import Settings

# Values of `setting` options, in the metadata of a click context.
_SETTINGS = "genre_spark.settings"


@dataclass(frozen=True)
class TableOptions:
    """A catalogue, as the user names it.

    `catalog`: Empty where none was given.
    """

    catalog: str = ""
    dataset: str | None = None
    fmt: str | None = None

    def source(self, settings: "Settings") -> "Source":
        """The catalogue with its mapping; a Delta table at the version that is to be read.

        Raises `ConfigError` if the mapping cannot be read. Raises `InputError` if a Delta table
        cannot be read.
        """
        from genre_spark.catalog.catalogue import Source
        from genre_spark.source import load_dataset

        dataset = load_dataset(self.dataset)
        source = Source(
            self.catalog,
            dataset,
            self.fmt,
            version=settings.catalog.version,
            storage_options=settings.delta.storage_options,
        )
        return source.at_version()

    def words(self) -> tuple[str, ...]:
        """The words of a command line that name the same catalogue."""
        given = {"--catalog": self.catalog, "--dataset": self.dataset, "--format": self.fmt}
        return tuple(word for name, value in given.items() if value for word in (name, value))


@dataclass(frozen=True)
class RunOptions:
    """How a command runs, and what it prints: its summary as JSON, no progress, or tracebacks too.

    `overrides`: Settings as ``key=value``.
    `settings`: Settings by options of their own; see `setting`.
    """

    as_json: bool = False
    quiet: bool = False
    verbose: bool = False
    command: str = ""
    config: str | None = None
    overrides: tuple[str, ...] = ()
    settings: Mapping[str, Any] | None = None
    seed: int | None = None
    master: str | None = None
    warm: bool = False
    remote: str | None = None
    log_format: str = TEXT
    metrics: str | None = None
    openlineage: str | None = None


# A path or URI: any text, which shells complete as a file.
PLACE = click.Path(readable=False)


def complete_dataset(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Names of mappings in conf/datasets that begin so."""
    from genre_spark.source import dataset_names

    return [CompletionItem(name) for name in dataset_names() if name.startswith(incomplete)]


def complete_dataset_or_file(
    context: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """The same, and files."""
    names = complete_dataset(context, parameter, incomplete)
    return [*names, CompletionItem(incomplete, type="file")]


def place(*names: str, **settings: Any) -> Callable[..., Any]:
    """An option that is a path or URI."""
    return click.option(*names, type=PLACE, **settings)


CATALOG = place(
    "--catalog", required=True, metavar="PATH", help="The table of tracks: a path or Hadoop URI."
)
DATASET = click.option(
    "--dataset",
    shell_complete=complete_dataset_or_file,
    metavar="NAME|FILE",
    help="Mapping of the table's columns: a name from conf/datasets, or a file.",
)
ANSWERS = place(
    "--answers",
    multiple=True,
    metavar="FILE.csv",
    help="Genres that replace the catalogue's: columns track_id and genre (repeatable).",
)
MASTER = click.option("--master", metavar="URL", help="Spark master, such as local[4].")

WARM = click.option(
    "--warm",
    is_flag=True,
    help="Use a local Spark that keeps running, so that the next command starts in seconds (GENRE_SPARK_WARM=1).",
)
REMOTE = click.option("--remote", metavar="URL", help="Use a Spark Connect server: sc://HOST:PORT.")


def setting(key: str, *names: str, **details: Any) -> Callable[..., Any]:
    """An option for one setting of a command with `run_options`.

    `key`: ``section.key`` of ``conf/default.yaml``.
    """

    def keep(context: click.Context, _: click.Parameter, value: Any) -> None:
        if value:
            context.meta.setdefault(_SETTINGS, {})[key] = value

    return click.option(*names, callback=keep, expose_value=False, **details)


TABLE_FORMAT = setting(
    "publishing.table_format",
    "--table-format",
    type=click.Choice(TABLE_FORMATS),
    help="A directory of Parquet files, or a Delta table, also on object stores.  [parquet]",
)


def table_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that read a catalogue, which get them as `TableOptions`."""
    return _apply(
        DATASET,
        click.option("--format", "fmt", help="Spark's name of the table's format.  [inferred]"),
    )(_grouped(command, "table", TableOptions))


_OUTPUT = (
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Print the summary and errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Verbose output, with tracebacks."),
)


def output_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands without a job: what they print. They get a `Terminal`."""
    return _apply(*_OUTPUT)(_within(terminal_of, "terminal", command))


CONFIG = place("--config", metavar="FILE", help="Settings that override the defaults.")
OVERRIDES = click.option(
    "--set",
    "overrides",
    metavar="KEY=VALUE",
    multiple=True,
    help="Override one setting of conf/default.yaml (repeatable).",
)


_OF_SPARK = (CONFIG, OVERRIDES, MASTER, WARM, REMOTE)


def reader_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that only read, which get a `Job`."""
    return _apply(*_OF_SPARK, *_OUTPUT)(_within(job_of, "job", command))


def run_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Options of commands that run a job, which get a `Job`."""
    return _apply(
        *_OF_SPARK,
        click.option("--seed", type=int, help="Random seed."),
        *_OUTPUT,
        click.option(
            "--log-format",
            type=click.Choice([TEXT, JSON]),
            default=TEXT,
            help="Log format on standard error; json writes one object per line, with the run id.",
        ),
        click.option(
            "--metrics",
            metavar="FILE|URL",
            help="Write Prometheus metrics to a textfile or a Pushgateway URL.",
        ),
        click.option(
            "--openlineage",
            metavar="FILE|URL",
            help="Append an OpenLineage event to a file, or send it to a server.",
        ),
    )(_within(job_of, "job", command))


def _within(
    block: Callable[[RunOptions], AbstractContextManager[Any]],
    name: str,
    command: Callable[..., Any],
) -> Callable[..., Any]:
    """The command within a block by its options; it takes what that gives as `name`."""

    def within(run: RunOptions, **given: Any) -> Any:
        with block(run) as entered:
            return command(**{name: entered}, **given)

    return _as_run(functools.wraps(command)(within))


def _as_run(command: Callable[..., Any]) -> Callable[..., Any]:
    """The command, given the fields of `RunOptions` and its own name and settings."""
    run_command = _grouped(command, "run", RunOptions)

    @functools.wraps(run_command)
    def named(**given: Any) -> Any:
        context = click.get_current_context()
        # `score` or `models list`, by whichever script it is run.
        chain = [*([context.parent.command] if context.parent else []), context.command]
        name = " ".join(one.name or "" for one in chain if one.name != "cli")
        return run_command(command=name, settings=context.meta.get(_SETTINGS), **given)

    return named


def _apply(*options: Callable[..., Any]) -> Callable[..., Any]:
    """Options in the order in which help lists them."""
    return lambda command: functools.reduce(lambda c, option: option(c), reversed(options), command)


def _grouped(command: Callable[..., Any], name: str, kind: type[Any]) -> Callable[..., Any]:
    """The command, given the fields of `kind` one by one; it takes them as one object, `name`."""
    names = {field.name for field in fields(kind)}

    @functools.wraps(command)
    def grouped(**given: Any) -> Any:
        own = {key: given.pop(key) for key in names & set(given)}
        # Where nothing was given, the default of the field holds.
        made = kind(**{key: value for key, value in own.items() if value is not None})
        return command(**{name: made}, **given)

    return grouped
