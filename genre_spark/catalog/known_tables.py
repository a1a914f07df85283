"""What tracks of the public tables are like, and whether a column's values are like that."""

from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import NamedTuple

import numpy as np

from genre_spark._model import StrictModel
from genre_spark.catalog import forms
from genre_spark.catalog.columns import are_possible
from genre_spark.catalog.rows import ValueCounts
from genre_spark.config import conf_dir

# Of fewer values a median says too little.
FEWEST = 10
# Share of the values that may lie beyond the known ones, and beyond nearly all of them.
_MOST_BEYOND, _MOST_BEYOND_USUAL = 0.03, 0.2
# Real tracks go beyond the known ones by so much of the range of these; loudness by 4 dB.
_MARGIN = 0.1
# Of a small table, more than so many values; twice as many of the usual ones.
_AT_LEAST = 5
# A value that is common in every known table, so often expected and never there, was lost.
_EXPECTED = 12
# Share of a feature's values that may be impossible while the others are believed.
_MOST_LOST = 0.2
# A value in so large a share of the rows, and in so many times those of any other, is odd; of fewer
# different values nothing is. In known tables the most frequent one but 0 has 1.4 %.
_OFTEN, _MUCH_MORE, _FEWEST_VALUES = 0.05, 4, 10
# So many values that are not 0 have more different ones than these: in no genre and of no artist of a known table
# fewer than 20.
_ENOUGH, _FEW_LEVELS = 100, 5
# So many values say how they are spread: if none reaches this part of known ones; if they are as near to evenly
# spread ones as ranks are, by the largest difference as a share (no genre or year of a known table comes nearer
# than 0.023); or if another code makes them likelier, by this share of the logarithm that it would gain for a
# known table in that code.
_MANY, _REACHED, _EVENLY, _LIKELIER = 500, 0.3, 0.015, 0.35
# The same share for each of two exchanged features; see `_Known.alike`.
EXCHANGED = 0.5


class Usual(StrictModel):
    """Values of a feature in the public tables."""

    # The lowest 1 % and the highest 99 % quantile of any table.
    low: float
    high: float
    # The lowest 0.1 % and the highest 99.9 % quantile of any table.
    least: float
    most: float


class _Known(StrictModel):
    tables: tuple[str, ...]
    features: dict[str, Usual]
    # Of each whole-numbered feature, the least share that a value has in any table.
    shares: dict[str, dict[str, float]]
    # Of each proportion, the mean share of its values in each of so many parts of 0 to 1.
    bins: dict[str, tuple[float, ...]]
    # Two proportions each, of which some genre or artist has values as the other one usually has, or nearly.
    alike: tuple[frozenset[str], ...]


@cache
def _known() -> _Known:
    file = conf_dir() / "known_tables.json"
    return _Known.model_validate_json(file.read_bytes())


def usual(name: str) -> Usual | None:
    """What a feature is like in the public tables; None for one that they say nothing of."""
    return _known().features.get(name)


class Judgement(NamedTuple):
    """What is told of a column's values; None where there is nothing."""

    doubt: str | None = None  # Why they are no feature of known tracks: it stops `score`.
    odd: str | None = None  # What else is odd.


@dataclass(frozen=True)
class Spread:
    """How a feature's values are spread."""

    known: Usual  # In the public tables.
    n: int  # How many there are.
    median: float
    # Shares of them outside of `Usual.low` to `high`, of `least` to `most`, and of these with
    # a margin, in [0, 1].
    unusual: float
    unknown: float
    far: float


def spread(name: str, values: np.ndarray, weights: np.ndarray | None = None) -> Spread | None:
    """The spread of a feature's values; None for none, and for a feature that is in no public table.

    Parameters
    ----------
    values : float array of shape (n,)
        Without NaN.
    weights : int array of shape (n,), optional
        Rows of each.
    """
    known = usual(name)
    if known is None or not values.size:
        return None
    weights = np.ones(values.size, np.int64) if weights is None else weights
    order = np.argsort(values, kind="stable")
    summed = np.cumsum(weights[order])
    n = int(summed[-1])
    median = float(values[order][np.searchsorted(summed, n / 2)])
    margin = _MARGIN * (known.most - known.least)
    outside = [
        float(weights[(values < low) | (values > high)].sum() / n)
        for low, high in (
            (known.low, known.high),
            (known.least, known.most),
            (known.least - margin, known.most + margin),
        )
    ]
    return Spread(known, n, median, *outside)


def unlike(name: str, found: Spread | None, fewest: int = FEWEST) -> str | None:
    """Why values are unlike those of known tracks, with the usual causes.

    None where they are alike, or fewer than `fewest`.
    """
    if found is None or found.n < fewest:
        return None
    low, high = found.known.low, found.known.high
    where = f"{low:.6g} to {high:.6g}"
    if not low <= found.median <= high:
        causes = [
            f"{one.why} ({one.sql(name)})"
            for one in (*forms.SCALES.get(name, ()), *forms.CAUSES.get(name, ()))
            if one.why and low <= found.median * one.factor + one.plus <= high
        ]
        told = f"; perhaps {' or '.join(causes)}" if causes else ""
        return f"its median is {found.median:.6g}, in known tables {where}{told}"
    if found.far > max(_MOST_BEYOND, _AT_LEAST / found.n):
        return _beyond(found)
    if found.unusual > max(_MOST_BEYOND_USUAL, 2 * _AT_LEAST / found.n):
        return f"{found.unusual:.0%} of its values are outside of {where}, where known tables have 98 %"
    return None


