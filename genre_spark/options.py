"""What commands share: options, completion, and the job that most of them are."""

import functools
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from genre_spark.config import Settings
    from genre_spark.intake import Source
    from genre_spark.terminal import Terminal


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
        from genre_spark.config import dataset_names

        found = [CompletionItem(n) for n in dataset_names() if n.startswith(incomplete)]
        return [*found, CompletionItem(incomplete, type="file")] if self._files else found


def place(*names: str, **settings: Any) -> Callable:
    """An option that is a path or URI."""
    return click.option(*names, type=Place(), **settings)


CATALOG = place(
    "--catalog", required=True, metavar="PATH", help="The table of tracks: any URI Hadoop reads."
)
MASTER = click.option("--master", metavar="URL", help="Spark's master, to run without a cluster.")


def table_options(command: Callable) -> Callable:
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


def speech_options(command: Callable) -> Callable:
    """Options of all commands: what they say."""
    return _apply(
        click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON."),
        click.option("-q", "--quiet", is_flag=True, help="Print the summary and errors only."),
        click.option("-v", "--verbose", is_flag=True, help="Say more; show tracebacks."),
    )(command)


def run_options(command: Callable) -> Callable:
    """Options of commands that run a job."""
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
    )(command)


def _apply(*options: Callable) -> Callable:
    """Options in the order in which help lists them."""
    return lambda command: functools.reduce(lambda c, option: option(c), reversed(options), command)


@contextmanager
def speaking(as_json: bool, quiet: bool, verbose: bool) -> Iterator["Terminal"]:
    """A terminal for the time of a command, and how much everybody may say meanwhile."""
    from genre_spark.session import under_spark_submit
    from genre_spark.terminal import Terminal

    if quiet and verbose:
        raise click.UsageError("--quiet and --verbose exclude each other")
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(levelname)s: %(message)s",
        force=True,
    )
    for noisy in ("py4j", "tensorflow", "tf2onnx", "matplotlib"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    # spark-submit sends both outputs of Python to one, where machines want the JSON alone.
    silent = quiet or (as_json and under_spark_submit())
    logging.disable(logging.WARNING if silent else logging.NOTSET)
    if not verbose:
        # Libraries warn about each other, and of nothing that a user could mend.
        warnings.simplefilter("ignore")
    terminal = Terminal(as_json, silent)
    try:
        yield terminal
    finally:
        terminal.close()


@dataclass
class Job:
    """What each command on a catalogue has: settings, terminal, and Spark once it needs it."""

    settings: "Settings"
    terminal: "Terminal"
    master: str | None
    verbose: bool
    session: "SparkSession | None" = None

    def spark(self) -> "SparkSession":
        """The session; started late, so that mistakes in the options are told at once."""
        from genre_spark.session import get_session

        self.terminal.say("starting Spark")
        self.session = get_session(
            self.master, self.settings.scoring.batch_rows, with_notices=self.verbose
        )
        return self.session


@contextmanager
def job_of(
    config: str | None = None,
    overrides: tuple[str, ...] = (),
    master: str | None = None,
    seed: int | None = None,
    **speech: bool,
) -> Iterator[Job]:
    """A job from its options; Spark stops when it is done."""
    from genre_spark.config import load_settings

    with speaking(**speech) as terminal:
        job = Job(load_settings(config, overrides, seed), terminal, master, speech["verbose"])
        try:
            yield job
        finally:
            terminal.close()
            if job.session:
                job.session.stop()


def source_of(path: str, dataset: str | None, fmt: str | None) -> "Source":
    """The catalogue that the options name."""
    from genre_spark.config import load_dataset
    from genre_spark.intake import Source

    return Source(path, load_dataset(dataset), fmt)


def table_words(path: str, dataset: str | None, fmt: str | None) -> tuple[str, ...]:
    """The options that name the same catalogue again."""
    given = {"--catalog": path, "--dataset": dataset, "--format": fmt}
    return tuple(word for pair in given.items() if pair[1] for word in pair)
