"""The report: one self-contained page on a bundle, and on a catalogue labelled with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from genre_spark.reporting import charts, html
from genre_spark.reporting.document import Figure, Subject, Tile, Topic
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

# In the order of the page; each has a function `topic`, which gives None where it has nothing to show.
TOPICS = (synthetic_genres, labelled, drift, accuracy, confidence, importance, data, model)
# Of the tiles at the top.
_ORDER = ("data", "confidence", "accuracy", "drift", "model")


@dataclass(frozen=True)
class Page:
    """The page as HTML that loads nothing, and the figures on it."""

    html: str
    figures: Sequence[Figure]


def compose(subject: Subject) -> Page:
    """The page; what a bundle or a labelled catalogue does not have is left out."""
    topics = [topic for module in TOPICS if (topic := module.topic(subject))]
    figures = [figure for topic in topics for figure in topic.figures]
    scripts = [charts.javascript(), html.asset("components.js"), html.asset("report.js")]
    page = html.render(
        "report",
        scripts,
        model=subject.model,
        topics=topics,
        tiles=_tiles(topics),
        charts=html.embedded(_charts(figures)),
    )
    return Page(page, figures)


def _tiles(topics: Sequence[Topic]) -> list[tuple[str, Tile]]:
    """The tiles with the anchors of their topics."""
    tiles = [(topic.name, tile) for topic in topics for tile in topic.tiles]
    return sorted(tiles, key=lambda one: _ORDER.index(one[0]))


def _charts(figures: Sequence[Figure]) -> dict[str, object]:
    return {
        "themes": charts.themes(),
        "figures": {figure.name: figure.charts for figure in figures},
    }
