"""What tracks of the public tables are like, and whether a column's values are like that."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from genre_spark._model import StrictModel
from genre_spark.config import conf_dir
from genre_spark.schema import feature

# Of fewer values a median says too little.
FEWEST = 10
# Share of the values that may lie beyond the known ones, and beyond nearly all of them.
_MOST_BEYOND, _MOST_BEYOND_USUAL = 0.03, 0.2
# Of a small table, more than so many values; twice as many of the usual ones.
_AT_LEAST = 5
# A value that is common in every known table, so often expected and never there, was lost.
_EXPECTED = 12
# Changes of values that people make without saying so: how to undo each, in words and numbers.
_CAUSES: tuple[tuple[str, Callable[[float], float]], ...] = (
    ("its sign is missing or wrong (-{0})", lambda x: -x),
    ("it is in percent ({0} / 100)", lambda x: x / 100),
    ("it was divided by 100 ({0} * 100)", lambda x: x * 100),
    ("it is in seconds ({0} * 1000)", lambda x: x * 1000),
    ("it is in minutes ({0} * 60000)", lambda x: x * 60_000),
    ("minutes were taken for hours ({0} / 60)", lambda x: x / 60),
    ("it is in microseconds ({0} / 1000)", lambda x: x / 1000),
    ("it is in nanoseconds ({0} / 1000000)", lambda x: x / 1e6),
    ("it is in beats per second ({0} * 60)", lambda x: x * 60),
    ("60 were added ({0} - 60)", lambda x: x - 60),
)
_OF_UNITS = {"duration_ms": ("in seconds", "in minutes", "for hours", "microseconds", "nanoseconds"),
             "tempo": ("per second",), "loudness": ("sign", "60 were")}  # fmt: skip


class Usual(StrictModel):
    """Values of a feature in the public tables.

    Attributes
    ----------
    low, high : float
        The lowest 1 % and the highest 99 % quantile of any table.
    least, most : float
        The lowest 0.1 % and the highest 99.9 % quantile of any table.
    """

    low: float
    high: float
    least: float
    most: float


class _Known(StrictModel):
    tables: tuple[str, ...]
    features: dict[str, Usual]
    # Of each whole-numbered feature, the least share that a value has in any table.
    shares: dict[str, dict[str, float]]


@cache
def _known() -> _Known:
    text = (conf_dir() / "known_tables.json").read_text(encoding="utf-8")
    return _Known.model_validate(json.loads(text))


def usual(name: str) -> Usual | None:
    """What a feature is like in the public tables; None for one that they say nothing of."""
    return _known().features.get(name)


@dataclass(frozen=True)
class Spread:
    """How a feature's values are spread.

    Attributes
    ----------
    n : int
        How many there are.
    unusual, unknown : float
        Shares of them outside of `Usual.low` to `high`, and of `least` to `most`, in [0, 1].
    """

    n: int
    median: float | None
    unusual: float
    unknown: float


def spread(name: str, values: np.ndarray, weights: np.ndarray | None = None) -> Spread:
    """The spread of values.

    Parameters
    ----------
    name : str
        Of a feature.
    values : float array of shape (n,)
        Without NaN.
    weights : int array of shape (n,), optional
        Rows of each.
    """
    known = usual(name)
    if known is None or not values.size:
        return Spread(0, None, 0, 0)
    weights = np.ones(values.size, np.int64) if weights is None else weights
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order])
    n = int(summed[-1])
    median = float(values[order][np.searchsorted(summed, n / 2)])
    outside = [
        float(weights[(values < low) | (values > high)].sum() / n)
        for low, high in ((known.low, known.high), (known.least, known.most))
    ]
    return Spread(n, median, *outside)


def unlike(name: str, found: Spread, fewest: int = FEWEST) -> str | None:
    """Why values are unlike those of known tracks, with the usual causes; None where they are alike.

    Parameters
    ----------
    name : str
        Of a feature.
    fewest : int
        Of fewer values nothing is said.
    """
    known, median = usual(name), found.median
    if known is None or median is None or found.n < fewest:
        return None
    where = f"{known.low:.6g} to {known.high:.6g}"
    if not known.low <= median <= known.high:
        return f"its median is {median:.6g}, in known tables {where}{_causes(name, median, known)}"
    if found.unknown > max(_MOST_BEYOND, _AT_LEAST / found.n):
        ends = f"{known.least:.6g} to {known.most:.6g}"
        return (
            f"{found.unknown:.0%} of its values are outside of {ends}, where known tables have them"
        )
    if found.unusual > max(_MOST_BEYOND_USUAL, 2 * _AT_LEAST / found.n):
        return f"{found.unusual:.0%} of its values are outside of {where}, where known tables have 98 %"
    return None


def absent(name: str, values: np.ndarray) -> str | None:
    """What is odd about whole numbers: one is common in every known table and never there here."""
    there = set(np.unique(values))
    for value, share in _known().shares.get(name, {}).items():
        if values.size * share > _EXPECTED and float(value) not in there:
            return (
                f"{name} is never {value} in {values.size:,} tracks; in known tables at least"
                f" {share:.0%} are: is it coded in another way?"
            )
    return None


def _causes(name: str, median: float, known: Usual) -> str:
    words = _OF_UNITS.get(name, ("percent", "by 100") if feature(name).high == 1 else ())
    found = [
        cause.format(name)
        for cause, undo in _CAUSES
        if any(word in cause for word in words) and known.low <= undo(median) <= known.high
    ]
    return f"; perhaps {' or '.join(found)}" if found else ""