def judged(
    columns: Mapping[str, np.ndarray], counts: Mapping[str, ValueCounts], confirmed: Container[str]
) -> dict[str, Judgement]:
    """What is unlike known tables in each column of a table; nothing in those that somebody confirmed.

    Parameters
    ----------
    columns : dict of str to float array of shape (n,)
        Values of each feature, without NaN.
    counts : dict of str to ValueCounts
        Of each column with values that were not taken, those of texts too.
    """
    possible = {n: v[are_possible(n, v)] for n, v in columns.items() if n not in confirmed}
    exchanged = _exchanged(possible)
    found = dict.fromkeys((*columns, *counts), Judgement())
    for name in found:
        lost = _mostly_lost(counts.get(name))
        if name in possible:
            values = spread(name, possible[name])
            doubt = unlike(name, values) or lost
            odd = odd_frequency(name, possible[name]) or exchanged.get(name)
            # More values than usual are just beyond known ones, although tracks may be so.
            if values and not doubt and values.unknown > max(_MOST_BEYOND, _AT_LEAST / values.n):
                odd = odd or f"{name}: {_beyond(values)}"
            found[name] = Judgement(doubt, odd)
        elif lost and name not in columns:
            found[name] = Judgement(odd=f"{name}: {lost}")
    return found


def _mostly_lost(one: ValueCounts | None) -> str | None:
    """That so many values cannot be read that the others may mean something else; None if few."""
    given = one.understood + one.not_understood if one else 0
    if one is None or one.not_understood <= _MOST_LOST * given:
        return None
    return (
        f"{one.not_understood / given:.0%} of its values cannot be read, for example {one.example!r},"
        " as of another unit or column"
    )


def _beyond(found: Spread) -> str:
    ends = f"{found.known.least:.6g} to {found.known.most:.6g}"
    return f"{found.unknown:.0%} of its values are outside of {ends}, where known tables have them"


def odd_frequency(name: str, values: np.ndarray) -> str | None:
    """What is odd about how often values are there; None where it is as in known tables."""
    found, counts = np.unique(values, return_counts=True)
    if known := usual(name):
        return next(_odd_measures(name, known, found, counts), None)
    return next(_odd_codes(name, found, counts), None)


def _odd_measures(name: str, known: Usual, found: np.ndarray, counts: np.ndarray) -> Iterator[str]:
    n, measured = counts.sum(), found != 0  # instrumentalness is often 0
    if counts[measured].sum() >= _ENOUGH and measured.sum() <= _FEW_LEVELS:
        listed = ", ".join(f"{value:.6g}" for value in found)
        yield (
            f"{name} is never anything else than {listed} in {n:,} tracks, as flags and levels are: map what"
            " was measured"
        )
    if found.size > _FEWEST_VALUES and n >= _ENOUGH:
        value, (*_, next_n, most) = found[counts.argmax()], np.sort(counts)
        # Instrumentalness is often 0.
        if most > max(_OFTEN * n, _MUCH_MORE * next_n) and value != known.low:
            yield (
                f"{name} is {value:.6g} in {most / n:.0%} of {n:,} tracks, no other value in"
                f" more than {next_n:,}: was it filled in for missing ones? Leave these empty"
            )
    if n < _MANY:
        return
    low, high = found[0], found[-1]
    # Where any value may be 0, a genre may have nothing else.
    if known.low > 0 and high < _REACHED * known.high:
        yield (
            f"{name} is never above {high:.3g} in {n:,} tracks; in known tables it goes to"
            f" {known.high:.3g}: is it in another unit?"
        )
    apart = np.repeat(found, counts) - np.linspace(low, high, n)
    if np.abs(apart).max() < _EVENLY * (high - low):
        yield (
            f"{name} is spread evenly from {low:.6g} to {high:.6g}, as ranks or percentiles are and no known"
            " table is: map what was measured"
        )


def _odd_codes(name: str, found: np.ndarray, counts: np.ndarray) -> Iterator[str]:
    n, shares = counts.sum(), _known().shares.get(name, {})
    for value, share in shares.items():
        if n * share > _EXPECTED and float(value) not in found:
            yield (
                f"{name} is never {value} in {n:,} tracks; in known tables at least"
                f" {share:.0%} are: is it coded in another way?"
            )
    if n < _MANY or not shares:
        return
    usually = np.array([*shares.values()])
    codes = np.arange(usually.size)
    of_codes = np.bincount(found.astype(int), counts, usually.size)
    for one in forms.CAUSES[name]:
        recoded = usually[((codes * one.factor + one.plus) % usually.size).astype(int)]
        if likelier(of_codes, usually, recoded) > _LIKELIER:
            yield (
                f"{name} is spread over its values as in known tables only if it is this: {one.why}"
                f" ({one.sql(name)}): is it coded in another way?"
            )


def _exchanged(columns: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Features whose values are each as those of another one in known tables."""
    bins, told = _known().bins, {}
    counted = {
        name: np.histogram(values, len(bins[name]), (0, 1))[0]
        for name, values in columns.items()
        if name in bins and values.size >= _ENOUGH
    }
    for one, other in combinations(counted, 2):
        a, b = np.array(bins[one]), np.array(bins[other])
        gain = min(likelier(counted[one], a, b), likelier(counted[other], b, a))
        if gain > EXCHANGED and {one, other} not in _known().alike:
            told[one] = (
                f"{one} and {other} are spread as in known tables only if they are exchanged: map each to the"
                " other's column"
            )
    return told


def likelier(counts: np.ndarray, usual: np.ndarray, other: np.ndarray) -> float:
    """How much likelier other shares make counts, as a part of what that is for counts of these shares.

    Parameters
    ----------
    counts, usual, other : float array of shape (bins,)
        How often values are in each bin; shares of these in known tables, above 0, as the values are read
        and as they might be.
    """
    gain = np.log(other / usual)
    return float((counts @ gain / counts.sum()) / (other @ gain / other.sum()))
