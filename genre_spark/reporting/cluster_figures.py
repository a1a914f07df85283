"""Pictures of synthetic genres: data in, a figure out."""

from collections.abc import Mapping, Sequence

import matplotlib.ticker
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from genre_spark.clustering.results import CatalogueMap, Landmark
from genre_spark.reporting.style import (
    BLUE,
    GREY,
    INK,
    RED,
    SERIES,
    empty,
    heatmap,
    name_rows,
    percent_axis,
    shorten,
    small,
)

# Beyond this many standard deviations all is far: one odd cell must not bleach the others.
_FAR = 2.5
# The map in inches, the radius of a badge on it, and how often badges are pushed apart.
_MAP = (5.7, 4.4)
_BADGE = 0.11
_PUSHES = 100
# A line of names under the map, in inches.
_LINE = 0.2
# A landmark's name: letters at most; and, in inches, a letter's width and a line's height.
_LANDMARK = 22
_LETTER, _HEIGHT = 0.085, 0.17


def catalogue_map(
    found: CatalogueMap, names: Mapping[int, str], landmarks: Sequence[Landmark]
) -> Figure:
    """Tracks as dots coloured by synthetic genre, with its number at its center.

    Parameters
    ----------
    found : CatalogueMap
    names : mapping of int to str
        Of all synthetic genres, by id.
    landmarks : sequence of Landmark
        What is written on the map.
    """
    points = np.array([point[:2] for point in found.points])
    below = _LINE * -(-len(names) // 2) + 0.1
    figure, (axes, key) = empty(_MAP[1] + below, 2, (_MAP[1], below))
    colours = dict(zip(names, _colours(len(names)), strict=True))
    shades = [colours[point[2]] for point in found.points]
    x, y = points.T
    axes.scatter(x, y, s=8, c=shades, alpha=0.25 if landmarks else 0.6, linewidths=0)
    low, high = np.quantile(points, (0.002, 0.998), axis=0)
    low, high = low - 0.05 * (high - low) - 1e-6, high + 0.05 * (high - low) + 1e-6
    axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), xticks=[], yticks=[])
    present = [center for center in found.centers if center[2] in names]
    marked = [(*center[:2],) for center in present] + [(one.x, one.y) for one in landmarks]
    places = (np.array(marked).reshape(-1, 2) - low) / (high - low)
    badges, texts = np.split(places, [len(present)])
    badges = _apart(badges)
    for (_, _, genre), (x, y) in zip(present, badges, strict=True):
        _badge(axes, x, y, genre, colours[genre], 8.5)
    widths = [_LETTER * len(shorten(one.name, _LANDMARK)) for one in landmarks]
    for one, (x, y) in zip(landmarks, _clear(texts, widths, badges), strict=True):
        _landmark(axes, x, y, shorten(one.name, _LANDMARK))
    _names(key, names, colours)
    return figure


def quality(rows: Mapping[str, Sequence[float | None]]) -> Figure:
    """A panel for each measure, a bar for each of the three that are compared."""
    figure, panels = empty(0.85 * len(rows) + 0.2, len(rows))
    labels = ["synthetic genres", "plain KMeans", "permuted features"]
    for axes, (measure, values) in zip(panels, rows.items(), strict=True):
        shown = [0.0 if value is None else value for value in values]
        bars = axes.barh(range(len(shown)), shown, height=0.7, color=[BLUE, GREY, GREY])
        axes.bar_label(bars, [f"{value:.2f}" for value in shown], padding=3, fontsize=9)
        name_rows(axes, labels, 24)
        axes.set_xlim(min(0.0, *shown), 1.15 * max(*shown, 0.01))
        axes.set_xticks([])
        axes.set_title(measure, loc="left", fontsize="medium", fontweight="bold")
    return figure


def centroids(values: np.ndarray, rows: Sequence[str], columns: Sequence[str]) -> Figure:
    """How far each centroid lies from the average track.

    Parameters
    ----------
    values : np.ndarray [shape=(k, n_scaled)]
        In scaled units: 0 is the average track, 1 one standard deviation above it.
    """
    limit = min(_FAR, max(0.5, float(np.abs(values).max())))
    label = "standard deviations from the average track"
    return heatmap(
        values, rows, columns, label, cmap="vlag", vmin=-limit, vmax=limit, extend="both"
    )


