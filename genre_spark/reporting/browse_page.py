"""A page to search and correct a labelled catalogue: one file with the tracks in it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from genre_spark.platform.redaction import redact
from genre_spark.publishing.manifest import Manifest
from genre_spark.reporting import html

# Digits of a share or distance that somebody would read.
_DIGITS = 4


def render(manifest: Manifest, tracks: Sequence[Mapping[str, Any]]) -> str:
    """The page as HTML.

    Parameters
    ----------
    manifest : Manifest
        Of the labelled catalogue.
    tracks : sequence of mapping
        Labelled rows, all with the same columns; with ``title``, ``artist`` and ``album`` where
        they are known.
    """
    columns = list(tracks[0]) if tracks else ["track_id"]
    rows = [[_short(track[name]) for name in columns] for track in tracks]
    data = {"columns": columns, "rows": rows, "genres": sorted(manifest.labels.genres)}
    return html.render(
        "labels",
        [html.asset("components.js"), html.asset("labels.js")],
        about=_about(manifest, len(tracks)),
        data=html.embedded(data),
    )


def _about(manifest: Manifest, n: int) -> str:
    total = manifest.rows.labelled
    part = f"A sample of {n:,} of {total:,} tracks" if n < total else f"{n:,} tracks"
    source = redact(str(manifest.source.path))
    return f"{part} of {source}, labelled {manifest.scored_at[:10]} by model {manifest.model_id}."


def _short(value: Any) -> Any:
    """Numbers as precise as somebody reads them, within lists and structs too."""
    if isinstance(value, float):
        # JSON has neither NaN nor infinity, and a page with one would stay empty.
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {name: _short(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    return value
