"""Elements of a report: tables, figures, cards and tiles, rendered in one place per medium."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from genre_spark.bundle.genre_metrics import Protocol
from genre_spark.bundle.manifest import Manifest
from genre_spark.platform.safe_text import markdown
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.reporting import text

# How values are written, by the name of the column.
Columns = dict[str, Callable[[Any], str]]
Spec = dict[str, Any]
_Of = TypeVar("_Of")


@dataclass(frozen=True)
class Table:
    """Rows of values as they are, so that a page can sort them; the first column names the row."""

    title: str
    columns: Mapping[str, Callable[[Any], str]]
    rows: Sequence[tuple[Any, ...]]
    note: str = ""
    kind: ClassVar[str] = "table"

    @classmethod
    def by_protocol(
        cls,
        title: str,
        head: str,
        parts: Mapping[Protocol, Mapping[str, Any]],
        form: Callable[[Any], str],
        note: str = "",
    ) -> "Table":
        """A row for each name in any of the parts, a column for each protocol."""
        columns = {head: text.shown, **{text.protocol(name): form for name in parts}}
        names = dict.fromkeys(name for part in parts.values() for name in part)
        rows = [(name, *(part.get(name) for part in parts.values())) for name in names]
        return cls(title, columns, rows, note)

    def texts(self) -> list[tuple[str, ...]]:
        """The head and the rows, as every medium shows them."""
        forms = self.columns.values()
        rows = (tuple(f(v) for f, v in zip(forms, row, strict=True)) for row in self.rows)
        return [tuple(self.columns), *rows]

    def markdown(self) -> str:
        """The table in Markdown, with its note below it."""
        head, *rows = self.texts()
        lines = [map(markdown, head), ["---"] * len(head), *(map(markdown, row) for row in rows)]
        drawn = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        return f"{drawn}\n\n{markdown(self.note)}" if self.note else drawn


def facts(title: str, pairs: Mapping[str, Any]) -> Table:
    """A table of names and values, without those that are absent."""
    rows = [(name, value) for name, value in pairs.items() if value not in (None, "")]
    return Table(title, dict.fromkeys(("fact", "value"), text.shown), rows)


def sort_key(value: Any) -> float | str:
    """By what a page sorts a value: its number, or the mean of an estimate."""
    if isinstance(value, bool) or value is None:
        return "" if value is None else int(value)
    if isinstance(value, int | float):
        return float(value)
    for name in ("mean", "coverage"):
        if hasattr(value, name):
            return sort_key(getattr(value, name))
    return str(value)


@dataclass(frozen=True)
class Figure:
    """A question, its answer in one sentence, and charts that show it.

    Attributes
    ----------
    name : str
        Of its file, without the ending, and of its anchor.
    charts : mapping of str to dict
        Vega-Lite specifications by title; the title of a single one is not shown.
    legend : sequence of (int, str, str)
        Of a map: id, name and colour of each group, which a click isolates.
    searchable : bool
        Whether tracks of the map have names.
    """

    name: str
    question: str
    finding: str
    charts: Mapping[str, Spec]
    note: str = ""
    legend: Sequence[tuple[int, str, str]] = ()
    searchable: bool = False

    @classmethod
    def by_protocol(
        cls,
        name: str,
        question: str,
        protocols: Mapping[Protocol, _Of],
        panel: Callable[[_Of], tuple[str, Spec]],
        note: str = "",
    ) -> "Figure":
        """A finding and a chart for each protocol."""
        drawn = {text.protocol(one): panel(of) for one, of in protocols.items()}
        findings = [f"{title.capitalize()}: {finding}" for title, (finding, _) in drawn.items()]
        specs = {title: chart for title, (_, chart) in drawn.items()}
        return cls(name, question, " ".join(findings), specs, note)

    @property
    def kind(self) -> str:
        """Which macro of the page draws it."""
        return "map" if self.legend else "figure"


@dataclass(frozen=True)
class Card:
    """One synthetic genre: what it is called, and facts about it."""

    id: int
    name: str
    colour: str
    size: str
    called: str
    facts: Mapping[str, Sequence[str]]
    rules: Sequence[str] = ()
    rules_note: str = ""


@dataclass(frozen=True)
class Cards:
    """Cards below a heading."""

    title: str
    cards: Sequence[Card]
    note: str = ""
    kind: ClassVar[str] = "cards"


@dataclass(frozen=True)
class Tile:
    """A number at the top of the page; `level` is ok, warn or stop by a gate, empty without one."""

    label: str
    value: str
    detail: str = ""
    level: str = ""


Part = Table | Figure | Cards


@dataclass(frozen=True)
class Topic:
    """A section of the page; `name` is its anchor, `lead` its first paragraph, absent parts are None."""

    name: str
    title: str
    lead: str
    parts: Sequence[Part | None]
    tiles: Sequence[Tile] = ()


@dataclass(frozen=True)
class Subject:
    """The subject of a report; `labelled` has rows of tracks on the map, by their ids."""

    model: Manifest
    labels: LabelledManifest | None = None
    labelled: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
