"""Results of a discovery, as the bundle holds them."""

from statistics import fmean, pstdev
from typing import Annotated

from pydantic import AfterValidator, Field

from genre_spark._model import Finite, Share, StrictModel

# Published with four digits.
_FOUR_DIGITS = AfterValidator(lambda value: round(value, 4))
_Measure = Annotated[Finite, _FOUR_DIGITS]
_Share = Annotated[Share, _FOUR_DIGITS]
_Fits = Annotated[tuple[Finite, ...], Field(min_length=1)]


class Candidate(StrictModel):
    """A number of synthetic genres that was tried on a bounded sample.

    `artist_agreement`: How often two tracks of one artist share a synthetic genre, as Cohen's
        kappa: 0 is random, 1 always. None for a catalogue in which no artist has two tracks.
    `silhouette`: In [-1, 1]; 1 is well separated.
    `stability`: Mean adjusted Rand index of fits to resampled tracks against the fit to all; 1 is
        the same.
    `smallest`, `largest`: Share of the tracks in the smallest and the largest synthetic genre.
    """

    k: int
    artist_agreement: _Measure | None
    silhouette: _Measure
    stability: _Measure
    smallest: _Share
    largest: _Share


class Stability(StrictModel):
    """Adjusted Rand index between fits of the chosen number to a sample of `tracks`.

    `seeds`: Of each pair of fits that differ in their seed.
    `bootstraps`: Of each fit to tracks drawn with replacement, against the fit to all.
    """

    tracks: int
    seeds: _Fits
    bootstraps: _Fits

    @property
    def mean(self) -> float:
        """Mean over bootstraps."""
        return fmean(self.bootstraps)

    def summary(self) -> dict[str, tuple[float, float]]:
        """Mean and standard deviation of each, by its name."""
        both = {"seeds": self.seeds, "bootstraps": self.bootstraps}
        return {name: (fmean(values), pstdev(values)) for name, values in both.items()}


class Quality(StrictModel):
    """Quality of groups of tracks.

    `artist_coherence`, `album_coherence`: Probability that two tracks of one artist (of an artist's
        album) share a group, as a ratio to two random tracks. None without artists (albums).
    `held_out_coherence`: As `artist_coherence`, where each half of an artist's tracks is labelled
        without the other.
    `stability`: Mean adjusted Rand index of fits to resampled tracks against the fit to all.
    `explained_variance`: Share of the variance of the scaled features that lies between groups.
    `adjusted_mutual_information`: With real genres: 0 is random, 1 the same. None without labelled
        tracks.

    References
    ----------
    Vinh, Epps & Bailey (2010), "Information theoretic measures for clusterings comparison", JMLR 11.
    """

    artist_coherence: _Measure | None
    held_out_coherence: _Measure | None
    album_coherence: _Measure | None
    stability: _Measure
    explained_variance: _Measure
    adjusted_mutual_information: _Measure | None


class QualityComparison(StrictModel):
    """Synthetic genres next to plain KMeans at the same k, and to the method on permuted features.

    `tracks`: On which all are measured.
    `plain_kmeans`: KMeans on the scaled features.
    `permuted`: The method on features shuffled between tracks, in which there is nothing to find.
    """

    tracks: int
    synthetic_genres: Quality
    plain_kmeans: Quality
    permuted: Quality


class TypicalTrack(StrictModel):
    """A track near a centroid."""

    track_id: str
    artist: str | None
    title: str | None


class MapTrack(TypicalTrack):
    """A track on the map."""

    album: str | None


class TypicalArtist(StrictModel):
    """An artist, its tracks in a synthetic genre, and their share of all tracks of the artist."""

    name: str
    tracks: int
    share: _Share


class Neighbour(StrictModel):
    """Another synthetic genre and its Euclidean distance, in the units of `ClusterMetric.points`."""

    id: int
    distance: _Measure


