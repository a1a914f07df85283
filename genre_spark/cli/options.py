"""Options that several commands share, and how shells complete them."""

import functools
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, TypeAlias

import click
from click.shell_completion import CompletionItem

from genre_spark.cli.job import job_of, terminal_of
from genre_spark.monitoring.json_logs import JSON, TEXT
from genre_spark.schema import TABLE_FORMATS

if TYPE_CHECKING:
    from genre_spark.catalog.catalogue import Source
    from genre_spark.config import Settings

# A command, or what decorates it.
Decorated: TypeAlias = Callable[..., Any]
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


def place(*names: str, **settings: Any) -> Decorated:
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


def setting(key: str, *names: str, **details: Any) -> Decorated:
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


_OF_SPARK = (
    place("--config", metavar="FILE", help="Settings that override the defaults."),
    click.option(
        "--set",
        "overrides",
        metavar="KEY=VALUE",
        multiple=True,
        help="Override one setting of conf/default.yaml (repeatable).",
    ),
    click.option("--master", metavar="URL", help="Spark master, such as local[4]."),
    click.option(
        "--warm",
        is_flag=True,
        help="Use a local Spark that keeps running, so that the next command starts in seconds (GENRE_SPARK_WARM=1).",
    ),
    click.option("--remote", metavar="URL", help="Use a Spark Connect server: sc://HOST:PORT."),
)
_OUTPUT = (
    click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
    click.option("-q", "--quiet", is_flag=True, help="Print the summary and errors only."),
    click.option("-v", "--verbose", is_flag=True, help="Verbose output, with tracebacks."),
)
_OF_RUN = (
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
)


def table_options(command: Decorated) -> Decorated:
    """Options of commands that read a catalogue, which get them as `TableOptions`."""

    @functools.wraps(command)
    def with_table(**given: Any) -> Any:
        return command(table=_taken(TableOptions, given), **given)

    fmt = click.option("--format", "fmt", help="Spark's name of the table's format.  [inferred]")
    return DATASET(fmt(with_table))


def output_options(command: Decorated) -> Decorated:
    """Options of commands without a job: what they print. They get a `Terminal`."""
    return _within(terminal_of, "terminal", command, _OUTPUT)


def reader_options(command: Decorated) -> Decorated:
    """Options of commands that only read, which get a `Job`."""
    return _within(job_of, "job", command, (*_OF_SPARK, *_OUTPUT))


def run_options(command: Decorated) -> Decorated:
    """Options of commands that run a job, which get a `Job`."""
    return _within(job_of, "job", command, _OF_RUN)


def _within(
    block: Callable[[RunOptions], AbstractContextManager[Any]],
    name: str,
    command: Decorated,
    options: Sequence[Decorated],
) -> Decorated:
    """The command within a block by its options; it takes what that gives as `name`."""

    @functools.wraps(command)
    def within(**given: Any) -> Any:
        context = click.get_current_context()
        # `score` or `models list`, by whichever script it is run.
        chain = [*([context.parent.command] if context.parent else []), context.command]
        given["command"] = " ".join(one.name or "" for one in chain if one.name != "cli")
        given["settings"] = context.meta.get(_SETTINGS)
        with block(_taken(RunOptions, given)) as entered:
            return command(**{name: entered}, **given)

    # Help lists options in the order in which decorators stand.
    return functools.reduce(lambda made, option: option(made), reversed(options), within)


def _taken(kind: type[Any], given: dict[str, Any]) -> Any:
    """The fields of `kind` among the given options, taken out of them as one object."""
    own = {field.name: given.pop(field.name) for field in fields(kind) if field.name in given}
    # Where nothing was given, the default of the field holds.
    return kind(**{name: value for name, value in own.items() if value is not None})
