"""Distributions of a catalogue's features and labels, counted by Spark."""

import itertools
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import dataset
from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from genre_spark.bundle.manifest import (
    CONFIDENCE_BINS,
    LEVELS,
    Binned,
    FeatureProfile,
    LabelProfile,
    Profile,
)
from genre_spark.catalog.catalogue import Catalogue
from genre_spark.config import DriftSettings
from genre_spark.monitoring import drift
from genre_spark.monitoring.drift import Drift
from genre_spark.schema import WHY_GENRE, WHY_SYNTHETIC


def feature_profiles(tracks: DataFrame, features: Sequence[str]) -> dict[str, FeatureProfile]:
    """Distribution of each feature, in two passes.

    `tracks`: With a double column per feature, null where missing; from `row_counts.bounded`, since
        the driver counts them.
    """
    columns = [F.percentile_approx(name, list(LEVELS), 10_000) for name in features]
    ((values,),) = tracks.agg(F.array(*columns)).collect()
    table, profiles = tracks.select(*features).toArrow(), {}
    for name, at in zip(features, values, strict=True):
        edges = tuple(sorted(set((at or ())[1:-1])))
        found = _binned_column(table[name], edges)
        profiles[name] = FeatureProfile(
            quantiles=at or (), missing=found.missing, bin_edges=edges, counts=found.counts
        )
    return profiles


def binned_as(profile: Profile, tracks: pa.Table) -> dict[str, Binned]:
    """The tracks in the bins of a bundle's profile.

    `tracks`: With a double column per feature, null where missing.
    """
    return {
        name: _binned_column(tracks[name], one.bin_edges) for name, one in profile.features.items()
    }


def check_drift(
    profile: Profile, catalogue: Catalogue, settings: DriftSettings, path: str
) -> Drift:
    """The gate of drift, before anything is labelled: a sample of a catalogue against a profile.

    Raises `GateError` if a distance is beyond its limit; `path` is for the message.
    """
    sample = catalogue.sample
    shifts = drift.of_features(profile.features, binned_as(profile, sample.with_features))
    before = profile.tracks * (1.0 - profile.without_features)
    tracks = min(sample.with_features.num_rows, round(before))
    coverage = drift.Coverage(tracks, sample.without_features, profile.without_features)
    found = drift.assess(coverage, shifts, settings, catalogue.left_out)
    drift.check(found, path)
    return found


def _binned_column(column: pa.ChunkedArray, edges: Sequence[float]) -> Binned:
    places = np.searchsorted(np.array(edges, np.float64), column.drop_null().to_numpy())
    counts = np.bincount(places, minlength=len(edges) + 1)
    return Binned(tuple(counts.tolist()), column.null_count / max(1, len(column)))


# Columns of `label_groups` beside those that are asked for.
LABEL_GROUPS = ("synthetic_genre", "genre", "confidence_bin", "genre_accepted", "genre_precision")


def label_groups(labelled: DataFrame, *aggregates: Column, by: Sequence[Column] = ()) -> list[Row]:
    """Tracks with equal labels and about equal confidence, counted in one pass.

    Each row has `LABEL_GROUPS`, `by`, ``tracks``, ``confidence`` (summed), and the aggregates.

    `by`: What tracks of a group must have in common beside `LABEL_GROUPS`.
    """
    confidence = F.col("genre_confidence")
    # `least` would skip the nulls of a clusters bundle.
    bins = F.when(confidence < 1, F.floor(confidence * CONFIDENCE_BINS)).when(
        confidence >= 1, F.lit(CONFIDENCE_BINS - 1)
    )
    keys = [bins.alias(name) if name == "confidence_bin" else F.col(name) for name in LABEL_GROUPS]
    return (
        labelled.groupBy(*keys, *by)
        .agg(
            F.count(F.lit(1)).alias("tracks"),
            F.sum(confidence.cast("double")).alias("confidence"),
            *aggregates,
        )
        .collect()
    )


def grouped_labels(labelled: dataset.Dataset) -> list[dict[str, Any]]:
    """As `label_groups`, without Spark; by the second of `scored_at`, with ``imputed`` tracks."""
    same = [name for name in LABEL_GROUPS if name != "confidence_bin"]
    names = [*same, "genre_confidence", "scored_at", "n_imputed"]
    groups = []
    # File by file: a whole dataset reads ahead, and holds memory in proportion to its files.
    files = (one.to_batches(labelled.schema, names) for one in labelled.get_fragments())
    for batch in itertools.chain.from_iterable(files):
        table = pa.table(batch)
        # In the precision in which Spark multiplies.
        scaled = pc.multiply(table["genre_confidence"], pa.scalar(CONFIDENCE_BINS, pa.float32()))
        bins = pc.min_element_wise(pc.floor(scaled), CONFIDENCE_BINS - 1, skip_nulls=False)
        keys = {name: table[name] for name in same}
        keys["confidence_bin"] = bins.cast(pa.int32())
        keys["at"] = (
            pc.floor_temporal(table["scored_at"], unit="second")
            .cast(pa.timestamp("s"))
            .cast(pa.int64())
        )
        values = {
            "confidence": table["genre_confidence"].cast(pa.float64()),
            "imputed": pc.greater(table["n_imputed"], 0).cast(pa.int64()),
        }
        counted = (
            pa.table({**keys, **values})
            .group_by(list(keys))
            .aggregate([([], "count_all"), ("confidence", "sum"), ("imputed", "sum")])
        )
        groups.append(counted.rename_columns([*keys, "tracks", *values]))
    if not groups:
        return []
    sums = ("tracks", *values)
    # In one thread: in the order of the files.
    each = pa.concat_tables(groups).group_by(list(keys), use_threads=False)
    found = each.aggregate([(name, "sum") for name in sums])
    return found.rename_columns([*keys, *sums]).to_pylist()


def label_profile(groups: Sequence[Row | Mapping[str, Any]]) -> LabelProfile:
    """How many tracks have which label, and how sure, from `label_groups`."""
    counts: dict[str, dict[str, int]] = {}
    for name in LABEL_GROUPS:
        counted: Counter[str] = Counter()
        for row in groups:
            if row[name] is not None:
                counted[str(row[name])] += row["tracks"]
        # The most frequent first.
        counts[name] = dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))
    accepted, sure = counts["genre_accepted"], sum(counts["confidence_bin"].values())
    total = math.fsum(row["confidence"] or 0.0 for row in groups)
    return LabelProfile(
        synthetic_genres=counts["synthetic_genre"],
        genres=counts["genre"],
        confidence=counts["confidence_bin"],
        accepted=accepted.get("True", 0) / sum(accepted.values()) if accepted else None,
        precision=counts["genre_precision"],
        # The last digits of a sum depend on the order in which Spark adds.
        mean_confidence=round(total / sure, 6) if sure else None,
    )


def reasons(labelled: DataFrame) -> dict[str, dict[str, dict[str, int]]]:
    """By kind of label, and by label: for how many tracks which feature speaks most for it."""
    found: dict[str, dict[str, dict[str, int]]] = {}
    for label, why in (("synthetic_genre", WHY_SYNTHETIC), ("genre", WHY_GENRE)):
        first = F.get(F.col(why), F.lit(0))["feature"].alias("feature")
        counted = labelled.groupBy(label, first).count().filter("feature IS NOT NULL")
        of_label = found.setdefault(label, {})
        for row in counted.orderBy(label, "feature").collect():
            of_label.setdefault(row[label], {})[row["feature"]] = row["count"]
    return found
