"""Why a track got its labels: how much each of its features speaks for them.

For the synthetic genre the answer is exact. For the genre it is what the CNN's log-probability of
the track alone loses when a feature is missing; that is one more run of the network for each feature.
"""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_spark.bundle.manifest import ScoringPart
from genre_spark.classifier.predictor import GenrePredictor
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.track_inputs import TrackInputs
from genre_spark.schema import WHY_GENRE, WHY_SYNTHETIC

# Features given per label.
MAX_FEATURES = 3
# In natural logarithms or squared distances: what single precision cannot tell from nothing.
_MIN_EFFECT = 1e-4
_EFFECT = pa.struct([("feature", pa.string()), ("effect", pa.float32())])


class Explainer:
    """Gives the columns that say why.

    Parameters
    ----------
    genres : GenrePredictor or None
        None with a clusters bundle, whose genres are null.
    """

    def __init__(self, scoring: ScoringPart, genres: GenrePredictor | None):
        self._scoring = scoring
        self._genres = genres
        self._belongs = features_of_columns(scoring.scaler)

    def explain(
        self, inputs: TrackInputs, nearest: np.ndarray, genres: pa.Array
    ) -> dict[str, pa.Array]:
        """The features that support each label most, the strongest first.

        Parameters
        ----------
        nearest : np.ndarray [shape=(n_tracks,), dtype=int64]
            Row of each track's synthetic genre, -1 without one.
        """
        synthetic = self._scoring.synthetic
        margins = for_synthetic_genre(
            synthetic.points(inputs),
            np.array(synthetic.centers),
            self._belongs[:, synthetic.metric.columns],
        )
        names = self._scoring.scaler.features
        why_genre = pa.nulls(len(inputs), pa.list_(_EFFECT))
        if self._genres is not None and self._scoring.genres is not None:
            classes = pa.array(self._scoring.genres.classes)
            winners = pc.index_in(genres, classes).fill_null(0).to_numpy(zero_copy_only=False)
            why_genre = strongest(self._for_genre(self._genres, inputs, winners), names)
        return {WHY_SYNTHETIC: strongest(margins, names), WHY_GENRE: why_genre}

    def _for_genre(
        self, genres: GenrePredictor, inputs: TrackInputs, winners: np.ndarray
    ) -> np.ndarray:
        """What the log-probability of the genre loses without a feature [(n_tracks, n_features)].

        References
        ----------
        Zeiler & Fergus (2014), "Visualizing and Understanding Convolutional Networks", ECCV:
        occlusion.
        """
        rows = np.arange(len(inputs))
        whole = genres.track_log_probabilities(inputs)[rows, winners]
        # One feature at a time: all at once would take as many times the memory.
        without = [
            genres.track_log_probabilities(inputs.without_columns(columns, columns))[rows, winners]
            for columns in self._belongs
        ]
        return whole[:, None] - np.stack(without, axis=1)


def features_of_columns(scaler: FeatureScaler) -> np.ndarray:
    """Which scaled features are of which feature [shape=(n_features, n_scaled), dtype=bool]."""
    return np.array(
        [[one.feature == name for one in scaler.scaled_features] for name in scaler.features]
    )


def for_synthetic_genre(
    points: np.ndarray, centers: np.ndarray, belonging: np.ndarray
) -> np.ndarray:
    """How much each feature speaks for the nearest center rather than the next one.

    Parameters
    ----------
    points : np.ndarray [shape=(n_tracks, n_dimensions)]
        In the units in which tracks are compared; NaN where unknown, which speaks for nothing.
    centers : np.ndarray [shape=(k, n_dimensions)]
    belonging : np.ndarray [shape=(n_features, n_dimensions)]
        Which dimensions are of which feature.

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_features)]
        In squared distances; over the features of a track they add up to its squared distance from
        the second nearest center minus that from the nearest. Zero where there is but one.
    """
    if len(centers) < 2 or not len(points):
        return np.zeros((len(points), len(belonging)))
    known, filled = ~np.isnan(points), np.nan_to_num(points, nan=0.0)
    relative = known @ (centers**2).T - 2.0 * (filled @ centers.T)
    first, second = np.argsort(relative, axis=1, kind="stable")[:, :2].T
    gained = (filled - centers[second]) ** 2 - (filled - centers[first]) ** 2
    return np.where(known, gained, 0.0) @ belonging.T


def strongest(effects: np.ndarray, features: Sequence[str]) -> pa.Array:
    """The `MAX_FEATURES` features of each track that support its label most, strongest first.

    Parameters
    ----------
    effects : np.ndarray [shape=(n_tracks, n_features)]

    Returns
    -------
    pa.Array [list<struct<feature: string, effect: float>>]
        Shorter, or empty, where fewer speak for it.
    """
    order = np.argsort(-effects, axis=1, kind="stable")[:, :MAX_FEATURES]
    values = np.take_along_axis(effects, order, axis=1)
    speaks = values > _MIN_EFFECT
    entries = pa.StructArray.from_arrays(
        [
            pa.array(features, pa.string()).take(pa.array(order[speaks])),
            pa.array(values[speaks].astype(np.float32)),
        ],
        fields=list(_EFFECT),
    )
    offsets = np.concatenate([[0], speaks.sum(axis=1).cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), entries)
