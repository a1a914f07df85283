"""The synthetic genres as the bundle holds them, and the one of each track."""

from typing import Literal

import numpy as np
from pydantic import model_validator

from genre_spark._model import Finite, StrictModel
from genre_spark.clustering.metric import ClusterMetric
from genre_spark.features.track_inputs import TrackInputs


class SyntheticPart(StrictModel):
    """What scoring needs of the synthetic genres.

    Attributes
    ----------
    metric : ClusterMetric
        Metric of tracks and centers.
    centers : tuple of tuple of float
        A track belongs to the nearest; one number per dimension of `metric`.
    owner : {"artist", "album"} or None
        Column whose tracks are compared together, and which `artist_pass.narrow` takes as the
        artist; None where tracks are compared one by one.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    metric: ClusterMetric
    centers: tuple[tuple[Finite, ...], ...]
    owner: Literal["artist", "album"] | None = None

    @model_validator(mode="after")
    def _lengths_agree(self) -> "SyntheticPart":
        counts = {len(self.ids), len(self.names), len(self.centers)}
        if len(counts) > 1 or not self.ids:
            raise ValueError("ids, names and centers of synthetic genres differ in number")
        n = len(self.metric.dimensions)
        if any(len(center) != n for center in self.centers):
            raise ValueError(f"a center has not {n} numbers, as there are dimensions")
        return self

    @property
    def relates_artists(self) -> bool:
        """Whether the place of a track depends on its artist's other tracks."""
        return self.metric.relates_artists

    def points(self, inputs: TrackInputs) -> np.ndarray:
        """Tracks as they are compared [shape=(n_tracks, n_dimensions), dtype=float32]; see `metric`."""
        return self.metric.points(inputs)

    def assign(self, inputs: TrackInputs) -> tuple[np.ndarray, np.ndarray]:
        """The synthetic genre of each track.

        Parameters
        ----------
        inputs : TrackInputs
            Of complete artists. A track without an artist is an artist with one track.

        Returns
        -------
        rows : np.ndarray [shape=(n_tracks,), dtype=int64]
            Of `ids`, not the ids; -1 for a track of which, and of whose artist, nothing is known.
        distances : np.ndarray [shape=(n_tracks,), dtype=float32]
            Euclidean, in the units of `metric`; NaN where there is no row.
        """
        return nearest(self.points(inputs), np.array(self.centers))


def nearest(points: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest center of each point, and the distance from it.

    Squares are added dimension by dimension, in the same order for every track: a matrix product
    gives other last digits for a track alone than for the same track among others. Dimensions in
    which a point is unknown take no part, and the squared distance over the others is scaled up by
    their number.

    Parameters
    ----------
    points : np.ndarray [shape=(n_tracks, n_dimensions), dtype=float32]
        NaN where unknown.
    centers : np.ndarray [shape=(k, n_dimensions), dtype=float32]

    Returns
    -------
    rows : np.ndarray [shape=(n_tracks,), dtype=int64]
        Of equally near centers the first; -1 where nothing is known.
    distances : np.ndarray [shape=(n_tracks,), dtype=float32]
        NaN where nothing is known.

    References
    ----------
    Dixon (1979), "Pattern Recognition with Partly Missing Data", IEEE Trans. SMC 9.
    """
    columns = np.ascontiguousarray(points.T, np.float32)
    rows = np.zeros(len(points), np.int64)
    least = np.full(len(points), np.inf, np.float32)
    squared, difference = np.empty_like(least), np.empty_like(least)
    unknown = np.isnan(columns)
    is_partial = bool(unknown.any())
    for row, center in enumerate(centers.astype(np.float32)):
        squared.fill(0)
        for column, value in zip(columns, center, strict=True):
            np.subtract(column, value, out=difference)
            np.multiply(difference, difference, out=difference)
            if is_partial:
                np.nan_to_num(difference, copy=False, nan=0.0)
            squared += difference
        np.copyto(rows, row, where=squared < least)
        np.minimum(least, squared, out=least)
    if is_partial:
        known = (len(columns) - unknown.sum(axis=0)).astype(np.float32)
        rows[known == 0] = -1
        with np.errstate(invalid="ignore", divide="ignore"):  # nothing is known: 0 / 0
            least *= np.float32(len(columns)) / known
    return rows, np.sqrt(least)