class SyntheticGenre(StrictModel):
    """A cluster of the catalogue.

    `id`: Stable; never that of another one of an earlier generation.
    `name`: Two to four words, unique, each true of most of its tracks.
    `centroid`: Mean of its tracks, in scaled units, one per scaled feature.
    `size`, `share`: Its tracks, and their share of the catalogue.
    `medians`: Of its tracks' features, in raw units; of a large catalogue, over a sample of
        artists.
    `typical`: The tracks nearest to its center, of those that the medians are of.
    `artists`: Those with the most tracks in it; empty for a catalogue without artists.
    `nearest`: The nearest first.
    `genres`: Labelled tracks per real genre, for information; they take no part in the fit.
    `purity`: Share of its labelled tracks that have its most frequent real genre; None without any.
    `lift`: Per real genre, its share here divided by its share of all labelled tracks.
    """

    id: int
    name: str
    centroid: tuple[Finite, ...]
    size: int
    share: Share
    medians: dict[str, Finite]
    typical: tuple[TypicalTrack, ...]
    artists: tuple[TypicalArtist, ...] = ()
    nearest: tuple[Neighbour, ...] = ()
    genres: dict[str, int] = {}
    purity: _Share | None = None
    lift: dict[str, _Measure] = {}


class Relation(StrictModel):
    """Relation of synthetic to real genres over all labelled tracks; never an accuracy.

    `purity`: Share of tracks that have the most frequent real genre of their synthetic genre.
    `chance`: Share of the most frequent real genre: the purity of a single cluster.
    `nmi`: Normalised mutual information: 0 is unrelated, 1 is the same.
    """

    labelled: int
    purity: _Share
    chance: _Share
    nmi: _Share


class GenreRules(StrictModel):
    """Rules of one synthetic genre: a track belongs to it if any of the sentences holds.

    `sentences`: The one that covers the most tracks first.
    `recall`, `precision`: On unseen tracks: share of its tracks that the rules find, and of the
        tracks found that are its; None if there are none to count.
    """

    id: int
    sentences: tuple[str, ...]
    recall: _Share | None
    precision: _Share | None


class Rules(StrictModel):
    """A decision tree on a track's features and its artist's levels that separates synthetic genres.

    `agreement`: Share of the `unseen` tracks to which the rules give their synthetic genre. It is
        independent of real genres.
    `n_leaves`: At most four per synthetic genre.
    """

    agreement: _Share
    unseen: int
    n_leaves: int
    genres: tuple[GenreRules, ...]


class Landmark(StrictModel):
    """A named place on the map: the mean of a real genre or of an artist."""

    name: str
    x: Finite
    y: Finite


class CatalogueMap(StrictModel):
    """Some tracks of the catalogue in two dimensions.

    `points`: Place of a track, and the id of its synthetic genre.
    `tracks`: Of the points, in the same order; empty in bundles of earlier versions.
    `centers`: Places of the centers of synthetic genres, and their ids.
    `genres`, `artists`: The most frequent real genres, and the artists with the most tracks.
    """

    points: tuple[tuple[Finite, Finite, int], ...]
    tracks: tuple[MapTrack, ...] = ()
    centers: tuple[tuple[Finite, Finite, int], ...] = ()
    genres: tuple[Landmark, ...] = ()
    artists: tuple[Landmark, ...] = ()


class Match(StrictModel):
    """A synthetic genre with the same id in both bundles, and the share of its tracks it kept."""

    id: int
    kept: _Share


class Split(StrictModel):
    """An earlier synthetic genre whose tracks now lie in several."""

    id: int
    into: tuple[int, ...]


class Merge(StrictModel):
    """A synthetic genre that holds most of several earlier ones."""

    id: int
    of: tuple[int, ...]


class Change(StrictModel):
    """Changes since the synthetic genres of an earlier bundle.

    `previous`: Its model_id.
    `tracks`: In the sample that both assigned.
    `moved`: Share of these whose id changed.
    `new`, `retired`: Ids that came, and that went.
    """

    previous: str
    tracks: int
    moved: _Share
    matched: tuple[Match, ...]
    new: tuple[int, ...]
    retired: tuple[int, ...]
    split: tuple[Split, ...]
    merged: tuple[Merge, ...]


class Discovery(StrictModel):
    """Everything that was found; parts are None or empty if they do not apply.

    `k`: The chosen number of synthetic genres.
    `candidates`: Every number that was tried, in order.
    `synthetic_genres`: In the order of `ScoringPart.synthetic`.
    `retired`: Ids of this and all earlier generations that are no longer used; they stay reserved.
    `change`: Against the bundle given by ``--previous``.
    """

    k: int
    candidates: tuple[Candidate, ...] = ()
    stability: Stability | None = None
    quality: QualityComparison | None = None
    synthetic_genres: tuple[SyntheticGenre, ...] = ()
    relation: Relation | None = None
    rules: Rules | None = None
    map: CatalogueMap | None = None
    retired: tuple[int, ...] = ()
    change: Change | None = None
