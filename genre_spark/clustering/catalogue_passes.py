"""Passes over a catalogue: variances, a sample, KMeans, and counts of synthetic genres.

Each takes the narrow table of `artist_pass.narrow`, with all tracks of an artist in one partition.
"""

import json
import logging
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from itertools import chain
from operator import add
from typing import Any

import numpy as np
import pyarrow as pa
from pyspark.ml.functions import array_to_vector
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.clustering.metric import ClusterMetric, Moments, SyntheticPart
from genre_spark.errors import InputError
from genre_spark.features.artist_batches import (
    ALBUM_KEY,
    ARTIST_KEY,
    FEATURES,
    GROUP,
    ArtistBatch,
    artist_batches,
    sorted_by_group,
)
from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.track_inputs import TrackInputs
from genre_spark.schema import GENRE, TRACK_ID

logger = logging.getLogger(__name__)

# Column of points for MLlib.
POINT = "_point"
_COUNTS = "_counts"
_READ = (GROUP, ARTIST_KEY, ALBUM_KEY, FEATURES)
# Artists that a partition reports per synthetic genre, and in all; fewer are shown.
_ARTISTS = 20
# Sampled tracks of one artist at most: the sample is to have many artists.
_MOST_OF_ARTIST = 200


@dataclass(frozen=True)
class Sample:
    """Tracks that centers can be fitted to, in random order.

    `rows`: As Spark sent them, in the order of the arrays.
    `inputs`: Statistics are of all tracks of an artist.
    `group`: Artist, in [0, n); a track without one is alone [shape=(n_tracks,), dtype=int64].
    """

    scaler: FeatureScaler
    rows: pa.Table
    inputs: TrackInputs
    group: np.ndarray

    def __len__(self) -> int:
        return len(self.group)

    @property
    def ids(self) -> np.ndarray:
        """`TRACK_ID` of each track."""
        return self.rows[TRACK_ID].to_numpy()

    @property
    def raw(self) -> np.ndarray:
        """Features [shape=(n_tracks, n_features), dtype=float64] in their units; NaN where missing."""
        flat = self.rows[FEATURES].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(self), -1).astype(np.float64)

    @property
    def genres(self) -> np.ndarray:
        """Code of each track's real genre [dtype=int64]; -1 without one."""
        codes = self.rows[GENRE].combine_chunks().dictionary_encode().indices
        return codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


@dataclass(frozen=True)
class GroupCounts:
    """Counts per synthetic genre; those of parts of a catalogue add up.

    `sums`: Tracks; sums of the scaled features; tracks that have each of them [shape=(k, 1 + 2 *
        n_scaled), dtype=float64].
    `genres`: Labelled tracks per real genre.
    `artists`: Tracks of the artists with the most tracks, by key.
    `largest`: Tracks of the largest artists that have every dimension, and sums of their points, by
        key [shape=(1 + n_dimensions,), dtype=float64].
    """

    sums: np.ndarray
    genres: list[Counter[str]]
    artists: list[Counter[int]]
    largest: dict[int, np.ndarray]

    @classmethod
    def of(cls, batch: ArtistBatch, part: SyntheticPart) -> "GroupCounts":
        """Those of a batch of complete artists, which has `GENRE` among the columns of its rows."""
        k, inputs, groups = len(part.ids), batch.inputs, batch.groups
        rows, _ = part.assign(inputs)
        scaled = inputs.scaled[rows >= 0]
        known = ~np.isnan(scaled)
        columns = [np.ones(len(scaled)), *np.nan_to_num(scaled, nan=0.0).T, *known.T]
        points = part.points(inputs).astype(np.float64)
        points = np.column_stack([np.ones(len(points)), points])
        has_place = ~np.isnan(points).any(axis=1, keepdims=True)
        of_artist = groups.sums(np.where(has_place, points, 0.0))
        keys = inputs.artist[groups.starts]
        named = np.flatnonzero((keys != 0) & (of_artist[:, 0] > 0))
        order = named[np.argsort(-of_artist[named, 0], kind="stable")][:_ARTISTS]
        return cls(
            np.stack([np.bincount(rows[rows >= 0], one, k) for one in columns], axis=1),
            _by_row(rows, batch.rows[GENRE].to_pylist(), k),
            _by_row(rows, inputs.artist.tolist(), k),
            _totals((int(keys[i]), of_artist[i]) for i in order),
        )

    def __add__(self, other: "GroupCounts") -> "GroupCounts":
        return GroupCounts(
            self.sums + other.sums,
            list(map(add, self.genres, other.genres)),
            list(map(add, self.artists, other.artists)),
            _totals(chain(self.largest.items(), other.largest.items())),
        )

    def with_few_artists(self) -> "GroupCounts":
        """The same counts, of the `_ARTISTS` artists with the most tracks only."""
        artists = [
            Counter(dict(sorted(one.items(), key=lambda own: (-own[1], str(own[0])))[:_ARTISTS]))
            for one in self.artists
        ]
        most = sorted(self.largest, key=lambda key: (-self.largest[key][0], str(key)))[:_ARTISTS]
        return GroupCounts(self.sums, self.genres, artists, {k: self.largest[k] for k in most})

    @property
    def sizes(self) -> np.ndarray:
        """Tracks of each synthetic genre [shape=(k,), dtype=int64]."""
        return self.sums[:, 0].astype(np.int64)

    @property
    def centroids(self) -> np.ndarray:
        """Means of the scaled features [shape=(k, n_scaled), dtype=float64]."""
        totals, known = np.split(self.sums[:, 1:], 2, axis=1)
        return totals / np.maximum(1, known)

    def to_json(self) -> str:
        """As a worker sends it to the driver."""
        largest = {key: sums.tolist() for key, sums in self.largest.items()}
        return json.dumps([self.sums.tolist(), self.genres, self.artists, largest])

    @classmethod
    def from_json(cls, text: str) -> "GroupCounts":
        """From `to_json`."""
        sums, genres, artists, largest = json.loads(text)
        return cls(
            np.array(sums),
            list(map(Counter, genres)),
            [Counter({int(key): n for key, n in one.items()}) for one in artists],
            {int(key): np.array(one) for key, one in largest.items()},
        )


