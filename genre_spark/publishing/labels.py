"""Publishes a labelled catalogue: labels, quarantine and manifest, reconciled before the switch."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark._model import Count, StrictModel, now
from genre_spark.bundle.files import Bundle
from genre_spark.catalog.catalogue import Catalogue, Source
from genre_spark.catalog.reader import REASONS
from genre_spark.catalog.row_counts import check_gate, check_quotes
from genre_spark.catalog.rows import GatedRows
from genre_spark.catalog.source_files import reading
from genre_spark.catalog.validation import DUPLICATE
from genre_spark.config import Settings
from genre_spark.errors import GateError
from genre_spark.monitoring import distributions, drift
from genre_spark.monitoring.finished_run import Facts, Labelled
from genre_spark.platform import atomic_directory
from genre_spark.publishing import writer
from genre_spark.publishing.destination import Destination, destination_of
from genre_spark.publishing.manifest import (
    Incremental,
    LabelledRows,
    Labels,
    Manifest,
    Model,
    Published,
    Run,
)
from genre_spark.publishing.manifest import Source as LabelledSource
from genre_spark.publishing.writer import Staged
from genre_spark.schema import TRACK_ID, labelled_columns
from genre_spark.scoring import job, worker
from genre_spark.versions import scoring_software

logger = logging.getLogger(__name__)

# Rows with the same label, if the model is the same.
_KEY = [TRACK_ID, "input_hash"]


class Changes(StrictModel):
    """Tracks that a new catalogue adds, removes, labels otherwise, and leaves as they are."""

    added: Count
    removed: Count
    relabelled: Count
    unchanged: Count


def _changes(labelled: DataFrame, published: DataFrame) -> Changes:
    """Compares a new catalogue with the published one."""
    label = F.struct("synthetic_genre_id", "genre").alias("label")
    before = published.select(TRACK_ID, label).withColumnRenamed("label", "before")
    both = labelled.select(TRACK_ID, label).join(before, on=TRACK_ID, how="full")
    is_new, is_old = F.col("label").isNotNull(), F.col("before").isNotNull()
    same = F.col("label").eqNullSafe(F.col("before"))
    (counted,) = both.agg(
        F.count_if(is_new & ~is_old).alias("added"),
        F.count_if(~is_new & is_old).alias("removed"),
        F.count_if(is_new & is_old & ~same).alias("relabelled"),
        F.count_if(same).alias("unchanged"),
    ).collect()
    return Changes(**counted.asDict())


@dataclass(frozen=True)
class LabelRequest:
    """What is to be labelled, with what, and where to.

    `incremental`: Keep the published labels that still hold.
    `dry_run`: Do all but publish.
    `run_id`: 12 hexadecimal digits; None for one of its own.
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
class PublishedLabels:
    """What `publish_labels` did.

    `published`: False for a dry run.
    `changes`: Of a dry run over a published catalogue.
    """

    path: str
    published: bool
    manifest: Manifest
    replaces: Published | None
    changes: Changes | None

    @property
    def facts(self) -> Facts:
        """The same for monitoring."""
        found = self.manifest
        made = Labelled(self.path, found.columns, found.rows.labelled)
        return Facts(
            source=found.source.path,
            source_version=found.source.version,
            model=found.model.path,
            published=(made,) if self.published else (),
            model_id=found.model_id,
            rows=found.rows,
            labels=found.labels,
            drift=found.drift,
        )

    def summary(self) -> dict[str, Any]:
        """The same for machines: the manifest without its list of files, and the rest."""
        manifest = self.manifest.model_dump(
            mode="json", by_alias=True, exclude={"made_by", "files"}
        )
        changes = {"changes": self.changes.model_dump()} if self.changes else {}
        replaces = self.replaces.model_dump() if self.replaces else None
        return {
            "path": self.path, "published": self.published, "replaces": replaces,
            **changes, **manifest,
        }  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Run(LabelRequest):
    """A request in progress: what its steps share."""

    catalogue: Catalogue
    target: Destination
    scored_at: str
    started: float


def publish_labels(
    spark: SparkSession, catalogue: Catalogue, request: LabelRequest
) -> PublishedLabels:
    """Labels a catalogue into a directory that readers see whole, old or new.

    Raises `OutputError` if the output is busy, unsafe, or cannot be written. Raises `GateError` if
    the catalogue is too unlike the model's, or too many rows are bad; nothing is published then.
    Raises `GenreSparkError` if rows are not accounted for; nothing is published then.

    `catalogue`: Open, validated for the bundle's features.
    `request`: Its output has passed `Destination.check`.
    """
    output = destination_of(spark, request.output, request.settings)
    with output.publishing(not request.dry_run, request.run_id) as target:
        old = target.old
        started = time.monotonic()
        run = _Run(
            **vars(request), catalogue=catalogue, target=target, scored_at=now(), started=started
        )
        manifest, staged = _stage(run)
        target.complete(manifest, staged.table)
        changes = None
        if request.dry_run and old:
            with reading(f"{request.output}: the published catalogue cannot be read"):
                published = target.published(request.columns)
                changes = _changes(staged.table, published)
    return PublishedLabels(request.output, not request.dry_run, manifest, old, changes)


