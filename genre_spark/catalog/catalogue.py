"""Opens a catalogue for a job: read, mapped, validated, counted, and checked by the gates."""

import functools
import logging
import math
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.catalog import (
    known_tables,
    reader,
    row_counts,
    sampling,
    table_format,
    text_checks,
    validation,
    value_counts,
)
from genre_spark.catalog.reader import Mapped
from genre_spark.catalog.rows import RowCounts
from genre_spark.catalog.source_table import Source
from genre_spark.config import CatalogSettings
from genre_spark.errors import GateError, InputError
from genre_spark.platform.java_options import is_small
from genre_spark.platform.session import is_classic
from genre_spark.schema import ARTIST, FEATURE_NAMES, GROUPS, feature

__all__ = [
    "Catalogue", "ScannedCatalogue", "Source", "filled", "open_catalogue", "scan_catalogue",
]  # fmt: skip

logger = logging.getLogger(__name__)

# Share of a feature's values that lie within those of the model's own catalogue, if it is like them.
_INSIDE = 0.95
_COLUMNAR = (table_format.PARQUET, table_format.ORC, table_format.DELTA)


@dataclass(frozen=True)
class ScannedCatalogue:
    """A catalogue that is about to be labelled: its rows are counted on their way.

    Attributes
    ----------
    validated : DataFrame
        As of `Catalogue`.
    n_rows : int
        Rows of the source.
    left_out : tuple of str
        As of `Catalogue`.
    path : str
        For messages.
    """

    validated: DataFrame
    n_rows: int
    sample: sampling.Sample
    left_out: tuple[str, ...]
    path: str

    @property
    def tracks(self) -> DataFrame:
        """The accepted tracks."""
        return validation.accepted(self.validated)

    @property
    def quarantined(self) -> DataFrame:
        """The quarantined rows, whole, with their reasons."""
        return validation.quarantined(self.validated)


@dataclass(frozen=True)
class Catalogue:
    """An open catalogue.

    Attributes
    ----------
    validated : DataFrame
        See `validation.validate`; read again each time where that is quick and the table large.
    features : tuple of str
        What the rows were validated for.
    left_out : tuple of str
        Audio features and extras that the catalogue lacks.
    groups : tuple of str
        Context groups that the catalogue has.
    """

    validated: DataFrame
    counts: RowCounts
    features: tuple[str, ...]
    left_out: tuple[str, ...]
    groups: tuple[str, ...]

    @property
    def tracks(self) -> DataFrame:
        """The accepted tracks."""
        return validation.accepted(self.validated)

    @property
    def sampled(self) -> DataFrame:
        """As many of the tracks with features as represent all of them."""
        found = validation.with_features(self.tracks, self.features)
        return sampling.bounded(found, self.counts.accepted - self.counts.without_features)

    def scanned(self, path: str, owner: str = ARTIST) -> ScannedCatalogue:
        """The same catalogue, to be labelled.

        Parameters
        ----------
        path : str
            For messages.
        owner : str
            Column whose tracks are related.
        """
        sample = sampling.collect(self.validated, self.counts.read, self.features, owner)
        return ScannedCatalogue(self.validated, self.counts.read, sample, self.left_out, path)

    @property
    def quarantined(self) -> DataFrame:
        """The quarantined rows, whole, with their reasons."""
        return validation.quarantined(self.validated)


@contextmanager
def open_catalogue(
    spark: SparkSession,
    source: Source,
    settings: CatalogSettings,
    needed: tuple[str, ...] | None = None,
) -> Iterator[Catalogue]:
    """A catalogue for the time of a job, counted and checked by its gates.

    Parameters
    ----------
    needed : tuple of str, optional
        Features of a bundle. Without it, all that the catalogue has are used.

    Raises
    ------
    GenreSparkError
        Where the catalogue cannot be read or mapped, or has too few good rows.
    """
    with ExitStack() as stack:
        keep = is_small(source.path)  # to plan its queries takes longer than to keep it
        opened = _opened(stack, spark, source, settings, needed, keep)
        with reader.reading(f"{source.path}: cannot be read"):
            counts = row_counts.count(opened.validated)
            text_checks.check(spark, source, counts)
        row_counts.check_quotes(opened.validated, counts, source.path)
        value_counts.check(counts.values, source.path)
        row_counts.check_gate(counts, settings.max_quarantined, source.path)
        groups = tuple(group for group in GROUPS if group in opened.mapped.columns)
        yield Catalogue(opened.validated, counts, opened.features, opened.left_out, groups)


