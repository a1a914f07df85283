"""A command that has ended, for machines: how it ended, and facts of its summary."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from genre_spark.bundle.catalogue_profile import LabelProfile
from genre_spark.monitoring.drift import Drift


@dataclass(frozen=True)
class FinishedRun:
    """How a command ended.

    Attributes
    ----------
    command : str
        Such as ``score`` or ``models promote``.
    """

    command: str
    run_id: str
    exit_code: int
    seconds: float


class _Facts(BaseModel):
    """What monitoring reads of a part of a summary; summaries have more."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class Place(_Facts):
    """A table or a model; ``version`` is of a Delta table."""

    path: str
    version: int | None = None


class LabelFacts(LabelProfile):
    """Tracks per label, and how many labels were accepted."""

    model_config = ConfigDict(extra="ignore")


class Accuracy(_Facts):
    """Of one protocol, on held-out tracks."""

    accuracy: float
    coverage: float | None = None


class Rows(_Facts):
    """Rows by what became of them, quarantined rows by reason, tracks by feature that they lack."""

    counts: dict[str, int] = {}
    reasons: dict[str, int] = {}
    missing: dict[str, int] = {}

    @classmethod
    def of(cls, rows: Mapping[str, Any]) -> "Rows":
        """From the rows of a summary, where all numbers are counts."""
        counts = {name: value for name, value in rows.items() if isinstance(value, int)}
        found = {name: rows.get(name) or {} for name in ("reasons", "missing")}
        return cls(counts=counts, **found)


class Labelled(_Facts):
    """A labelled catalogue that was published."""

    path: str
    columns: dict[str, str] = Field(alias="schema")
    rows: Rows

    @field_validator("rows", mode="before")
    @classmethod
    def _counted(cls, rows: Mapping[str, Any]) -> Rows:
        return Rows.of(rows)


class Facts(_Facts):
    """What monitoring reports of a command's summary; nothing where it failed.

    Attributes
    ----------
    source, model : Place or None
        What was read.
    made : tuple of str
        Paths of a bundle, a report or a study.
    """

    source: Place | None = None
    model: Place | None = None
    made: tuple[str, ...] = ()
    published: tuple[Labelled, ...] = ()
    model_id: str | None = None
    rows: Rows = Rows()
    labels: LabelFacts | None = None
    drift: Drift | None = None
    protocols: dict[str, Accuracy] = {}

    @classmethod
    def of(cls, summary: Any) -> "Facts":
        """From the summary of any command, as it is printed for machines.

        Raises
        ------
        pydantic.ValidationError
            Where a part is not of its type.
        """
        if not isinstance(summary, Mapping):
            return cls()
        # `cluster --labels` has the summary of the labelled catalogue under `labels`, others counts.
        labels = _mapping(summary.get("labels"))
        catalogues = [one for one in (summary, labels) if "schema" in one and one.get("published")]
        # `models show` lists the names of genres there.
        genres = _mapping(summary.get("genres"))
        return cls(
            source=_place(summary.get("source")),
            model=_place(summary.get("model")),
            made=tuple(
                summary[name]
                for name in ("bundle", "report", "study")
                if isinstance(summary.get(name), str)
            ),
            published=tuple(map(Labelled.model_validate, catalogues)),
            model_id=summary.get("model_id"),
            rows=Rows.of(_mapping(summary.get("rows"))),
            labels=labels if labels and "schema" not in labels else None,
            drift=summary.get("drift"),
            protocols=_mapping(genres.get("protocols")),
        )


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _place(value: Any) -> Place | None:
    if isinstance(value, str) and value:
        return Place(path=value)
    return Place.model_validate(value) if _mapping(value).get("path") else None
