"""Publishes a labelled catalogue: labels, quarantine and manifest, reconciled before the switch."""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession

from genre_spark.bundle.files import Bundle
from genre_spark.catalog.catalogue import Catalogue, Source
from genre_spark.catalog.reader import reading
from genre_spark.config import Settings
from genre_spark.monitoring import distributions, drift
from genre_spark.platform import atomic_directory
from genre_spark.platform.atomic_directory import Target
from genre_spark.platform.hadoop import storage_of
from genre_spark.publishing import incremental, run_metadata, writer
from genre_spark.publishing.file_layout import Layout
from genre_spark.publishing.writer import Tally
from genre_spark.schema import labelled_columns
from genre_spark.scoring import job
from genre_spark.versions import scoring_software

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is to be labelled, with what, and where to.

    Attributes
    ----------
    source : Source
    bundle : Bundle
    output : str
    settings : Settings
    incremental : bool
        Keep the published labels that still hold.
    dry_run : bool
        Do all but publish.
    run_id : str or None
        12 hexadecimal digits; None for one of its own.
    """

    source: Source
    bundle: Bundle
    output: str
    settings: Settings
    incremental: bool = False
    dry_run: bool = False
    run_id: str | None = None

    @property
    def explain(self) -> bool:
        """Whether to say why."""
        return self.settings.scoring.explain

    @property
    def columns(self) -> dict[str, str]:
        """What the labelled catalogue consists of; see `labelled_columns`."""
        return labelled_columns(self.explain)


@dataclass(frozen=True)
class _Run:
    """An order on its way: what its steps share."""

    spark: SparkSession
    catalogue: Catalogue
    order: Order
    target: Target
    old: Mapping[str, Any] | None
    scored_at: str


@dataclass(frozen=True)
class _Staged:
    """What stands in the staging directory, read back and reconciled.

    Attributes
    ----------
    labelled : DataFrame
    tally, set_aside : Tally
        Of the labelled and of the quarantined rows.
    in_full_because : str or None
        Why an incremental run scored everything.
    """

    labelled: DataFrame
    tally: Tally
    set_aside: Tally
    in_full_because: str | None


def publish_labels(spark: SparkSession, catalogue: Catalogue, order: Order) -> dict[str, Any]:
    """Labels a catalogue into a directory that readers see whole, old or new.

    Parameters
    ----------
    spark : SparkSession
    catalogue : Catalogue
        Open, judged for the bundle's features.
    order : Order

    Returns
    -------
    dict
        The manifest; the path; whether it was ``published``; what it ``replaces``; and, of a dry
        run, the ``changes``.

    Raises
    ------
    OutputError
        Where the output is busy, unsafe, or cannot be written.
    GateError
        Where the catalogue is too unlike the model's; nothing is published then.
    GenreSparkError
        Where rows are not accounted for; nothing is published then.
    """
    storage = storage_of(spark, order.output)
    gap = order.settings.publishing.allow_gap
    path = atomic_directory.check_target(storage, order.output, [order.source.path], allow_gap=gap)
    switch = not order.dry_run
    with atomic_directory.publishing(storage, path, switch, order.run_id) as target:
        old = atomic_directory.read_manifest(storage, path)
        run = _Run(spark, catalogue, order, target, old, _now())
        manifest, staged = _work(run)
        atomic_directory.write_manifest(storage, target, manifest)
        summary = {"run_id": target.run_id, "replaces": run_metadata.replaced(old)}
        if order.dry_run and old:
            with reading(f"{path}: the published catalogue cannot be read"):
                summary["changes"] = run_metadata.changes(staged.labelled, spark.read.parquet(path))
    return {"path": order.output, "published": not order.dry_run, **summary, **manifest}


def _work(run: _Run) -> tuple[dict[str, Any], _Staged]:
    """Stages everything but the manifest, and makes that."""
    started, profile = time.monotonic(), run.order.bundle.profile
    with _reading_again(run):
        found = distributions.binned_as(profile, run.catalogue.drawn)
    shifts = {"features": drift.of_features(profile.features, found)}
    # What the features tell need not wait for the labels.
    _drifted(run, shifts)
    staged = _stage(run)
    labels = distributions.label_profile(staged.labelled)
    shifts["labels"] = drift.of_labels(profile.labels, labels)
    manifest = {
        **_origin(run, staged),
        "rows": {
            **asdict(run.catalogue.counts),
            "labelled": staged.tally.rows,
            "quarantined": staged.set_aside.rows,
        },
        "checksum": staged.tally.checksum,
        "schema": run.order.columns,
        "labels": labels.model_dump() | _reasons(run, staged),
        "drift": _drifted(run, shifts),
        "settings": run.order.settings.model_dump(),
        "finished_at": _now(),
        "seconds": round(time.monotonic() - started, 1),
    }
    return manifest, staged


def _reasons(run: _Run, staged: _Staged) -> dict[str, Any]:
    return {"reasons": distributions.reasons(staged.labelled)} if run.order.explain else {}


def _drifted(run: _Run, shifts: Mapping[str, Any]) -> dict[str, Any]:
    tracks = min(run.catalogue.counts.accepted, run.order.bundle.profile.tracks)
    limits, absent = run.order.settings.drift, run.catalogue.left_out
    judged = drift.judge(tracks, shifts, limits, absent)
    drift.check(judged, run.order.source.path)
    return judged


def _origin(run: _Run, staged: _Staged) -> dict[str, Any]:
    fingerprint = run.catalogue.counts.fingerprint
    return {
        "scored_at": run.scored_at,
        **run_metadata.origin(run.order.source, run.order.bundle, fingerprint),
        "software": scoring_software(),
        "incremental": {
            "asked": run.order.incremental,
            "in_full_because": staged.in_full_because,
        },
        "runs": run_metadata.runs(staged.labelled, run.old, run.target.run_id, run.scored_at),
    }


def _stage(run: _Run) -> _Staged:
    """Writes labels and quarantine, and reads them back."""
    layout = Layout.of(run.order.settings.publishing)
    with ExitStack() as stack:
        with _reading_again(run):
            labelled, because = stack.enter_context(_labelled(run))
        arranged = layout.arrange(labelled, run.catalogue.counts.accepted)
        tally = writer.write(arranged, run.target.staging, layout)
    quarantine = f"{run.target.staging}/{atomic_directory.QUARANTINE}"
    set_aside = writer.write(run.catalogue.quarantined, quarantine)
    atomic_directory.hide(storage_of(run.spark, run.order.output), quarantine)
    counts = run.catalogue.counts
    writer.reconcile(counts.read, counts.accepted, tally, set_aside)
    staged = writer.verify(run.spark, run.target.staging, tally, run.order.columns)
    writer.check_schema(staged, run.order.columns)
    writer.verify(run.spark, quarantine, set_aside)
    return _Staged(staged, tally, set_aside, because)


def _reading_again(run: _Run) -> AbstractContextManager[None]:
    """Tables of columns are read several times, and may be gone by then."""
    return reading(f"{run.order.source.path}: cannot be read any more")


@contextmanager
def _labelled(run: _Run) -> Iterator[tuple[DataFrame, str | None]]:
    """The labelled catalogue, and why it is made in full although it need not be, if so."""
    tracks, bundle = run.catalogue.tracks, run.order.bundle
    label = partial(
        job.labelling,
        run.spark,
        tracks,
        run.catalogue.counts.accepted,
        bundle,
        run.scored_at,
        run.order.settings.scoring.max_artist,
        run.order.explain,
    )
    with ExitStack() as stack:
        published = _published(run) if run.order.incremental else None
        if not isinstance(published, DataFrame):
            yield stack.enter_context(label()), published
            return
        part = stack.enter_context(incremental.split(tracks, bundle, published))
        yield part.carried.unionByName(stack.enter_context(label(only=part.anew))), None


def _published(run: _Run) -> DataFrame | str:
    """The published catalogue, if its labels can be kept; else why not, which is told too."""
    found = incremental.reusable(
        run.spark, run.target.path, run.old, scoring_software(), run.order.columns
    )
    if isinstance(found, str):
        logger.warning("%s: scored in full: %s", run.order.output, found)
    return found


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
