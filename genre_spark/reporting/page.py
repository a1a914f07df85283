"""The report: one self-contained page on a bundle, and on a catalogue labelled with it."""

from collections.abc import Sequence
from dataclasses import dataclass

from genre_spark.reporting import charts, html
from genre_spark.reporting.document import Figure, Subject
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
TOPICS = (data, synthetic_genres, labelled, drift, accuracy, confidence, importance, model)


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
        tiles=[(topic, tile) for topic in topics for tile in topic.tiles],
        charts=html.embedded(_charts(figures)),
    )
    return Page(page, figures)


def _charts(figures: Sequence[Figure]) -> dict[str, object]:
    return {
        "themes": charts.themes(),
        "figures": {figure.name: figure.charts for figure in figures},
    }
