"""The Python API, for notebooks and pipelines: tables that are loaded already, in any session.

`score` and `quarantine` also take a session of Spark Connect, whose workers have genre-spark.

All functions take the session first and a Spark DataFrame of tracks with the columns of a catalogue
(``track_id``, audio features, where known ``artist``, ``album``, ``title``, ``genre``). They give
what the commands give: the session's own settings for shuffle partitions, ANSI mode, time zone and
case sensitivity play no part. While a function works, the last three are changed in the session, so
other threads should not use it meanwhile; afterwards they are what they were.
"""

import logging
from collections.abc import Callable, Mapping
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from genre_spark._model import now
from genre_spark.bundle import registry
from genre_spark.bundle.files import Bundle
from genre_spark.catalog.catalogue import Source, open_catalogue
from genre_spark.config import load_settings
from genre_spark.monitoring import distributions
from genre_spark.pipelines import cluster as cluster_pipeline
from genre_spark.pipelines import suggest as suggest_pipeline
from genre_spark.pipelines import train as train_pipeline
from genre_spark.pipelines.bundles import Request, scanned
from genre_spark.platform.progress import plainly
from genre_spark.platform.session import borrowed, require_classic
from genre_spark.scoring import job
from genre_spark.source import Dataset, load_dataset

logger = logging.getLogger(__name__)


def cluster(  # noqa: PLR0913 - of a notebook, by keyword
    spark: SparkSession,
    tracks: DataFrame,
    output: str,
    *,
    previous: str | None = None,
    dataset: str | Dataset | None = None,
    settings: Mapping[str, Any] | None = None,
    report_progress: Callable[[str], None] = logger.info,
) -> Bundle:
    """Discovers synthetic genres.

    Parameters
    ----------
    spark : SparkSession
        Any classic session; it is not stopped.
    tracks : DataFrame
        The catalogue.
    output : str
        Directory of the new bundle: any URI Hadoop reads, where nothing is yet.
    previous : str, optional
        An earlier bundle, by path or name, whose ids and names are kept where synthetic genres are the same.
    dataset : str or Dataset, optional
        How the columns map to genre-spark's, where they have other names.
    settings : mapping, optional
        Of ``conf/default.yaml``, by ``section.key`` or, where only one section has it, ``key``.
    report_progress : callable
        Called with one line on what is being done; ``print`` shows it.

    Returns
    -------
    Bundle
        A clusters bundle: all tracks get a synthetic genre by it.

    Raises
    ------
    GenreSparkError
        As the command of the same name: each kind is described in ``docs/operations.md``.

    Examples
    --------
    >>> clusters = genre_spark.cluster(spark, tracks, "mine/1", settings={"k_max": 12})
    >>> clusters.manifest.kind
    'clusters'
    >>> 11 <= len(clusters.manifest.scoring.synthetic.names) <= 12
    True
    """
    require_classic(spark, "cluster")
    with borrowed(spark):
        wanted, source = load_settings(given=settings), _source(tracks, dataset)
        earlier = open_model(spark, previous, settings) if previous else None
        request = cluster_pipeline.ClusterRequest(source, output, wanted, None, earlier)
        cluster_pipeline.run(spark, request, plainly(report_progress))
        return open_model(spark, output, settings)


def train(  # noqa: PLR0913 - of a notebook, by keyword
    spark: SparkSession,
    tracks: DataFrame,
    clusters: str,
    output: str,
    *,
    dataset: str | Dataset | None = None,
    settings: Mapping[str, Any] | None = None,
    report_progress: Callable[[str], None] = logger.info,
) -> Bundle:
    """Trains, calibrates, evaluates and exports the CNN on the tracks that have a genre.

    Parameters
    ----------
    clusters : str
        A bundle made by `cluster`, by path or name.
    spark, tracks, output, dataset, settings, report_progress
        As of `cluster`.

    Returns
    -------
    Bundle
        A full bundle: all tracks get a genre too. ``bundle.manifest.genres`` has its accuracy.

    Examples
    --------
    It takes minutes; ``docs/notebook.md`` has a short one, which is run.

    >>> model = genre_spark.train(spark, tracks, "mine/1", "mine/2")  # doctest: +SKIP
    >>> model.manifest.genres.protocols["new"].accuracy  # doctest: +SKIP
    0.867
    """
    require_classic(spark, "train")
    with borrowed(spark):
        wanted, source = load_settings(given=settings), _source(tracks, dataset)
        base = open_model(spark, clusters, settings)
        train_pipeline.run(spark, Request(source, base, output, wanted), plainly(report_progress))
        return open_model(spark, output, settings)


