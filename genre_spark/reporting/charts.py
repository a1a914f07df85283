"""Pictures of genres and labels: data in, a figure out."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import matplotlib.ticker
import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure

from genre_spark.reporting.style import (
    BLUE,
    GREY,
    INK,
    SERIES,
    empty,
    heatmap,
    name_rows,
    percent_axes,
    percent_axis,
)
from genre_spark.schema import MODEL

BINS = 20
MOST_WRITTEN = 15
_Z95 = 1.96
# Between the marks of two series, in rows.
_BESIDE = 0.3

# A value, its lower and its upper bound.
Interval = tuple[float, float, float]


def bars(names: Sequence[str], values: Sequence[int]) -> Figure:
    """Horizontal bars with their counts, the first on top."""
    figure, (axes,) = empty(0.24 * len(names) + 0.7)
    axes.barh(range(len(names)), values, color=BLUE, height=0.72)
    for at, value in enumerate(values):
        axes.annotate(
            f"{value:,}", (value, at), xytext=(4, 0), textcoords="offset points", va="center"
        )
    name_rows(axes, names)
    axes.set_xlabel("tracks")
    axes.set_xlim(0, max(1, *values) * 1.12)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    return figure


def shares(values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """A table of shares of the row in [0, 1] as colours; a narrow one also as whole per cents."""
    label, annotate = "share of the row", len(columns) <= MOST_WRITTEN
    return heatmap(
        values, rows, columns, label, annotate=annotate, cmap="Blues", vmin=0.0, vmax=1.0
    )


def losses(values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """A table of shares that are lost as colours, what is not lost as white."""
    label, annotate = "share of the labels lost", len(columns) <= MOST_WRITTEN
    most = max(0.05, float(values.max()))
    return heatmap(
        values, rows, columns, label, annotate=annotate, cmap="Blues", vmin=0.0, vmax=most
    )


def accuracies(panels: Mapping[str, Mapping[str, Interval]]) -> Figure:
    """Bars of accuracy per panel, the best on top, `MODEL` in colour.

    Parameters
    ----------
    panels : dict of str to dict of str to Interval
        Title to names to accuracies with their bounds.
    """
    heights = [len(found) for found in panels.values()]
    figure, all_axes = empty(0.32 * sum(heights) + 0.85 * len(heights), len(heights), heights)
    for axes, (title, found) in zip(all_axes, panels.items(), strict=True):
        names = sorted(found, key=lambda name: found[name][0], reverse=True)
        values, low, high = np.array([found[name] for name in names]).T
        colours = [BLUE if name == MODEL else GREY for name in names]
        axes.barh(range(len(names)), values, color=colours, height=0.72)
        spread = (np.maximum(values - low, 0), np.maximum(high - values, 0))
        axes.errorbar(values, range(len(names)), xerr=spread, fmt="none", ecolor=INK, capsize=3)
        for at, value in enumerate(values):
            axes.text(high[at] + 0.012, at, f"{100 * value:.1f} %", va="center")
        name_rows(axes, names, 44)
        axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
        percent_axis(axes.xaxis, 0, 1.1)
    all_axes[-1].set_xlabel("accuracy")
    return figure


def reliability(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Accuracy over confidence; the larger a mark, the more tracks it stands for."""
    figure, (axes,) = empty(4.6, width=5.4)
    axes.plot([0, 1], [0, 1], color=INK, linestyle=":", linewidth=1, label="as sure as right")
    for (name, points), (colour, marker, line) in zip(curves.items(), SERIES, strict=False):
        confidence, accuracy, share = np.array(points).T
        axes.plot(confidence, accuracy, color=colour, linestyle=line)
        size = 20 + 300 * share
        axes.scatter(confidence, accuracy, s=size, color=colour, marker=marker, label=name)
    axes.set(xlabel="mean confidence", ylabel="share of right labels", aspect="equal")
    percent_axes(axes, (0, 1.02), (0, 1.02))
    # Points may lie anywhere, so the legend stands outside; there, marks are of one size.
    legend = figure.legend(frameon=False, loc="outside lower left", ncols=1 + len(curves))
    for handle in legend.legend_handles:
        if isinstance(handle, PathCollection):
            handle.set_sizes([40])
    return figure


