"""`genre-spark train`: trains the network on the labelled sample and writes a full bundle."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
from pyspark.sql import SparkSession

from genre_spark.bundle import files, registry
from genre_spark.bundle.files import Bundle
from genre_spark.catalog import answers
from genre_spark.catalog.catalogue import open_catalogue
from genre_spark.monitoring import distributions
from genre_spark.pipelines.bundles import (
    BundleSummary,
    Request,
    catalogue_facts,
    catalogue_profile,
    labelled_sample,
    new_manifest,
)
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.progress import ReportProgress, to_log
from genre_spark.reporting import model_card
from genre_spark.scoring import job

# Tracks on which the exported network is compared with Keras.
_PROBE = 5000


def run(
    spark: SparkSession, request: Request, report_progress: ReportProgress = to_log
) -> BundleSummary:
    """Trains the network on the labelled sample and writes a full bundle; see `cluster.run`."""
    from genre_spark.classifier.network import quiet_keras
    from genre_spark.evaluation import training

    source, output, settings = request.source, request.output, request.settings
    base = request.bundle
    registry.check_output(spark, output, [source.path, base.location])
    given = answers.read_files(storage_of(spark, output), request.answers)
    scaler = base.manifest.scoring.scaler
    report_progress(f"reading {source.path}")
    ThreadPoolExecutor(1).submit(quiet_keras)  # its import takes seconds, and so does reading
    with open_catalogue(spark, source, settings.catalog, scaler) as catalogue:
        labelled = labelled_sample(catalogue, request, given)
        report_progress(
            f"learning {len(labelled.classes)} genres from {len(labelled):,} labelled tracks"
        )
        trained = training.train(labelled, settings, report_progress)
        with registry.new_bundle(spark, output) as folder:
            report_progress("exporting the network")
            probe = labelled.take(np.arange(min(_PROBE, len(labelled))))
            part, onnx = trained.classifier.part.trimmed(), trained.classifier.onnx
            trained.classifier.check_export(probe)
            (folder / files.ONNX).write_bytes(onnx)
            manifest = new_manifest(
                base.manifest.scoring.model_copy(update={"genres": part}),
                onnx,
                settings,
                left_out=base.manifest.left_out,
                data=catalogue_facts(catalogue, source),
                clusters=base.manifest.clusters,
                genres=trained.metrics,
            )
            n_tracks = catalogue.counts.accepted
            report_progress(f"profiling labels of {n_tracks:,} tracks", n_tracks)
            made = Bundle(folder, manifest, onnx, base.profile)
            limit, owner = settings.scoring.max_group, manifest.scoring.owner
            tracks = job.Tracks.of(catalogue.tracks, n_tracks, limit, owner)
            groups = distributions.label_groups(job.labelled(tracks, made, manifest.created_at))
            labels = distributions.label_profile(groups)
            profile = catalogue_profile(catalogue, catalogue.sampled, scaler.features, labels)
            files.write_files(folder, manifest, profile, model_card.render(manifest))
            files.load(folder)
    return BundleSummary.of(manifest, output)
