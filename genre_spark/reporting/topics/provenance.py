"""Provenance: the rows that were read, the model, and the run that labelled a catalogue."""

from itertools import chain
from typing import Any

from genre_spark.bundle.manifest import Manifest
from genre_spark.catalog.rows import RowCounts
from genre_spark.reporting.document import Subject, Table, Tile, Topic, facts
from genre_spark.reporting.text import count, flat, percent, place
from genre_spark.reporting.topics.confidence import thresholds

_COUNTS = {
    "read": "rows read",
    "accepted": "tracks accepted",
    "n_quarantined": "rows quarantined",
    "duplicates": "of these, repeated rows only",
    "imputed": "tracks that lack features",
    "without_features": "of these, without any feature",
    "ambiguous": "tracks with several genres",
    "with_genre": "tracks with one genre",
}

# Title of a table, the counts that it shows, its first column, a note.
_COUNTED_BY = (
    ("Quarantine", "reasons", "reason", "A row can have several reasons."),
    ("Missing features", "missing", "tracks that lack", ""),
)


def data(subject: Subject) -> Topic:
    """The section on rows, of the model's catalogue and of the labelled one."""
    model, labels = subject.model, subject.labels
    catalogues: dict[str, RowCounts] = {"model’s catalogue": model.data.rows}
    if labels:
        catalogues["labelled catalogue"] = labels.rows
    counts = {
        whose: {title: getattr(rows, name) for name, title in _COUNTS.items()}
        for whose, rows in catalogues.items()
    }
    tables = [Table.of_parts("Rows", "rows", counts, count)]
    for title, name, head, note in _COUNTED_BY:
        found = {whose: getattr(rows, name) for whose, rows in catalogues.items()}
        if zeros := dict.fromkeys(chain(*found.values()), 0):
            counted = {whose: zeros | some for whose, some in found.items()}
            tables.append(Table.of_parts(title, head, counted, count, note))
    lead = (
        "Every row either becomes a track or goes to the quarantine with its reasons. Tracks with"
        " several genres are labelled and used for training with fractional weight; no accuracy"
        " counts them."
    )
    if model.left_out:
        lead += f" Not used, because they are absent or constant: {', '.join(model.left_out)}."
    rows, level = labels.rows if labels else model.data.rows, ""
    if labels:
        level = "stop" if rows.refused_share > labels.settings.catalog.max_quarantined else "ok"
    detail = f"{count(rows.n_quarantined)} of {count(rows.read)} rows quarantined"
    if rows.duplicates:
        detail += f", {count(rows.duplicates)} only repeated"
    detail += f" ({percent(rows.refused_share)} damaged)"
    tile = Tile("Tracks", count(rows.accepted), detail, level)
    return Topic("data", "Data and quarantine", lead, tables, [tile])


def model(subject: Subject) -> Topic:
    """The section on the model, and on the run that labelled a catalogue."""
    model, labels = subject.model, subject.labels
    pairs = made(model)
    for whose, least in thresholds(model).items():
        pairs[f"accepted from, {whose}"] = percent(least) if least <= 1 else "no label is accepted"
    run = None
    if labels:
        pairs |= {
            "labelled at": labels.scored_at,
            "labelled catalogue": place(labels.source.path),
            "fingerprint of the labelled tracks": labels.rows.fingerprint,
            "labelled by genre-spark": labels.software.get("genre-spark"),
        }
        run = facts("Settings of the scoring run", dict(flat(labels.settings.model_dump())))
    tile = Tile("Model", model.created_at[:10], f"{model.kind} bundle {model.model_id}")
    return Topic("model", "Model", "", [facts("Facts", pairs), run], [tile])


def made(model: Manifest) -> dict[str, Any]:
    """What a model was made from, and what it reads and predicts; absent ones are None."""
    rows, part = model.data.rows, model.scoring.genres
    return {
        "model": f"{model.model_id} ({model.kind})",
        "created at": model.created_at,
        "catalogue": place(model.data.source),
        "tracks": f"{rows.accepted:,} of {rows.read:,} rows",
        "fingerprint of its tracks": rows.fingerprint,
        "seed": model.seed,
        "genre-spark": model.genre_spark_version,
        "source revision": model.source_revision,
        "libraries": [f"{name} {version}" for name, version in model.libraries.items()],
        "features": model.scoring.scaler.features,
        "not used (absent or constant)": model.left_out,
        "genres": part.classes if part else None,
        "uses words": part.reads_text if part else None,
        "target precision": percent(part.acceptance.target) if part else None,
    }
