"""What to tell somebody whose table was looked into, and what to type next."""

import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from genre_spark.catalog.inspection import Found
from genre_spark.config import CatalogSettings
from genre_spark.schema import ARTIST, FEATURE_NAMES, GENRE, TRACK_ID

# Fewer tell too little of a track.
_FEWEST = 3
_MOST_ROWS = 0.5


def summary(
    found: Found,
    catalog: str,
    settings: CatalogSettings,
    dataset: str | None,
    draft: str | None,
) -> dict[str, Any]:
    """What `inspect` found, for people and machines.

    Parameters
    ----------
    found : Found
    catalog : str
        Path of the table.
    settings : CatalogSettings
    dataset : str or None
        What the user mapped it with.
    draft : str or None
        The dataset file that was written.
    """
    read_as: dict[str, list[str]] = {}
    for one in found.readings.values():
        said = f"{one.name} ({one.why})" if one.why else one.name
        read_as.setdefault(one.source, []).append(said)
    columns = [
        {
            **{k: v for k, v in asdict(column).items() if k not in ("samples", "unknown")},
            "sample": next(iter(column.samples), None),
            "read_as": read_as.get(column.name, []),
        }
        for column in found.columns
    ]
    return {
        "catalog": catalog,
        "columns": columns,
        "mapping": {name: asdict(one) for name, one in found.readings.items()},
        "features": found.features,
        "rows": found.rows,
        "genres": found.genres,
        "artists": found.artists,
        "notes": _notes(found, settings),
        "draft": draft,
        "next": _next(found, catalog, dataset, draft),
    }


def _notes(found: Found, settings: CatalogSettings) -> list[str]:
    has, notes = found.readings, []
    if TRACK_ID not in has:
        notes.append("no column tells one track from another; map one to track_id")
    absent = [name for name in FEATURE_NAMES if name not in has]
    if absent:
        notes.append(f"no column looks like {', '.join(absent)}: the models do without")
    if len(FEATURE_NAMES) - len(absent) < _FEWEST:
        notes.append(f"at least {_FEWEST} features are needed; map columns to them")
    if ARTIST not in has:
        notes.append("no column looks like an artist; half of what the CNN knows would rest on it")
    if GENRE not in has or (found.rows and not found.rows["with_genre"]):
        notes.append("no genres: cluster and score need none; train does")
    return notes + (_of_rows(found, found.rows, settings) if found.rows else [])


def _of_rows(found: Found, rows: Mapping[str, Any], settings: CatalogSettings) -> list[str]:
    notes = []
    for name, one in found.features.items():
        wrong = one["not_a_number"] + one["out_of_range"]
        if wrong > _MOST_ROWS * rows["read"]:
            low, high = one["possible"]
            notes.append(
                f"{name}: {wrong / rows['read']:.0%} of the values are impossible (possible are"
                f" {low:.6g} to {high:.6g}); is it another unit, or another column?"
            )
    if rows["duplicates"] > _MOST_ROWS * rows["read"]:
        notes.append("most rows repeat a track_id; is it an id of tracks?")
    if rows["refused"] > settings.max_quarantined:
        notes.append(
            f"{rows['refused']:.1%} of the rows would be quarantined for faults of their own, the"
            f" limit is {settings.max_quarantined:.1%}: cluster, train and score would stop"
        )
    return notes


def _next(found: Found, catalog: str, dataset: str | None, draft: str | None) -> str:
    cluster = ("genre-spark", "cluster", "--catalog", catalog)
    mapping = dataset or draft
    ready = found.rows and all(name == one.expression for name, one in found.readings.items())
    if not mapping and not ready:
        write = shlex.join(
            ("genre-spark", "inspect", "--catalog", catalog, "--output", "mine.yaml")
        )
        return f"{write} (writes this mapping)"
    given = ("--dataset", mapping) if mapping else ()
    then = shlex.join((*cluster, *given, "--output", "models/mine"))
    return f"look {draft} over, edit it, then: {then}" if draft else then
