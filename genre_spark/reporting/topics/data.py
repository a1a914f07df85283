"""Rows that were read, and the quarantine."""

from itertools import chain

from genre_spark.catalog.rows import RowCounts
from genre_spark.reporting.document import Subject, Table, Tile, Topic
from genre_spark.reporting.text import count, percent

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


def topic(subject: Subject) -> Topic:
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
