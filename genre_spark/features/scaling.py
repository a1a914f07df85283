"""How the models see a track: one declaration of encodings, rendered to Spark and to numpy."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from genre_spark.errors import InputError
from genre_spark.features.tensor import N_BINS
from genre_spark.schema import feature

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

# An axis value lies at most this many standard deviations from the centre, however wild a feature
# is: one absurd value must not own a cluster, an artist's mean, or a neuron.
LIMIT = 6.0
FEWEST_FEATURES = 3
_LEAST_SPREAD = 1e-9
_LEVELS = [step / N_BINS for step in range(N_BINS + 1)]


@dataclass(frozen=True)
class _Numpy:
    log = staticmethod(np.log)
    sqrt = staticmethod(np.sqrt)
    cos = staticmethod(np.cos)
    sin = staticmethod(np.sin)
    clip = staticmethod(np.clip)


class _Spark:
    """The same operations on Spark columns."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from pyspark.sql import functions as F

        return getattr(F, name)

    def clip(self, value: "Column", low: float, high: float) -> "Column":
        from pyspark.sql import functions as F

        return F.least(F.greatest(value, F.lit(low)), F.lit(high))


_SEMITONE = 2 * math.pi / 12

# Encoding to axes: suffix of the axis name, and the axis as a function of (operations, value).
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

# Back from an axis to the feature's unit; a circle has no single value.
DECODINGS: dict[str, Callable[[Any], Any]] = {
    "linear": lambda y: y,
    "log": np.exp,
    "log_share": lambda y: np.exp(y) - 0.01,
    "root": np.square,
}


class Axis(BaseModel):
    """One scaled dimension: ``clip((encode(value) - center) / scale)``.

    Attributes
    ----------
    edges : tuple of float
        Quantiles of the catalogue, in scaled units, between which `tensor.bins` steps.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    feature: str
    center: Annotated[float, Field(allow_inf_nan=False)]
    scale: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    edges: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]

    @model_validator(mode="after")
    def _encoding_exists(self) -> "Axis":
        if len(self.edges) != N_BINS + 1 or list(self.edges) != sorted(self.edges):
            raise ValueError(f"axis {self.name} needs {N_BINS + 1} edges in order")
        if self.name.removeprefix(self.feature) not in _axes(self.feature):
            raise ValueError(f"axis {self.name} is none of the feature {self.feature}")
        return self

    def encode(self, operations: Any, value: Any) -> Any:
        """The axis value of a raw feature value, on whichever type `operations` works."""
        encoded = _encoder(self.name, self.feature)(operations, value)
        return operations.clip((encoded - self.center) / self.scale, -LIMIT, LIMIT)

    def decode(self, scaled: np.ndarray) -> np.ndarray:
        """Values in the feature's unit [dtype=float64]; the axis must not be of a circle."""
        encoding = feature(self.feature).encoding
        return DECODINGS[encoding](self.center + self.scale * scaled.astype(np.float64))


class FeatureSpace(BaseModel):
    """The fitted transform from raw features to scaled axes; travels in the bundle.

    Attributes
    ----------
    features : tuple of str
        Features in order, extras last.
    medians : tuple of float
        What a missing value of each feature is replaced with, in the feature's unit.
    axes : tuple of Axis
        Scaled dimensions in order; a circular feature has two.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: tuple[str, ...]
    medians: tuple[Annotated[float, Field(allow_inf_nan=False)], ...]
    axes: tuple[Axis, ...]

    @model_validator(mode="after")
    def _parts_fit(self) -> "FeatureSpace":
        if len(self.medians) != len(self.features):
            raise ValueError(f"{len(self.medians)} medians for {len(self.features)} features")
        if {axis.feature for axis in self.axes} != set(self.features):
            raise ValueError("axes and features do not belong together")
        return self

    @property
    def n_axes(self) -> int:
        """Number of scaled dimensions."""
        return len(self.axes)

    @property
    def edges(self) -> np.ndarray:
        """Edges of all axes [shape=(N_BINS + 1, n_axes)]."""
        return np.array([axis.edges for axis in self.axes]).T

    def to_numpy(self, raw: np.ndarray) -> np.ndarray:
        """Scaled axes of tracks.

        Parameters
        ----------
        raw : np.ndarray [shape=(n_tracks, n_features), dtype=float32 or float64]
            Raw features in order; NaN where missing.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_axes), dtype=that of `raw`]
            Within ± `LIMIT`.
        """
        filled = np.where(np.isnan(raw), np.asarray(self.medians, dtype=raw.dtype), raw)
        at = {name: i for i, name in enumerate(self.features)}
        axes = [axis.encode(_Numpy, filled[:, at[axis.feature]]) for axis in self.axes]
        return np.stack(axes, axis=1)

    def to_spark(self) -> list["Column"]:
        """The same axes as Spark columns over the feature columns, nulls imputed."""
        filled = self.imputed()
        return [axis.encode(_Spark(), filled[axis.feature]).alias(axis.name) for axis in self.axes]

    def imputed(self) -> dict[str, "Column"]:
        """Each feature's column with its median in place of nulls."""
        from pyspark.sql import functions as F

        pairs = zip(self.features, self.medians, strict=True)
        return {name: F.coalesce(F.col(name), F.lit(median)) for name, median in pairs}


def fit(tracks: "DataFrame", features: tuple[str, ...]) -> FeatureSpace:
    """Medians, centres and standard deviations of a catalogue, in one pass; missing values take no part.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with a double column per feature.
    features : tuple of str
        Features to use; one without a single value is left out.

    Raises
    ------
    InputError
        Where fewer than three features vary.
    """
    from pyspark.sql import functions as F

    axes = [(name, suffix, code) for name in features for suffix, code in _axes(name).items()]
    encoded = [code(_Spark(), F.col(name)) for name, _, code in axes]
    (fitted,) = tracks.agg(
        F.array([F.percentile_approx(name, 0.5, 10_000).cast("double") for name in features]),
        F.array([F.avg(value) for value in encoded]),
        F.array([F.stddev_pop(value) for value in encoded]),
        F.array([F.percentile_approx(value, _LEVELS, 10_000) for value in encoded]),
    ).collect()
    medians = dict(zip(features, fitted[0], strict=True))
    scaled = tuple(
        _axis(name, suffix, center, spread, quantiles)
        for (name, suffix, _), center, spread, quantiles in zip(axes, *fitted[1:], strict=True)
        if spread is not None and spread > _LEAST_SPREAD
    )
    used = tuple(name for name in features if any(axis.feature == name for axis in scaled))
    if len(used) < FEWEST_FEATURES:
        raise InputError(
            f"only {len(used)} audio features vary over the catalogue"
            f" ({', '.join(used) or 'none'}), at least {FEWEST_FEATURES} are needed"
        )
    return FeatureSpace(features=used, medians=tuple(medians[n] for n in used), axes=scaled)


def _axis(name: str, suffix: str, center: float, spread: float, quantiles: list[float]) -> Axis:
    # The last digits of a sum depend on the order in which Spark added; what is fitted must not.
    center, spread = float(f"{center:.9g}"), float(f"{spread:.9g}")
    edges = np.clip((np.array(quantiles) - center) / spread, -LIMIT, LIMIT).round(9)
    return Axis(
        name=name + suffix, feature=name, center=center, scale=spread, edges=tuple(edges.tolist())
    )


def _axes(name: str) -> dict[str, Callable[[Any, Any], Any]]:
    return ENCODINGS[feature(name).encoding]


def _encoder(axis: str, of: str) -> Callable[[Any, Any], Any]:
    return _axes(of)[axis.removeprefix(of)]
