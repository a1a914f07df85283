"""The synthetic genres as the bundle holds them, and the one of each track."""

import numpy as np
from pydantic import model_validator

from genre_spark._model import Finite, StrictModel
from genre_spark.clustering.metric import ClusterSpace
from genre_spark.features.tensor import assign
from genre_spark.features.track_inputs import TrackInputs


class SyntheticPart(StrictModel):
    """What scoring needs of the synthetic genres.

    Attributes
    ----------
    ids : tuple of int
    names : tuple of str
    compared : ClusterSpace
        How tracks are compared with the centers.
    centers : tuple of tuple of float
        A track belongs to the nearest; in the units of `compared`.
    centroids : tuple of tuple of float
        Means of their tracks, in scaled units, one per axis: what the network reads.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    compared: ClusterSpace
    centers: tuple[tuple[Finite, ...], ...]
    centroids: tuple[tuple[Finite, ...], ...]

    @model_validator(mode="after")
    def _lengths_agree(self) -> "SyntheticPart":
        counts = {len(self.ids), len(self.names), len(self.centers), len(self.centroids)}
        if len(counts) > 1 or not self.ids:
            raise ValueError("ids, names and centroids of synthetic genres differ in number")
        n = len(self.compared.dimensions)
        if any(len(center) != n for center in self.centers):
            raise ValueError(f"a center has not {n} numbers, as there are dimensions")
        return self

    def nearest(self, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The synthetic genre of each track.

        Parameters
        ----------
        axes : np.ndarray [shape=(n_tracks, n_axes), dtype=float64]

        Returns
        -------
        rows : np.ndarray [shape=(n_tracks,), dtype=int64]
            Of `ids`, not the ids.
        distances : np.ndarray [shape=(n_tracks,), dtype=float64]
            Euclidean, in the units of `compared`.
        """
        return assign(self.compared.to_numpy(axes), np.array(self.centers))

    @property
    def relates_artists(self) -> bool:
        """Whether a track's synthetic genre depends on its artist's other tracks."""
        return False

    @property
    def axes(self) -> tuple[int, ...]:
        """The scaled axis of each dimension of `points`."""
        return tuple(dimension.axis for dimension in self.compared.dimensions)

    def points(self, inputs: TrackInputs) -> np.ndarray:
        """Tracks in the units in which they are compared [shape=(n_tracks, n_dimensions)]."""
        return self.compared.to_numpy(inputs.scaled.astype(np.float64))

    def assign(self, inputs: TrackInputs) -> tuple[np.ndarray, np.ndarray]:
        """As `nearest`."""
        return self.nearest(inputs.scaled.astype(np.float64))
