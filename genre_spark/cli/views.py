"""What commands print for people: pairs of name and value, and tables whose first row is the head."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from genre_spark.monitoring.drift import WARN, beyond
from genre_spark.platform.safe_text import redact
from genre_spark.reporting import study_report, text
from genre_spark.reporting.topics import accuracy, confidence, synthetic_genres
from genre_spark.reporting.topics.model import made

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from genre_spark.bundle.files import Bundle
    from genre_spark.bundle.genre_metrics import GenreMetrics
    from genre_spark.bundle.registry import Entry, Promotion
    from genre_spark.catalog.inspection_results import Column, Inspection, Reading
    from genre_spark.catalog.public_datasets import Fetched, KnownTable
    from genre_spark.catalog.rows import RowCounts
    from genre_spark.cli.terminal import Part
    from genre_spark.evaluation.model_comparison import Difference, Flow
    from genre_spark.evaluation.study_results import StudySummary
    from genre_spark.pipelines.bundles import BundleSummary
    from genre_spark.pipelines.demo import DemoResult
    from genre_spark.pipelines.suggest import Suggested
    from genre_spark.publishing.labels import PublishedLabels
    from genre_spark.publishing.reader import LabelledCatalogue

    View = tuple[dict[str, Any], list[Part]]


def datasets(tables: Sequence[KnownTable]) -> Iterator[Part]:
    """All known tables."""
    rows = [{"dataset": one.name, **_origin(one)} for one in tables]
    yield from _table(rows[0], (row.values() for row in rows))


def dataset(table: KnownTable) -> Iterator[Part]:
    """One known table."""
    mapping, found = table.dataset, _origin(table)
    yield {
        "dataset": table.name,
        "about": mapping.about,
        "page": table.origin.page,
        **found,
        "file": f"{table.origin.file} {found['file']}".strip(),
        **{f"column {to}": by for to, by in mapping.columns.items()},
        "extra features": mapping.extra_features,
    }


def _origin(table: KnownTable) -> dict[str, str]:
    origin = table.origin
    return {
        "rows": text.count(origin.rows),
        "genres": "none" if origin.genres is None else text.count(origin.genres),
        "file": f"{origin.size / 1e6:.1f} MB" if origin.size else "",
        "licence": origin.licence,
        "get it": table.how_to_get,
    }


def fetched(table: Fetched) -> Iterator[Part]:
    """Where a table is, and what to type next."""
    yield {
        "fetched" if table.fetched else "was there already": table.path,
        "bytes": text.count(table.bytes),
        "licence": table.licence,
        "next": f"genre-spark inspect --catalog {table.path} --dataset {table.dataset}",
    }


def inspection(found: Inspection) -> Iterator[Part]:
    """What becomes of a table's values, what is not certain, and what to do next."""
    if not found.rows:
        yield [_COLUMN_HEAD, *map(_column, found.columns)]
    yield [_READ_HEAD, *(_read(found, one) for one in found.mapping.values())]
    if found.rows:
        yield {
            **_rows(found.rows),
            "tracks with a genre": text.count(found.rows.with_genre or None),
            "tracks under several genres": text.count(found.rows.ambiguous or None),
            "artists": text.count(found.artists or None),
            "largest genres": text.tally(found.genres),
        }
    unused = [one.name for one in found.columns if not one.read_as]
    yield {"not used": f"{', '.join(unused[:_UNUSED])}{' …' * (len(unused) > _UNUSED)}"}
    for kind, lines in (("question", found.questions), ("note", found.notes)):
        yield {f"{kind} {i}": line for i, line in enumerate(lines, start=1)}
    yield {"mapping": found.draft, "next": found.next}