def profile(values: Sequence[float], names: Sequence[str], texts: Sequence[str]) -> Figure:
    """How far one synthetic genre lies from the average track; a small picture.

    Parameters
    ----------
    values : sequence of float
        In standard deviations, one per feature.
    names, texts : sequence of str
        Of each feature, and what its typical value is.
    """
    figure, axes = small(0.17 * len(names) + 0.3)
    drawn = np.clip(values, -_FAR, _FAR)
    axes.barh(range(len(names)), drawn, height=0.7, color=[RED if v > 0 else BLUE for v in values])
    axes.axvline(0, color=INK, linewidth=0.8)
    name_rows(axes, names, 18)
    axes.set_xlim(-_FAR, _FAR)
    axes.set_xticks([-2, -1, 0, 1, 2], ["−2", "", "average", "", "+2"])
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(names)), [shorten(text, 12) for text in texts])
    beside.tick_params(length=0, labelsize=8)
    beside.spines["right"].set_visible(False)
    return figure


def candidates(ks: Sequence[int], measures: Mapping[str, Sequence[float]], chosen: int) -> Figure:
    """Each measure of the tried numbers of synthetic genres, with the chosen number."""
    figure, panels = empty(1.75 * len(measures) + 0.3, len(measures))
    for axes, (measure, values) in zip(panels, measures.items(), strict=True):
        axes.plot(ks, values, color=BLUE, marker="o", markersize=4)
        axes.axvline(chosen, color=INK, linestyle=":", label=f"chosen: {chosen}")
        axes.set_title(measure, loc="left", fontsize="medium", fontweight="bold")
        axes.grid(axis="y", color=GREY, linewidth=0.3)
        axes.xaxis.set_major_locator(matplotlib.ticker.MaxNLocator(integer=True))
    panels[0].legend(frameon=False, loc="upper right", bbox_to_anchor=(1, 1.3))
    panels[-1].set_xlabel("number of synthetic genres")
    return figure


def stability(rows: Mapping[str, Sequence[float]]) -> Figure:
    """A dot for each comparison of two fits, and their mean, one row for each kind."""
    figure, (axes,) = empty(0.55 * len(rows) + 0.75)
    for at, values in enumerate(rows.values()):
        axes.scatter(values, np.full(len(values), at), s=36, color=BLUE, alpha=0.5, linewidths=0)
        mean = float(np.mean(values))
        axes.plot([mean, mean], [at - 0.28, at + 0.28], color=INK, linewidth=2)
        axes.annotate(f"{mean:.2f}", (mean, at - 0.3), ha="center", va="bottom")
    name_rows(axes, list(rows), 40)
    axes.set_ylim(len(rows) - 0.5, -0.75)
    lowest = min(min(values) for values in rows.values())
    axes.set_xlim(min(0.75, lowest - 0.05), 1.01)
    axes.set_xlabel("adjusted Rand index")
    return figure


def pairs(series: Mapping[str, Sequence[float | None]], names: Sequence[str]) -> Figure:
    """Two shares for each row, joined by a line.

    Parameters
    ----------
    series : mapping of str to sequence of float or None
        Two of them, by what they are; None is not drawn.
    names : sequence of str
    """
    figure, (axes,) = empty(0.25 * len(names) + 0.95)
    for at, both in enumerate(zip(*series.values(), strict=True)):
        ends = [one for one in both if one is not None]
        axes.plot([min(ends, default=0), max(ends, default=0)], [at, at], color=GREY, linewidth=2)
    for (colour, marker, _), (label, values) in zip(SERIES, series.items(), strict=True):
        drawn = [(value, at) for at, value in enumerate(values) if value is not None]
        x, y = np.array(drawn).reshape(-1, 2).T
        axes.scatter(x, y, color=colour, marker=marker, zorder=3, label=label)
    name_rows(axes, names)
    highest = max((value for of in series.values() for value in of if value is not None), default=1)
    percent_axis(axes.xaxis, 0, 1.03 * max(highest, 0.05))
    figure.legend(frameon=False, loc="outside upper left", ncols=2)
    return figure


