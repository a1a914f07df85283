"""How unlike its model's catalogue another one is, as ``_manifest.json`` has it."""

from typing import Literal

from genre_spark._model import Finite, Share, SparseModel, StrictModel
from genre_spark.config import DriftSettings

Level = Literal["ok", "warn", "stop"]
LEVELS: tuple[Level, ...] = ("ok", "warn", "stop")
OK, WARN, STOP = LEVELS


class FeatureShift(StrictModel):
    """How far a feature is from the model's catalogue."""

    psi: Finite | None
    ks: Share | None
    missing: Share
    missing_before: Share
    direction: Literal["higher", "lower"] | None
    level: Level


class LabelShift(SparseModel):
    """How far a label mix, or the confidence, is from the model's catalogue."""

    psi: Finite
    ks: Share | None
    mean: Share | None = None
    mean_before: Share | None = None
    largest: tuple[str, ...] = ()
    level: Level


class Drift(StrictModel):
    """How unlike the model's catalogue this one is.

    Features are compared over the tracks that have any; `without_features` is the share of the others.
    """

    assessed: bool
    level: Level
    without_features: Share = 0.0
    without_features_before: Share = 0.0
    features: dict[str, FeatureShift]
    labels: dict[str, LabelShift]
    limits: DriftSettings
