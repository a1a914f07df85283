"""Charts: data filled into the Vega-Lite specifications of ``templates``, on pages and as PNG."""

import colorsys
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import product
from math import gcd
from typing import Any

import numpy as np

from genre_spark.reporting import html
from genre_spark.reporting.document import Figure, Spec
from genre_spark.reporting.text import one_line
from genre_spark.schema import MODEL

# A value, its lower and its upper bound.
Interval = tuple[float, float, float]
Value = Interval | float

VEGA_LITE = "6.1"
_WIDTH, _ROW, _SCALE = 560, 22, 2
# Least width of a column of a heat map in which a value is written, and of the value of a bar, in
# pixels.
_SHARE_WIDTH, _NUMBER_WIDTH, _BAR_VALUE_WIDTH = 24, 32, 48
# Names of more columns would overlap on a telephone if they were slanted.
_MOST_SLANTED = 8
_LUMINANCE = 0.17
# In a specification: stands for a value.
_PLACE = re.compile(r'"\$(\w+)"')


def bars(
    values: Mapping[str, Value], title: str, form: str, top: float = 0, limit: float | None = None
) -> Spec:
    """Horizontal bars with their values, in order; the bar of `MODEL` in colour if there is one.

    Values with bounds have whiskers. The axis writes its numbers in d3's notation `form` and shows
    at least `top`; a line is drawn at `limit`.
    """
    rows = [
        {**_bounded(value), "name": name, "own": name == MODEL or MODEL not in values}
        for name, value in values.items()
    ]
    values_form = ".1%" if form.endswith("%") else form
    limits = [] if limit is None else [{"at": limit}]
    highest = top or max(row["high"] for row in rows)
    end = f"{highest} * width / max(1, width - {_BAR_VALUE_WIDTH})"
    return chart("bars", rows, len(rows), title=title, form=form, values_form=values_form,
                 end=end, labels=f"datum.value > {highest} ? '' : datum.label", limits=limits)  # fmt: skip


def marks(series: Mapping[str, Mapping[str, Value]], title: str, form: str = ".1f") -> Spec:
    """Points, with whiskers if they have bounds: a row for each name, a colour for each series."""
    rows = [
        {**_bounded(value), "name": name, "series": kind}
        for kind, found in series.items()
        for name, value in found.items()
    ]
    legend = {"orient": "top", "direction": "vertical"} if len(series) > 1 else None
    return chart("marks", rows, len(rows), title=title, form=form, legend=legend)


def _bounded(value: Value) -> dict[str, Any]:
    bounded = value if isinstance(value, tuple) else (value,) * 3
    return dict(zip(("value", "low", "high"), bounded, strict=True))


def heatmap(
    values: np.ndarray, rows: Sequence[str], columns: Sequence[str], title: str, far: float = 0
) -> Spec:
    """A table as colours; its values are written where columns are wide enough.

    `values` [shape=(len(rows), len(columns))] are shares in [0, 1]; with `far`, numbers around 0 on a
    diverging scale that ends there.
    """
    form, least = ("+.1f", _NUMBER_WIDTH) if far else (".0%", _SHARE_WIDTH)
    cells = [
        {"row": row, "column": column, "value": round(float(value), 4)}
        for (row, column), value in zip(product(rows, columns), values.flat, strict=True)
    ]
    scale: Spec = {"domainMin": 0, "nice": False}
    if far:
        scale = {"domain": [-far, far], "domainMid": 0, "clamp": True, "interpolate": "rgb"}
    n = len(columns)
    return chart("heatmap", cells, len(rows), title=title, form=form, scale=scale, columns=n,
                 opacity=f"width < {least * n} ? 0 : 1",
                 angle=-45 if n <= _MOST_SLANTED else -90)  # fmt: skip


