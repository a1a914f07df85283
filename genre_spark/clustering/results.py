"""What a discovery found, as the bundle keeps it: for people, the report and the next discovery."""

from statistics import fmean, pstdev
from typing import Annotated

from pydantic import Field

from genre_spark._model import Finite, StrictModel

Share = Annotated[float, Field(ge=0, le=1)]


class Candidate(StrictModel):
    """A number of synthetic genres that was tried on a bounded sample.

    Attributes
    ----------
    k : int
    silhouette : float
        In [-1, 1]; 1 is well separate.
    davies_bouldin : float
        0 or more; less is more separate.
    stability : float
        Mean adjusted Rand index of fits to resampled tracks with the fit to all; 1 is the same.
    smallest, largest : float
        Share of the tracks in the smallest and the largest synthetic genre.
    """

    k: int
    silhouette: Finite
    davies_bouldin: Finite
    stability: Finite
    smallest: Share
    largest: Share


class Stability(StrictModel):
    """How little the chosen number's synthetic genres hang on chance.

    Attributes
    ----------
    tracks : int
        In the bounded sample.
    seeds : tuple of float
        Adjusted Rand index of each pair of fits that differ in their seed.
    bootstraps : tuple of float
        Of each fit to tracks drawn with replacement, against the fit to all.
    """

    tracks: int
    seeds: Annotated[tuple[Finite, ...], Field(min_length=1)]
    bootstraps: Annotated[tuple[Finite, ...], Field(min_length=1)]

    def summary(self) -> dict[str, tuple[float, float]]:
        """Mean and spread of each, by its name."""
        both = {"seeds": self.seeds, "bootstraps": self.bootstraps}
        return {name: (fmean(values), pstdev(values)) for name, values in both.items()}


class TypicalTrack(StrictModel):
    """A track near a centroid."""

    track_id: str
    artist: str | None
    title: str | None


class TypicalArtist(StrictModel):
    """An artist with many tracks in a synthetic genre.

    Attributes
    ----------
    tracks : int
        Of the artist, in this synthetic genre.
    share : float
        Of the artist's tracks that are.
    """

    name: str
    tracks: int
    share: Share


class Neighbour(StrictModel):
    """Another synthetic genre, and how far off it lies: Euclidean, in clustering units."""

    id: int
    distance: Finite


class SyntheticGenre(StrictModel):
    """A cluster of the catalogue.

    Attributes
    ----------
    id : int
        Stable id; never that of another one of an earlier generation.
    name : str
        Two to four words, distinct over the set, each true of most of its tracks.
    centroid : tuple of float
        Mean of its tracks, in scaled units, one per axis.
    size : int
        Tracks nearest to it.
    share : float
        Of the catalogue's tracks.
    medians : dict of str to float
        Of its tracks' features, in raw units; of a large catalogue, over tracks drawn by chance.
    typical : tuple of TypicalTrack
        The tracks nearest to its centre, of those that the medians are of.
    artists : tuple of TypicalArtist
        Those with the most tracks in it; empty for a catalogue without artists.
    nearest : tuple of Neighbour
        Other synthetic genres, the nearest first.
    genres : dict of str to int
        Labelled tracks per real genre, for information; they take no part in the fit.
    purity : float or None
        Share of its labelled tracks that have its most frequent real genre; None without any.
    lift : dict of str to float
        Per real genre, how many times as frequent it is here as over all labelled tracks.
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
    purity: Share | None = None
    lift: dict[str, Finite] = {}


class Relation(StrictModel):
    """How synthetic genres relate to the real ones over all labelled tracks; never an accuracy.

    Attributes
    ----------
    labelled : int
    purity : float
        Share of tracks that have the most frequent real genre of their synthetic genre.
    chance : float
        Share of the most frequent real genre: the purity of a single cluster.
    nmi : float
        Normalised mutual information: 0 is unrelated, 1 is the same.
    """

    labelled: int
    purity: Share
    chance: Share
    nmi: Share


class GenreRules(StrictModel):
    """Rules of one synthetic genre; a track belongs to it where any of the sentences holds.

    Attributes
    ----------
    id : int
    sentences : tuple of str
        The one that covers the most tracks first.
    recall, precision : float or None
        On unseen tracks: share of its tracks that the rules find, and of the tracks found that
        are its; None where there are none to count.
    """

    id: int
    sentences: tuple[str, ...]
    recall: Share | None
    precision: Share | None

    @property
    def leaves(self) -> int:
        """Leaves of the tree that give this synthetic genre."""
        return len(self.sentences)


class Rules(StrictModel):
    """A decision tree on raw features that tells the synthetic genres apart.

    Attributes
    ----------
    agreement : float
        Share of unseen tracks to which the rules give the synthetic genre they have. It says
        nothing of real genres.
    unseen : int
        Those tracks.
    n_leaves : int
        At most three per synthetic genre.
    genres : tuple of GenreRules
    """

    agreement: Share
    unseen: int
    n_leaves: int
    genres: tuple[GenreRules, ...]


class Match(StrictModel):
    """A synthetic genre that was there before.

    Attributes
    ----------
    id : int
        The same in both.
    kept : float
        Share of its earlier tracks that it still has.
    """

    id: int
    kept: Share


class Split(StrictModel):
    """An earlier synthetic genre whose tracks now lie in several."""

    id: int
    into: tuple[int, ...]


class Merge(StrictModel):
    """A synthetic genre that holds most of several earlier ones."""

    id: int
    of: tuple[int, ...]


class Change(StrictModel):
    """What became of the synthetic genres of an earlier bundle.

    Attributes
    ----------
    previous : str
        Its model_id.
    tracks : int
        In the sample that both assigned.
    moved : float
        Share of these whose id changed.
    matched : tuple of Match
    new, retired : tuple of int
        Ids that came, and that went.
    split : tuple of Split
    merged : tuple of Merge
    """

    previous: str
    tracks: int
    moved: Share
    matched: tuple[Match, ...]
    new: tuple[int, ...]
    retired: tuple[int, ...]
    split: tuple[Split, ...]
    merged: tuple[Merge, ...]


class CatalogueMap(StrictModel):
    """Some tracks of the catalogue in two dimensions, for a picture.

    Attributes
    ----------
    right, up : tuple of str
        Words for the tracks that lie far to the right, and far up; the most telling first.
    points : tuple of (float, float, int)
        Where a track lies, and the id of its synthetic genre.
    """

    right: tuple[str, ...]
    up: tuple[str, ...]
    points: tuple[tuple[Finite, Finite, int], ...]


class Discovery(StrictModel):
    """All of it.

    Attributes
    ----------
    k : int
        The chosen number of synthetic genres.
    candidates : tuple of Candidate
        Every number that was tried, in order.
    stability : Stability or None
    synthetic_genres : tuple of SyntheticGenre
        In the order of `ScoringPart.synthetic`.
    relation : Relation or None
        None where no track has a real genre.
    rules : Rules or None
    map : CatalogueMap or None
    retired : tuple of int
        Ids of this and all earlier generations that are no longer used; they stay taken.
    change : Change or None
        Against the bundle given by ``--previous``.
    """

    k: int
    candidates: tuple[Candidate, ...] = ()
    stability: Stability | None = None
    synthetic_genres: tuple[SyntheticGenre, ...] = ()
    relation: Relation | None = None
    rules: Rules | None = None
    map: CatalogueMap | None = None
    retired: tuple[int, ...] = ()
    change: Change | None = None
