"""How pictures look: their size and colours, their axes and names, and their PNG.

pyplot, which keeps figures in a global list, is not used.
"""

import base64
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from PIL import Image

from genre_spark.reporting.text import one_line

# Okabe and Ito's palette, as seaborn's "colorblind" has it; the order is the one protocols have.
SERIES = (("#0173b2", "o", "-"), ("#c05e00", "s", "--"))
BLUE, RED, GREY, INK, _LINE = "#0173b2", "#b3423a", "#a3abb4", "#1d2733", "#c9cfd6"
_DPI = 110
_WIDTH = 6.0
_WIDE = 7.0
_SMALL = 2.6
_NAME = 30
_CROWDED = 15
# Of a title: the height of its lines, and the letters in an inch of them.
_LINE_HEIGHT = 0.19
_LETTERS = 9.5


def empty(
    height: float, panels: int = 1, ratios: Sequence[float] | None = None, width: float = _WIDTH
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


def small(height: float) -> tuple[Figure, Axes]:
    """An empty figure of so many inches that is one of many on a page."""
    figure = Figure(figsize=(_SMALL, height), facecolor="white")
    # Fitting margins takes longer than all else, and small pictures have the same ones.
    margins = {"left": 0.41, "right": 0.77, "bottom": 0.22 / height, "top": 1 - 0.04 / height}
    axes = figure.subplots(gridspec_kw=margins)
    axes.spines[["top", "right", "left", "bottom"]].set_visible(False)
    axes.tick_params(color=_LINE, labelsize=8)
    axes.grid(axis="x", color=_LINE, linewidth=0.5)
    axes.set_axisbelow(True)
    return figure, axes


def heatmap(
    values: np.ndarray,
    rows: Sequence[str],
    columns: Sequence[str],
    label: str,
    annotate: bool = False,
    extend: str = "neither",
    **colours: Any,
) -> Figure:
    """A table as colours, its columns named below; `colours` are seaborn's."""
    import seaborn

    below, many = [shorten(name) for name in columns], len(columns) > _CROWDED
    height = max(2.4, 0.26 * len(rows)) + 1.0 + 0.06 * max(map(len, below))
    figure, (axes,) = empty(height, width=_WIDE if many else _WIDTH)
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


def name_rows(axes: Axes, names: Sequence[str], limit: int = _NAME) -> None:
    """A name for each row, the first on top."""
    # Rows are numbers, not names: two names that are equal when shortened stay two rows.
    axes.set_yticks(range(len(names)), [shorten(name, limit) for name in names])
    axes.set_ylim(len(names) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)


def percent_axis(axis: Any, low: float, high: float) -> None:
    """An axis of shares from `low` to `high`, written as per cents."""
    axis.axes.set(**{f"{axis.axis_name}lim": (low, high)})
    axis.set_major_formatter(matplotlib.ticker.PercentFormatter(1.0, symbol=" %"))


def percent_axes(axes: Axes, x: tuple[float, float], y: tuple[float, float]) -> None:
    """Both axes as shares between their bounds, with lines to read heights by."""
    axes.grid(axis="y", color=_LINE, linewidth=0.5)
    percent_axis(axes.xaxis, *x)
    percent_axis(axes.yaxis, *y)


def shorten(name: str, limit: int = _NAME) -> str:
    """A name that a picture can bear: one line, no mathematics, only characters of the font."""
    known, line = _characters(), one_line(name, limit)
    # matplotlib reads text between dollar signs as mathematics, and fails on what is none.
    return "".join(c if ord(c) in known else "□" for c in line).replace("$", r"\$")


@dataclass(frozen=True)
class Picture:
    """An answer, drawn: what is to be seen in words, and the figure."""

    finding: str
    figure: Figure

    @cached_property
    def png(self) -> str:
        """The image in base64, without a title: pages have it above."""
        return png(self.figure)

    @property
    def width(self) -> int:
        """In pixels."""
        return round(self.figure.get_figwidth() * _DPI)

    @property
    def height(self) -> int:
        """In pixels."""
        return round(self.figure.get_figheight() * _DPI)

    def titled(self, question: str) -> bytes:
        """The image as a file of its own, with the question that it answers above it."""
        width = self.figure.get_figwidth()
        lines = textwrap.wrap(shorten(question, 200), int(_LETTERS * width))
        above = Figure(figsize=(width, _LINE_HEIGHT * (len(lines) + 0.8)), facecolor="white")
        middle: dict[str, Any] = {"va": "center", "fontsize": 11, "fontweight": "bold"}
        above.text(0.02, 0.5, "\n".join(lines), **middle)
        # Put together as images: a title inside the figure would move, or cover, what is there.
        return _stacked([png(above), self.png])


@dataclass(frozen=True)
class Answer:
    """A picture on the page.

    Attributes
    ----------
    name : str
        Of its file, without the ending.
    question : str
    kind : str
        Sort of chart, for those who do not see it.
    picture : Picture
    note : str
        How to read it, and what it rests on.
    """

    name: str
    question: str
    kind: str
    picture: Picture
    note: str = ""


def png(figure: Figure) -> str:
    """The figure as a PNG in base64."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=_DPI)
    image = Image.open(buffer).convert("RGB")
    return base64.b64encode(_compressed(image)).decode("ascii")


def _stacked(images: Sequence[str]) -> bytes:
    """PNG of images in base64 that are as wide as each other, below one another."""
    parts = [Image.open(io.BytesIO(base64.b64decode(one))).convert("RGB") for one in images]
    whole = Image.new("RGB", (parts[0].width, sum(part.height for part in parts)), "white")
    top = 0
    for part in parts:
        whole.paste(part, (0, top))
        top += part.height
    return _compressed(whole)


def _compressed(image: Image.Image) -> bytes:
    """The image as PNG with a palette: less than half as large, and it looks the same."""
    made = io.BytesIO()
    flat = image.quantize(256, dither=Image.Dither.NONE)
    flat.save(made, format="png", optimize=True)
    return made.getvalue()


@cache
def _characters() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties())).get_charmap())
