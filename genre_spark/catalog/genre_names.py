"""Genres whose names differ only in case are one genre, by its most frequent spelling."""

from collections.abc import Mapping

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.schema import GENRE, GENRES


def spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """The spelling that stands for each other one; only spellings that change.

    Parameters
    ----------
    counts : mapping of str to int
        Tracks of each genre as it is spelled.

    Examples
    --------
    >>> spellings({"rock": 5, "ROCK": 2, "pop": 1})
    {'ROCK': 'rock'}
    """
    best: dict[str, str] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        best.setdefault(name.lower(), name)
    return {name: best[name.lower()] for name in counts if best[name.lower()] != name}


def merged(counts: Mapping[str, int]) -> dict[str, int]:
    """Tracks of each genre, whatever the case in which it is spelled."""
    changed = spellings(counts)
    total: dict[str, int] = {}
    for name, n in counts.items():
        kept = changed.get(name, name)
        total[kept] = total.get(kept, 0) + n
    return total


def respelled(tracks: DataFrame, changed: Mapping[str, str]) -> DataFrame:
    """Tracks with the spellings that `spellings` gave, in both columns of genres."""
    if not changed:
        return tracks
    columns = {GENRE: _respelled(F.col(GENRE), changed)}
    if GENRES in tracks.columns:
        columns[GENRES] = F.transform(GENRES, lambda name: _respelled(name, changed))
    return tracks.withColumns(columns)


def _respelled(column: Column, changed: Mapping[str, str]) -> Column:
    found = column
    for name, kept in changed.items():
        found = F.when(column == name, kept).otherwise(found)
    return found
