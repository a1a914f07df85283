"""How good synthetic genres are, as the bundle holds it."""

from statistics import fmean, pstdev
from typing import Annotated

from pydantic import Field

from genre_spark._model import Finite, Share, StrictModel


class Candidate(StrictModel):
    """A number of synthetic genres that was tried on a bounded sample.

    Attributes
    ----------
    k : int
    artist_agreement : float or None
        How often two tracks of one artist share a synthetic genre, corrected for chance: 0 is
        chance, 1 always. None for a catalogue in which no artist has two tracks.
    silhouette : float
        In [-1, 1]; 1 is well separate.
    stability : float
        Mean adjusted Rand index of fits to resampled tracks with the fit to all; 1 is the same.
    smallest, largest : float
        Share of the tracks in the smallest and the largest synthetic genre.
    """

    k: int
    artist_agreement: Finite | None
    silhouette: Finite
    stability: Finite
    smallest: Share
    largest: Share


class Stability(StrictModel):
    """How little the chosen number's synthetic genres depend on chance.

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
        """Mean and standard deviation of each, by its name."""
        both = {"seeds": self.seeds, "bootstraps": self.bootstraps}
        return {name: (fmean(values), pstdev(values)) for name, values in both.items()}


class Quality(StrictModel):
    """How good groups of tracks are.

    Attributes
    ----------
    artist_coherence, album_coherence : float or None
        Probability that two tracks of one artist (of an artist's album) share a group, over chance;
        1 is chance. None without artists (albums).
    held_out_coherence : float or None
        As `artist_coherence`, where each half of an artist's tracks is labelled without the other.
    stability : float
        Mean adjusted Rand index of fits to resampled tracks with the fit to all.
    explained_variance : float
        Share of the variance of the scaled features that lies between groups.
    adjusted_mutual_information : float or None
        With real genres: 0 is chance, 1 the same. None without labelled tracks.

    References
    ----------
    Vinh, Epps & Bailey (2010), "Information theoretic measures for clusterings comparison", JMLR 11.
    """

    artist_coherence: Finite | None
    held_out_coherence: Finite | None
    album_coherence: Finite | None
    stability: Finite
    explained_variance: Finite
    adjusted_mutual_information: Finite | None


class QualityComparison(StrictModel):
    """Synthetic genres beside plain KMeans at the same k, and beside the same method on a null.

    Attributes
    ----------
    tracks : int
        On which all are measured.
    synthetic_genres : Quality
    plain_kmeans : Quality
        KMeans on the scaled features.
    permuted : Quality
        The method on features exchanged between tracks by chance: what it finds in nothing.
    """

    tracks: int
    synthetic_genres: Quality
    plain_kmeans: Quality
    permuted: Quality
