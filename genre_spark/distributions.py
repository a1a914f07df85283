"""Distributions of a catalogue's features and labels, counted by Spark."""

import functools
import operator
from collections.abc import Iterable, Mapping, Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.catalogue_profile import (
    CONFIDENCE_BINS,
    LEVELS,
    Binned,
    FeatureProfile,
    LabelProfile,
    Profile,
)
from genre_spark.schema import WHY_GENRE, WHY_SYNTHETIC


def feature_profiles(tracks: DataFrame, features: Sequence[str]) -> dict[str, FeatureProfile]:
    """Distribution of each feature, in two passes.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with a double column per feature, null where missing.
    features : sequence of str
    """
    columns = [F.percentile_approx(name, list(LEVELS), 10_000) for name in features]
    quantiles = dict(zip(features, tracks.agg(F.array(*columns)).first()[0], strict=True))
    edges = {name: tuple(sorted(set((quantiles[name] or ())[1:-1]))) for name in features}
    found = _binned(tracks, edges)
    return {
        name: FeatureProfile(
            quantiles=tuple(quantiles[name] or ()),
            missing=found[name].missing,
            edges=edges[name],
            counts=found[name].counts,
        )
        for name in features
    }


def binned_as(profile: Profile, tracks: DataFrame) -> dict[str, Binned]:
    """The tracks in the bins of a bundle's profile."""
    return _binned(tracks, {name: one.edges for name, one in profile.features.items()})


def label_profile(labelled: DataFrame) -> LabelProfile:
    """How many tracks got which label, and how sure, in one pass."""
    confidence = F.col("genre_confidence")
    # `least` would skip the nulls of a clusters bundle.
    bins = F.when(confidence < 1, F.floor(confidence * CONFIDENCE_BINS)).when(
        confidence >= 1, F.lit(CONFIDENCE_BINS - 1)
    )
    said = {
        "synthetic_genres": F.col("synthetic_genre"),
        "genres": F.col("genre"),
        "confidence": bins,
        "accepted": F.col("genre_accepted"),
    }
    each = [F.struct(F.lit(k).alias("of"), v.cast("string").alias("is")) for k, v in said.items()]
    rows = labelled.select(confidence, F.explode(F.array(*each)).alias("at")).groupBy(
        "at.of", "at.is"
    ).agg(F.count("at.is").alias("n"), F.sum(confidence.cast("double")).alias("sum"))  # fmt: skip
    found = rows.filter(F.col("is").isNotNull()).orderBy(F.desc("n"), "is").collect()
    counts = {name: {row["is"]: row["n"] for row in found if row["of"] == name} for name in said}
    accepted, sure = counts.pop("accepted"), sum(counts["confidence"].values())
    total = sum(row["sum"] for row in found if row["of"] == "confidence")
    return LabelProfile(
        **counts,
        accepted=accepted.get("true", 0) / sum(accepted.values()) if accepted else None,
        # The last digits of a sum hang on the order in which Spark added.
        mean_confidence=round(total / sure, 6) if sure else None,
    )


def reasons(labelled: DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """By kind of label, and by label: for how many tracks which feature speaks most for it.

    Parameters
    ----------
    labelled : DataFrame
        With `WHY_COLUMNS`.
    """
    return {
        label: _first_reasons(labelled, label, why)
        for label, why in (("synthetic_genre", WHY_SYNTHETIC), ("genre", WHY_GENRE))
    }


def _first_reasons(labelled: DataFrame, label: str, why: str) -> dict[str, dict[str, int]]:
    first = F.get(F.col(why), F.lit(0))["feature"].alias("feature")
    rows = labelled.groupBy(label, first).count().orderBy(label, "feature").collect()
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        if row["feature"] is not None:
            found.setdefault(row[label], {})[row["feature"]] = row["count"]
    return found


def _binned(tracks: DataFrame, edges: Mapping[str, Sequence[float]]) -> dict[str, Binned]:
    """Each feature's tracks, in one pass."""
    names = list(edges)
    places = [
        F.struct(F.lit(i).alias("i"), _bin(F.col(name), edges[name]).alias("bin"))
        for i, name in enumerate(names)
    ]
    one_each = tracks.select(F.explode(F.array(*places)).alias("at"))
    counted = one_each.groupBy("at.i", "at.bin").count().collect()
    found = {(names[row["i"]], row["bin"]): row["count"] for row in counted}
    return {name: _bins(name, len(edges[name]) + 1, found) for name in names}


def _bins(name: str, n_bins: int, found: Mapping[tuple[str, int | None], int]) -> Binned:
    counts = tuple(found.get((name, i), 0) for i in range(n_bins))
    missing = found.get((name, None), 0)
    return Binned(counts, missing / max(1, missing + sum(counts)))


def _bin(value: Column, edges: Iterable[float]) -> Column:
    above = [(value > edge).cast("int") for edge in edges]
    return F.when(value.isNotNull(), functools.reduce(operator.add, above, F.lit(0)))
