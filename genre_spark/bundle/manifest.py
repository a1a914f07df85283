"""What ``bundle.json`` says, each part checked: all that decides a label, and where it comes from."""

import hashlib
import json
from typing import Literal

from pydantic import model_validator

from genre_spark._model import StrictModel, Timestamp
from genre_spark.bundle.genre_metrics import GenreMetrics
from genre_spark.catalog.rows import RowCounts
from genre_spark.classifier.genre_part import GenrePart
from genre_spark.clustering.results import Discovery
from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.features.scaling import FeatureScaler
from genre_spark.schema import ARTIST


class ScoringPart(StrictModel):
    """All that decides a label, apart from the network's weights."""

    scaler: FeatureScaler
    synthetic: SyntheticPart
    genres: GenrePart | None

    @model_validator(mode="after")
    def _dimensions_fit(self) -> "ScoringPart":
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