def _stage(run: _Run) -> tuple[Manifest, Staged]:
    """Stages everything but the manifest, and builds that."""
    _check_shrink(run, run.catalogue.n_rows)
    profile, limits = run.bundle.profile, run.settings.drift
    drifted = distributions.check_drift(profile, run.catalogue, limits, run.source.path)
    staged, facts, because = _stage_labels(run)
    _check_shrink(run, staged.content.rows)
    counts = _stage_quarantine(run, staged)
    rows = LabelledRows(
        **dict(counts),
        **facts,
        labelled=counts.accepted,
        imputed=staged.imputed,
        quarantined=counts.n_quarantined,
    )
    return _manifest(run, staged, rows, drifted, because), staged


def _manifest(
    run: _Run, staged: Staged, rows: LabelledRows, drifted: drift.Drift, because: str | None
) -> Manifest:
    """What there is to say of a run once everything else is staged."""
    source, bundle = run.source, run.bundle
    run_id, old = run.target.run_id, run.target.old.manifest if run.target.old else None
    reasons = {"reasons": distributions.reasons(staged.table)} if run.explain else {}
    version = {} if source.version is None else {"version": source.version}
    ids = {one.scored_at: one.run_id for one in (old.runs if old else ())} | {run.scored_at: run_id}
    return Manifest(
        made_by=atomic_directory.MADE_BY,
        run_id=run_id,
        scored_at=run.scored_at,
        model_id=bundle.manifest.model_id,
        model=Model(path=bundle.source, created_at=bundle.manifest.created_at),
        source=LabelledSource(
            path=source.path,
            format=source.fmt,
            dataset=source.dataset,
            fingerprint=rows.fingerprint,
            **version,
        ),
        software=scoring_software(),
        incremental=Incremental(asked=run.incremental, in_full_because=because),
        # The latest first: more than one after incremental scoring.
        runs=tuple(
            Run(run_id=ids.get(at), scored_at=at, tracks=n)
            for at, n in sorted(staged.scored_at.items(), reverse=True)
        ),
        rows=rows,
        checksum=staged.content.checksum,
        schema=run.columns,
        labels=Labels(**dict(staged.labels), **reasons),
        drift=drift.with_labels(drifted, drift.of_labels(bundle.profile.labels, staged.labels)),
        settings=run.settings,
        finished_at=now(),
        seconds=round(time.monotonic() - run.started, 1),
        files={},  # listed where it is written
    )


def _check_shrink(run: _Run, n_tracks: int) -> None:
    """Stops where so few tracks would replace many, as after an export that broke off.

    Raises `GateError`.
    """
    old, most = run.target.old, run.settings.publishing.max_shrink
    before = old.manifest.rows.labelled if old and old.manifest else 0
    if before and n_tracks < (1 - most) * before:
        raise GateError(
            f"{run.source.path}: {n_tracks:,} tracks would replace the {before:,} in"
            f" {run.output}: {1 - n_tracks / before:.0%} would be gone, the limit is {most:.0%}. If that"
            " is meant, give --allow-shrink, or --set max_shrink=SHARE"
        )


def _stage_labels(run: _Run) -> tuple[Staged, dict[str, Any], str | None]:
    """Writes and verifies the labels; facts on the tracks; why an incremental run scored them all."""
    bits = job.missing_bits(run.bundle.manifest.scoring.scaler.features)
    lacking = F.col(worker.MISSING)
    # Over all tracks, of columns that are not published.
    wanted = {
        **{f"missing_{n}": F.count_if(lacking.bitwiseAND(bit) != 0) for n, bit in bits},
        "without_features": F.count_if(lacking == sum(bit for _, bit in bits)),
        "with_genre": F.count_if(worker.HAS_GENRE),
        "ambiguous": F.count_if(worker.IS_AMBIGUOUS),
        "fingerprint": F.lower(F.hex(F.bit_xor(worker.OWN_HASH))),
    }
    with (
        _labels(run) as (table, hashes, because),
        reading(f"{run.source.path}: cannot be read any more"),
    ):
        counted = {} if hashes is not None else wanted
        staged = writer.stage_labels(
            table,
            run.target.staging,
            run.catalogue.n_rows,
            run.columns,
            counted,
            run.settings.publishing,
        )
        found = staged.facts if hashes is None else writer.aggregate(hashes, wanted)
    missing = {name: n for name, _ in bits if (n := found.pop(f"missing_{name}"))}
    return staged, {**found, "missing": missing, "fingerprint": found["fingerprint"] or ""}, because


