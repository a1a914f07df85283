"""What `inspect` finds in a table; what is found is what is printed, but for the excluded fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import Field

from genre_spark._model import Count, Share, StrictModel
from genre_spark.catalog.columns import readable_name
from genre_spark.catalog.rows import RowCounts
from genre_spark.source import Dataset

_HIDDEN = Field(exclude=True)
# Beginnings of Spark's names of types.
NESTED, DATES = ("array", "map", "struct"), ("date", "timestamp")
NO_NUMBERS = (*NESTED, *DATES, "binary")
# Share of a column's rows that decides what it holds.
MOSTLY = 0.9


@dataclass(frozen=True)
class Column:
    """A column of the source table."""

    name: str
    kind: str  # Spark's name of its type.
    # Share of the rows that have a value, and of those with one that is a number, in [0, 1].
    filled: float
    numeric: float = 0.0
    # Of the numbers.
    low: float | None = None
    median: float | None = None
    high: float | None = None
    # Different values of a sample from all over the table, with their rows in it.
    values: Annotated[Mapping[str, int], _HIDDEN] = field(default_factory=dict)
    # Distinct values as a share of those that are filled, in [0, 1]; None where not counted.
    distinct: Annotated[float | None, _HIDDEN] = None
    nested: Annotated[str, _HIDDEN] = ""  # Its expression where it is a field of a struct.
    # The list of structs that it is in; empty where it is in none.
    listed: Annotated[str, _HIDDEN] = ""
    n_rows: Annotated[int, _HIDDEN] = 0  # Of the table.
    # Words in the names of most columns of the table, which tell nothing of this one.
    shared: Annotated[frozenset[str], _HIDDEN] = frozenset()
    sample: str | None = None  # One of the values.
    read_as: tuple[str, ...] = ()  # Columns of genre-spark that are taken from it.

    @property
    def sql(self) -> str:
        """The column in a SQL expression."""
        return self.nested or readable_name(self.name)

    @property
    def is_row_number(self) -> bool:
        """Whether its values count rows: whole numbers from 0 or 1 to at most their number."""
        if self.numeric < 1 or self.low not in (0, 1) or self.high is None:
            return False
        return self.high <= self.n_rows and all(one.isdigit() for one in self.values)

    def share(self, test: Callable[[str], object]) -> float:
        """Share of the sampled rows whose value passes a test."""
        passed = sum(n for value, n in self.values.items() if test(value))
        return passed / max(1, sum(self.values.values()))


@dataclass(frozen=True)
class Reading:
    """How one of genre-spark's columns is read."""

    name: str  # Of genre-spark's column.
    expression: str  # Spark SQL over the source's columns.
    source: str  # The column that it was taken for; empty where it is made of others.
    why: str = ""  # What was done to its values; empty where they are taken as they are.
    question: str = ""  # What only a person can decide; empty where there is no doubt.
    rival: str = ""  # The expression of the other reading.
    doubt: str = ""  # Why the outcome is unlike tracks of known tables.
    examples: tuple[tuple[str, str], ...] = ()  # Values of the table, and what becomes of them.
    not_understood: float = 0.0  # Share of the rows whose value is not understood, in [0, 1].


class FeatureFacts(StrictModel):
    """Values of one feature: rows without one that can be taken, extremes, and possible extremes."""

    missing: Count
    not_a_number: Count
    out_of_range: Count
    low: float | None
    median: float | None
    high: float | None
    possible: tuple[float, float]


class InspectedRows(RowCounts):
    """Row counts as gates would find them; `refused` is the share that a gate limits."""

    refused: Share


class Inspection(StrictModel):
    """What is in a table, how it would be read, and what to do next."""

    catalog: str  # Its path.
    format: str | None = None
    options: dict[str, str] = {}  # With which it is read.
    columns: tuple[Column, ...]
    mapping: dict[str, Reading]  # How each of genre-spark's columns is read.
    features: dict[str, FeatureFacts] = {}
    # None where no column identifies a track, or none is a feature.
    rows: InspectedRows | None = None
    genres: dict[str, Count] = {}  # The largest, with their tracks.
    artists: Count = 0
    # Per text column the words that mean "no value", with their rows.
    placeholders: dict[str, dict[str, Count]] = {}
    notes: tuple[str, ...] = ()
    # What only a person can decide; the draft has the likelier answers.
    questions: tuple[str, ...] = ()
    draft: str | None = None  # The dataset file that was written.
    next: str = ""  # The command to type next.
    # With which the table was read: its format, options and columns.
    dataset: Annotated[Dataset, _HIDDEN] = Dataset()
    # The largest artist with its tracks and their albums, if it has so many that it may be none.
    doubtful_artist: Annotated[tuple[str, Count, Count] | None, _HIDDEN] = None
