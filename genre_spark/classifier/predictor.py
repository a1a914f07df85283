"""Placeholder until the classifier is joined."""

from dataclasses import dataclass

import numpy as np

from genre_spark.classifier.genre_part import GenrePart
from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureSpace
from genre_spark.features.track_inputs import TrackInputs


@dataclass(frozen=True)
class Predictions:
    """Genres."""

    probabilities: np.ndarray
    accepted: np.ndarray
    evidence: np.ndarray


class GenrePredictor:
    """Placeholder."""

    def __init__(self, part: GenrePart, space: FeatureSpace, onnx: bytes):
        self._part = part

    def predict(self, inputs: TrackInputs, groups: Groups, synthetic: np.ndarray) -> Predictions:
        """Placeholder."""
        n, k = len(inputs), len(self._part.classes)
        return Predictions(np.full((n, k), 1 / k, np.float32), np.zeros(n, bool), np.zeros(n, int))

    def track_log_probabilities(self, inputs: TrackInputs, synthetic: np.ndarray) -> np.ndarray:
        """Placeholder."""
        return np.full((len(inputs), len(self._part.classes)), -1.0, np.float32)
