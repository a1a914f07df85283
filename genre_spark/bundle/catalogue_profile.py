"""What ``profile.json`` says: what the catalogue was like that a bundle was made from."""

from dataclasses import dataclass

from pydantic import model_validator

from genre_spark._model import Count, Finite, Share, StrictModel

# Every 5 %: enough to see a shift, small enough to read.
LEVELS = tuple(step / 20 for step in range(21))
CONFIDENCE_BINS = 20


class FeatureProfile(StrictModel):
    """Distribution of one feature, over as many tracks as tell what all are like.

    Attributes
    ----------
    quantiles : tuple of float
        At `LEVELS`, in raw units; empty where the catalogue had no value.
    missing : float
        Share of tracks without a value, of those that have any feature.
    bin_edges : tuple of float
        The distinct inner quantiles; bin i holds values in (edges[i - 1], edges[i]].
    counts : tuple of int
        Of these tracks per bin, one more than there are edges.
    """

    quantiles: tuple[Finite, ...]
    missing: Share
    bin_edges: tuple[Finite, ...]
    counts: tuple[Count, ...]

    @model_validator(mode="after")
    def _bins_fit(self) -> "FeatureProfile":
        if len(self.counts) != len(self.bin_edges) + 1 or list(self.bin_edges) != sorted(
            set(self.bin_edges)
        ):
            raise ValueError("edges are not in order, or counts are not one more than edges")
        return self


class LabelProfile(StrictModel):
    """Which labels a model gives, and how sure it is.

    Attributes
    ----------
    synthetic_genres, genres : dict of str to int
        Tracks per label; no genres with a clusters bundle.
    confidence : dict of str to int
        Tracks per bin of confidence, `CONFIDENCE_BINS` of equal width, by the bin's number.
    """

    synthetic_genres: dict[str, Count]
    genres: dict[str, Count] = {}
    confidence: dict[str, Count] = {}
    accepted: Share | None = None
    mean_confidence: Share | None = None


class Profile(StrictModel):
    """What a catalogue was like that a bundle was made from: the content of ``profile.json``."""

    tracks: Count
    without_features: Share = 0.0
    levels: tuple[Share, ...] = LEVELS
    features: dict[str, FeatureProfile]
    labels: LabelProfile

    @property
    def ranges(self) -> dict[str, tuple[Finite, ...]]:
        """Of each feature that has values: its lowest, 5 %, 95 % and highest."""
        known = {name: one.quantiles for name, one in self.features.items() if one.quantiles}
        return {name: (at[0], at[1], at[-2], at[-1]) for name, at in known.items()}


@dataclass(frozen=True)
class Binned:
    """Tracks in each bin of a feature, and the share that has no value."""

    counts: tuple[int, ...]
    missing: float