@contextmanager
def scan_catalogue(
    spark: SparkSession,
    source: Source,
    settings: CatalogSettings,
    needed: tuple[str, ...],
    owner: str = ARTIST,
    ranges: Mapping[str, tuple[float, ...]] | None = None,
) -> Iterator[ScannedCatalogue]:
    """A catalogue for the time of a `score` job, checked by its gates on a sample of its rows.

    Parameters are those of `open_catalogue`; `owner` is the column whose tracks are related,
    `ranges` has the lowest, 5 %, 95 % and highest value of each feature in the model's catalogue.

    Raises
    ------
    GenreSparkError
        Where the catalogue cannot be read or mapped, has no rows, or clearly too few good ones.
    """
    with ExitStack() as stack:
        opened = _opened(stack, spark, source, settings, needed)
        with reader.reading(f"{source.path}: cannot be read"):
            sample = sampling.collect(opened.validated, opened.n_rows, needed, owner)
            text_checks.check(spark, source, sample.counts)
        value_counts.check(sample.values, source.path)
        _check_sample(opened, sample, settings.max_quarantined, source.path)
        _check_likeness(source, sample.tracks, needed, ranges or {})
        yield ScannedCatalogue(
            opened.validated, opened.n_rows, sample, opened.left_out, source.path
        )


@dataclass(frozen=True)
class _Opened:
    validated: DataFrame
    mapped: Mapped
    n_rows: int
    features: tuple[str, ...]
    left_out: tuple[str, ...]


def _opened(
    stack: ExitStack,
    spark: SparkSession,
    source: Source,
    settings: CatalogSettings,
    needed: tuple[str, ...] | None,
    keep: bool = False,
) -> _Opened:
    table = source.read(spark)
    mapped = reader.map_columns(table, source.dataset, source.path)
    with reader.reading(f"{source.path}: cannot be read"):
        wanted = needed or filled(mapped)
        left_out = _left_out(mapped, source, wanted, settings.max_imputed)
        repeated = validation.repeated_ids(mapped)
    if is_classic(spark):
        stack.callback(repeated.keys.unpersist)
    keep = is_classic(spark) and (keep or not _is_quickly_read(spark, table, source))
    keeping = functools.partial(persisted, stack) if keep else None
    validated = validation.validate(mapped, wanted, settings.max_imputed, repeated, keeping)
    return _Opened(validated, mapped, repeated.n_rows, wanted, left_out)


def _check_sample(
    opened: _Opened, sample: sampling.Sample, max_quarantined: float, path: str
) -> None:
    """Stops where a sample shows that too few rows are good; a close call is left to the count."""
    counts, of = sample.counts, f"{path}: 1 in {sample.share} rows"
    if sample.share == 1:
        row_counts.check_quotes(opened.validated, counts, path)
        row_counts.check_gate(counts, max_quarantined, path)
    elif counts.n_refused - 3 * math.sqrt(counts.n_refused) > max_quarantined * counts.read:
        row_counts.check_gate(counts, max_quarantined, of)


def _is_like(values: np.ndarray, found: known_tables.Spread, model: tuple[float, ...]) -> bool:
    """Whether values are like those that a model was made from."""
    least, low, high, most = model
    inside = np.mean((values >= least) & (values <= most)) if values.size else 1.0
    return found.median is None or bool(low <= found.median <= high and inside >= _INSIDE)


def _check_likeness(
    source: Source,
    tracks: pa.Table,
    features: tuple[str, ...],
    ranges: Mapping[str, tuple[float, ...]],
) -> None:
    """Stops where a feature is unlike those of known tracks and of the model's own, unless confirmed.

    Raises
    ------
    GateError
        Naming the feature, what it is like, and the usual causes.
    """
    odd = {}
    for name in features:
        values = tracks[name].drop_null().to_numpy()
        found = known_tables.spread(name, values)
        if name in ranges and _is_like(values, found, ranges[name]):
            continue
        if name not in source.dataset.confirmed and (why := known_tables.unlike(name, found)):
            odd[name] = why
        if feature(name).integer and (lost := known_tables.absent(name, values)):
            logger.warning("%s: %s", source.path, lost)
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
    """Whether reading a table again takes less than keeping it: files of columns do."""
    if source.loaded is not None:  # computing it may take any time
        return False
    expressions = [F.expr(expression) for expression in source.dataset.columns.values()]
    # Ids by chance would be other ones each time.
    mapped = table.select(*expressions)._jdf.queryExecution().analyzed()
    return source.format(spark) in _COLUMNAR and mapped.deterministic()


def filled(mapped: Mapped) -> tuple[str, ...]:
    """Features with at least one number: a column of nothing is as good as absent.

    Raises
    ------
    InputError
        Where the catalogue has no feature.
    """
    if not mapped.features:
        raise InputError(
            f"{mapped.path}: has none of the audio features {', '.join(FEATURE_NAMES)};"
            " map its columns to them in a dataset file and give that with --dataset"
        )
    (filled,) = mapped.rows.agg(*map(validation.has_values, mapped.features)).collect()
    return tuple(name for name in mapped.features if filled[name]) or mapped.features


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
            f" {max_imputed} may be absent. Map them in a dataset file, or allow more with"
            " --set max_imputed=N"
        )
    known = (*FEATURE_NAMES, *source.dataset.extra_features)
    unused = tuple(name for name in known if name not in wanted)
    if absent:
        logger.warning("%s: missing for every track: %s", source.path, ", ".join(absent))
    return absent + unused