def with_means(inputs: TrackInputs, group: np.ndarray) -> TrackInputs:
    """The same tracks with their scaled features' means over groups, and how many these are of.

    `group`: Of each track, in [0, n) [shape=(n_tracks,), dtype=int64].
    """
    order = np.argsort(group, kind="stable")
    means, counts = np.empty_like(inputs.artist_mean), np.empty_like(inputs.artist_mean)
    groups, scaled = Groups.of(group[order]), inputs.scaled[order]
    means[order] = groups.means(scaled)[groups.code]
    counts[order] = groups.counts(scaled)[groups.code]
    return replace(inputs, artist_mean=means, artist_counts=counts)


def draw_sample(
    narrowed: DataFrame,
    n_tracks: int,
    scaler: FeatureScaler,
    metrics: Sequence[ClusterMetric],
    size: int,
    seed: int,
) -> Sample:
    """Draws artists until there are enough tracks; the same in each run on the same catalogue.

    Raises `InputError` where no track can be placed.

    `narrowed`: From `artist_pass.narrow`, with `GENRE`.
    `n_tracks`: Tracks with features.
    `metrics`: Tracks that any of them cannot place are left out.
    `size`: Tracks at most.
    """
    share = max(1, n_tracks // (2 * size))
    sampled = narrowed.filter(F.pmod(F.xxhash64(F.lit(seed), GROUP), F.lit(share)) == 0)
    table = sampled.toArrow().sort_by(TRACK_ID)
    batch = ArtistBatch.of(next(sorted_by_group(iter(table.to_batches()))), scaler)
    group = batch.groups.code
    usable = np.flatnonzero(np.all([one.can_fit(batch.inputs) for one in metrics], axis=0))
    if not len(usable):
        raise InputError(
            f"no track has all of the features that tracks are compared by"
            f" ({', '.join(scaler.features)}), of its own or from its artist's other tracks;"
            " leave out those that few tracks have (columns: FEATURE: 'null' in a dataset file)"
        )
    # Randomly drawn artists, each with a bounded number of tracks, in random order.
    rng = np.random.default_rng(seed)
    order = usable[rng.permutation(len(usable))]
    owner = group[order]
    by_artist = order[np.argsort(rng.permutation(group[usable].max() + 1)[owner], kind="stable")]
    groups = Groups.of(group[by_artist])
    within = np.arange(len(by_artist)) - groups.starts[groups.code]
    chosen = rng.permutation(by_artist[within < _MOST_OF_ARTIST][:size])
    rows = pa.Table.from_batches([batch.rows]).take(pa.array(chosen)).combine_chunks()
    return Sample(scaler, rows, batch.inputs.take(chosen), group[chosen])


def moments(narrowed: DataFrame, scaler: FeatureScaler) -> Moments:
    """Variances of tracks between and within artists."""

    def work(batches: Iterator[ArtistBatch]) -> Iterator[pa.RecordBatch]:
        parts = [np.ravel(Moments.of(batch)) for batch in batches]
        if parts:
            yield pa.RecordBatch.from_pydict({POINT: [np.sum(parts, axis=0).tolist()]})

    rows = _map(narrowed, scaler, work, f"{POINT} array<double>").collect()
    return Moments(*np.sum([row[0] for row in rows], axis=0).reshape(-1, scaler.n_scaled))


def points(narrowed: DataFrame, scaler: FeatureScaler, metric: ClusterMetric) -> DataFrame:
    """The tracks that centers are fitted to: one column `POINT`, an ML vector."""

    def work(batches: Iterator[ArtistBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            usable = metric.can_fit(batch.inputs)
            own = metric.points(batch.inputs)[usable]
            flat = pa.array(own.ravel(), pa.float32())
            lists = pa.FixedSizeListArray.from_arrays(flat, own.shape[1])
            yield pa.RecordBatch.from_pydict({POINT: lists.cast(pa.list_(pa.float32()))})

    found = _map(narrowed, scaler, work, f"{POINT} array<float>")
    return found.select(array_to_vector(F.col(POINT)).alias(POINT))


def fit_kmeans(points: DataFrame, centers: np.ndarray, max_iterations: int) -> np.ndarray:
    """Centers of MLlib's KMeans on all points, started from the sample's centers.

    Both centers are [shape=(k, n_dimensions), dtype=float64].

    `points`: From `points`; kept in memory, or on disk, during the fit.

    Notes
    -----
    The sample's centers are the tightest of many starts, each of which would cost a fit to the whole
    catalogue; k-means|| started again often ends in a looser and always in another optimum.
    ``pyspark.ml`` cannot start from centers, MLlib's own class can (`setInitialModel`): it is
    called through the JVM.

    References
    ----------
    Lloyd (1982), "Least squares quantization in PCM"; Spark's MLlib guide, "Clustering".
    """
    context: Any = points.sparkSession.sparkContext
    jvm: Any = context._jvm
    dense = jvm.org.apache.spark.mllib.linalg.Vectors.fromJson
    vectors = [dense(json.dumps({"type": 1, "values": center})) for center in centers.tolist()]
    start = jvm.org.apache.spark.mllib.clustering.KMeansModel(vectors)
    solver = jvm.org.apache.spark.mllib.clustering.KMeans().setK(len(centers))
    # MLlib's RDD of vectors. If MLlib keeps the points itself, it computes them twice.
    no_columns = context._gateway.new_array(jvm.java.lang.String, 0)
    old = jvm.org.apache.spark.mllib.util.MLUtils.convertVectorColumnsFromML(
        points.select(POINT)._jdf, no_columns
    )
    encoder = jvm.org.apache.spark.sql.Encoders.udt(jvm.org.apache.spark.mllib.linalg.VectorUDT())
    level = jvm.org.apache.spark.storage.StorageLevel.MEMORY_AND_DISK()
    rows = getattr(old, "as")(encoder).rdd().persist(level)
    try:
        fitted = solver.setMaxIterations(max_iterations).setInitialModel(start).run(rows)
        logger.info("KMeans: k=%d, cost %.1f", len(centers), fitted.trainingCost())
        # The last digits depend on the order in which Spark added.
        return np.array([list(one.toArray()) for one in fitted.clusterCenters()]).round(9)
    finally:
        rows.unpersist(False)


def group_counts(narrowed: DataFrame, scaler: FeatureScaler, part: SyntheticPart) -> GroupCounts:
    """Counts of the synthetic genres over all tracks, which are labelled as in scoring.

    `narrowed`: With `GENRE`.
    """

    def work(batches: Iterator[ArtistBatch]) -> Iterator[pa.RecordBatch]:
        total = None
        for batch in batches:
            own = GroupCounts.of(batch, part)
            total = (total + own if total else own).with_few_artists()
        if total:
            yield pa.RecordBatch.from_pydict({_COUNTS: [total.to_json()]})

    rows = _map(narrowed, scaler, work, f"{_COUNTS} string", GENRE).collect()
    return reduce(add, (GroupCounts.from_json(row[0]) for row in rows))


def _map(
    narrowed: DataFrame,
    scaler: FeatureScaler,
    work: Callable[[Iterator[ArtistBatch]], Iterator[pa.RecordBatch]],
    schema: str,
    *columns: str,
) -> DataFrame:
    """What workers make of batches of complete artists, which have these columns too."""

    def in_worker(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        yield from work(artist_batches(batches, scaler))

    return narrowed.select(*_READ, *columns).mapInArrow(in_worker, schema)


def _by_row(rows: np.ndarray, names: Iterable[Hashable], k: int) -> list[Counter[Any]]:
    """Tracks of each name per row; tracks without a row (-1) or a name are left out."""
    counters: list[Counter[Any]] = [Counter() for _ in range(k)]
    for (row, name), n in Counter(zip(rows.tolist(), names, strict=True)).items():
        if row >= 0 and name:
            counters[row][name] = n
    return counters


def _totals(parts: Iterable[tuple[int, np.ndarray]]) -> dict[int, np.ndarray]:
    """Sums by key; an artist with very many tracks comes in several parts."""
    totals: dict[int, np.ndarray] = {}
    for key, sums in parts:
        totals[key] = totals.get(key, 0.0) + sums
    return totals