def labelled(found: LabelledCatalogue) -> Iterator[Part]:
    """What is in a labelled catalogue."""
    manifest = found.manifest
    labels, rows = manifest.labels, manifest.rows
    yield {
        "tracks": text.count(rows.labelled),
        "quarantined": text.counted(rows.n_quarantined, rows.reasons),
        "scored": manifest.scored_at,
        "model id": manifest.model_id,
        "from": manifest.source.path,
        "drift": manifest.drift.level if manifest.drift.assessed else "not assessed",
    }
    for head, counts in (("synthetic genre", labels.synthetic_genres), ("genre", labels.genres)):
        shares = [(of, f"{n:,}", text.percent(n / rows.labelled)) for of, n in counts.items()]
        yield from _table((head, "tracks", "share"), shares)
    yield {
        "accepted, training tracks included": text.percent(labels.accepted),
        "mean confidence": text.ratio(labels.mean_confidence),
    }
    if found.samples:
        yield from _table(found.samples[0], (one.values() for one in found.samples))


def _table(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> Iterator[Part]:
    """A table; none without rows."""
    table = [tuple(head), *map(tuple, rows)]
    if len(table) > 1:
        yield table


_COLUMN_HEAD = ("column", "type", "filled", "lowest", "median", "highest", "for example", "read as")
_READ_HEAD = ("column", "from", "value → becomes", "missing", "odd", "lowest", "median", "highest")
# Columns that are named though they are not used, and characters of a value.
_UNUSED, _LONGEST = 12, 28


def _column(one: Column) -> tuple[Any, ...]:
    is_number = one.numeric == 1
    # In a CSV file all is text.
    kind = ("number" if is_number else "text") if one.kind == "string" else one.kind
    extremes = (one.low, one.median, one.high) if is_number else ("", "", "")
    example = text.one_line(one.sample or "", 40)
    return one.name, kind, text.percent(one.filled, 2), *extremes, example, one.read_as


def _read(found: Inspection, one: Reading) -> tuple[Any, ...]:
    """How one column is read: an example, and how many values are missing or odd."""
    facts = found.features.get(one.name)
    example = one.examples[len(one.examples) // 2] if one.examples else ("", "")
    value, outcome = (text.one_line(one, _LONGEST) for one in example)
    read = value if value == outcome else f"{value} → {outcome}"
    source = one.source
    if one.why:
        source = f"{source or one.expression[:_LONGEST]} ({one.why[:40]})"
    odd = text.percent(one.not_understood) if one.not_understood else ""
    numbers = (facts.low, facts.median, facts.high) if facts else ("", "", "")
    missing = text.count(facts.missing) if facts and facts.missing else ""
    return one.name, source, read, missing, odd, *numbers


def bundle(summary: BundleSummary) -> Iterator[Part]:
    """What cluster or train made: accuracy first."""
    yield from _accuracy(summary.genres)
    yield {
        **_rows(summary.rows),
        "not used (absent or constant)": summary.left_out,
        "synthetic genres": _numbered(summary.synthetic_genres),
        **{
            f"stability over {name} (adjusted Rand index)": f"{of['mean']:.3f} ± {of['std']:.3f}"
            for name, of in (summary.stability or {}).items()
        },
        "rules agree with synthetic genres on unseen tracks": text.percent(summary.rules_agreement),
    }
    if not summary.genres and (quality := synthetic_genres.quality(summary.quality)):
        yield quality.texts()
    if changes := synthetic_genres.changes(summary.change):
        yield dict(changes.rows)
    yield {"model id": summary.model_id, "bundle": summary.bundle}


def questions(summary: Suggested) -> Iterator[Part]:
    """Which tracks to label, and what the answers inform."""
    yield {
        "questions": text.count(summary.number),
        "informed": f"{text.count(summary.tracks)} tracks",
        "labels taken into account": text.count(summary.labelled),
        "file": summary.questions,
    }


def study(summary: StudySummary) -> Iterator[Part]:
    """What evaluate found."""
    yield {
        "labelled tracks": text.count(summary.tracks),
        "splits of known artists": len(summary.seeds),
        "repetitions of new artists, each held out once": summary.repetitions,
        **{f"not measured on {text.protocol(one)}": why for one, why in summary.skipped.items()},
    }
    for name, of in summary.protocols.items():
        yield study_report.scores(name, of, ("accuracy", "macro_f1", "ece")).texts()
        yield {f"ahead of the classifier on {text.protocol(name)}": study_report.ahead(of)}
    yield {"tables and pictures": f"{summary.path}/{study_report.PAGE}"}


def labels(made: PublishedLabels) -> Iterator[Part]:
    """What score published."""
    manifest = made.manifest
    found, drift, old = manifest.labels, manifest.drift, made.replaces
    levels, total = sorted(found.precision.items(), reverse=True), sum(found.genres.values())
    met = zip(levels, accumulate(n for _, n in levels), strict=True)
    precise = [f"{one}: {text.percent(n / total)}" for (one, _), n in met]
    few = f"not assessed: fewer than {drift.limits.min_tracks:,} tracks"
    earlier = f"{(old.rows or {}).get('labelled', 0):,} tracks of {old.scored_at}" if old else ""
    # How much an incremental run scored; nothing of a full one.
    scored = ""
    if manifest.incremental.asked:
        rescored = sum(run.tracks for run in manifest.runs if run.run_id == manifest.run_id)
        scored = f"{rescored:,} of {manifest.rows.labelled:,} tracks, the rest carried over"
        if because := manifest.incremental.in_full_because:
            scored = f"all tracks: {because}"
    yield {
        **_rows(manifest.rows, "labelled"),
        "synthetic genres": _numbered(list(found.synthetic_genres)),
        "genres": text.tally(dict(list(found.genres.items())[:10])),
        "accepted, training tracks included": text.percent(found.accepted),
        "precise enough for": precise,
        "drift": beyond(drift, WARN) if drift.assessed else few,
        "scored": scored,
        "replaces": f"{earlier}, model {old.model_id}" if old else "",
        "would change": text.tally(made.changes.model_dump() if made.changes else {}),
        "model id": manifest.model_id,
        "labelled catalogue" if made.published else "would be published at": made.path,
    }


def demo(made: DemoResult) -> Iterator[Part]:
    """What the demo found, and what to look at next."""
    yield from _accuracy(made.trained.genres)
    yield {
        **_rows(made.scored.manifest.rows),
        "synthetic genres": _numbered(made.trained.synthetic_genres),
        "labelled catalogue": made.scored.path,
        "model": made.trained.bundle,
        "look at next": made.report,
    }


def _accuracy(genres: GenreMetrics | None) -> Iterator[Part]:
    """The accuracies, and under them what is accepted and what to beware of."""
    if genres:
        yield accuracy.headline(genres, brief=True).texts()
        yield confidence.accepted_shares(genres)
        yield {f"note {i}": line for i, line in enumerate(accuracy.remarks(genres), start=1)}


def _rows(rows: RowCounts, accepted: str = "tracks") -> dict[str, str | None]:
    """What became of the rows, and how many tracks lack which features; what is 0 is left out."""
    lacking = text.counted(rows.imputed, rows.missing)
    return {
        accepted: f"{rows.accepted:,} of {rows.read:,} rows",
        "quarantined": text.counted(rows.n_quarantined, rows.reasons),
        "tracks that lack features": lacking if rows.imputed else None,
        "tracks without any feature": text.count(rows.without_features or None),
    }


def _numbered(names: Sequence[str]) -> str:
    return f"{len(names)}: " + ", ".join(names)


def models(entries: Sequence[Entry]) -> View:
    """The models of a registry."""
    head = ("name", "version", "kind", *text.PROTOCOLS.values(), "made at", "aliases", "id")
    rows = []
    for one in entries:
        of = one.manifest
        kind, at, id_ = (of.kind, of.created_at, of.model_id) if of else ("damaged", "", "")
        shares = of.accuracy if of else {}
        accuracies = [text.ratio(shares[name]) if name in shares else "" for name in text.PROTOCOLS]
        rows.append((one.name, one.version or "", kind, *accuracies, at, list(one.aliases), id_))
    listed = zip(rows, entries, strict=True)
    summary = [{**dict(zip(head, row, strict=True)), "path": one.path} for row, one in listed]
    return {"models": summary}, [*_table(head, rows)] or [{"models": "none"}]


def model(opened: Bundle, promotions: Sequence[Promotion]) -> View:
    """One model, verified, and what it has been promoted to."""
    manifest = opened.manifest
    protocols = manifest.genres.protocols if manifest.genres else {}
    genres = list(manifest.scoring.genres.classes) if manifest.scoring.genres else []
    stated = {"kind", "model_id", "created_at", "genre_spark_version", "source_revision", "seed",
              "data"}  # fmt: skip
    summary = {
        "path": opened.source,
        **manifest.model_dump(mode="json", include=stated),
        "features": list(manifest.scoring.scaler.features),
        "synthetic_genres": list(manifest.scoring.synthetic.names),
        "genres": genres,
        "protocols": {
            name: {key: value for key, value in of if isinstance(value, int | float)}
            for name, of in protocols.items()
        },
        "promotions": [one.model_dump() for one in promotions],
    }
    pairs = {
        **made(manifest),
        "synthetic genres": manifest.scoring.synthetic.names,
        **{
            f"accuracy, {text.protocol(one)}": text.ratio(of.accuracy)
            for one, of in protocols.items()
        },
        "promoted": "; ".join(f"{one.alias} {one.at}" for one in promotions),
        "verified bundle": opened.source,
    }
    return summary, [pairs]


def verdicts(errors: Mapping[str, str | None]) -> View:
    """Which bundles can be trusted."""
    errors = {redact(name): error for name, error in errors.items()}
    return {
        "verified": [name for name, error in errors.items() if not error],
        "faults": {name: error for name, error in errors.items() if error},
    }, [{name: error or "verified" for name, error in errors.items()}]


def promotion(path: str, given: Promotion) -> View:
    """What a model has become, and on what evidence."""
    pairs = {"promoted": f"{path} is {given.alias}", "model id": given.model_id}
    rows = [
        (text.PROTOCOLS[name], f"{one.tracks:,}", f"{one.champion:.4f}", f"{one.candidate:.4f}")
        for name, one in (given.evidence.protocols if given.evidence else {}).items()
    ]
    head = ("held out", "tracks", "champion so far", "this model")
    return {"path": path, **given.model_dump()}, [*_table(head, rows), pairs]


def difference(found: Difference) -> Iterator[Part]:
    """How many labels change, where, and why."""
    genres, synthetic, n = found.genres, found.synthetic_genres, found.tracks
    known, new, new_artists = genres.labelled, found.new_artists, ""
    if new and new.tracks:
        measured = f"{new.champion:.4f} before, {new.candidate:.4f} after"
        new_artists = f"{measured}, on {new.tracks:,} tracks of {new.artists:,} artists"
    yield {
        "tracks": f"{n:,}; accepted by one model alone: {found.only_before:,} and"
        f" {found.only_after:,}",
        "genres that change": _of(genres.changed, n),
        "synthetic genres that change": _of(synthetic.changed, n)
        + ("" if synthetic.same_ids else " (other discoveries: their ids are not comparable)"),
        "accepted": text.tally(genres.accepted).replace("_", " "),
        "accuracy on labelled tracks, training tracks included": f"{_of(known['right_before'], known['tracks'])} before,"
        f" {_of(known['right_after'], known['tracks'])} after",
        "accuracy on artists new to both": new_artists,
        "from → to": _flows(genres.flows),
        "features that supported changed labels": _flows(found.why.features or ()),
    }
    making = [
        (name, *(text.one_line(text.shown(value), 60) for value in pair))
        for name, pair in found.why.making.items()
    ]
    for title, changed in (
        ("synthetic genre before", genres.by_synthetic_genre),
        ("confidence before, from", genres.by_confidence),
        ("artist to the models", found.why.artists),
    ):
        ranked = sorted(changed.items(), key=lambda item: -item[1].changed)
        rows = [
            (name, text.count(one.tracks), _of(one.changed, one.tracks)) for name, one in ranked
        ]
        yield from _table((title, "tracks", "genres that change"), rows)
    yield from _table(("made of, or decides by", "before", "after"), making)


def _flows(flows: Sequence[Flow]) -> str:
    """The largest flows in words."""
    said = (f"{one.before or 'none'} → {one.after or 'none'}: {one.tracks:,}" for one in flows[:10])
    return "; ".join(said)


def _of(part: int, whole: int) -> str:
    return f"{text.count(part)} ({text.percent(part / whole)})" if whole else text.count(part)