def suggest(  # noqa: PLR0913 - of a notebook, by keyword
    spark: SparkSession,
    tracks: DataFrame,
    bundle: Bundle | str,
    *,
    number: int = 50,
    answers: Mapping[str, str] | None = None,
    dataset: str | Dataset | None = None,
    settings: Mapping[str, Any] | None = None,
) -> DataFrame:
    """Chooses the most informative tracks to label, each of another artist.

    Parameters
    ----------
    bundle : Bundle or str
        What `cluster`, `train` or `open_model` gave, or its path or name.
    number : int
        Tracks at most.
    answers : mapping of str to str, optional
        Genres by ``track_id``; ``?`` for a track that nobody can label.
    spark, tracks, dataset, settings
        As of `cluster`.

    Returns
    -------
    DataFrame
        The columns of the command's CSV, the most informative question first.

    Raises
    ------
    InputError
        Where answers are of other tracks, or there is nothing left to ask.

    Examples
    --------
    >>> genre_spark.suggest(spark, tracks.drop("genre"), "model", number=3).count()
    3
    """
    require_classic(spark, "suggest")
    with borrowed(spark):
        opened = _opened(spark, bundle, settings)
        wanted, source = load_settings(given=settings), _source(tracks, dataset)
        with scanned(spark, source, opened, wanted) as catalogue:
            found = suggest_pipeline.suggest(
                catalogue, opened, wanted, number, answers or {}, source.path
            )
        rows = [[row[name] for name in suggest_pipeline.COLUMNS] for row in found.rows]
        return spark.createDataFrame(rows, suggest_pipeline.SCHEMA)


def open_model(
    spark: SparkSession, model: str, settings: Mapping[str, Any] | None = None
) -> Bundle:
    """A verified bundle by its path, ``NAME/VERSION`` or ``NAME@alias``, of MLflow too.

    Parameters
    ----------
    spark : SparkSession
    model : str
        ``models:/NAME/VERSION`` and ``models:/NAME@alias`` are of MLflow's registry.
    settings : mapping, optional
        As of `cluster`.

    Raises
    ------
    BundleError
        Where it is not there, damaged, or not to be trusted.

    Examples
    --------
    >>> genre_spark.open_model(spark, "model").manifest.kind
    'full'
    """
    wanted = load_settings(given=settings).models
    return registry.open_bundle(lambda: spark, model, wanted.registry)


def score(
    spark: SparkSession,
    tracks: DataFrame,
    bundle: Bundle | str,
    *,
    explain: bool = False,
    dataset: str | Dataset | None = None,
    settings: Mapping[str, Any] | None = None,
) -> DataFrame:
    """Labels every track; nothing is written.

    Parameters
    ----------
    bundle : Bundle or str
        What `cluster`, `train` or `open_model` gave, or its path or name.
    explain : bool
        Whether to say why, in two more columns.
    spark, tracks, dataset, settings
        As of `cluster`.

    Returns
    -------
    DataFrame
        One row per accepted track, with the columns of the labelled catalogue. The catalogue is
        checked by its gates at once; labels are computed each time Spark runs the DataFrame:
        cache it, or write it, to use it twice. Rows that `quarantine` gives are not in it.

    Raises
    ------
    GateError
        Where too many rows are bad, or the catalogue is too unlike the model's.

    Examples
    --------
    >>> labelled = genre_spark.score(spark, tracks, "model")
    >>> labelled.count() == tracks.count()
    True
    >>> labelled.columns[:3]
    ['track_id', 'synthetic_genre_id', 'synthetic_genre']
    """
    with borrowed(spark):
        opened = _opened(spark, bundle, settings)
        wanted, source = load_settings(given=settings), _source(tracks, dataset)
        with scanned(spark, source, opened, wanted) as catalogue:
            distributions.check_drift(opened.profile, catalogue, wanted.drift, source.path)
            shared_out = job.Tracks.sampled(catalogue, wanted.scoring.max_group)
            # What is released at the end of the block is computed again when Spark needs it.
            return job.labelled(shared_out, opened, now(), explain).drop(*job.PASSED)


def quarantine(
    spark: SparkSession,
    tracks: DataFrame,
    bundle: Bundle | str,
    *,
    dataset: str | Dataset | None = None,
    settings: Mapping[str, Any] | None = None,
) -> DataFrame:
    """The rows that `score` leaves out, whole, each with its ``_reasons``.

    Parameters
    ----------
    spark, tracks, bundle, dataset, settings
        As of `score`; how many rows may be bad plays no part.

    Examples
    --------
    >>> bad = tracks.limit(1).withColumn("track_id", F.lit(None).cast("string"))
    >>> genre_spark.quarantine(spark, tracks.union(bad), "model").select("_reasons").first()
    Row(_reasons=['missing:track_id'])
    """
    with borrowed(spark):
        opened = _opened(spark, bundle, settings)
        wanted = load_settings(given={**(settings or {}), "max_quarantined": 1.0})
        needed = opened.manifest.scoring.scaler
        with open_catalogue(spark, _source(tracks, dataset), wanted.catalog, needed) as catalogue:
            return catalogue.quarantined


def _source(tracks: DataFrame, dataset: str | Dataset | None) -> Source:
    mapping = dataset if isinstance(dataset, Dataset) else load_dataset(dataset)
    return Source("the DataFrame of tracks", mapping, loaded=tracks)


def _opened(
    spark: SparkSession, bundle: Bundle | str, settings: Mapping[str, Any] | None
) -> Bundle:
    return bundle if isinstance(bundle, Bundle) else open_model(spark, bundle, settings)
