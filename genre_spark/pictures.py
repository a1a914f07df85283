"""Pictures: data in, a figure out. pyplot, which keeps figures in a global list, is not used."""

import base64
import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from PIL import Image

DPI = 110
WIDTH = 6.6
_WIDE = 7.5
BINS = 20
MODEL = "CNN"
# Okabe and Ito's palette, as seaborn's "colorblind" has it; the order is the one protocols have.
_SERIES = (("#0173b2", "o", "-"), ("#c05e00", "s", "--"))
_BLUE, _GREY, _INK, _LINE = "#0173b2", "#a3abb4", "#1d2733", "#c9cfd6"
_NAME = 30
_CROWDED = 15
# Beyond this many spreads all is far: one odd cell must not bleach the others.
_FAR = 2.5
_Z95 = 1.96


def bars(names: Sequence[str], values: Sequence[int]) -> Figure:
    """Horizontal bars with their counts, the first on top."""
    figure, (axes,) = _figure(0.24 * len(names) + 0.7)
    axes.barh(range(len(names)), values, color=_BLUE, height=0.72)
    for at, value in enumerate(values):
        axes.annotate(
            f"{value:,}", (value, at), xytext=(4, 0), textcoords="offset points", va="center"
        )
    _name_rows(axes, names)
    axes.set_xlabel("tracks")
    axes.set_xlim(0, max(1, *values) * 1.12)
    axes.xaxis.set_major_formatter(matplotlib.ticker.StrMethodFormatter("{x:,.0f}"))
    return figure


def centroids(values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """How far each centroid lies from the average track.

    Parameters
    ----------
    values : np.ndarray [shape=(k, n_axes)]
        In scaled units: 0 is the average track, 1 one spread above it.
    """
    limit = min(_FAR, max(0.5, float(np.abs(values).max())))
    label = "spreads from the average track"
    return _heatmap(
        values, rows, columns, label, cmap="vlag", vmin=-limit, vmax=limit, extend="both"
    )


def shares(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], label: str, annotate: bool
) -> Figure:
    """A table of shares in [0, 1] as colours; with `annotate` also as whole per cents."""
    return _heatmap(
        values, rows, columns, label, annotate=annotate, cmap="Blues", vmin=0.0, vmax=1.0
    )


def candidates(tried: Sequence[Mapping[str, Any]], chosen: int) -> Figure:
    """Each measure of the tried numbers of synthetic genres, with the chosen number."""
    measures = [name for name, value in tried[0].items() if name != "k" and _is_number(value)]
    figure, panels = _figure(2.6 * max(1, len(measures)), len(measures))
    for axes, measure in zip(panels, measures, strict=True):
        axes.plot(
            [one["k"] for one in tried], [one[measure] for one in tried], color=_BLUE, marker="o"
        )
        axes.axvline(chosen, color=_INK, linestyle=":", label=f"chosen: {chosen}")
        axes.set_ylabel(shorten(measure.replace("_", " ")))
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
        axes.legend(frameon=False)
    panels[-1].set_xlabel("number of synthetic genres")
    return figure


def accuracies(panels: Mapping[str, Mapping[str, float]], tracks: Mapping[str, int]) -> Figure:
    """Bars of accuracy per panel, the best on top, `MODEL` in colour, with 95 % intervals.

    Parameters
    ----------
    panels : dict of str to dict of str to float
        Title to names to accuracies.
    tracks : dict of str to int
        Title to the number of tracks that its accuracies were counted on.
    """
    heights = [len(found) for found in panels.values()]
    figure, all_axes = _figure(0.32 * sum(heights) + 0.85 * len(heights), len(heights), heights)
    for axes, (title, found) in zip(all_axes, panels.items(), strict=True):
        names = sorted(found, key=found.get, reverse=True)
        values = np.array([found[name] for name in names])
        low, high = interval(values, tracks[title])
        colours = [_BLUE if name == MODEL else _GREY for name in names]
        axes.barh(range(len(names)), values, color=colours, height=0.72)
        spread = (np.maximum(values - low, 0), np.maximum(high - values, 0))
        axes.errorbar(values, range(len(names)), xerr=spread, fmt="none", ecolor=_INK, capsize=3)
        for at, value in enumerate(values):
            axes.text(high[at] + 0.012, at, f"{100 * value:.1f} %", va="center")
        _name_rows(axes, names, 44)
        axes.set_title(title, loc="left", fontsize="medium", fontweight="bold")
        _percents(axes.xaxis, 0, 1.1)
    all_axes[-1].set_xlabel("accuracy")
    return figure


