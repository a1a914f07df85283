"""What a discovery found, as the bundle keeps it: for people, the report and the next discovery."""

from typing import Annotated

from pydantic import Field

from genre_spark._model import Finite, StrictModel
from genre_spark.clustering.changes import Change
from genre_spark.clustering.quality_results import Candidate, QualityComparison, Stability

Share = Annotated[float, Field(ge=0, le=1)]


class TypicalTrack(StrictModel):
    """A track near a centroid."""

    track_id: str
    artist: str | None
    title: str | None


class MapTrack(TypicalTrack):
    """A track on the map."""

    album: str | None


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
        Mean of its tracks, in scaled units, one per scaled feature.
    size : int
        Tracks nearest to it.
    share : float
        Of the catalogue's tracks.
    medians : dict of str to float
        Of its tracks' features, in raw units; of a large catalogue, over a sample of artists.
    typical : tuple of TypicalTrack
        The tracks nearest to its center, of those that the medians are of.
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
    """A decision tree on a track's features and its artist's levels that separates synthetic genres.

    Attributes
    ----------
    agreement : float
        Share of unseen tracks to which the rules give the synthetic genre they have. It says
        nothing of real genres.
    unseen : int
        Those tracks.
    n_leaves : int
        At most four per synthetic genre.
    genres : tuple of GenreRules
    """

    agreement: Share
    unseen: int
    n_leaves: int
    genres: tuple[GenreRules, ...]


class Landmark(StrictModel):
    """Something with a name on the map: a real genre's center, or an artist's mean."""

    name: str
    x: Finite
    y: Finite


class CatalogueMap(StrictModel):
    """Some tracks of the catalogue in two dimensions, for a picture.

    Attributes
    ----------
    points : tuple of (float, float, int)
        Where a track lies, and the id of its synthetic genre.
    tracks : tuple of MapTrack
        Whose points they are, in the same order; empty in bundles of earlier versions.
    centers : tuple of (float, float, int)
        Where the centers of synthetic genres lie, and their ids.
    genres : tuple of Landmark
        Means of the tracks of the most frequent real genres.
    artists : tuple of Landmark
        Means of the artists with the most tracks.
    """

    points: tuple[tuple[Finite, Finite, int], ...]
    tracks: tuple[MapTrack, ...] = ()
    centers: tuple[tuple[Finite, Finite, int], ...] = ()
    genres: tuple[Landmark, ...] = ()
    artists: tuple[Landmark, ...] = ()


class Discovery(StrictModel):
    """All of it.

    Attributes
    ----------
    k : int
        The chosen number of synthetic genres.
    candidates : tuple of Candidate
        Every number that was tried, in order.
    stability : Stability or None
    quality : QualityComparison or None
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
    quality: QualityComparison | None = None
    synthetic_genres: tuple[SyntheticGenre, ...] = ()
    relation: Relation | None = None
    rules: Rules | None = None
    map: CatalogueMap | None = None
    retired: tuple[int, ...] = ()
    change: Change | None = None
