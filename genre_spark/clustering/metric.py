"""How tracks are compared: levels of artists, in standard deviations within artists."""

from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np
from pydantic import Field, model_validator

from genre_spark._model import Finite, StrictModel
from genre_spark.errors import InputError
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.track_inputs import TrackInputs
from genre_spark.schema import feature

if TYPE_CHECKING:
    from genre_spark.config import ClusteringSettings
    from genre_spark.features.artist_batches import ArtistBatch

_NotNegative = Annotated[Finite, Field(ge=0)]

# Variances of fewer artists are too uncertain to compare.
MIN_ARTISTS = 30
# Of the F test.
_SIGNIFICANCE = 0.001
_MIN_VARIANCE = 1e-6
# Of the tracks that have the most frequent feature: a feature of fewer is not compared.
_FEWEST_KNOWN = 0.5


class Dimension(StrictModel):
    """One dimension of the comparison: ``(level + track_weight * x) / deviation``.

    `column`: Of the scaled features.
    `ratio`: Variance between artists over variance within artists; 0 where artists play no part.
    `track_weight`: Of the track's own value x.
    `deviation`: Standard deviation within artists, in scaled units.
    """

    column: Annotated[int, Field(ge=0)]
    ratio: _NotNegative
    track_weight: _NotNegative
    deviation: Annotated[Finite, Field(gt=0)]


class ClusterMetric(StrictModel):
    """The fitted comparison; travels in the bundle. Distances are Euclidean between `points`.

    Features in which artists differ count most, those that vary within an artist count little. The
    level of an artist is estimated by empirical Bayes: the mean of n tracks, shrunk towards the
    catalogue's mean by n·ratio / (1 + n·ratio).

    References
    ----------
    Efron & Morris (1975), "Data analysis using Stein's estimator and its generalizations", JASA 70.
    """

    dimensions: Annotated[tuple[Dimension, ...], Field(min_length=1)]

    @property
    def columns(self) -> list[int]:
        """Columns of the scaled features, one per dimension."""
        return [dimension.column for dimension in self.dimensions]

    @property
    def relates_artists(self) -> bool:
        """Whether the place of a track depends on its artist's other tracks."""
        return any(dimension.ratio > 0 for dimension in self.dimensions)

    def levels(self, inputs: TrackInputs) -> np.ndarray:
        """The usual value of each track's artist, in scaled units.

        [shape=(n_tracks, n_dimensions), dtype=float32]; NaN if no track of the artist has the
        feature.
        """
        known = inputs.artist_counts[:, self.columns] * self._each("ratio")
        return inputs.artist_mean[:, self.columns] * (known / (known + np.float32(1)))

    def points(self, inputs: TrackInputs) -> np.ndarray:
        """Tracks as they are compared [shape=(n_tracks, n_dimensions), dtype=float32].

        Each number is computed on its own, so that a track has the same place in every batch. A
        track that lacks a feature takes its artist's level, the value to expect of it; NaN where its
        artist lacks the feature too.
        """
        levels = self.levels(inputs)
        own = inputs.scaled[:, self.columns].astype(np.float32)
        own = np.where(np.isnan(own), levels, own) * self._each("track_weight")
        return (levels + own) / self._each("deviation")

    def can_fit(self, inputs: TrackInputs) -> np.ndarray:
        """Whether centers may be fitted to a track [shape=(n_tracks,), dtype=bool].

        It has features of its own, so that artists do not count for tracks without analysis,
        and `points` has every dimension of it.
        """
        has_own = ~np.isnan(inputs.scaled[:, self.columns]).all(axis=1)
        return has_own & ~np.isnan(self.points(inputs)).any(axis=1)

    def _each(self, name: str) -> np.ndarray:
        return np.array([getattr(one, name) for one in self.dimensions], np.float32)