def reliability(curves: Mapping[str, Sequence[Sequence[float]]]) -> Figure:
    """Accuracy over confidence; the larger a mark, the more tracks it stands for."""
    figure, (axes,) = _figure(4.6, width=5.4)
    axes.plot([0, 1], [0, 1], color=_INK, linestyle=":", linewidth=1, label="as sure as right")
    for (name, points), (colour, marker, line) in zip(curves.items(), _SERIES, strict=False):
        confidence, accuracy, share = np.array(points).T
        axes.plot(confidence, accuracy, color=colour, linestyle=line)
        size = 20 + 300 * share
        axes.scatter(confidence, accuracy, s=size, color=colour, marker=marker, label=name)
    axes.grid(axis="y", color=_LINE, linewidth=0.5)
    axes.set(xlabel="mean confidence", ylabel="share of right labels", aspect="equal")
    _percents(axes.xaxis, 0, 1.02)
    _percents(axes.yaxis, 0, 1.02)
    # Points may lie anywhere, so the legend stands outside; there, marks are of one size.
    legend = figure.legend(frameon=False, loc="outside upper left", ncols=1 + len(curves))
    for handle in legend.legend_handles[1:]:
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
    figure, (axes,) = _figure(3.9)
    for (name, points), (colour, marker, line) in zip(curves.items(), _SERIES, strict=False):
        axes.plot(*np.array(points).T, color=colour, linestyle=line, label=name)
        if name in accepted:
            axes.plot(*accepted[name], color=colour, marker=marker, markersize=9, linestyle="none")
    axes.axhline(target, color=_INK, linestyle=":", label=f"target {100 * target:.0f} %")
    axes.grid(axis="y", color=_LINE, linewidth=0.5)
    axes.set(xlabel="share of the tracks, the surest first", ylabel="share of right labels")
    lowest = min(min(accuracy for _, accuracy in points) for points in curves.values())
    _percents(axes.xaxis, 0, 1.02)
    _percents(axes.yaxis, max(0.0, min(lowest, target) - 0.05), 1.01)
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
    figure, (axes,) = _figure(3.2)
    heights = np.array(counts) / max(1, sum(counts))
    edges = np.arange(BINS) / BINS
    axes.bar(edges, heights, width=1 / BINS, align="edge", color=_BLUE, edgecolor="white")
    for (whose, least), style in zip(thresholds.items(), (":", "--"), strict=False):
        if least <= 1:
            label = f"accepted from {100 * least:.0f} % ({whose})"
            axes.axvline(least, color=_INK, linestyle=style, label=label)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, loc="upper left")
    axes.grid(axis="y", color=_LINE, linewidth=0.5)
    axes.set(xlabel="confidence of the label", ylabel="share of the tracks")
    _percents(axes.xaxis, 0, 1)
    _percents(axes.yaxis, 0, max(0.05, float(heights.max()) * 1.1))
    return figure


def png(figure: Figure) -> str:
    """The figure as a PNG in base64."""
    drawn, image = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=DPI)
    # A palette makes these pictures less than half as large and looks the same.
    flat = Image.open(drawn).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    flat.save(image, format="png", optimize=True)
    return base64.b64encode(image.getvalue()).decode("ascii")


def one_line(name: str, limit: int) -> str:
    """A name without what could change the text around it, such as a reversal of direction."""
    line = " ".join("".join(c if c.isprintable() else " " for c in name).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def shorten(name: str, limit: int = _NAME) -> str:
    """A name that a picture can bear: one line, no mathematics, only characters of the font."""
    known, line = _characters(), one_line(name, limit)
    # matplotlib reads text between dollar signs as mathematics, and fails on what is none.
    return "".join(c if ord(c) in known else "□" for c in line).replace("$", r"\$")


def interval(shares: np.ndarray, n: int) -> tuple[np.ndarray, np.ndarray]:
    """95 % bounds of shares that were counted on `n` independent tracks.

    References
    ----------
    Wilson (1927), "Probable inference, the law of succession, and statistical inference", JASA 22.
    """
    weight = _Z95**2 / max(1, n)
    middle = (shares + weight / 2) / (1 + weight)
    root = np.sqrt(weight * (shares * (1 - shares) + weight / 4)) / (1 + weight)
    return middle - root, middle + root


def _heatmap(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    annotate: bool = False,
    extend: str = "neither",
    **colours: Any,
) -> Figure:
    import seaborn

    below, many = [shorten(name) for name in columns], len(columns) > _CROWDED
    height = max(2.4, 0.26 * len(rows)) + 1.0 + 0.06 * max(map(len, below))
    figure, (axes,) = _figure(height, width=_WIDE if many else WIDTH)
    texts = [[f"{100 * value:.0f}" for value in row] for row in values] if annotate else None
    seaborn.heatmap(
        values,
        ax=axes,
        annot=texts,
        fmt="",
        annot_kws={"fontsize": 9},
        linewidths=0.5,
        linecolor="white",
        xticklabels=below,
        yticklabels=[shorten(name) for name in rows],
        cbar_kws={"label": label, "extend": extend, "pad": 0.02, "aspect": 4 * height},
        **colours,
    )
    axes.grid(False)
    axes.tick_params(length=0)
    axes.tick_params(axis="x", rotation=90 if many else 45, labelsize=8 if many else 10)
    for text in axes.get_xticklabels():
        text.set(rotation_mode="anchor", ha="right", va="center" if many else "top")
    return figure


def _figure(
    height: float, panels: int = 1, ratios: Sequence[float] | None = None, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """An empty figure of so many inches, its panels below one another."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    grid = figure.subplots(panels, squeeze=False, gridspec_kw={"height_ratios": ratios})
    for axes in grid[:, 0]:
        axes.spines[["top", "right"]].set_visible(False)
        axes.spines[["left", "bottom"]].set_color(_LINE)
        axes.tick_params(color=_LINE)
        axes.grid(axis="x", color=_LINE, linewidth=0.5)
        axes.set_axisbelow(True)
    return figure, list(grid[:, 0])


def _name_rows(axes: Axes, names: Sequence[str], limit: int = _NAME) -> None:
    # Rows are numbers, not names: two names that are equal when shortened stay two rows.
    axes.set_yticks(range(len(names)), [shorten(name, limit) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def _percents(axis: Any, low: float, high: float) -> None:
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    axis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, symbol=" %"))


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
