"""What tracks of the public tables are like, and whether a column's values are like that."""

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
# Real tracks go beyond the known ones by so much of the range of these; loudness by 4 dB.
_MARGIN = 0.1
# Of a small table, more than so many values; twice as many of the usual ones.
_AT_LEAST = 5
# A value that is common in every known table, so often expected and never there, was lost.
_EXPECTED = 12
# A value in so large a share of the rows, and in so many times those of any other, is odd; of fewer
# different values nothing is. In known tables the most frequent one but 0 has 1.4 %.
_OFTEN, _MUCH_MORE, _FEWEST_VALUES = 0.05, 4, 10
# So many values say how they are spread: if none reaches this part of known ones; if they are as near to evenly
# spread ones as ranks are, by the largest difference as a share (no genre or year of a known table comes nearer
# than 0.023); or if another code makes them likelier, by this share of the logarithm that it would gain for a
# known table in that code.
_MANY, _REACHED, _EVENLY, _LIKELIER = 500, 0.3, 0.015, 0.35
# Changes of values that people make without saying so, and how to undo each: a factor, and what is added.
_OF_SHARES = (
    ("it is in percent ({0} / 100)", 0.01, 0),
    ("it was divided by 100 ({0} * 100)", 100, 0),
)
_CAUSES: dict[str, tuple[tuple[str, float, int], ...]] = {
    "loudness": (
        ("its sign is missing or wrong (-{0})", -1, 0),
        ("60 were added ({0} - 60)", 1, -60),
    ),
    "tempo": (("it is in beats per second ({0} * 60)", 60, 0),),
    "duration_ms": (
        ("it is in seconds ({0} * 1000)", 1000, 0),
        ("it is in minutes ({0} * 60000)", 60_000, 0),
        ("minutes were taken for hours ({0} / 60)", 1 / 60, 0),
        ("it is in microseconds ({0} / 1000)", 1e-3, 0),
        ("it is in nanoseconds ({0} / 1000000)", 1e-6, 0),
    ),
    # Of whole numbers, by the remainder.
    "key": (
        ("it is counted from A (({0} + 9) % 12)", 1, 9),
        ("it is counted in fifths ({0} * 7 % 12)", 7, 0),
    ),
    "mode": (("1 is minor (1 - {0})", -1, 1),),
}


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


@cache
def _known() -> _Known:
    file = conf_dir() / "known_tables.json"
    return _Known.model_validate_json(file.read_bytes())


def usual(name: str) -> Usual | None:
    """What a feature is like in the public tables; None for one that they say nothing of."""
    return _known().features.get(name)


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
        return f"its median is {found.median:.6g}, in known tables {where}{_causes(name, found)}"
    if found.far > max(_MOST_BEYOND, _AT_LEAST / found.n):
        return _beyond(found)
    if found.unusual > max(_MOST_BEYOND_USUAL, 2 * _AT_LEAST / found.n):
        return f"{found.unusual:.0%} of its values are outside of {where}, where known tables have 98 %"
    return None


def _causes(name: str, found: Spread) -> str:
    causes = [
        cause.format(name)
        for cause, factor, plus in _CAUSES.get(name, _OF_SHARES if feature(name).high == 1 else ())
        if found.known.low <= found.median * factor + plus <= found.known.high
    ]
    return f"; perhaps {' or '.join(causes)}" if causes else ""


def judged(name: str, values: np.ndarray, lost: str | None = None) -> tuple[str | None, str | None]:
    """Why possible values are no feature of known tracks, as far as it stops a run; what else is odd.

    `lost` is what is told of values that cannot be read.
    """
    found = spread(name, values)
    doubt, odd = unlike(name, found) or lost, odd_frequency(name, values)
    # More values than usual are just beyond known ones, although tracks may be so.
    if found and not doubt and found.unknown > max(_MOST_BEYOND, _AT_LEAST / found.n):
        odd = odd or f"{name}: {_beyond(found)}"
    return doubt, odd


def _beyond(found: Spread) -> str:
    ends = f"{found.known.least:.6g} to {found.known.most:.6g}"
    return f"{found.unknown:.0%} of its values are outside of {ends}, where known tables have them"


def odd_frequency(name: str, values: np.ndarray) -> str | None:
    """What is odd about how often values are there: one that was filled in for missing ones, or ranks.

    Or whole numbers in another code than in known tables.
    """
    found, counts = np.unique(values, return_counts=True)
    known, order = usual(name), np.argsort(counts)
    if known and found.size > _FEWEST_VALUES and values.size >= _FEWEST_VALUES**2:
        value, n, next_n = found[order[-1]], counts[order[-1]], counts[order[-2]]
        # Instrumentalness is often 0.
        if n > max(_OFTEN * values.size, _MUCH_MORE * next_n) and value != known.low:
            return (
                f"{name} is {value:.6g} in {n / values.size:.0%} of {values.size:,} tracks, no other value in"
                f" more than {next_n:,}: was it filled in for missing ones? Leave these empty"
            )
    shares = _known().shares.get(name, {})
    for value, share in shares.items():
        if values.size * share > _EXPECTED and float(value) not in values:
            return (
                f"{name} is never {value} in {values.size:,} tracks; in known tables at least"
                f" {share:.0%} are: is it coded in another way?"
            )
    if values.size < _MANY:
        return None
    low, high = found[0], found[-1]
    # Where any value may be 0, a genre may have nothing else.
    if known and known.low > 0 and high < _REACHED * known.high:
        return (
            f"{name} is never above {high:.3g} in {values.size:,} tracks; in known tables it goes to"
            f" {known.high:.3g}: is it in another unit?"
        )
    if known and high > low:
        apart = np.sort(values) - np.linspace(low, high, values.size)
        if np.abs(apart).max() < _EVENLY * (high - low):
            return (
                f"{name} is spread evenly from {low:.6g} to {high:.6g}, as ranks or percentiles are and no known"
                " table is: map what was measured"
            )
    usually = np.array([*shares.values()])
    for cause, factor, plus in _CAUSES.get(name, ()) if shares else ():
        recoded = usually[(np.arange(usually.size) * factor + plus) % usually.size]
        gain = np.log(recoded / usually)
        if gain[values.astype(int)].mean() > _LIKELIER * (recoded @ gain) / recoded.sum():
            return (
                f"{name} is spread over its values as in known tables only if {cause.format(name)}: is it coded"
                " in another way?"
            )
    return None