def curve(
    points: Iterable[tuple[float, ...]],
    titles: tuple[str, str],
    target: float | None = None,
    accepted: tuple[float, float] | None = None,
) -> Spec:
    """A curve between two shares; with a line at the target or, without one, the diagonal.

    A third number of a point is its share of the tracks; `accepted` is where a diamond is drawn.
    """
    rows = [{"x": one[0], "y": one[1], "share": one[2] if len(one) > 2 else 0} for one in points]
    floor: float = 0
    guide: Spec = {"x": 0, "y": 0, "x2": 1, "y2": 1}
    if target is not None:
        floor = max(0.0, min(target, *(row["y"] for row in rows)) - 0.05)
        guide |= {"y": target, "y2": target}
    at = [{"x": accepted[0], "y": accepted[1]}] if accepted else []
    return chart("curve", rows, x=titles[0], y=titles[1], floor=floor, guides=[guide], accepted=at)


def shares(counts: np.ndarray) -> np.ndarray:
    """Each row divided by its sum; a row of zeros stays."""
    return np.asarray(counts / np.maximum(1, counts.sum(axis=1, keepdims=True)))


def most(values: np.ndarray, n: int) -> np.ndarray:
    """Positions of the `n` largest values, in order of position."""
    return np.sort(np.argsort(-values, kind="stable")[:n])


def largest(values: np.ndarray) -> tuple[int, int]:
    """Row and column of the largest value."""
    return divmod(int(values.argmax()), values.shape[1])


@cache
def palette(n: int) -> tuple[str, ...]:
    """Colours that are readable behind white text, neighbours far apart on the circle of hues."""
    stride = next(step for step in range(max(1, round(0.38 * n)), n + 2) if gcd(step, n) == 1)
    return tuple(_readable(i * stride % n / n) for i in range(n))


def _readable(hue: float) -> str:
    """The lightest colour of a hue on which white text has a contrast of 4.5."""
    shades = (colorsys.hls_to_rgb(hue, light, 0.75) for light in np.arange(0.5, 0, -0.01))
    # About the relative luminance of WCAG.
    weights = (0.2126, 0.7152, 0.0722)
    rgb = next(one for one in shades if np.dot(np.power(one, 2.2), weights) <= _LUMINANCE)
    return "#" + "".join(f"{round(255 * part):02x}" for part in rgb)


def wilson(share: float, n: int) -> Interval:
    """A share of `n` independent tracks with its 95 % bounds (Wilson's interval)."""
    from scipy.stats import binomtest

    found = binomtest(round(share * n), max(1, n)).proportion_ci(method="wilson")
    return share, float(found.low), float(found.high)


def themes() -> dict[str, Spec]:
    """Vega-Lite's configuration for light and for dark pages."""
    return dict(json.loads(html.asset("themes.json")))


def png(figure: Figure) -> bytes:
    """The figure as a picture, with its question on top."""
    import vl_convert

    views = [{**spec, "width": _WIDTH, "title": title} for title, spec in figure.charts.items()]
    whole = views[0] if len(views) == 1 else {"vconcat": views}
    whole = whole | {"title": {"text": one_line(figure.question, 200), "fontSize": 16}}
    drawn: bytes = vl_convert.vegalite_to_png(
        json.dumps(whole), vl_version=VEGA_LITE, scale=_SCALE, config=themes()["light"]
    )
    return drawn


@cache
def javascript() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, as ``window.vegaEmbed``."""
    import vl_convert

    embed = "window.vegaEmbed = vegaEmbed;"
    return str(vl_convert.javascript_bundle(embed, vl_version=VEGA_LITE))


def chart(name: str, rows: Sequence[Any] = (), n_rows: int = 0, **values: Any) -> Spec:
    """``templates/<name>.json`` with its values; of texts from tables only safe lines are kept.

    `n_rows` is the number of rows that a chart has below each other, which decides its height.
    """
    safe = {key: json.dumps(_clean(value)) for key, value in values.items()}
    own: Spec = json.loads(_PLACE.sub(lambda one: safe[one[1]], html.asset(f"{name}.json")))
    own["layer"] = [one for one in own["layer"] if one.get("data") != {"values": []}]
    size = {"width": "container", "height": max(50, _ROW * n_rows)}
    return {"data": {"values": _clean(rows)}, **size, **own}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, Mapping):
        return {name: _clean(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(one) for one in value]
    return value.item() if isinstance(value, np.generic) else value
