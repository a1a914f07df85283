"""Elements of a report: tables, figures, cards and tiles, rendered in one place per medium."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from genre_spark.bundle.genre_metrics import Protocol
from genre_spark.bundle.manifest import Manifest
from genre_spark.platform.safe_text import markdown
from genre_spark.publishing.manifest import Manifest as LabelledManifest
from genre_spark.reporting import text

# How a value is written.
Form = Callable[[Any], str]
# By the name of the column.
Columns = dict[str, Form]
Spec = dict[str, Any]
# A finding, and the chart that shows it.
Panel = tuple[str, Spec]
# Values by part, such as a protocol, and by name.
Parts = Mapping[Any, Mapping[str, Any]]


@dataclass(frozen=True)
class Table:
    """Rows of values as they are, so that a page can sort them; the first column names the row."""

    title: str
    columns: Mapping[str, Form]
    rows: Sequence[tuple[Any, ...]]
    note: str = ""

    @classmethod
    def of_parts(cls, title: str, head: str, parts: Parts, form: Form, note: str = "") -> "Table":
        """A column for each part, and a row for each name in any of them."""
        columns = {head: text.plain, **{text.protocol(name): form for name in parts}}
        names = dict.fromkeys(chain.from_iterable(parts.values()))
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
    columns = dict.fromkeys(("fact", "value"), text.shown)
    return Table(title, columns, list(text.present(pairs).items()))


def sort_key(value: Any) -> float | str:
    """By what a page sorts a value: its number, or the mean of an estimate."""
    for name in ("mean", "coverage"):
        value = getattr(value, name, value)
    if isinstance(value, int | float):
        return float(value)
    return "" if value is None else str(value)


@dataclass(frozen=True)
class Figure:
    """A question, its answer in one sentence, and charts that show it."""

    name: str  # Of its file, without the ending, and of its anchor.
    question: str
    finding: str
    charts: Mapping[str, Spec]  # Vega-Lite, by title; the title of a single one is not shown.
    note: str = ""
    # Of a map: id, name and colour of each group, which a click isolates.
    legend: Sequence[tuple[int, str, str]] = ()
    searchable: bool = False  # Whether tracks of the map have names.
    findings: Mapping[str, str] = field(default_factory=dict)  # Of each chart, by its title.

    @classmethod
    def by_protocol(
        cls, name: str, question: str, panels: Mapping[Protocol, Panel], note: str = ""
    ) -> "Figure":
        """A finding and a chart for each protocol."""
        findings = {text.protocol(of): finding for of, (finding, _) in panels.items()}
        whole = " ".join(f"{title.capitalize()}: {one}" for title, one in findings.items())
        specs = {text.protocol(of): chart for of, (_, chart) in panels.items()}
        return cls(name, question, whole, specs, note, findings=findings)

    def markdown(self) -> str:
        """The picture in Markdown, which is a file in the same folder, with its finding below it."""
        picture = f"![{self.question}]({self.name}.png)"
        return f"## {self.question}\n\n{picture}\n\n{markdown(self.finding)}"


def markdown_page(parts: Iterable[Table | Figure | str | None]) -> str:
    """A page in Markdown; texts are Markdown already, and absent parts None."""
    written = (one if isinstance(one, str) else one.markdown() for one in parts if one)
    return "\n\n".join(written) + "\n"


@dataclass(frozen=True)
class Cards:
    """A card for each synthetic genre, below a heading; the macro ``cards`` writes its fields."""

    title: str
    cards: Sequence[Mapping[str, Any]]
    note: str = ""


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
