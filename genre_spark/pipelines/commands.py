"""What the commands do, on an open session."""

import logging
import tempfile
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from genre_spark import __version__, versions
from genre_spark.bundle import files, store
from genre_spark.bundle.catalogue_profile import LabelProfile, Profile
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest, ScoringPart, model_id
from genre_spark.catalog import sampling
from genre_spark.catalog.catalogue import Catalogue, Source, open_catalogue
from genre_spark.classifier import training_set
from genre_spark.classifier.training_set import Sample
from genre_spark.clustering import discover
from genre_spark.config import Settings
from genre_spark.monitoring import distributions
from genre_spark.platform import atomic_directory
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.progress import Say, plainly
from genre_spark.publishing import run
from genre_spark.publishing.run import Order
from genre_spark.reporting import model_card
from genre_spark.schema import ARTIST, GENRE, TITLE, TRACK_ID
from genre_spark.scoring import job

logger = logging.getLogger(__name__)
_log = plainly(logger.info)


def cluster(
    spark: SparkSession,
    source: Source,
    output: str,
    settings: Settings,
    labels: str | None = None,
    previous: str | None = None,
    say: Say = _log,
    run_id: str | None = None,
) -> dict[str, Any]:
    """Discovers synthetic genres and writes a clusters bundle.

    Parameters
    ----------
    spark : SparkSession
    source : Source
    output : str
        Directory of the new bundle.
    settings : Settings
    labels : str, optional
        Where to publish the catalogue labelled with them.
    previous : str, optional
        An earlier bundle, whose ids and names are kept where synthetic genres are the same.
    say : callable
        Told in one line what is being done.
    run_id : str, optional
        Of the labelled catalogue.

    Returns
    -------
    dict
        The summary.
    """
    store.check_absent(spark, output)
    earlier = store.open_bundle(spark, previous) if previous else None
    if labels:
        gap = settings.publishing.allow_gap
        atomic_directory.check_target(
            storage_of(spark, labels), labels, [source.path, output], allow_gap=gap
        )
    say(f"reading {source.path}")
    with open_catalogue(spark, source, settings.catalog) as catalogue:
        n_tracks = catalogue.counts.accepted
        say(f"discovering synthetic genres of {n_tracks:,} tracks", n_tracks)
        manifest, profile = _discover(catalogue, source, settings, earlier)
        with store.new_bundle(spark, output) as folder:
            files.write_files(folder, manifest, profile, model_card.render(manifest))
            made = replace(files.load(folder), path=Path(output))
        summary = _summary(manifest, output)
        if labels:
            say(f"labelling into {labels}", n_tracks)
            order = Order(source, made, labels, settings, run_id=run_id)
            summary["labels"] = run.publish_labels(spark, catalogue, order)
    return summary


def train(
    spark: SparkSession,
    source: Source,
    clusters: str,
    output: str,
    settings: Settings,
    say: Say = _log,
) -> dict[str, Any]:
    """Trains the network on the labelled sample and writes a full bundle; see `cluster`."""
    from genre_spark.classifier import export
    from genre_spark.evaluation import training

    store.check_absent(spark, output)
    base = store.open_bundle(spark, clusters)
    space = base.manifest.scoring.space
    say(f"reading {source.path}")
    with open_catalogue(spark, source, settings.catalog, space.features) as catalogue:
        labelled = _labelled(catalogue, base, settings)
        say(f"learning {len(labelled.classes)} genres from {len(labelled):,} labelled tracks")
        trained = training.train(labelled, settings, say)
        with store.new_bundle(spark, output) as folder:
            say("exporting the network")
            export.export(
                trained.model, tuple(labelled.contexts), folder, labelled.tensor()[:_PROBE]
            )
            part = training.genre_part(trained, labelled, settings)
            onnx = (folder / files.ONNX).read_bytes()
            manifest = _manifest(
                base.manifest.scoring.model_copy(update={"genres": part}),
                onnx,
                settings,
                left_out=base.manifest.left_out,
                data=_data(catalogue, source),
                clusters=base.manifest.clusters,
                genres=trained.report,
            )
            n_tracks = catalogue.counts.accepted
            say(f"labelling {n_tracks:,} tracks, to know what is usual", n_tracks)
            made = Bundle(folder, manifest, onnx, base.profile)
            profile = _profile(spark, catalogue, made, settings.scoring.max_artist)
            files.write_files(folder, manifest, profile, model_card.render(manifest))
            files.load(folder, kind="full")
    return _summary(manifest, output)


