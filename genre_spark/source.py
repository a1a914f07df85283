"""How a source table maps to canonical columns, and where a well-known one comes from."""

import re
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from genre_spark._model import StrictModel
from genre_spark.config import conf_dir, read_yaml, validated
from genre_spark.errors import ConfigError
from genre_spark.schema import ARTISTS, FEATURE_NAMES, FEATURE_SOURCE, MAX_FEATURES, TEXT_COLUMNS

Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
Count = Annotated[int, Field(ge=1)]


_CANONICAL = (*TEXT_COLUMNS, ARTISTS, FEATURE_SOURCE, *FEATURE_NAMES)
_NAME = re.compile(r"\s*(\w+(\.\w+)*|`([^`]|``)+`)\s*")
_FILE_FORMATS = ("parquet", "csv", "json", "orc", "delta")
_TEXT_OPTIONS = (
    "sep",
    "delimiter",
    "encoding",
    "charset",
    "header",
    "quote",
    "escape",
    "multiline",
    "comment",
    "ignoreleadingwhitespace",
)


class Download(StrictModel):
    """A file that anybody may download.

    Parameters
    ----------
    url : str
        Of one version that never changes.
    sha256 : str
        Of that file's bytes, 64 hexadecimal digits. Without it nobody could tell half a file from
        a whole one, so a table without it cannot be fetched.
    """

    url: Url
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Origin(StrictModel):
    """Where a table comes from.

    Parameters
    ----------
    page : str
        What to read about it.
    licence : str
        As its page states it.
    file : str
        Name of the table's file.
    rows, genres : int
        How many it has, at least about; genres absent where it has none.
    size : int
        Bytes of the file, about.
    download : Download, optional
        Where it is hosted openly.
    how : str
        Otherwise: how to get it, in few words.
    """

    page: Url
    licence: str
    file: str
    rows: Count
    genres: Count | None = None
    size: Count | None = None
    download: Download | None = None
    how: str = ""

    @model_validator(mode="after")
    def _can_be_had(self) -> "Origin":
        if (self.download is None) == (not self.how):
            raise ValueError("either download or how should say how to get the table")
        return self


class Dataset(StrictModel):
    """How a source table maps to canonical columns.

    Its expressions and options are executed by Spark: a dataset file is code, and as trusted.

    Parameters
    ----------
    columns : dict of str to str
        Canonical column to a Spark SQL expression over the source's columns.
    extra_features : tuple of str
        Numeric columns, beyond the audio features, that the models also read.
    format : str, optional
        Spark's name of the source format; guessed from the path where absent.
    options : dict of str to str
        Options for Spark's reader of that format.
    no_artist : tuple of str
        Words that mean "no artist" in this table, beyond the usual ones, in any case.
    confirmed : tuple of str
        Features whose values are right although they are unlike those of known tracks.
    rows : str, optional
        The column that lists the tracks, where a row holds many, as answers of an API do.
    about : str
        What the table is, for people.
    origin : Origin, optional
        Where a well-known table comes from.
    """

    # A file in which all columns are still comments has nothing there.
    columns: Annotated[dict[str, str], BeforeValidator(lambda given: given or {})] = {}
    extra_features: tuple[str, ...] = ()
    format: str | None = None
    options: dict[str, str] = {}
    no_artist: tuple[str, ...] = ()
    confirmed: tuple[str, ...] = ()
    rows: str | None = None
    about: str = ""
    origin: Origin | None = None

    @property
    def canonical(self) -> tuple[str, ...]:
        """All columns that it could map."""
        return (*_CANONICAL, *self.extra_features)

    def code(self) -> list[str]:
        """Which parts Spark would execute, or hand to a reader that can do more than read a file.

        Without any, the mapping of a stranger is safe to follow: columns by plain names, and a
        file format with options that say how its texts are written.
        """
        columns = [
            f"columns.{name}" for name, sql in self.columns.items() if not _NAME.fullmatch(sql)
        ]
        formats = ["format"] if self.format not in (None, *_FILE_FORMATS) else []
        options = [f"options.{name}" for name in self.options if name.lower() not in _TEXT_OPTIONS]
        rows = ["rows"] if self.rows and not _NAME.fullmatch(self.rows) else []
        return [*formats, *options, *rows, *columns]

    @model_validator(mode="after")
    def _extras_are_new(self) -> "Dataset":
        taken = [*_CANONICAL]
        most = MAX_FEATURES - len(FEATURE_NAMES)
        if len(self.extra_features) > most:
            raise ValueError(
                f"extra_features: {len(self.extra_features)} are named, at most {most} can be read;"
                " name those that tell most of genres"
            )
        for name in self.extra_features:
            if name.lower() in taken:
                raise ValueError(f"extra_features: {name} is a column already")
            taken.append(name.lower())
        return self

    @model_validator(mode="after")
    def _names_are_known(self) -> "Dataset":
        unknown = sorted(set(self.confirmed) - {*FEATURE_NAMES, *self.extra_features})
        if unknown:
            raise ValueError(f"confirmed: {', '.join(unknown)}: no feature of that name")
        unknown = sorted(set(self.columns) - set(self.canonical))
        if unknown:
            raise ValueError(
                f"columns: {', '.join(unknown)} not canonical; known are {', '.join(self.canonical)}"
                " (name a numeric extra in extra_features)"
            )
        return self


def load_dataset(name_or_file: str | None) -> Dataset:
    """A mapping by its name in ``conf/datasets`` or by its file; the identity for None.

    Raises `ConfigError` if there is no such mapping, or its content is wrong.
    """
    if name_or_file is None:
        return Dataset()
    path: Traversable = Path(name_or_file)
    if not path.is_file():
        path = conf_dir() / "datasets" / f"{name_or_file}.yaml"
    if not path.is_file():
        raise ConfigError(
            f"--dataset {name_or_file}: neither a file nor one of {', '.join(dataset_names())}"
        )
    return validated(Dataset, read_yaml(path), {}, str(path))


def dataset_names() -> list[str]:
    """Names of the mappings that come with genre-spark."""
    names = (file.name for file in (conf_dir() / "datasets").iterdir())
    return sorted(name.removesuffix(".yaml") for name in names if name.endswith(".yaml"))


def is_shipped(dataset: Dataset) -> bool:
    """Whether a mapping is one of those that come with genre-spark, to the letter."""
    return any(load_dataset(name) == dataset for name in dataset_names())
