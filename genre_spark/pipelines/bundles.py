"""What `cluster` and `train` share: the manifest and the summary of a new bundle."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from genre_spark import __version__, versions
from genre_spark.bundle import files
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest, ScoringPart, model_id
from genre_spark.catalog.catalogue import Catalogue, Source
from genre_spark.classifier import training_set
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.config import Settings
from genre_spark.platform.redaction import redact


def new_manifest(
    part: ScoringPart, onnx: bytes | None, settings: Settings, **content: Any
) -> Manifest:
    """The manifest of a new bundle; `content` has the fields that its kind decides."""
    return Manifest(
        format_version=files.FORMAT_VERSION,
        kind="full" if part.genres else "clusters",
        model_id=model_id(part, onnx),
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        genre_spark_version=__version__,
        source_revision=versions.source_revision(),
        libraries=versions.library_versions(),
        seed=settings.seed,
        scoring=part,
        **content,
    )


def labelled_sample(catalogue: Catalogue, base: Bundle, settings: Settings) -> LabelledTracks:
    """The labelled tracks of a catalogue, as arrays on the driver."""
    return training_set.collect(
        catalogue.tracks,
        catalogue.counts.accepted,
        base.manifest.scoring.space,
        base.manifest.scoring.synthetic,
        settings,
    )


def data_facts(catalogue: Catalogue, source: Source) -> dict[str, Any]:
    """Where the tracks come from, and how many there are."""
    return {"source": redact(source.path), "rows": asdict(catalogue.counts)}


def bundle_summary(manifest: Manifest, output: str) -> dict[str, Any]:
    """What `cluster` and `train` return on a new bundle."""
    summary = {
        "bundle": output,
        "kind": manifest.kind,
        "model_id": manifest.model_id,
        "source": manifest.data["source"],
        "rows": manifest.data["rows"],
        "left_out": manifest.left_out,
        "synthetic_genres": list(manifest.scoring.synthetic.names),
    }
    found = manifest.clusters
    if found.rules:
        summary["rules_agreement"] = found.rules.agreement
    if found.stability:
        summary["stability"] = {
            name: {"mean": round(mean, 4), "spread": round(spread, 4)}
            for name, (mean, spread) in found.stability.summary().items()
        }
    if found.quality:
        summary["quality"] = found.quality.model_dump()
    if found.change:
        summary["change"] = found.change.model_dump()
    if manifest.genres:
        summary["genres"] = manifest.genres
    return summary