def evaluate(
    spark: SparkSession,
    source: Source,
    clusters: str,
    output: str,
    settings: Settings,
    n_seeds: int,
    with_ablations: bool = True,
    say: Say = _log,
) -> dict[str, Any]:
    """Studies the network on the labelled sample and publishes what was found; see `cluster`.

    Parameters
    ----------
    n_seeds : int
        Splits of each protocol, at least 1.
    with_ablations : bool
        Whether the network is also fitted without each of its parts.
    """
    from genre_spark.evaluation import cross_validation
    from genre_spark.reporting import study_report

    storage = storage_of(spark, output)
    gap = settings.publishing.allow_gap
    path = atomic_directory.check_target(
        storage, output, [source.path, clusters], atomic_directory.STUDY, allow_gap=gap
    )
    base = store.open_bundle(spark, clusters)
    # Held from the start: a study is long, and a second one should be told at once.
    with atomic_directory.publishing(storage, path) as target:
        say(f"reading {source.path}")
        with open_catalogue(
            spark, source, settings.catalog, base.manifest.scoring.space.features
        ) as catalogue:
            labelled = _labelled(catalogue, base, settings)
            content = {
                "genre_spark_version": __version__,
                "created_at": datetime.now(UTC).isoformat(timespec="seconds"),
                "clusters": base.manifest.model_id,
                "data": _data(catalogue, source),
                **cross_validation.run(labelled, settings, n_seeds, say, with_ablations),
                "settings": settings.model_dump(),
            }
        with tempfile.TemporaryDirectory(prefix="genre-spark-") as folder:
            study_report.write(content, Path(folder) / "study")
            storage.upload(Path(folder) / "study", target.staging)
        atomic_directory.write_manifest(storage, target, content, atomic_directory.STUDY)
    return {"path": output, **content}


def score(
    spark: SparkSession,
    source: Source,
    model: str,
    output: str,
    settings: Settings,
    say: Say = _log,
    incremental: bool = False,
    dry_run: bool = False,
    run_id: str | None = None,
) -> dict[str, Any]:
    """Labels every track of a catalogue and publishes the result; see `cluster` and `Order`."""
    opened = store.open_bundle(spark, model)
    gap = settings.publishing.allow_gap
    atomic_directory.check_target(
        storage_of(spark, output), output, [source.path, model], allow_gap=gap
    )
    say(f"reading {source.path}")
    needed = opened.manifest.scoring.space.features
    with open_catalogue(spark, source, settings.catalog, needed) as catalogue:
        n_tracks = catalogue.counts.accepted
        say(f"labelling {n_tracks:,} tracks with model {opened.manifest.model_id}", n_tracks)
        order = Order(source, opened, output, settings, incremental, dry_run, run_id)
        return run.publish_labels(spark, catalogue, order)


def report(
    spark: SparkSession | None,
    model: str,
    labels: str | None,
    output: str,
    pictures: str | None = None,
    allow_gap: bool = False,
) -> dict[str, Any]:
    """Writes the HTML page on a bundle and, if given, on a catalogue that was labelled with it.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed for paths that only Hadoop can reach.
    model : str
        A bundle of either kind.
    labels : str, optional
        A labelled catalogue.
    output : str
        The page; a file of an earlier report is replaced.
    pictures : str, optional
        A directory for the same pictures as PNG files.
    allow_gap : bool
        Let it be on an object store too; see `publish.check_target`.

    Raises
    ------
    InputError
        Where `labels` is not a labelled catalogue.
    OutputError
        Where `pictures` holds anything but pictures of an earlier report.
    """
    from genre_spark.reporting import export as gallery
    from genre_spark.reporting.page import compose

    opened = store.open_bundle(spark, model)
    manifest = (
        atomic_directory.require_manifest(storage_of(spark, labels), labels) if labels else None
    )
    if pictures:
        storage = storage_of(spark, pictures)
        taken = [path for path in (model, labels, output) if path]
        directory = gallery.check_target(storage, pictures, taken, allow_gap)
    page = compose(opened, manifest)
    storage_of(spark, output).write_text(output, page.html)
    summary = {"report": output}
    if pictures:
        gallery.write(storage, directory, page.answers.values())
        summary["pictures"] = pictures
    return summary


