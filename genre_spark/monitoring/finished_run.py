"""A command that has ended, for machines: how it ended, and facts of its result."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genre_spark.bundle.genre_metrics import HeldOutMetrics
    from genre_spark.bundle.manifest import LabelProfile
    from genre_spark.catalog.rows import RowCounts
    from genre_spark.monitoring.drift import Drift


@dataclass(frozen=True)
class Labelled:
    """A labelled catalogue that was published, with Spark's type of each column."""

    path: str
    columns: Mapping[str, str]
    n_rows: int


@dataclass(frozen=True)
class Facts:
    """What monitoring reports of a command's result; nothing if it failed.

    `source`, `model`: Paths of what was read.
    `made`: Paths of a bundle or a report.
    `protocols`: Accuracy of a new model on held-out tracks.
    """

    source: str | None = None
    source_version: int | None = None
    model: str | None = None
    made: tuple[str, ...] = ()
    published: tuple[Labelled, ...] = ()
    model_id: str | None = None
    rows: "RowCounts | None" = None
    labels: "LabelProfile | None" = None
    drift: "Drift | None" = None
    protocols: "Mapping[str, HeldOutMetrics]" = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        """Rows by what became of them."""
        return {name: n for name, n in self.rows or () if isinstance(n, int)}


@dataclass(frozen=True)
class FinishedRun:
    """How a command ended."""

    command: str
    run_id: str
    exit_code: int
    seconds: float
    facts: Facts = field(default_factory=Facts)