class SyntheticPart(StrictModel):
    """What scoring needs of the synthetic genres.

    `metric`: Metric of tracks and centers.
    `centers`: A track belongs to the nearest; one number per dimension of `metric`.
    `owner`: Column whose tracks are compared together, and which `artist_pass.narrow` takes as the
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
        """The synthetic genre of each track, as `nearest` gives it: rows of `ids`, and distances.

        A track has no row if nothing is known of it and of its artist.

        `inputs`: Of complete artists. A track without an artist is an artist with one track.
        """
        return nearest(self.points(inputs), np.array(self.centers))


def nearest(points: np.ndarray, centers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The nearest center of each point, and the distance from it.

    Squares are added dimension by dimension, in the same order for every track: a matrix product
    gives other last digits for a track alone than for the same track among others. Dimensions in
    which a point is unknown take no part, and the squared distance over the others is scaled up by
    their number.

    Gives rows [shape=(n_tracks,), dtype=int64], of equally near centers the first, -1 where nothing
    is known; and distances [shape=(n_tracks,), dtype=float32], NaN where nothing is known.

    `points`: NaN where unknown [shape=(n_tracks, n_dimensions), dtype=float32].
    `centers`: [shape=(k, n_dimensions), dtype=float32]

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


class Moments(NamedTuple):
    """Sums over artists with at least two tracks that have a feature; those of parts of a catalogue add up.

    `artists`, `tracks`, `squared`: Numbers of artists and of their tracks; sum of the squared
        numbers of tracks [shape=(n_scaled,), dtype=float64].
    `sums`, `between`, `within`: Sum of all values; of tracks times the squared mean of each artist;
        and of squared differences from the artist's mean [shape=(n_scaled,), dtype=float64].
    """

    artists: np.ndarray
    tracks: np.ndarray
    squared: np.ndarray
    sums: np.ndarray
    between: np.ndarray
    within: np.ndarray

    @classmethod
    def of(cls, batch: "ArtistBatch") -> "Moments":
        """Those of a batch of complete artists."""
        groups, scaled = batch.groups, batch.inputs.scaled.astype(np.float64)
        is_named = batch.inputs.artist[groups.starts] != 0
        counts = np.where(is_named[:, None], groups.counts(scaled), 0)
        rows = (counts > 1).any(axis=1)
        n = np.where(counts > 1, counts, 0)[rows].astype(np.float64)
        values, least = np.nan_to_num(scaled, nan=0.0), np.maximum(n, 1.0)
        means = np.where(n, groups.sums(values)[rows] / least, 0.0)
        within = np.where(n, groups.sums(values**2)[rows] - n * means**2, 0.0)
        return cls(
            artists=(n > 0).sum(axis=0).astype(np.float64),
            tracks=n.sum(axis=0),
            squared=(n**2).sum(axis=0),
            sums=(n * means).sum(axis=0),
            between=(n * means**2).sum(axis=0),
            within=within.sum(axis=0),
        )

    def mean_squares(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean squares between and within artists, per scaled feature."""
        total = self.between - self.sums**2 / np.maximum(1.0, self.tracks)
        within = self.within / np.maximum(1.0, self.tracks - self.artists)
        return total / np.maximum(1.0, self.artists - 1), np.maximum(within, _MIN_VARIANCE)

    def ratios(self) -> np.ndarray:
        """Variance between over variance within artists [shape=(n_scaled,)]; 0 where not significant.

        Also 0 for a feature that few tracks have: most could not be compared by it.

        References
        ----------
        Searle, Casella & McCulloch (1992), "Variance Components", section 3.6 (unbalanced one-way
        analysis of variance).
        """
        from scipy.stats import f

        between, within = self.mean_squares()
        tracks, artists = self.tracks, np.maximum(1.0, self.artists - 1)
        per_artist = (tracks - self.squared / np.maximum(1.0, tracks)) / artists
        chance = f.sf(between / within, self.artists - 1, tracks - self.artists)
        ratio = np.maximum(0.0, between / within - 1.0) / np.maximum(per_artist, _MIN_VARIANCE)
        is_frequent = tracks >= _FEWEST_KNOWN * tracks.max()
        return np.where((chance < _SIGNIFICANCE) & is_frequent, ratio, 0.0)


def fit(
    moments: Moments, scaler: FeatureScaler, settings: "ClusteringSettings", owner: str
) -> ClusterMetric:
    """The comparison of a catalogue's tracks, from how artists differ in it.

    Raises `InputError` where artists do not differ in any feature.

    `moments`: Of all tracks, with at least `MIN_ARTISTS` artists.
    `settings`: `min_ratio`: a feature in which artists differ less is not compared.
    `owner`: What an artist is called in messages.
    """
    ratios, (_, within) = moments.ratios(), moments.mean_squares()
    compared = np.flatnonzero(ratios >= settings.min_ratio).tolist()
    if not compared:
        best = int(ratios.argmax())
        raise InputError(
            f"no synthetic genres found: tracks of one {owner} are no more alike than others"
            f" (variance between over within {owner}s: at most {ratios[best]:.3f}, of"
            f" {scaler.scaled_features[best].feature}; min_ratio={settings.min_ratio:g} is needed);"
            " check that features and names belong to the same tracks"
        )
    # The last digits of a sum depend on the order in which tracks were added.
    rounded = {i: float(f"{ratios[i]:.6g}") for i in compared}
    return ClusterMetric(
        dimensions=tuple(
            Dimension(
                column=i,
                ratio=ratio,
                track_weight=float(f"{settings.track_weight * ratio / (1 + ratio):.6g}"),
                deviation=float(f"{within[i] ** 0.5:.6g}"),
            )
            for i, ratio in rounded.items()
        )
    )


def plain(scaler: FeatureScaler) -> ClusterMetric:
    """The comparison by scaled features alone, all but the musical key."""
    return ClusterMetric(
        dimensions=tuple(
            Dimension(column=i, ratio=0, track_weight=1, deviation=1)
            for i, scaled in enumerate(scaler.scaled_features)
            if feature(scaled.feature).encoding != "circular"
        )
    )
