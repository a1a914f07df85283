"""Distributions of a catalogue's features and labels, counted by Spark."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.bundle.catalogue_profile import (
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
        With a double column per feature, null where missing.
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
    # First what labels go together, which is little, then each kind by itself.
    together = labelled.groupBy(*[column.alias(name) for name, column in said.items()]).agg(
        F.count(F.lit(1)).alias("n"), F.sum(confidence.cast("double")).alias("sum")
    )
    each = [F.struct(F.lit(k).alias("of"), F.col(k).cast("string").alias("is")) for k in said]
    rows = (
        together.select("n", "sum", F.explode(F.array(*each)).alias("at"))
        .groupBy("at.of", "at.is")
        .agg(F.sum("n").alias("n"), F.sum("sum").alias("sum"))
    )
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
    """Each feature's tracks, in one pass: every task counts its own."""
    ordered = {name: np.array(own, dtype=np.float64) for name, own in edges.items()}
    schema = "feature string, bin int, n bigint"
    counted = tracks.select(*edges).mapInArrow(_counter(ordered), schema)
    rows = counted.groupBy("feature", "bin").agg(F.sum("n").alias("n")).collect()
    found = {(row["feature"], row["bin"]): row["n"] for row in rows}
    return {name: _bins(name, len(own) + 1, found) for name, own in edges.items()}


def _counter(
    edges: Mapping[str, np.ndarray],
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # The last place is for missing values.
        totals = {name: np.zeros(len(own) + 2, dtype=np.int64) for name, own in edges.items()}
        for batch in batches:
            for name, own in edges.items():
                values = batch[name].drop_null().to_numpy(zero_copy_only=False)
                totals[name][:-1] += np.bincount(
                    np.searchsorted(own, values), minlength=len(own) + 1
                )
                totals[name][-1] += batch[name].null_count
        for name, counts in totals.items():
            at = [*range(len(counts) - 1), None]
            yield pa.RecordBatch.from_pydict(
                {
                    "feature": pa.array([name] * len(counts)),
                    "bin": pa.array(at, pa.int32()),
                    "n": pa.array(counts),
                }
            )

    return work


def _bins(name: str, n_bins: int, found: Mapping[tuple[str, int | None], int]) -> Binned:
    counts = tuple(found.get((name, i), 0) for i in range(n_bins))
    missing = found.get((name, None), 0)
    return Binned(counts, missing / max(1, missing + sum(counts)))
