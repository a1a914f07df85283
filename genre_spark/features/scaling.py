"""How the models see a track: one declaration of encodings, rendered to Spark and to numpy."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field, model_validator

from genre_spark._model import Finite, SparseModel, StrictModel
from genre_spark.errors import InputError
from genre_spark.features.feature_sources import FeatureSources
from genre_spark.features.tensor import N_BINS
from genre_spark.schema import feature

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

# A scaled value lies at most this many standard deviations from the centre, however wild a feature
# is: one absurd value must not own a cluster, an artist's mean, or a neuron.
LIMIT = 6.0
FEWEST_FEATURES = 3
_MIN_DEVIATION = 1e-9
_LEVELS = [step / N_BINS for step in range(N_BINS + 1)]
_SEMITONE = 2 * math.pi / 12

# Encodings: suffix of the name, and the encoded value as a function of (numpy or Spark's functions,
# value).
# `key` is a circle: B (11) lies beside C (0). Durations and tempi are heard in ratios. The
# shares of speech, audience, acoustic and instrumental sound crowd near 0.
ENCODINGS: dict[str, dict[str, Callable[[Any, Any], Any]]] = {
    "linear": {"": lambda op, x: x},
    "log": {"": lambda op, x: op.log(x)},
    "log_share": {"": lambda op, x: op.log(x + 0.01)},
    "root": {"": lambda op, x: op.sqrt(x)},
    "circular": {
        "_cos": lambda op, x: op.cos(x * _SEMITONE),
        "_sin": lambda op, x: op.sin(x * _SEMITONE),
    },
}

# Back from an encoded value to the feature's unit; a circle has no single value.
DECODINGS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda y: y,
    "log": np.exp,
    "log_share": lambda y: np.exp(y) - 0.01,
    "root": np.square,
}


class ScaledFeature(StrictModel):
    """One scaled dimension: ``clip((encode(value) - center) / scale)``.

    `bin_edges`: Quantiles of the catalogue, in scaled units, between which `tensor.bins` steps.
    """

    name: str
    feature: str
    center: Finite
    scale: Annotated[Finite, Field(gt=0)]
    bin_edges: tuple[Finite, ...]

    @model_validator(mode="after")
    def _encoding_exists(self) -> "ScaledFeature":
        if len(self.bin_edges) != N_BINS + 1 or list(self.bin_edges) != sorted(self.bin_edges):
            raise ValueError(f"{self.name} needs {N_BINS + 1} bin edges in order")
        if self.name.removeprefix(self.feature) not in _encodings(self.feature):
            raise ValueError(f"{self.name} is none of the feature {self.feature}")
        return self

    def encode(self, operations: Any, value: Any) -> Any:
        """The scaled value of a raw feature value, on whichever type `operations` (numpy) works."""
        encoding = _encodings(self.feature)[self.name.removeprefix(self.feature)]
        encoded = (encoding(operations, value) - self.center) / self.scale
        return operations.clip(encoded, -LIMIT, LIMIT)

    def decode(self, scaled: np.ndarray) -> np.ndarray:
        """Values in the feature's unit [dtype=float64]; a circle has none."""
        encoding = feature(self.feature).encoding
        return DECODINGS[encoding](self.center + self.scale * scaled.astype(np.float64))


class FeatureScaler(SparseModel):
    """The fitted transform from raw features to scaled ones; travels in the bundle.

    `features`: Features in order, extras last.
    `scaled_features`: Scaled dimensions in order; a circular feature has two.
    `sources`: What becomes of the features of other sources before they are scaled.
    """

    features: tuple[str, ...]
    scaled_features: tuple[ScaledFeature, ...]
    sources: FeatureSources | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> "FeatureScaler":
        if {scaled.feature for scaled in self.scaled_features} != set(self.features):
            raise ValueError("scaled features and features do not belong together")
        return self

    @property
    def n_scaled(self) -> int:
        """Number of scaled dimensions."""
        return len(self.scaled_features)

    @property
    def bin_edges(self) -> np.ndarray:
        """Bin edges of all scaled features [shape=(N_BINS + 1, n_scaled)]."""
        return np.array([scaled.bin_edges for scaled in self.scaled_features]).T

    def to_numpy(self, raw: np.ndarray) -> np.ndarray:
        """Scaled features of tracks.

        Parameters
        ----------
        raw : np.ndarray [shape=(n_tracks, n_features), dtype=float32 or float64]
            Raw features in order; NaN where missing.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_scaled), dtype=that of `raw`]
            Within ± `LIMIT`; NaN where the feature is missing.
        """
        by_name = dict(zip(self.features, raw.T, strict=True))
        columns = [one.encode(np, by_name[one.feature]) for one in self.scaled_features]
        return np.stack(columns, axis=1)


def fit(tracks: "DataFrame", features: tuple[str, ...]) -> FeatureScaler:
    """Centres and standard deviations of a catalogue, in one pass; missing values take no part.

    Raises `InputError` where fewer than three features vary.

    `tracks`: Accepted tracks with a double column per feature.
    `features`: Features to use; one without a single value is left out.
    """
    from pyspark.sql import functions as F

    encodings = [
        (name, suffix, code) for name in features for suffix, code in _encodings(name).items()
    ]
    encoded = [code(F, F.col(name)) for name, _, code in encodings]
    (fitted,) = tracks.agg(
        F.array([F.avg(value) for value in encoded]),
        F.array([F.stddev_pop(value) for value in encoded]),
        F.array([F.percentile_approx(value, _LEVELS, 10_000) for value in encoded]),
    ).collect()
    scaled = tuple(
        _scaled(name, suffix, center, deviation, quantiles)
        for (name, suffix, _), center, deviation, quantiles in zip(encodings, *fitted, strict=True)
        if deviation is not None and deviation > _MIN_DEVIATION
    )
    used = tuple(name for name in features if any(one.feature == name for one in scaled))
    if len(used) < FEWEST_FEATURES:
        raise InputError(
            f"only {len(used)} audio features vary over the catalogue"
            f" ({', '.join(used) or 'none'}), at least {FEWEST_FEATURES} are needed"
        )
    return FeatureScaler(features=used, scaled_features=scaled)


def _scaled(
    name: str, suffix: str, center: float, deviation: float, quantiles: list[float]
) -> ScaledFeature:
    # The last digits of a sum depend on the order in which Spark added; what is fitted must not.
    center, deviation = float(f"{center:.9g}"), float(f"{deviation:.9g}")
    edges = np.clip((np.array(quantiles) - center) / deviation, -LIMIT, LIMIT).round(9)
    return ScaledFeature(
        name=name + suffix,
        feature=name,
        center=center,
        scale=deviation,
        bin_edges=tuple(edges.tolist()),
    )


def _encodings(name: str) -> dict[str, Callable[[Any, Any], Any]]:
    return ENCODINGS[feature(name).encoding]
