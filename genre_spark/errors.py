"""What a user can cause: each error is one clear line and a documented exit code."""

from collections.abc import Iterable

# As shells have it of a process that SIGINT ended: 128 and its number.
STOPPED = 130


class GenreSparkError(Exception):
    """Base of all errors that a user can cause and mend.

    Attributes
    ----------
    exit_code : int
        What the process exits with when the error reaches the terminal.
    """

    exit_code = 1

    def __init__(self, message: str = ""):
        # Column names and paths that a message quotes may hold line breaks.
        super().__init__(" ".join(str(message).splitlines()))


class ConfigError(GenreSparkError):
    """An option, a configuration file or the environment is wrong."""

    exit_code = 2

    @classmethod
    def from_violations(cls, violations: Iterable[str]) -> "ConfigError":
        """All violations in a configuration at once, each with its place."""
        return cls("configuration refused: " + "; ".join(violations))


class InputError(GenreSparkError):
    """A catalogue cannot be used."""

    exit_code = 3

    @classmethod
    def from_missing_column(cls, path: str, column: str, available: Iterable[str]) -> "InputError":
        """A column that the work needs is neither in the table nor mapped to."""
        return cls(
            f"{path}: no column '{column}'; found: {listed(available, 30)}. "
            f"Map it in a dataset file (columns: {column}: <SQL expression>) and give that with --dataset"
        )


class BundleError(GenreSparkError):
    """A model bundle cannot be trusted or does not fit the work."""

    exit_code = 4


class GateError(GenreSparkError):
    """The work was done, but its result does not meet a limit that the user set."""

    exit_code = 5


class OutputError(GenreSparkError):
    """The output is busy, or writing there would destroy something."""

    exit_code = 6


class StoppedError(BaseException):
    """A signal asked the process to end; nothing on the way catches it."""

    def __init__(self, number: int, message: str):
        super().__init__(message)
        self.exit_code = 128 + number


def exit_code(err: BaseException) -> int:
    """What a process exits with that an error has ended."""
    if isinstance(err, GenreSparkError | StoppedError):
        return err.exit_code
    if isinstance(err, KeyboardInterrupt):
        return STOPPED
    # An extra that is not installed: the environment is wrong.
    return ConfigError.exit_code if isinstance(err, ModuleNotFoundError) else 1


def first_line(err: BaseException) -> str:
    """The first line of what an error says; its type if it says nothing."""
    lines = (line.strip() for line in str(err).splitlines())
    return next(filter(None, lines), type(err).__name__)


def listed(names: Iterable[str], limit: int = 3) -> str:
    """Names for a message: the first ones, and how many more there are."""
    names = list(names)
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