def _names(axes: Axes, names: Mapping[int, str], colours: Mapping[int, np.ndarray]) -> None:
    """The key of the map: in two columns, down the first and then down the second."""
    axes.axis("off")
    rows = -(-len(names) // 2)
    axes.set(xlim=(0, 1), ylim=(rows, 0))
    for i, (genre, name) in enumerate(names.items()):
        x, y = 0.02 + 0.5 * (i // rows), i % rows + 0.5
        _badge(axes, x, y, genre, colours[genre], 7.5)
        axes.text(x + 0.03, y, shorten(name, 34), va="center_baseline", fontsize=9)


def _badge(axes: Axes, x: float, y: float, genre: int, colour: np.ndarray, size: float) -> None:
    """A number in a circle."""
    coordinates = axes.transAxes if axes.axison else axes.transData
    circle = {"boxstyle": "circle,pad=0.18", "fc": colour, "ec": "white", "lw": 1}
    axes.text(
        x, y, f"{genre:>2}", transform=coordinates, bbox=circle, color="white", fontsize=size,
        ha="center", va="center", fontweight="bold", zorder=5,
    )  # fmt: skip


def _landmark(axes: Axes, x: float, y: float, name: str) -> None:
    """A name on the map, readable on dots of any colour."""
    box = {"boxstyle": "round,pad=0.12", "fc": "white", "ec": "none", "alpha": 0.8}
    axes.text(
        x, y, name, transform=axes.transAxes, bbox=box, color=INK, fontsize=10,
        ha="center", va="center", zorder=6, clip_on=True,
    )  # fmt: skip


def _clear(places: np.ndarray, widths: Sequence[float], badges: np.ndarray) -> list[np.ndarray]:
    """Places of names, in shares of the map, moved up or down until none covers another."""
    taken = [(badge * _MAP, 2 * _BADGE) for badge in badges]
    clear = []
    for place, width in zip(places, widths, strict=True):
        margin = np.array([width / 2 + 0.03, _HEIGHT / 2 + 0.02])
        wanted = np.clip(place * _MAP, margin, np.array(_MAP) - margin)
        steps = sorted(range(-_PUSHES, _PUSHES + 1), key=abs)
        moved = (wanted + np.array([0, 0.04 * step]) for step in steps)
        free = (
            at
            for at in moved
            if margin[1] <= at[1] <= _MAP[1] - margin[1] and _is_free(at, width, taken)
        )
        at = next(free, wanted)
        taken.append((at, width))
        clear.append(at / _MAP)
    return clear


def _is_free(at: np.ndarray, width: float, taken: Sequence[tuple[np.ndarray, float]]) -> bool:
    return all(
        abs(at[0] - other[0]) > (width + wide) / 2 or abs(at[1] - other[1]) > 1.2 * _HEIGHT
        for other, wide in taken
    )


def _colours(n: int) -> np.ndarray:
    """Colours that bear white text [shape=(n, 3)], neighbours far apart on the circle of hues."""
    import seaborn

    hues = np.array(seaborn.husl_palette(n, s=0.85, l=0.48))
    stride = next(step for step in range(max(1, round(0.38 * n)), n + 2) if np.gcd(step, n) == 1)
    return hues[np.arange(n) * stride % n]


def _apart(middles: np.ndarray) -> np.ndarray:
    """Places, in shares of the map, moved until no badge covers another."""
    places = np.clip(middles, 0.03, 0.97) * _MAP
    for _ in range(_PUSHES):
        between = places[:, None] - places
        distance = np.linalg.norm(between, axis=2)
        np.fill_diagonal(distance, np.inf)
        # Two at the same place are separated by their order.
        direction = np.where(
            distance[..., None] > 1e-9, between, np.tri(len(places))[..., None] - 0.5
        )
        overlap = np.clip(2 * _BADGE - distance, 0, None)[..., None]
        push = direction / np.maximum(distance, 1e-9)[..., None] * overlap / 2
        if not overlap.any():
            break
        places = places + np.where(np.isfinite(push), push, 0).sum(axis=1)
    return places / _MAP
