"""Why a track got its labels: how much each of its features speaks for them.

For the synthetic genre the answer is exact. For the genre it is what the network's opinion on the
track loses when a feature is blotted out; that is one more run of the network for each feature.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_spark.features.scaling import FeatureSpace
from genre_spark.features.tensor import alone
from genre_spark.schema import WHY_COLUMNS, WHY_GENRE, WHY_SYNTHETIC
from genre_spark.scoring.worker import Predictor, Seen

REASONS = 3
# In natural logarithms or squared distances: what single precision cannot tell from nothing.
_LEAST = 1e-4
_EFFECT = pa.struct([("feature", pa.string()), ("effect", pa.float32())])


class Explainer:
    """A predictor that also gives reasons, and takes a predictor's place.

    Parameters
    ----------
    predictor : Predictor
    """

    def __init__(self, predictor: Predictor):
        self._predictor = predictor
        self._scoring = predictor.scoring
        self._belongs = belongs(predictor.scoring.space)

    def batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """As `Predictor.batches`."""
        return self._predictor.batches(batches)

    def label(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What `Predictor.label` gives, and after it `WHY_COLUMNS`."""
        return self._explained(self._predictor.label(batch), batch)

    def judge(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What `Predictor.judge` gives, and after it the model's inputs for `decide`."""
        judged = self._predictor.judge(batch)
        inputs = self._scoring.inputs
        names = [*judged.schema.names, *inputs]
        return pa.RecordBatch.from_arrays([*judged.columns, *map(batch.column, inputs)], names)

    def decide(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """What `Predictor.decide` gives, and after it `WHY_COLUMNS`."""
        return self._explained(self._predictor.decide(batch), batch)

    def _explained(self, labels: pa.RecordBatch, batch: pa.RecordBatch) -> pa.RecordBatch:
        seen = self._predictor.see(batch)
        synthetic = self._scoring.synthetic
        margins = for_synthetic_genre(
            synthetic.metric.points(seen.axes, seen.axes, np.ones(len(seen), np.int64)),
            np.array(synthetic.centers),
            self._belongs[:, synthetic.metric.axes],
        )
        why = {
            WHY_SYNTHETIC: strongest(margins, self._scoring.space.features),
            WHY_GENRE: self._why_genre(seen, labels["genre"]),
        }
        for name in WHY_COLUMNS:
            labels = labels.append_column(name, why[name])
        return labels

    def _why_genre(self, seen: Seen, genres: pa.Array) -> pa.Array:
        if self._scoring.genres is None:
            return pa.nulls(len(seen), pa.list_(_EFFECT))
        classes = pa.array(self._scoring.genres.classes)
        winners = pc.index_in(genres, classes).to_numpy(zero_copy_only=False)
        effects = for_genre(
            lambda tensor: self._predictor.opinions(seen, tensor),
            self._predictor.tensor(seen),
            self._predictor.tensor(self._blank(seen)),
            winners,
            self._belongs,
        )
        return strongest(effects, self._scoring.space.features)

    def _blank(self, seen: Seen) -> Seen:
        """The same tracks and groups, were every feature the catalogue's median and no more known.

        A group then says of a feature what it says where it has no other track.
        """
        median = self._scoring.space.to_numpy(np.array([self._scoring.space.medians]))
        axes = np.repeat(median, len(seen), axis=0)
        edges = self._scoring.space.edges
        contexts = {
            group: replace(context, statistics=alone(group, axes, edges).statistics)
            for group, context in seen.contexts.items()
        }
        return replace(seen, axes=axes, centroids=axes, contexts=contexts)


def belongs(space: FeatureSpace) -> np.ndarray:
    """Which axes are of which feature [shape=(n_features, n_axes), dtype=bool]."""
    return np.array([[axis.feature == name for axis in space.axes] for name in space.features])


def for_synthetic_genre(
    points: np.ndarray, centers: np.ndarray, belonging: np.ndarray
) -> np.ndarray:
    """How much each feature speaks for the nearest center rather than the next one.

    Parameters
    ----------
    points : np.ndarray [shape=(n_tracks, n_dimensions)]
        As tracks are compared.
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
    relative = (centers**2).sum(axis=1) - 2.0 * (points @ centers.T)
    first, second = np.argsort(relative, axis=1, kind="stable")[:, :2].T
    gained = (points - centers[second]) ** 2 - (points - centers[first]) ** 2
    return gained @ belonging.T


def for_genre(
    opinions: Callable[[np.ndarray], np.ndarray],
    tensor: np.ndarray,
    blank: np.ndarray,
    winners: np.ndarray,
    belonging: np.ndarray,
) -> np.ndarray:
    """What the opinion for the winning genre loses when a feature is blotted out in all scopes.

    Parameters
    ----------
    opinions : callable
        From a tensor to log-probabilities [shape=(n_tracks, n_classes)].
    tensor, blank : np.ndarray [shape=(n_tracks, n_axes, n_channels)]
        The tracks, and what stands in their place.
    winners : np.ndarray [shape=(n_tracks,), dtype=int]
        Each track's genre.
    belonging : np.ndarray [shape=(n_features, n_axes)]

    Returns
    -------
    np.ndarray [shape=(n_tracks, n_features)]
        In natural logarithms; positive where the feature speaks for the genre.

    References
    ----------
    Zeiler & Fergus (2014), "Visualizing and Understanding Convolutional Networks", ECCV: occlusion.
    """
    rows = np.arange(len(tensor))
    whole = opinions(tensor)[rows, winners]
    # A feature at a time: all at once would take as many times the memory.
    without = [
        opinions(np.where(of_feature[:, None], blank, tensor))[rows, winners]
        for of_feature in belonging
    ]
    return whole[:, None] - np.stack(without, axis=1)


def strongest(effects: np.ndarray, features: Sequence[str]) -> pa.Array:
    """The `REASONS` features of each track that speak most for its label, the strongest first.

    Parameters
    ----------
    effects : np.ndarray [shape=(n_tracks, n_features)]
    features : sequence of str

    Returns
    -------
    pa.Array [list<struct<feature: string, effect: float>>]
        Shorter, or empty, where fewer speak for it.
    """
    order = np.argsort(-effects, axis=1, kind="stable")[:, :REASONS]
    values = np.take_along_axis(effects, order, axis=1)
    speaks = values > _LEAST
    entries = pa.StructArray.from_arrays(
        [
            pa.array(features, pa.string()).take(pa.array(order[speaks])),
            pa.array(values[speaks].astype(np.float32)),
        ],
        fields=list(_EFFECT),
    )
    offsets = np.concatenate([[0], speaks.sum(axis=1).cumsum()]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), entries)
