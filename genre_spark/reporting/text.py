"""Numbers, shares, intervals and names as text, the same on the terminal, in Markdown and on pages."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from genre_spark.platform import safe_text
from genre_spark.platform.safe_text import redact

if TYPE_CHECKING:  # The terminal imports this module before every command.
    from collections.abc import Iterable, Iterator, Mapping

    from genre_spark.bundle.genre_metrics import AcceptedShare, Estimate, Loss
    from genre_spark.evaluation.study_results import OverSeeds
    from genre_spark.schema import AudioFeature

PROTOCOLS: dict[str, str] = {
    "known": "known artists",
    "new": "new artists",
    "unlinked": "new artists without a link",
    "known_without_features": "known artists, no features",
    "new_without_features": "new artists, no features",
}
NONE = "–"
_DIGITS = {"BPM": 0, "dB": 1, "min": 1}


def protocol(name: str) -> str:
    """Title of a protocol."""
    return PROTOCOLS.get(name, plain(name))


def shown(value: Any) -> str:
    """A value without a form of its own; a list in one line."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    if isinstance(value, float):
        return f"{value:.6g}"
    return NONE if value is None else str(value)


def present(pairs: Mapping[str, Any]) -> dict[str, Any]:
    """Names and values, without those that are absent."""
    return {name: value for name, value in pairs.items() if shown(value) not in ("", NONE)}


def one_line(name: str, limit: int = 80) -> str:
    """A name without what could change the text around it, such as a reversal of direction."""
    line = " ".join(safe_text.plain(redact(name)).replace("\ufffd", " ").split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def plain(name: str) -> str:
    """The name of a column in plain words."""
    return name.removesuffix("_ms").replace("_", " ")


def in_units(declared: AudioFeature, raw: float | None) -> str:
    """A raw value in the feature's unit for display, without the unit."""
    if raw is None:
        return NONE
    if declared.name == "mode":
        return declared.high_word if raw >= 0.5 else declared.low_word
    number = raw / declared.per_unit
    if declared.integer or declared.display_unit in _DIGITS:
        digits = f"{number:.{_DIGITS.get(declared.display_unit, 0)}f}"
    elif declared.low >= 0 and declared.high <= 1:
        digits = f"{number:.2f}"
    else:
        digits = f"{number:,.0f}" if abs(number) >= 1000 else f"{number:.3g}"
    return digits.replace("-", "−")


def place(source: str | None) -> str | None:
    """A source that may be shown to anyone: a file by its name, a URI without its password."""
    if source and "://" in source and not source.startswith("file:"):
        return redact(source)
    return source and source.rstrip("/").rsplit("/", 1)[-1]


def count(n: float | None) -> str:
    """A whole number with separators of thousands."""
    return NONE if n is None else f"{round(n):,}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as a percentage; never 100% if anything is missing."""
    if share is None:
        return NONE
    written = f"{100 * share:.{digits}f}%"
    if share < 1 and float(written[:-1]) == 100:
        return f">{100 - 10**-digits:.{digits}f}%"
    return written


def ratio(value: float | None) -> str:
    """A measure to three decimals."""
    return NONE if value is None else f"{value:.3f}"


def interval(estimate: Estimate) -> str:
    """A share with its 95 % interval."""
    return f"{percent(estimate.mean)} ({100 * estimate.low:.1f}–{100 * estimate.high:.1f})"


def points(gain: Estimate | None) -> str:
    """A difference of shares in percentage points, with its interval."""
    if gain is None:
        return ""
    mean, low, high = (100 * share for share in (gain.mean, gain.low, gain.high))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−")


def over_seeds(measure: OverSeeds) -> str:
    """A mean over seeds with its standard deviation."""
    mean = ratio(measure.mean)
    return mean if measure.std is None else f"{mean} ± {measure.std:.3f}"


def loss(one: Loss) -> str:
    """Lost accuracy in percentage points, with its standard deviation over repeats."""
    return f"{100 * one.mean:.1f} ± {100 * one.std:.1f}"


def accepted(one: AcceptedShare | None) -> str:
    """Coverage, with the precision that was reached."""
    if one is None:
        return ""
    right = "" if one.precision is None else f" ({percent(one.precision)} right)"
    return percent(one.coverage) + right


def never_learned(genres: Iterable[str]) -> str:
    """Genres that a protocol could not measure."""
    return f"Held out completely, because few artists have them, and so never right: {', '.join(genres)}."


def tally(counts: Mapping[str, int]) -> str:
    """Names with their counts."""
    return ", ".join(f"{name} {n:,}" for name, n in counts.items())


def counted(n: int, parts: Mapping[str, int]) -> str:
    """A number with the counts of its parts."""
    return f"{n:,} ({tally(parts)})" if parts else f"{n:,}"


def largest(tables: Iterable[Mapping[str, int]], most: int) -> list[str]:
    """The names with the largest counts over all tables, the largest first."""
    totals: Counter[str] = Counter()
    for table in tables:
        totals.update(table)
    return sorted(totals, key=lambda name: (-totals[name], name))[:most]


def flat(values: dict[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values by dotted names."""
    for name, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{at}{name}.")
        else:
            yield f"{at}{name}", value
