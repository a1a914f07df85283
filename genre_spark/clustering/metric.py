"""Where tracks are compared: the scaled axes, weighted so that the same groups are found again."""

from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from genre_spark._model import Finite
from genre_spark.errors import ConfigError
from genre_spark.features.scaling import FeatureSpace
from genre_spark.schema import FEATURE_NAMES, feature

if TYPE_CHECKING:
    from pyspark.sql import Column

    from genre_spark.config import ClusteringSettings

# A leading axis passes from 0 to 1 over the middle tenth of the tracks.
_PASSAGE = (0.45, 0.55)
# A feature leads only where at least this share of the tracks lies on either side.
_LEAST_SIDE = 0.2
_LEAST_WIDTH = 1e-9


class Dimension(BaseModel):
    """One dimension of the comparison: ``weight * clip((axis - low) / (high - low), 0, 1)``.

    Attributes
    ----------
    axis : int
        Row of `FeatureSpace.axes`.
    low, high : float
        In scaled units.
    weight : float
        What the whole way from low to high counts.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    axis: Annotated[int, Field(ge=0)]
    low: Finite
    high: Finite
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _has_a_width(self) -> "Dimension":
        if not self.low < self.high:
            raise ValueError(f"low={self.low} should be < high={self.high}")
        return self


class ClusterSpace(BaseModel):
    """The fitted comparison; travels in the bundle.

    Leading features count as low or high, and all faintly as they are. Tracks have no gaps
    between them on most features; where groups are cut through a crowd, each sample cuts it
    elsewhere. A leading feature has a gap, and the groups on its sides are found again.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)]

    def to_numpy(self, axes: np.ndarray) -> np.ndarray:
        """Tracks as they are compared.

        Parameters
        ----------
        axes : np.ndarray [shape=(n_tracks, n_axes), dtype=float64]
            In scaled units.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_dimensions), dtype=float64]
        """
        low, high, weight = (self._each(name) for name in ("low", "high", "weight"))
        taken = axes[:, [dimension.axis for dimension in self.dimensions]]
        return weight * np.clip((taken - low) / (high - low), 0.0, 1.0)

    def to_spark(self, axes: "list[Column]") -> "list[Column]":
        """The same of Spark columns, one per axis."""
        from pyspark.sql import functions as F

        shares = [(axes[d.axis] - d.low) / (d.high - d.low) for d in self.dimensions]
        cut = [F.least(F.greatest(share, F.lit(0.0)), F.lit(1.0)) for share in shares]
        return [d.weight * share for d, share in zip(self.dimensions, cut, strict=True)]

    def _each(self, name: str) -> np.ndarray:
        return np.array([getattr(dimension, name) for dimension in self.dimensions])


def fit(axes: np.ndarray, space: FeatureSpace, settings: "ClusteringSettings") -> ClusterSpace:
    """The comparison of a catalogue's tracks.

    Parameters
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes)]
        A sample.
    space : FeatureSpace
    settings : ClusteringSettings
        Features that may lead, in order; those that the catalogue lacks, and those that part few
        tracks from nearly all, are passed over. Circular features are left out.

    Raises
    ------
    ConfigError
        Where something is to lead that is no feature at all.
    """
    if unknown := set(settings.leading) - {*FEATURE_NAMES, *space.features}:
        raise ConfigError(
            f"clustering.leading: {', '.join(sorted(unknown))}: no such feature;"
            f" the catalogue has {', '.join(space.features)}"
        )
    names = [axis.name for axis in space.axes]
    splits = {name: split(axes[:, names.index(name)]) for name in settings.leading if name in names}
    able = [name for name, found in splits.items() if found and found[2] >= _LEAST_SIDE]
    leading = able[: settings.n_leading]
    dimensions = []
    for i, axis in enumerate(space.axes):
        if axis.name in leading:
            low, high, _ = splits[axis.name]
            dimensions.append(Dimension(axis=i, low=low, high=high, weight=1.0))
        if feature(axis.feature).encoding != "circular":
            # Two spreads to either side hold nearly all tracks.
            dimensions.append(Dimension(axis=i, low=-2, high=2, weight=4 * settings.faint_weight))
    return ClusterSpace(dimensions=tuple(dimensions))


def split(values: np.ndarray) -> tuple[float, float, float] | None:
    """Where values fall into a low and a high part of about the same size.

    Returns
    -------
    low, high : float
        Values up to `low` are low, from `high` on high. Many equal values stay together.
    share : float
        Of the values in the smaller part.

    None where all values are the same.
    """
    low, high = np.quantile(values, _PASSAGE, method="inverted_cdf")
    if high - low < _LEAST_WIDTH:
        below, above = values[values < low - _LEAST_WIDTH], values[values > low + _LEAST_WIDTH]
        if not len(below) and not len(above):
            return None
        # The many equal values join the smaller side.
        low, high = (below.max(), low) if len(below) > len(above) else (low, above.min())
    middle = (low + high) / 2
    share = float((values > middle).mean())
    return round(float(low), 9), round(float(high), 9), min(share, 1 - share)
