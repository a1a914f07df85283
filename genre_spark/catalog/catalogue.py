"""Where a catalogue stands; opens it for a job: read, mapped, validated, counted, held to the gates."""

import functools
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from genre_spark.catalog import known_tables, reader, row_counts, text_files, validation
from genre_spark.catalog.encodings import refuse_encoding
from genre_spark.catalog.reader import Mapped
from genre_spark.catalog.rows import GatedRows, RowCounts
from genre_spark.catalog.source_files import (
    CSV,
    JSON,
    LOGGED,
    ORC,
    PARQUET,
    SourceFiles,
    log_reader,
    logged_format,
    reading,
)
from genre_spark.config import CatalogSettings
from genre_spark.errors import ConfigError, GateError, InputError
from genre_spark.platform.session import is_classic, is_small
from genre_spark.schema import ARTIST, FEATURE_NAMES, FEATURE_SOURCE, GROUPS
from genre_spark.source import Dataset

if TYPE_CHECKING:
    from genre_spark.features.feature_sources import FeatureSources
    from genre_spark.features.scaling import FeatureScaler

logger = logging.getLogger(__name__)

# Share of a feature's values that lie within those of the model's own catalogue, if it is like them.
_INSIDE = 0.95
_COLUMNAR = (PARQUET, ORC, *LOGGED)
# Bytes of a table whose rows are compared whole: looking for repeated ids takes a job of its own.
_FEW = 4 * 2**20


