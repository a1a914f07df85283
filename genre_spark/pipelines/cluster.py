"""`genre-spark cluster`: discovers synthetic genres and writes a clusters bundle."""

from dataclasses import dataclass, replace

from pyspark.sql import SparkSession

from genre_spark.bundle import files, registry
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import LabelProfile, Manifest, Profile, ScoringPart
from genre_spark.catalog.catalogue import Catalogue, Source, open_catalogue
from genre_spark.clustering.discover import discover
from genre_spark.config import Settings
from genre_spark.features import feature_sources
from genre_spark.pipelines.bundles import (
    BundleSummary,
    catalogue_facts,
    catalogue_profile,
    new_manifest,
)
from genre_spark.platform.progress import ReportProgress, to_log
from genre_spark.publishing.destination import destination_of
from genre_spark.publishing.labels import LabelRequest, publish_labels
from genre_spark.reporting import model_card


@dataclass(frozen=True)
class ClusterRequest:
    """Discover synthetic genres and write a clusters bundle.

    `labels`: Where to publish the catalogue, labelled with the new bundle.
    `previous`: An earlier bundle, whose ids and names are kept where synthetic genres are the same.
    `run_id`: Of the labelled catalogue; 12 hexadecimal digits.
    """

    source: Source
    output: str
    settings: Settings
    labels: str | None = None
    previous: Bundle | None = None
    run_id: str | None = None


def run(
    spark: SparkSession, request: ClusterRequest, report_progress: ReportProgress = to_log
) -> BundleSummary:
    """Discovers synthetic genres and writes a clusters bundle."""
    source, output, settings = request.source, request.output, request.settings
    registry.check_output(spark, output, [source.path])
    if request.labels:
        destination_of(spark, request.labels, settings).check([source.path, output])
    report_progress(f"reading {source.path}")
    with open_catalogue(spark, source, settings.catalog) as catalogue:
        n_tracks = catalogue.counts.accepted
        if request.previous:  # sources compare as before, where synthetic genres are to stay
            sources = request.previous.manifest.scoring.scaler.sources
        else:
            sources = feature_sources.fit(catalogue.tracks, n_tracks, catalogue.features)
        catalogue = catalogue.on_one_scale(sources)
        report_progress(f"discovering synthetic genres of {n_tracks:,} tracks", n_tracks)
        manifest, profile = _discover(catalogue, source, settings, request.previous)
        with registry.new_bundle(spark, output) as folder:
            files.write_files(folder, manifest, profile, model_card.render(manifest))
            made = replace(files.load(folder), reference=output)
        summary = BundleSummary.of(manifest, output)
        if request.labels:
            report_progress(f"labelling into {request.labels}", n_tracks)
            wanted = LabelRequest(source, made, request.labels, settings, run_id=request.run_id)
            owned = replace(catalogue, owner=manifest.scoring.owner)
            labels = publish_labels(spark, owned, wanted)
            summary = summary.model_copy(update={"labels": labels})
    return summary


def _discover(
    catalogue: Catalogue, source: Source, settings: Settings, previous: Bundle | None
) -> tuple[Manifest, Profile]:
    sampled = catalogue.sampled.select(*catalogue.features).persist()
    try:
        found = discover(catalogue, sampled, settings, previous.as_previous() if previous else None)
        unused = tuple(name for name in catalogue.features if name not in found.scaler.features)
        manifest = new_manifest(
            ScoringPart(scaler=found.scaler, synthetic=found.synthetic, genres=None),
            None,
            settings,
            left_out=(*catalogue.left_out, *unused),
            data=catalogue_facts(catalogue, source),
            clusters=found.discovery,
            genres=None,
        )
        sizes = {genre.name: genre.size for genre in found.discovery.synthetic_genres}
        labels = LabelProfile(synthetic_genres=sizes)
        return manifest, catalogue_profile(catalogue, sampled, found.scaler.features, labels)
    finally:
        sampled.unpersist()