# Tracks on which the exported network is compared with Keras.
_PROBE = 5000
_TRACKS_PER_PARTITION = 50_000


def _discover(
    catalogue: Catalogue, source: Source, settings: Settings, previous: Bundle | None
) -> tuple[Manifest, Profile]:
    n_tracks = catalogue.counts.accepted
    size = max(settings.clustering.sample_size, sampling.ENOUGH)
    needed = (TRACK_ID, ARTIST, TITLE, GENRE, *catalogue.features)
    tracks = _in_order(catalogue.tracks.select(*needed), n_tracks).persist()
    is_drawn = sampling.enough(n_tracks, size)
    drawn = _in_order(tracks.filter(is_drawn), min(n_tracks, size)).persist()
    try:
        found = discover.survey(tracks, drawn, catalogue.features, settings, previous)
        unused = tuple(name for name in catalogue.features if name not in found.space.features)
        manifest = _manifest(
            ScoringPart(space=found.space, synthetic=found.synthetic, genres=None),
            None,
            settings,
            left_out=(*catalogue.left_out, *unused),
            data=_data(catalogue, source),
            clusters=found.discovery,
            genres=None,
        )
        sizes = {genre.name: genre.size for genre in found.discovery.synthetic_genres}
        return manifest, Profile(
            tracks=n_tracks,
            features=distributions.feature_profiles(drawn, found.space.features),
            labels=LabelProfile(synthetic_genres=sizes),
        )
    finally:
        drawn.unpersist()
        tracks.unpersist()


def _in_order(tracks: DataFrame, n_tracks: int) -> DataFrame:
    """The tracks, the same ones in each partition in the same order.

    How a table is cut into partitions hangs on the machine and its settings, and what is fitted
    hangs, in its last digits and in KMeans's first centroids, on the partitions.
    """
    n_partitions = -(-n_tracks // _TRACKS_PER_PARTITION)
    return tracks.repartition(n_partitions, TRACK_ID).sortWithinPartitions(TRACK_ID)


def _profile(spark: SparkSession, catalogue: Catalogue, made: Bundle, max_artist: int) -> Profile:
    """The catalogue, and what the new model makes of it."""
    now, n = made.manifest.created_at, catalogue.counts.accepted
    features = distributions.feature_profiles(catalogue.drawn, made.manifest.scoring.space.features)
    with job.labelling(spark, catalogue.tracks, n, made, now, max_artist) as labelled:
        labels = distributions.label_profile(labelled)
    return Profile(tracks=n, features=features, labels=labels)


def _manifest(
    part: ScoringPart, onnx: bytes | None, settings: Settings, **content: Any
) -> Manifest:
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


def _labelled(catalogue: Catalogue, base: Bundle, settings: Settings) -> Sample:
    return training_set.collect(
        catalogue.tracks,
        base.manifest.scoring,
        catalogue.groups,
        settings.training,
        settings.seed,
    )


def _data(catalogue: Catalogue, source: Source) -> dict[str, Any]:
    return {"source": source.path, "rows": asdict(catalogue.counts)}


def _summary(manifest: Manifest, output: str) -> dict[str, Any]:
    summary = {
        "bundle": output,
        "kind": manifest.kind,
        "model_id": manifest.model_id,
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
    if found.change:
        summary["change"] = found.change.model_dump()
    if manifest.genres:
        summary["genres"] = manifest.genres
    return summary
