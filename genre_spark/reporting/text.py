"""Words and numbers as the page has them: names, units, per cents."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from genre_spark.bundle.genre_metrics import (
    AcceptedShare,
    Estimate,
    HeldOutMetrics,
    Protocol,
    ProtocolMetrics,
)
from genre_spark.evaluation.study_results import OverSeeds
from genre_spark.platform import safe_text
from genre_spark.platform.redaction import redact
from genre_spark.schema import AudioFeature

PROTOCOLS: dict[Protocol, str] = {
    "known": "known artists",
    "new": "new artists",
    "unlinked": "new artists without a link",
}
# Measures of synthetic genres, by their fields in `results.Quality`.
QUALITIES = {
    "artist_coherence": "two tracks of an artist share a group, over chance",
    "held_out_coherence": "the same, each half labelled without the other",
    "album_coherence": "two tracks of an album share a group, over chance",
    "adjusted_mutual_information": "adjusted mutual information with real genres",
    "stability": "stability (adjusted Rand index, bootstraps)",
    "explained_variance": "variance of the features explained",
}
_Value = TypeVar("_Value")
_NONE = "–"
_DIGITS = {"BPM": 0, "dB": 1, "min": 1}


def one_line(name: str, limit: int) -> str:
    """A name without what could change the text around it, such as a reversal of direction."""
    line = " ".join(safe_text.plain(name).replace("\ufffd", " ").split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def in_text(name: str) -> str:
    """A name within a sentence."""
    return one_line(name, 80)


def listed(parts: Sequence[str]) -> str:
    """Parts as a sentence lists them."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def plain(name: str) -> str:
    """The name of a column in plain words."""
    return name.removesuffix("_ms").replace("_", " ")


def in_units(declared: AudioFeature, raw: float | None) -> str:
    """A raw value as people read it, in the feature's unit for display."""
    if raw is None:
        return _NONE
    if declared.name == "mode":
        return declared.high_word if raw >= 0.5 else declared.low_word
    shown = raw / declared.per_unit
    if declared.integer or declared.display_unit in _DIGITS:
        text = f"{shown:.{_DIGITS.get(declared.display_unit, 0)}f}"
    elif declared.low >= 0 and declared.high <= 1:
        text = f"{shown:.2f}"
    else:
        text = f"{shown:,.0f}" if abs(shown) >= 1000 else f"{shown:.3g}"
    return text.replace("-", "−")


def place(source: str | None) -> str | None:
    """A source that may be shown to anyone: a file by its name, a URI without its password."""
    if source and "://" in source and not source.startswith("file:"):
        return redact(source)
    return source and source.rstrip("/").rsplit("/", 1)[-1]


def count(n: int | None) -> str:
    """A whole number with its thousands apart."""
    return _NONE if n is None else f"{int(n):,}"


def percent(share: float | None, digits: int = 1) -> str:
    """A share in [0, 1] as per cents."""
    return _NONE if share is None else f"{100 * share:.{digits}f}\u00a0%"


def ratio(value: float | None) -> str:
    """A measure to three decimals."""
    return _NONE if value is None else f"{value:.3f}"


def mean_and_std(measure: OverSeeds) -> str:
    """A mean over seeds to three decimals, and its standard deviation."""
    text = ratio(measure.mean)
    return text if measure.std is None else f"{text} ± {measure.std:.3f}"


def gained(gain: Estimate) -> str:
    """A difference in points, with its interval."""
    mean, low, high = (100 * share for share in (gain.mean, gain.low, gain.high))
    return f"{mean:+.1f} ({low:+.1f} to {high:+.1f})".replace("-", "−")


def never_learned(genres: Iterable[str]) -> str:
    """Genres that the new-artist protocol could not measure."""
    return f"Held out whole, being of few artists, and so never right: {', '.join(genres)}."


def accepted(one: AcceptedShare) -> str:
    """Coverage, and the precision that was reached."""
    precision = "" if one.precision is None else f" ({one.precision:.3f} right)"
    return f"{one.coverage:.2f}{precision}"


def attainable(metrics: HeldOutMetrics, target: float) -> str:
    """Which precision accepted labels meet; what can be met where the target cannot."""
    goal = f"{target:.2f}"
    if metrics.coverage:
        return f"{metrics.coverage:.0%} of the labels at a precision of {goal}"
    met = [name for name, one in metrics.coverage_at.items() if one.coverage]
    if not met:
        return f"none: held-out tracks promise no precision from 0.80 to {goal}"
    best = max(met)
    return (
        f"none: {goal} cannot be promised; {best} can, for"
        f" {metrics.coverage_at[best].coverage:.0%} of the labels"
        f" (train with --set target_precision={best})"
    )


def by_protocol(
    title: str,
    protocols: Mapping[Protocol, ProtocolMetrics],
    part: Callable[[ProtocolMetrics], Mapping[str, _Value]],
    form: Callable[[_Value], str],
) -> list[tuple[str, ...]]:
    """A table with a row per name in a part of the protocols, and a column per protocol.

    Parameters
    ----------
    title : str
        Of the first column.
    protocols : mapping of str to ProtocolMetrics
    part : callable
        What is shown of each protocol; all have the same names.
    form : callable
        A value as text.
    """
    names = part(next(iter(protocols.values()))) if protocols else {}
    head = (title, *(PROTOCOLS[name] for name in protocols))
    rows = [(name, *(form(part(of)[name]) for of in protocols.values())) for name in names]
    return [head, *rows]