def _stage_quarantine(run: _Run, staged: Staged) -> GatedRows:
    """Writes the rows that were not labelled, with their reasons; holds all rows to the gates.

    Where every row was labelled there is nothing to look for.
    """
    catalogue, path = run.catalogue, run.source.path
    read, labelled = catalogue.n_rows, staged.content.rows
    rows = catalogue.quarantined if labelled < read else catalogue.none_quarantined
    rows, verify = run.target.storable(rows), run.settings.publishing.verify
    columns = (*catalogue.source.names, REASONS)
    with reading(f"{path}: cannot be read any more"):
        n_written, reasons = writer.stage_quarantine(
            rows, columns, run.target.quarantine, run.target.hide_quarantine, verify
        )
    writer.reconcile(read, labelled, n_written)
    counts = GatedRows(
        read=read,
        accepted=labelled,
        duplicates=reasons.get(DUPLICATE, 0),
        reasons=reasons,
        values=catalogue.sample.values,
    )
    check_quotes(catalogue.validated, counts, path)
    check_gate(counts, run.settings.catalog.max_quarantined, path)
    return counts


@contextmanager
def _labels(run: _Run) -> Iterator[tuple[DataFrame, DataFrame | None, str | None]]:
    """The labelled catalogue; of an incremental run, with published labels that still hold.

    With it come the hashes of all tracks, if some labels are reused (else facts can be counted in
    the labels), and why an incremental run scores everything.
    """
    tracks = job.Tracks.sampled(run.catalogue, run.settings.scoring.max_group)
    label = partial(job.labelled, tracks, run.bundle, run.scored_at, run.explain)
    published: DataFrame | str | None = None
    if run.incremental:
        read = partial(run.target.published, run.columns)
        published = reusable(read, run.target.old, scoring_software(), run.columns)
    if not isinstance(published, DataFrame):
        if published:
            logger.warning("%s: scored in full: %s", run.output, published)
        yield label(), None, published
        return
    with _split(tracks, run.bundle, published) as (reused, others, hashes):
        rescored = label(only=others).drop(*job.PASSED)
        yield reused.unionByName(rescored), hashes, None


@contextmanager
def _split(
    tracks: job.Tracks, bundle: Bundle, published: DataFrame
) -> Iterator[tuple[DataFrame, DataFrame, DataFrame]]:
    """Compares the tracks with a published catalogue, for as long as the block lasts.

    A label depends on the model, on the software, and on what ``input_hash`` is taken over: the
    track and, where the model relates an artist's tracks, all tracks of its artist group. A row
    whose model, software and hash are the present ones is what a full run would give, up to
    ``scored_at``. Yields the published rows that still hold, with all their columns; `TRACK_ID` of
    all other tracks; and `job.input_hashes`, persisted.
    """
    hashes = job.input_hashes(tracks, bundle).persist()
    keys = hashes.select(*_KEY)
    try:
        same_model = published.filter(F.col("model_id") == bundle.manifest.model_id)
        reused = same_model.join(keys, on=_KEY, how="left_semi").select(*published.columns)
        rescored = keys.join(same_model, on=_KEY, how="left_anti").select(TRACK_ID)
        yield reused, rescored, hashes
    finally:
        hashes.unpersist()


def reusable(
    read: Callable[[], DataFrame],
    old: Published | None,
    software: Mapping[str, str],
    columns: Mapping[str, str],
) -> DataFrame | str:
    """A published catalogue whose rows may be reused; else the reason why not.

    `read`: Gives the published catalogue, which is locked meanwhile.
    `software`: Present versions: other ones may compute other labels.
    """
    if old is None:
        return "there is no catalogue yet"
    if old.manifest is None or old.manifest.software != software:
        return "other versions of the software made the published catalogue"
    if old.manifest.columns != columns:
        return "the published catalogue has other columns"
    try:
        published = read()
        writer.check_types(published.schema, columns)
        found = writer.count(published)
    except Exception as err:  # whatever is wrong with it, all labels can be computed
        return f"the published catalogue cannot be read ({type(err).__name__})"
    if found.checksum != old.manifest.checksum:
        return "the published catalogue is not what its manifest says"
    return published
