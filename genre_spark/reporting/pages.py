"""The pages, each one HTML file: the report, with its pictures as files; labels; questions."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from genre_spark.platform import atomic_directory
from genre_spark.platform.storage import Storage
from genre_spark.publishing.manifest import Manifest
from genre_spark.reporting import charts, html
from genre_spark.reporting.document import Figure, Subject
from genre_spark.reporting.text import place
from genre_spark.reporting.topics import (
    accuracy,
    confidence,
    data,
    drift,
    importance,
    labelled,
    model,
    synthetic_genres,
)

# In the order of the page; each has a function `topic`, which gives None if it has nothing to show.
TOPICS = (synthetic_genres, labelled, drift, accuracy, confidence, importance, data, model)
# Of the tiles at the top.
_ORDER = ("data", "confidence", "accuracy", "drift", "model")
_DIGITS = 4
# The manifest of a folder of pictures.
PICTURES = "_pictures.json"


@dataclass(frozen=True)
class Report:
    """The page as HTML that loads nothing, and the figures on it."""

    html: str
    figures: Sequence[Figure]


def report(subject: Subject) -> Report:
    """The page on a bundle and a labelled catalogue; topics that it does not have are left out."""
    topics = [topic for module in TOPICS if (topic := module.topic(subject))]
    figures = [part for topic in topics for part in topic.parts if isinstance(part, Figure)]
    tiles = [(topic.name, tile) for topic in topics for tile in topic.tiles]
    page = html.render(
        "report",
        [charts.javascript(), html.asset("components.js"), html.asset("report.js")],
        {"themes": charts.themes(), "figures": {one.name: one.charts for one in figures}},
        model=subject.model,
        topics=topics,
        tiles=sorted(tiles, key=lambda one: _ORDER.index(one[0])),
    )
    return Report(page, figures)


def write_pictures(storage: Storage, path: str, figures: Iterable[Figure]) -> None:
    """Publishes figures as PNG files, with their questions and findings; replaces earlier pictures."""
    captions = {}
    with atomic_directory.publishing(storage, path, kind=PICTURES) as target:
        with atomic_directory.staging_locally(storage, target) as folder:
            for one in figures:
                (folder / f"{one.name}.png").write_bytes(charts.png(one))
                captions[f"{one.name}.png"] = {"question": one.question, "answer": one.finding}
        atomic_directory.write_manifest(storage, target, {"pictures": captions}, PICTURES)


def labels(manifest: Manifest, tracks: Sequence[Mapping[str, Any]]) -> str:
    """The page to search and correct a labelled catalogue, as HTML.

    All rows have the same columns; with ``title``, ``artist`` and ``album`` if they are known.
    """
    columns = list(tracks[0]) if tracks else ["track_id"]
    # Numbers with few digits; the browser's JSON has neither NaN nor infinity.
    rows = json.loads(
        json.dumps([[track[name] for name in columns] for track in tracks], default=str),
        parse_float=lambda number: round(float(number), _DIGITS),
        parse_constant=lambda _: None,
    )
    n, total = len(tracks), manifest.rows.labelled
    part = f"A sample of {n:,} of {total:,} tracks" if n < total else f"{n:,} tracks"
    return html.render(
        "labels",
        [html.asset("components.js"), html.asset("labels.js")],
        {"columns": columns, "rows": rows, "genres": sorted(manifest.labels.genres)},
        about=f"{part} of {place(manifest.source.path)}, labelled {manifest.scored_at[:10]} by"
        f" model {manifest.model_id}.",
    )


def questions(
    rows: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    genres: Sequence[str],
    places: Sequence[tuple[float, float]],
    path: str,
) -> str:
    """The page to answer which genres tracks have, as HTML.

    Each question has ``track_id, artist, title, album, tracks, why`` and ``x, y``, from 0 to 100.
    Genres, the most frequent first, are to choose from; others can be added on the page. `places`
    are those of other artists on the map.
    """
    ids = "\n".join(str(one["track_id"]) for one in rows)
    data = {
        # The browser keeps the answers under this key: the same questions continue.
        "key": f"genre-spark questions {hashlib.sha256(ids.encode()).hexdigest()[:16]}",
        "columns": columns,
        "genres": genres,
        "questions": rows,
        "map": places,
    }
    about = f"{len(rows):,} tracks of {path}."
    return html.render("questions", [html.asset("questions.js")], data, about=about)
