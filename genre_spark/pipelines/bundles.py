"""What several commands share: requests, the tracks they read, manifest and summary of a new bundle."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import PlainSerializer
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark import versions
from genre_spark._model import SparseModel, now
from genre_spark.bundle import files
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.genre_metrics import GenreMetrics
from genre_spark.bundle.manifest import (
    CatalogueFacts,
    LabelProfile,
    Manifest,
    Profile,
    ScoringPart,
    model_id,
)
from genre_spark.catalog import answers
from genre_spark.catalog.catalogue import Catalogue, Source, scan_catalogue
from genre_spark.catalog.rows import RowCounts
from genre_spark.classifier import training_set
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.clustering.results import Change, QualityComparison
from genre_spark.config import Settings
from genre_spark.monitoring.distributions import feature_profiles
from genre_spark.monitoring.finished_run import Facts
from genre_spark.platform.safe_text import redact
from genre_spark.publishing.labels import PublishedLabels
from genre_spark.schema import ALBUM, ARTIST, TITLE, TRACK_ID
from genre_spark.versions import __version__


@dataclass(frozen=True)
class Request:
    """Learn from the labelled tracks of a catalogue, or ask for labels.

    `bundle`: With synthetic genres.
    `output`: Of the command: a new bundle, the directory of a study, or a file of questions.
    `answers`: CSV files whose genres replace the catalogue's.
    """

    source: Source
    bundle: Bundle
    output: str
    settings: Settings
    answers: tuple[str, ...] = ()


def scanned(
    spark: SparkSession, source: Source, bundle: Bundle, settings: Settings
) -> AbstractContextManager[Catalogue]:
    """A catalogue that a bundle can label, checked on a sample of its rows."""
    scoring, ranges = bundle.manifest.scoring, bundle.profile.ranges
    return scan_catalogue(spark, source, settings.catalog, scoring.scaler, scoring.owner, ranges)


def new_manifest(
    part: ScoringPart, onnx: bytes | None, settings: Settings, **content: Any
) -> Manifest:
    """The manifest of a new bundle; `content` has the fields that its kind decides."""
    return Manifest(
        format_version=files.FORMAT_VERSION,
        kind="full" if part.genres else "clusters",
        model_id=model_id(part, onnx),
        created_at=now(),
        genre_spark_version=__version__,
        source_revision=versions.source_revision(),
        libraries=versions.library_versions(),
        seed=settings.seed,
        scoring=part,
        **content,
    )


def labelled_sample(
    catalogue: Catalogue, request: Request, given: Mapping[str, str]
) -> LabelledTracks:
    """The labelled tracks of a catalogue, as arrays on the driver; `given` are answers."""
    scoring = request.bundle.manifest.scoring
    return training_set.collect(
        answers.apply(catalogue.tracks, given, request.source.path),
        catalogue.counts.accepted,
        scoring.scaler,
        scoring.synthetic,
        request.settings,
    )


def names_of(tracks: DataFrame, ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Id, artist, title and album of some tracks, by id."""
    wanted = tracks.sparkSession.createDataFrame([(one,) for one in ids], f"{TRACK_ID} string")
    found = tracks.join(F.broadcast(wanted), TRACK_ID, "left_semi").dropDuplicates([TRACK_ID])
    rows = found.select(TRACK_ID, ARTIST, TITLE, ALBUM).collect()
    return {row[TRACK_ID]: row.asDict() for row in rows}


def catalogue_facts(catalogue: Catalogue, source: Source) -> CatalogueFacts:
    """Where the tracks come from, and how many there are."""
    return CatalogueFacts(source=redact(source.path), rows=catalogue.counts)


def catalogue_profile(
    catalogue: Catalogue, sampled: DataFrame, features: Sequence[str], labels: LabelProfile
) -> Profile:
    """What a catalogue is like, by which the drift of later ones is measured.

    `sampled`: The catalogue's `sampled`, or the features of it.
    """
    counts = catalogue.counts
    return Profile(
        tracks=counts.accepted,
        without_features=counts.without_features / counts.accepted,
        features=feature_profiles(sampled, features),
        labels=labels,
    )


class BundleSummary(SparseModel):
    """What `cluster` and `train` made.

    `rules_agreement`, `stability`, `quality`, `change`: Of synthetic genres, where they were
        measured; see `clustering.results.Discovery`.
    """

    bundle: str
    kind: str
    model_id: str
    source: str
    rows: RowCounts
    left_out: tuple[str, ...]
    synthetic_genres: tuple[str, ...]
    rules_agreement: float | None = None
    stability: dict[str, dict[str, float]] | None = None
    quality: QualityComparison | None = None
    change: Change | None = None
    genres: GenreMetrics | None = None
    labels: Annotated[PublishedLabels, PlainSerializer(PublishedLabels.summary)] | None = None

    @property
    def facts(self) -> Facts:
        """The same for monitoring."""
        return Facts(
            source=self.source,
            made=(self.bundle,),
            published=self.labels.facts.published if self.labels else (),
            model_id=self.model_id,
            rows=self.rows,
            protocols=dict((self.genres.protocols if self.genres else {}).items()),
        )

    @classmethod
    def of(cls, manifest: Manifest, output: str) -> "BundleSummary":
        """Of a new bundle at a path."""
        found = manifest.clusters
        over_fits = found.stability.summary().items() if found.stability else ()
        stability = {
            name: {"mean": round(mean, 4), "std": round(std, 4)} for name, (mean, std) in over_fits
        }
        measured = {
            "rules_agreement": found.rules.agreement if found.rules else None,
            "stability": stability or None,
            "quality": found.quality,
            "change": found.change,
            "genres": manifest.genres,
        }
        return cls(
            bundle=output,
            kind=manifest.kind,
            model_id=manifest.model_id,
            source=manifest.data.source,
            rows=manifest.data.rows,
            left_out=manifest.left_out,
            synthetic_genres=manifest.scoring.synthetic.names,
            **{name: one for name, one in measured.items() if one is not None},
        )
