"""Views of tables: known ones, an inspected one, a labelled one."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from genre_spark.catalog.inspection_results import Column, InspectedRows, Inspection, Reading
from genre_spark.catalog.public_datasets import Fetched, KnownTable
from genre_spark.cli.terminal import Terminal
from genre_spark.reporting.text import quarantined
from genre_spark.source import Origin

if TYPE_CHECKING:
    from genre_spark.pipelines.browse import BrowsePage
    from genre_spark.publishing.reader import LabelledCatalogue


def show_datasets(terminal: Terminal, tables: Sequence[KnownTable]) -> None:
    """All known tables."""
    if terminal.shown_as_json([one.summary() for one in tables]):
        return
    rows = [("dataset", "rows", "genres", "file", "licence", "get it")]
    for one in tables:
        origin = one.origin
        genres = "none" if origin.genres is None else f"{origin.genres:,}"
        rows.append(
            (one.name, f"{origin.rows:,}", genres, _size(origin), origin.licence, one.how_to_get)
        )
    terminal.table(rows)


def show_dataset(terminal: Terminal, table: KnownTable) -> None:
    """One known table."""
    if terminal.shown_as_json(table.summary()):
        return
    origin, dataset = table.origin, table.dataset
    terminal.pairs(
        {
            "dataset": table.name,
            "about": dataset.about,
            "page": origin.page,
            "licence": origin.licence,
            "file": f"{origin.file} {_size(origin)}".strip(),
            "rows": f"{origin.rows:,}",
            "genres": "none" if origin.genres is None else f"{origin.genres}",
            "get it": table.how_to_get,
            **{f"column {to}": by for to, by in dataset.columns.items()},
            "extra features": ", ".join(dataset.extra_features),
        }
    )


def show_fetched(terminal: Terminal, table: Fetched) -> None:
    """Where a table is, and what to type next."""
    if terminal.shown_as_json(table):
        return
    terminal.pairs(
        {
            "fetched" if table.fetched else "was there already": table.path,
            "bytes": f"{table.bytes:,}",
            "licence": table.licence,
            "next": f"genre-spark inspect --catalog {table.path} --dataset {table.dataset}",
        }
    )


def show_browse(terminal: Terminal, made: "BrowsePage") -> None:
    """Where the page is, and how many tracks are on it."""
    if not terminal.shown_as_json(made):
        terminal.pairs({"page": made.page, "tracks": f"{made.tracks:,} of {made.of:,}"})


def show_inspection(terminal: Terminal, found: Inspection) -> None:
    """What becomes of a table's values, what is not certain, and what to do next."""
    if terminal.shown_as_json(found):
        return
    if not found.rows:
        terminal.table([_COLUMN_HEAD, *map(_column, found.columns)])
    rows = [_read(found, one) for one in found.mapping.values()]
    terminal.table([_READ_HEAD, *rows])
    if found.rows:
        terminal.pairs(_fates(found.rows, found.genres, found.artists))
    unused = [one.name for one in found.columns if not one.read_as]
    terminal.pairs(
        {"not used": f"{', '.join(unused[:_UNUSED])}{' …' * (len(unused) > _UNUSED)}"}
        if unused
        else {}
    )
    for kind, lines in (("question", found.questions), ("note", found.notes)):
        terminal.pairs({f"{kind} {i}": line for i, line in enumerate(lines, start=1)})
    terminal.pairs({"mapping": found.draft or "", "next": found.next})


def show_labelled(terminal: Terminal, found: "LabelledCatalogue") -> None:
    """What is in a labelled catalogue."""
    if terminal.shown_as_json(found.summary()):
        return
    manifest = found.manifest
    labels, rows = manifest.labels, manifest.rows
    terminal.pairs(
        {
            "tracks": f"{rows.labelled:,}",
            "quarantined": quarantined(rows),
            "scored": manifest.scored_at,
            "model id": manifest.model_id,
            "from": manifest.source.path,
            "drift": manifest.drift.level if manifest.drift.assessed else "not assessed",
        }
    )
    for head, counts in (("synthetic genre", labels.synthetic_genres), ("genre", labels.genres)):
        if counts:
            shares = ((n, f"{c:,}", f"{c / rows.labelled:.1%}") for n, c in counts.items())
            terminal.table([(head, "tracks", "share"), *shares])
    if labels.accepted is not None:
        sure = f"{labels.mean_confidence:.3f}"
        terminal.pairs({"accepted": f"{labels.accepted:.1%}", "mean confidence": sure})
    if found.samples:
        rest = (tuple(map(_cell, one.values())) for one in found.samples)
        terminal.table([tuple(found.samples[0]), *rest])


_COLUMN_HEAD = ("column", "type", "filled", "lowest", "median", "highest", "for example", "read as")
_READ_HEAD = ("column", "from", "value → becomes", "missing", "odd", "lowest", "median", "highest")
# Columns that are named though they are not used, and characters of a value.
_UNUSED, _LONGEST = 12, 28


def _fates(rows: InspectedRows, genres: Mapping[str, int], artists: int) -> dict[str, str]:
    """What would become of the rows; what is 0 is left out."""
    counts = {
        "tracks that lack features": rows.imputed,
        "tracks with a genre": rows.with_genre,
        "tracks under several genres": rows.ambiguous,
        "artists": artists,
    }
    return {
        "tracks": f"{rows.accepted:,} of {rows.read:,} rows",
        "quarantined": quarantined(rows),
        **{name: f"{n:,}" for name, n in counts.items() if n},
        "largest genres": ", ".join(f"{genre} {n:,}" for genre, n in genres.items()),
    }


def _column(one: Column) -> tuple[str, ...]:
    values = (one.low, one.median, one.high)
    numbers = (_number(value) if one.numeric == 1 else "" for value in values)
    example = " ".join((one.sample or "").split())
    shown = f"{example[:39]}…" if len(example) > 40 else example
    return one.name, _kind(one), _share(one.filled), *numbers, shown, ", ".join(one.read_as)


def _read(found: Inspection, one: Reading) -> tuple[str, ...]:
    """How one column is read: an example, and how many values are missing or odd."""
    facts = found.features.get(one.name)
    value, outcome = one.examples[len(one.examples) // 2] if one.examples else ("", "")
    value, outcome = _short(value), _short(outcome)
    shown = value if value == outcome else f"{value} → {outcome}"
    odd = f"{one.not_understood:.1%}" if one.not_understood else ""
    source = (
        f"{one.source or one.expression[:_LONGEST]} ({one.why[:40]})" if one.why else one.source
    )
    if facts is None:
        return one.name, source, shown, "", odd, "", "", ""
    missing = f"{facts.missing:,}" if facts.missing else ""
    return (
        one.name,
        source,
        shown,
        missing,
        odd,
        *map(_number, (facts.low, facts.median, facts.high)),
    )


def _short(text: str) -> str:
    text = " ".join(text.split())
    return f"{text[: _LONGEST - 1]}…" if len(text) > _LONGEST else text


def _kind(one: Column) -> str:
    """In a CSV file all is text."""
    return ("number" if one.numeric == 1 else "text") if one.kind == "string" else one.kind


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return _number(value) if isinstance(value, float) else str("" if value is None else value)


def _share(value: float) -> str:
    """Never 100 % where a row is missing."""
    return "100%" if value == 1 else f"{min(value, 0.9999):.2%}"


def _size(origin: Origin) -> str:
    return f"{origin.size / 1e6:.1f} MB" if origin.size else ""