def risk_coverage(
    curves: Mapping[str, Sequence[Sequence[float]]],
    accepted: Mapping[str, tuple[float, float]],
    target: float,
) -> Figure:
    """Accuracy of the surest share of the labels.

    Parameters
    ----------
    curves : dict of str to sequence of pairs
        Name to (coverage, accuracy).
    accepted : dict of str to pair
        Name to (coverage, precision) of the labels that the model accepts, where there are any.
    target : float
        The precision that accepted labels are to have.
    """
    figure, (axes,) = empty(3.9)
    for (name, points), (colour, marker, line) in zip(curves.items(), SERIES, strict=False):
        axes.plot(*np.array(points).T, color=colour, linestyle=line, label=name)
        if name in accepted:
            axes.plot(*accepted[name], color=colour, marker=marker, markersize=9, linestyle="none")
    axes.axhline(target, color=INK, linestyle=":", label=f"target {100 * target:.0f} %")
    axes.set(xlabel="share of the tracks, the surest first", ylabel="share of right labels")
    lowest = min(min(accuracy for _, accuracy in points) for points in curves.values())
    percent_axes(axes, (0, 1.02), (max(0.0, min(lowest, target) - 0.05), 1.01))
    axes.legend(frameon=False, loc="lower left")
    return figure


def confidence(counts: Sequence[int], thresholds: Mapping[str, float]) -> Figure:
    """Histogram of confidence in `BINS` bins of equal width.

    Parameters
    ----------
    counts : sequence of int
    thresholds : dict of str to float
        Whose labels are accepted from which confidence on; one above 1 is not drawn.
    """
    figure, (axes,) = empty(3.2)
    heights = np.array(counts) / max(1, sum(counts))
    edges = np.arange(BINS) / BINS
    axes.bar(edges, heights, width=1 / BINS, align="edge", color=BLUE, edgecolor="white")
    for (whose, least), style in zip(thresholds.items(), (":", "--"), strict=False):
        if least <= 1:
            label = f"accepted from {100 * least:.4g} % ({whose})"
            axes.axvline(least, color=INK, linestyle=style, label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="upper left")
    axes.set(xlabel="confidence of the label", ylabel="share of the tracks")
    percent_axes(axes, (0, 1), (0, max(0.05, float(heights.max()) * 1.1)))
    return figure


def differences(panels: Mapping[str, Mapping[str, Mapping[str, Interval]]], label: str) -> Figure:
    """Marks with their intervals, beside the line of no difference.

    Parameters
    ----------
    panels : dict of str to dict of str to dict of str to Interval
        Title to series to names to differences of shares; each series has the same names.
    label : str
        Of what the differences are.
    """
    rows = {title: list(next(iter(series.values()))) for title, series in panels.items()}
    heights = [len(names) for names in rows.values()]
    figure, all_axes = empty(0.32 * sum(heights) + 0.95 * len(heights), len(heights), heights)
    for axes, (title, series) in zip(all_axes, panels.items(), strict=True):
        axes.axvline(0, color=INK, linestyle=":", linewidth=1)
        for i, ((name, found), (colour, marker, _)) in enumerate(
            zip(series.items(), SERIES, strict=False)
        ):
            values, low, high = 100 * np.array([found[row] for row in rows[title]]).T
            at = np.arange(len(values)) + _BESIDE * (i - (len(series) - 1) / 2)
            spread = (np.maximum(values - low, 0), np.maximum(high - values, 0))
            style: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "linestyle": "none",
                "capsize": 3,
            }
            axes.errorbar(values, at, xerr=spread, label=name, **style)
        name_rows(axes, rows[title], 44)
        axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
    all_axes[-1].set_xlabel(label)
    if max(map(len, panels.values())) > 1:
        all_axes[0].legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 1), ncols=2)
    return figure


def interval(share: float, n: int) -> Interval:
    """A share that was counted on `n` independent tracks, with its 95 % bounds.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    weight = _Z95**2 / max(1, n)
    middle = (share + weight / 2) / (1 + weight)
    root = (weight * (share * (1 - share) + weight / 4)) ** 0.5 / (1 + weight)
    return share, middle - root, middle + root


def largest(tables: Iterable[Mapping[str, int]], most: int) -> list[str]:
    """The names with the largest counts over all tables, the largest first."""
    totals: dict[str, int] = {}
    for table in tables:
        for name, n in table.items():
            totals[name] = totals.get(name, 0) + n
    return sorted(totals, key=lambda name: (-totals[name], name))[:most]
