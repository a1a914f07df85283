"""The content of ``bundle.json`` and ``profile.json``, each part checked."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pydantic import model_validator

from genre_spark._model import Count, Finite, Share, SparseModel, StrictModel, Timestamp
from genre_spark.bundle.genre_metrics import GenreMetrics
from genre_spark.catalog.rows import RowCounts
from genre_spark.classifier.genre_part import GenrePart
from genre_spark.classifier.head import n_artist_inputs
from genre_spark.clustering.metric import SyntheticPart
from genre_spark.clustering.results import Discovery
from genre_spark.features.scaling import FeatureScaler
from genre_spark.schema import ARTIST

# Every 5 %: enough to see a shift, small enough to read.
LEVELS = tuple(step / 20 for step in range(21))
CONFIDENCE_BINS = 20


class FeatureProfile(StrictModel):
    """Distribution of one feature, over as many tracks as tell what all are like.

    `quantiles`: At `LEVELS`, in raw units; empty where the catalogue had no value.
    `missing`: Share of tracks without a value, of those that have any feature.
    `bin_edges`: The distinct inner quantiles; bin i holds values in (edges[i - 1], edges[i]].
    `counts`: Of these tracks per bin, one more than there are edges.
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


class LabelProfile(SparseModel):
    """Which labels a model gives, and how sure it is.

    `synthetic_genres`, `genres`: Tracks per label; no genres with a clusters bundle.
    `confidence`: Tracks per bin of confidence, `CONFIDENCE_BINS` of equal width, by the bin's
        number.
    `precision`: Tracks per `genre_precision`.
    """

    synthetic_genres: dict[str, Count]
    genres: dict[str, Count] = {}
    confidence: dict[str, Count] = {}
    precision: dict[str, Count] = {}
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


class ScoringPart(StrictModel):
    """All that decides a label, apart from the network's weights."""

    scaler: FeatureScaler
    synthetic: SyntheticPart
    genres: GenrePart | None

    @model_validator(mode="after")
    def _dimensions_fit(self) -> "ScoringPart":
        if self.genres and self.genres.forest:
            n = len(self.genres.classes)
            self.genres.forest.check(n_artist_inputs(self.scaler.n_scaled, n), n)
        if any(column >= self.scaler.n_scaled for column in self.synthetic.metric.columns):
            raise ValueError(
                f"a dimension is of none of the {self.scaler.n_scaled} scaled features"
            )
        return self

    @property
    def relates_artists(self) -> bool:
        """Whether a track's labels depend on its artist's other tracks."""
        genres = self.genres is not None and self.genres.relates_artists
        return genres or self.synthetic.relates_artists

    @property
    def owner(self) -> str:
        """Column whose tracks are related: the artist, or the album where there are no artists."""
        return self.synthetic.owner or ARTIST

    @property
    def reads_text(self) -> bool:
        """Whether the words of titles and album names are read."""
        return self.genres is not None and self.genres.reads_text


class CatalogueFacts(StrictModel):
    """The catalogue that a bundle was made from."""

    source: str
    rows: RowCounts


class Manifest(StrictModel):
    """The content of ``bundle.json``."""

    format_version: int
    kind: Literal["clusters", "full"]
    model_id: str
    created_at: Timestamp
    genre_spark_version: str
    source_revision: str | None
    libraries: dict[str, str]
    seed: int
    scoring: ScoringPart
    left_out: tuple[str, ...]
    data: CatalogueFacts
    clusters: Discovery
    genres: GenreMetrics | None

    @model_validator(mode="after")
    def _kind_fits(self) -> "Manifest":
        if (self.kind == "full") != (self.scoring.genres is not None):
            raise ValueError(f"kind is {self.kind}, which does not fit its scoring part")
        return self


def model_id(scoring: ScoringPart, onnx: bytes | None) -> str:
    """The content hash (16 hexadecimal digits): where it is equal, all labels are equal."""
    part = json.dumps(scoring.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(part.encode() + hashlib.sha256(onnx or b"").digest()).hexdigest()[:16]
