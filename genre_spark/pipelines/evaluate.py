"""`genre-spark evaluate`: studies the classifier on the labelled sample and publishes the study."""

from pyspark.sql import SparkSession

from genre_spark._model import now
from genre_spark.catalog import answers
from genre_spark.catalog.catalogue import open_catalogue
from genre_spark.evaluation import cross_validation
from genre_spark.evaluation.study_results import PublishedStudy, StudySummary
from genre_spark.pipelines.bundles import Request, catalogue_facts, labelled_sample
from genre_spark.platform import atomic_directory
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.progress import ReportProgress, to_log
from genre_spark.reporting import study_report
from genre_spark.versions import __version__


def run(
    spark: SparkSession,
    request: Request,
    report_progress: ReportProgress = to_log,
    *,
    n_seeds: int,
    with_ablations: bool,
) -> StudySummary:
    """Evaluates the classifier on the labelled sample and publishes the study; see `cluster.run`.

    `n_seeds`: Splits of known artists, at least 1.
    `with_ablations`: Whether the classifier is also fitted on fewer labels.
    """
    source, output, settings = request.source, request.output, request.settings
    storage, manifest = storage_of(spark, output), request.bundle.manifest
    path = atomic_directory.check_target(
        storage,
        output,
        [source.path, request.bundle.location],
        atomic_directory.STUDY,
        allow_gap=settings.publishing.allow_gap,
    )
    given = answers.read_files(storage, request.answers)
    # Locked from the start: a study takes long, and a second one should be refused at once.
    with atomic_directory.publishing(storage, path, kind=atomic_directory.STUDY) as target:
        report_progress(f"reading {source.path}")
        scaler = manifest.scoring.scaler
        with open_catalogue(spark, source, settings.catalog, scaler) as catalogue:
            study = cross_validation.run(
                labelled_sample(catalogue, request, given),
                settings,
                n_seeds,
                report_progress,
                with_curve=with_ablations,
            )
            made = PublishedStudy(
                **dict(study),
                genre_spark_version=__version__,
                created_at=now(),
                clusters=manifest.model_id,
                data=catalogue_facts(catalogue, source),
                settings=settings,
            )
        with atomic_directory.staging_locally(storage, target) as folder:
            study_report.write(made, folder)
        content = made.model_dump(mode="json")
        atomic_directory.write_manifest(storage, target, content, atomic_directory.STUDY)
    return StudySummary(path=output, **dict(made))
