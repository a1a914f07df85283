"""A page on which somebody answers which genre tracks have: one file, which loads nothing else."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from genre_spark.reporting import html


def render(
    questions: Sequence[Mapping[str, Any]],
    columns: Sequence[str],
    genres: Sequence[str],
    places: Sequence[tuple[float, float]],
    path: str,
) -> str:
    """The page as HTML.

    Parameters
    ----------
    questions : sequence of mapping
        With ``track_id, artist, title, album, tracks, why`` and ``x, y``, from 0 to 100 on the map.
    columns : sequence of str
        Of the CSV that the page exports.
    genres : sequence of str
        To choose from, the most frequent first; any others can be added on the page.
    places : sequence of (float, float)
        Other artists on the map.
    path : str
        The catalogue's.
    """
    ids = "\n".join(str(one["track_id"]) for one in questions)
    data = {
        # Under which the browser keeps the answers: the same questions go on where they were.
        "key": f"genre-spark questions {hashlib.sha256(ids.encode()).hexdigest()[:16]}",
        "columns": list(columns),
        "genres": list(genres),
        "questions": [dict(one) for one in questions],
        "map": [list(place) for place in places],
    }
    return html.render(
        "questions",
        [html.asset("questions.js")],
        about=f"{len(questions):,} tracks of {path}.",
        data=html.embedded(data),
    )
