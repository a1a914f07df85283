"""A page to search a labelled catalogue: one file with the tracks in it, which loads nothing else."""

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from genre_spark.errors import OutputError
from genre_spark.platform.redaction import redact
from genre_spark.platform.storage import Storage
from genre_spark.publishing.manifest import Manifest

# By this, at the beginning of a page, it is known that another may replace it.
_MARK = '<meta name="generator" content="genre-spark labels">'
_HEAD = 2000
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
    data = {"about": _about(manifest, len(tracks)), "columns": columns, "rows": rows}
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str)
    # Nothing in a script of JSON may look like the end of it, or like a comment's beginning.
    safe = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
    template = resources.files("genre_spark.reporting") / "templates" / "browse.html"
    return template.read_text(encoding="utf-8").replace("__DATA__", safe)


def check(storage: Storage, output: str) -> None:
    """Refuses to replace anything but an earlier page.

    Raises
    ------
    OutputError
    """
    if not storage.exists(output):
        return
    if storage.is_dir(output) or _MARK not in storage.beginning(output, _HEAD):
        raise OutputError(
            f"--output {output}: exists and is no page of genre-spark labels; it is left as it is."
            " Choose another name, or delete it yourself"
        )


def _about(manifest: Manifest, n: int) -> str:
    total = manifest.rows.labelled
    part = (
        f"{n:,} of {total:,} tracks, from all over the catalogue" if n < total else f"{n:,} tracks"
    )
    source = redact(str(manifest.source.path))
    return f"{part} of {source}, labelled {manifest.scored_at[:10]} by model {manifest.model_id}."


def _short(value: Any) -> Any:
    """Numbers as precise as somebody reads them, within lists and structs too."""
    if isinstance(value, float):
        return round(value, _DIGITS)
    if isinstance(value, Mapping):
        return {name: _short(of) for name, of in value.items()}
    if isinstance(value, list | tuple):
        return [_short(one) for one in value]
    return value
