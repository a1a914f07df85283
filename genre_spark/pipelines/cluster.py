"""`genre-spark cluster`: discovers synthetic genres and writes a clusters bundle."""

import logging
from dataclasses import replace

from pyspark.sql import SparkSession

from genre_spark.bundle import files, store
from genre_spark.bundle.catalogue_profile import LabelProfile, Profile
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest, ScoringPart
from genre_spark.catalog import sampling, validation
from genre_spark.catalog.catalogue import Catalogue, Source, open_catalogue
from genre_spark.clustering.discover import Tracks, discover
from genre_spark.config import Settings
from genre_spark.monitoring import distributions
from genre_spark.pipelines.bundles import BundleSummary, catalogue_facts, new_manifest
from genre_spark.pipelines.requests import ClusterRequest
from genre_spark.platform import atomic_directory
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.progress import ReportProgress, plainly
from genre_spark.publishing import destination
from genre_spark.publishing.labels import publish_labels
from genre_spark.publishing.request import LabelRequest
from genre_spark.reporting import model_card
from genre_spark.schema import ALBUM, ARTIST, GENRE, TITLE, TRACK_ID

logger = logging.getLogger(__name__)
_log = plainly(logger.info)


def run(
    spark: SparkSession, request: ClusterRequest, report_progress: ReportProgress = _log
) -> BundleSummary:
    """Discovers synthetic genres and writes a clusters bundle.

    Parameters
    ----------
    report_progress : callable
        Called with one line on what is being done.
    """
    source, output, settings = request.source, request.output, request.settings
    earlier = _checked(spark, request)
    report_progress(f"reading {source.path}")
    with open_catalogue(spark, source, settings.catalog) as catalogue:
        n_tracks = catalogue.counts.accepted
        report_progress(f"discovering synthetic genres of {n_tracks:,} tracks", n_tracks)
        manifest, profile = _discover(catalogue, source, settings, earlier)
        with store.new_bundle(spark, output) as folder:
            files.write_files(folder, manifest, profile, model_card.render(manifest))
            made = replace(files.load(folder), reference=output)
        summary = BundleSummary.of(manifest, output)
        if request.labels:
            report_progress(f"labelling into {request.labels}", n_tracks)
            wanted = LabelRequest(source, made, request.labels, settings, run_id=request.run_id)
            owned = replace(catalogue, owner=manifest.scoring.owner)
            labels = publish_labels(spark, owned, wanted)
            summary = summary.model_copy(update={"labels": labels.summary()})
    return summary


def _checked(spark: SparkSession, request: ClusterRequest) -> Bundle | None:
    """The previous bundle; paths that cannot be written are refused before any work."""
    output, read = request.output, [request.source.path]
    store.check_absent(spark, output)
    atomic_directory.check_apart(storage_of(spark, output), output, read)
    previous = store.open_bundle(spark, request.previous) if request.previous else None
    if request.labels:
        labels = destination.format_of(spark, request.labels, request.settings)
        labels.check([*read, output])
    return previous


def _discover(
    catalogue: Catalogue, source: Source, settings: Settings, previous: Bundle | None
) -> tuple[Manifest, Profile]:
    n_tracks, n_without = catalogue.counts.accepted, catalogue.counts.without_features
    needed = (TRACK_ID, ARTIST, ALBUM, TITLE, GENRE, *catalogue.features)
    tracks = catalogue.tracks.select(*needed)
    with_features = validation.with_features(tracks, catalogue.features)
    sampled = sampling.bounded(with_features, n_tracks - n_without).persist()
    try:
        given = Tracks(
            tracks, sampled, n_tracks, n_tracks - n_without, catalogue.features, catalogue.groups
        )
        found = discover(given, settings, previous.as_previous() if previous else None)
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
        return manifest, Profile(
            tracks=n_tracks,
            without_features=n_without / n_tracks,
            features=distributions.feature_profiles(sampled, found.scaler.features),
            labels=LabelProfile(synthetic_genres=sizes),
        )
    finally:
        sampled.unpersist()