@dataclass(frozen=True)
class Source:
    """Where a catalogue stands and how it is read."""

    path: str  # For a table that is loaded already, what messages call it.
    dataset: Dataset
    fmt: str | None = None
    loaded: DataFrame | None = None  # The table, where somebody else has read it.
    version: int | None = None  # Of a table with a log; None for the newest.
    # With which the reader of a log reaches it.
    storage_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def _given(self) -> str:
        """The format that was named, or that a log shows."""
        return self.fmt or self.dataset.format or logged_format(self.path)

    def at_version(self) -> "Source":
        """The same table, of which a later commit changes nothing.

        Raises `ConfigError` if a version is asked for of a table that has none, and `InputError` if a table
        with a log cannot be read, or has no such version.
        """
        if by_log := log_reader(self._given):
            table = by_log.open_table(self.path, self.storage_options, self.version)
            return replace(self, fmt=self._given, version=table.version())
        if self.version is not None:
            raise ConfigError(
                f"{self.path}: catalog.version={self.version} is of tables in {', '.join(LOGGED)}; this is none"
            )
        return self

    def is_small(self, *most: int) -> bool:
        """As `session.is_small`; a table that somebody else has read may have any size."""
        return self.loaded is None and is_small(self.path, *most)

    def read(self, spark: SparkSession) -> DataFrame:
        """The table as it stands."""
        if self.loaded is not None:
            return self.loaded
        if by_log := log_reader(self._given):
            with reading(f"{self.path}: cannot be read as {self._given}"):
                rows: DataFrame = by_log.read(spark, self.path, self.storage_options, self.version)
                return rows
        return reader.read(spark, self.path, self.dataset, self.fmt)

    def format(self, spark: SparkSession) -> str:
        """Spark's name of the table's format; empty where somebody else has read it."""
        if self.loaded is not None:
            return ""
        return self._given or SourceFiles.of(spark, self.path).format()

    def is_columnar(self, spark: SparkSession) -> bool:
        """Whether it is files of columns, which are read again in less time than kept."""
        return self.format(spark) in _COLUMNAR


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue."""

    # See `validation.validate`; read again each time where that is quick and the table large.
    validated: DataFrame
    repeated: validation.RepeatedIds | None  # None where all rows were compared.
    features: tuple[str, ...]  # What the rows were validated for.
    left_out: tuple[str, ...]  # Audio features and extras that the catalogue lacks.
    groups: tuple[str, ...]  # Context groups that the catalogue has.
    source: T.StructType  # Columns of the source, as quarantined rows have them.
    owner: str = ARTIST  # Column whose tracks are related.
    # By which features of several sources were made comparable.
    sources: "FeatureSources | None" = None

    @cached_property
    def counts(self) -> RowCounts:
        """Row counts, of all rows."""
        return row_counts.count(self.validated)

    @cached_property
    def sample(self) -> row_counts.Sample:
        """Rows on the driver; all of them where they are few."""
        return self._few or row_counts.collect(
            self.validated, self.n_rows, self.features, self.owner
        )

    @cached_property
    def n_rows(self) -> int:
        """Rows of the source."""
        if self.repeated:
            return self.repeated.n_rows
        return self._few.rows.num_rows if self._few else self.validated.count()

    @cached_property
    def _few(self) -> row_counts.Sample | None:
        """All rows of a small table that was not counted; None where it is packed and has many."""
        if self.repeated:
            return None
        found = row_counts.collect(self.validated, None, self.features, self.owner)
        return found if found.rows.num_rows < row_counts.MOST else None

    @property
    def tracks(self) -> DataFrame:
        """The accepted tracks."""
        return validation.accepted(self.validated)

    @property
    def sampled(self) -> DataFrame:
        """As many of the tracks with features as represent all of them."""
        found = validation.with_features(self.tracks, self.features)
        return row_counts.bounded(found, self.counts.accepted - self.counts.without_features)

    def on_one_scale(self, sources: "FeatureSources | None") -> "Catalogue":
        """The same with the features of several sources made comparable, where there are several."""
        if not sources:
            return self
        return replace(self, validated=sources.apply(self.validated), sources=sources)

    @property
    def quarantined(self) -> DataFrame:
        """The quarantined rows, whole, with their reasons."""
        return validation.quarantined(self.validated)

    @property
    def none_quarantined(self) -> DataFrame:
        """The same for a table without such rows: no query has to be planned for them."""
        why = T.StructField(reader.REASONS, T.ArrayType(T.StringType()))
        none = [F.lit(None).cast(one.dataType).alias(one.name) for one in (*self.source, why)]
        # A list of no rows would be read by Python workers.
        return self.validated.sparkSession.range(0).select(*none)


@contextmanager
def open_catalogue(
    spark: SparkSession,
    source: Source,
    settings: CatalogSettings,
    scaler: "FeatureScaler | None" = None,
) -> Iterator[Catalogue]:
    """A catalogue for the time of a job, counted and checked by its gates.

    Its features are those of a bundle's `scaler`; without one, all that it has. Raises `GenreSparkError` if
    the catalogue cannot be read or mapped, or has too few good rows.
    """
    with ExitStack() as stack:
        keep = source.is_small()  # to plan its queries takes longer than to keep it
        catalogue = _opened(stack, spark, source, settings, scaler, keep)
        with reading(f"{source.path}: cannot be read"):
            counts = catalogue.counts
            check_text(spark, source, counts)
        _check_rows(source.path, catalogue, counts, settings.max_quarantined)
        yield catalogue


@contextmanager
def scan_catalogue(
    spark: SparkSession,
    source: Source,
    settings: CatalogSettings,
    scaler: "FeatureScaler",
    owner: str = ARTIST,
    ranges: Mapping[str, tuple[float, ...]] | None = None,
) -> Iterator[Catalogue]:
    """A catalogue for the time of a `score` job, checked by its gates on a sample of its rows.

    Parameters are those of `open_catalogue`; `owner` is the column whose tracks are related, `ranges`
    has the lowest, 5 %, 95 % and highest value of each feature in the model's catalogue. Raises
    `GenreSparkError` if the catalogue cannot be read or mapped, has no rows, or clearly too few good
    ones.
    """
    with ExitStack() as stack:
        catalogue = replace(_opened(stack, spark, source, settings, scaler), owner=owner)
        with reading(f"{source.path}: cannot be read"):
            sample = catalogue.sample
            check_text(spark, source, sample.counts)
        _check_rows(source.path, catalogue, sample.counts, settings.max_quarantined, sample.share)
        _check_likeness(source, catalogue, ranges or {})
        if catalogue.sources:
            catalogue.sources.warn_of_unknown(sample.tracks[FEATURE_SOURCE])
        yield catalogue


def _opened(
    stack: ExitStack,
    spark: SparkSession,
    source: Source,
    settings: CatalogSettings,
    scaler: "FeatureScaler | None",
    keep: bool = False,
) -> Catalogue:
    table = source.read(spark)
    mapped = reader.map_columns(table, source.dataset, source.path)
    with reading(f"{source.path}: cannot be read"):
        wanted = scaler.features if scaler else filled(mapped)
        left_out = _left_out(mapped, source, wanted, settings.max_imputed)
        repeated = None if source.is_small(_FEW) else validation.repeated_ids(mapped)
    keeping = None
    if is_classic(spark):
        if repeated:
            stack.callback(repeated.keys.unpersist)
        if keep or not _is_quickly_read(spark, table, source):
            keeping = functools.partial(persisted, stack)
    validated = validation.validate(mapped, wanted, settings.max_imputed, repeated, keeping)
    groups = tuple(group for group in GROUPS if group in mapped.columns)
    catalogue = Catalogue(validated, repeated, wanted, left_out, groups, mapped.source)
    return catalogue.on_one_scale(scaler.sources if scaler else None)


def check_text(spark: SparkSession, source: Source, counts: GatedRows) -> None:
    """Stops where a text table is in another encoding, or escapes quotes in another way.

    Raises `InputError`.
    """
    damaged = {name: one for name, one in counts.values.items() if one.damaged}
    if not (damaged or counts.n_malformed):
        return
    fmt = source.format(spark)
    if fmt in (CSV, JSON):
        files = SourceFiles.of(spark, source.path)
        # A line of JSON with such bytes is no JSON.
        if damaged or fmt == JSON:
            refuse_encoding(files, damaged, counts.n_malformed if fmt == JSON else 0)
        if fmt == CSV:
            text_files.refuse_escapes(files, counts.n_malformed, source.dataset.options)


def _check_rows(
    path: str, catalogue: Catalogue, counts: GatedRows, max_quarantined: float, share: int = 1
) -> None:
    """Stops where too few rows are good, or no value of a column; reports what else is odd.

    `counts` are of one in `share` rows, by which a close call is not decided.
    """
    if share == 1:
        row_counts.check_quotes(catalogue.validated, counts, path)
    row_counts.check_values(counts.values, path)
    for told in row_counts.repetitions(counts):
        logger.warning("%s: %s", path, told)
    if share == 1:
        row_counts.check_gate(counts, max_quarantined, path)
    elif counts.n_refused - 3 * math.sqrt(counts.n_refused) > max_quarantined * counts.read:
        row_counts.check_gate(counts, max_quarantined, f"{path}: 1 in {share} rows")


def _check_likeness(
    source: Source, catalogue: Catalogue, ranges: Mapping[str, tuple[float, ...]]
) -> None:
    """Stops where a feature is unlike those of known tracks and of the model's own, unless confirmed.

    Raises `GateError`, naming the feature, what it is like, and the usual causes.
    """
    odd, sample, tracks = {}, catalogue.sample, catalogue.sample.tracks
    columns = {name: tracks[name].drop_null().to_numpy() for name in catalogue.features}
    judged = known_tables.judged(columns, sample.values, source.dataset.confirmed)
    for name, values in columns.items():
        why, told = judged[name]
        if name in ranges and not known_tables.usual(name):
            why = None  # of codes, such as those of modes, ranges tell nothing
        elif name in ranges:
            least, low, high, most = ranges[name]
            inside = (values >= least) & (values <= most)
            if not values.size or (low <= np.median(values) <= high and inside.mean() >= _INSIDE):
                continue
        if why:
            odd[name] = why
        elif told:
            logger.warning("%s: %s", source.path, told)
    if odd:
        listed = "; ".join(f"{name}: {why}" for name, why in odd.items())
        raise GateError(
            f"{source.path}: unlike the tracks of known tables: {listed}. Mend the column's expression in a"
            " dataset file (genre-spark inspect --output FILE.yaml writes one), or, if these values are"
            f" right, confirm them there: confirmed: [{', '.join(odd)}]"
        )


def persisted(stack: ExitStack, rows: DataFrame) -> DataFrame:
    """Rows that are kept until the end of a block."""
    stack.callback(rows.persist().unpersist)
    return rows


def _is_quickly_read(spark: SparkSession, table: DataFrame, source: Source) -> bool:
    """Whether reading a table again takes less than keeping it, and gives the same."""
    if not source.is_columnar(spark):
        return False
    expressions = [F.expr(expression) for expression in source.dataset.columns.values()]
    # Ids by chance would be other ones each time.
    return bool(table.select(*expressions)._jdf.queryExecution().analyzed().deterministic())


def filled(mapped: Mapped, has_values: Mapping[str, bool] | None = None) -> tuple[str, ...]:
    """Features with at least one number: a column of nothing is as good as absent.

    `has_values` is `validation.has_values` of each feature, if it is known already. Raises `InputError` if
    the catalogue has no feature.
    """
    if not mapped.features:
        raise InputError(
            f"{mapped.path}: has none of the audio features {', '.join(FEATURE_NAMES)};"
            " map its columns to them in a dataset file and give that with --dataset"
        )
    if has_values is None:
        (row,) = mapped.rows.selectExpr(*map(validation.has_values, mapped.features)).collect()
        has_values = row.asDict()
    return tuple(name for name in mapped.features if has_values.get(name)) or mapped.features


def _left_out(
    mapped: Mapped, source: Source, wanted: tuple[str, ...], max_imputed: int
) -> tuple[str, ...]:
    """What the catalogue lacks; refused where it has some features, but too few columns of them.

    Of a table with no feature at all, no column was overlooked.
    """
    absent = tuple(name for name in wanted if name not in mapped.features)
    if max_imputed < len(absent) < len(wanted):
        raise InputError(
            f"{source.path}: lacks {', '.join(absent)}, which the model reads; at most"
            f" {max_imputed} may be absent. Map them in a dataset file, or allow more with --set max_imputed=N"
        )
    known = (*FEATURE_NAMES, *source.dataset.extra_features)
    unused = tuple(name for name in known if name not in wanted)
    if absent:
        logger.warning("%s: missing for every track: %s", source.path, ", ".join(absent))
    return absent + unused
