"""Distributions of a catalogue, kept in the bundle so that later catalogues can be held to them."""

from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

# Every 5 %: enough to see a shift, small enough to read.
LEVELS = [step / 20 for step in range(21)]


def profile(tracks: DataFrame, features: tuple[str, ...]) -> dict[str, Any]:
    """Quantiles and missing share of each feature, in one pass.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with a double column per feature, null where missing.
    features : tuple of str

    Returns
    -------
    dict
        ``tracks``; ``levels``; per feature ``quantiles`` in raw units and ``missing`` in [0, 1].
    """
    quantiles = [F.percentile_approx(name, LEVELS, 10_000) for name in features]
    missing = [F.avg(F.col(name).isNull().cast("double")) for name in features]
    row = tracks.agg(F.count(F.lit(1)), F.array(*quantiles), F.array(*missing)).first()
    found = zip(features, row[1], row[2], strict=True)
    return {
        "tracks": row[0],
        "levels": LEVELS,
        "features": {name: {"quantiles": q, "missing": m} for name, q, m in found},
    }
