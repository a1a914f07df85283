"""A bounded sample of tracks on the driver, on which k is chosen and quality is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.clustering.metric import ClusterMetric
from genre_spark.errors import InputError
from genre_spark.features.artist_batches import FEATURES, GROUP, ArtistBatch, sorted_by_group
from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.track_inputs import TrackInputs
from genre_spark.schema import GENRE, TRACK_ID

# Tracks of one artist at most: the sample is to have many artists.
_MOST_OF_ARTIST = 200


@dataclass(frozen=True)
class Sample:
    """Tracks that centers can be fitted to, in random order.

    Attributes
    ----------
    rows : pa.Table
        As Spark sent them, in the order of the arrays.
    inputs : TrackInputs
        Statistics are of all tracks of an artist.
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
        Artist, in [0, n); a track without one is alone.
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


def with_means(inputs: TrackInputs, group: np.ndarray) -> TrackInputs:
    """The same tracks with their scaled features' means over groups, and how many these are of.

    Parameters
    ----------
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
        In [0, n).
    """
    order = np.argsort(group, kind="stable")
    means, counts = np.empty_like(inputs.artist_mean), np.empty_like(inputs.artist_mean)
    groups, scaled = Groups.of(group[order]), inputs.scaled[order]
    means[order] = groups.means(scaled)[groups.code]
    counts[order] = groups.counts(scaled)[groups.code]
    return replace(inputs, artist_mean=means, artist_counts=counts)


def draw(
    narrowed: DataFrame,
    n_tracks: int,
    scaler: FeatureScaler,
    metrics: Sequence[ClusterMetric],
    size: int,
    seed: int,
) -> Sample:
    """Draws artists until there are enough tracks; the same in each run on the same catalogue.

    Raises `InputError` where no track can be placed.

    Parameters
    ----------
    narrowed : DataFrame
        From `artist_pass.narrow`, with `GENRE`.
    n_tracks : int
        Tracks with features.
    metrics : sequence of ClusterMetric
        Tracks that any of them cannot place are left out.
    size : int
        Tracks at most.
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
    chosen = usable[_choose(group[usable], size, np.random.default_rng(seed))]
    rows = pa.Table.from_batches([batch.rows]).take(pa.array(chosen)).combine_chunks()
    return Sample(scaler, rows, batch.inputs.take(chosen), group[chosen])


def _choose(group: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Tracks in random order: of randomly drawn artists, bounded per artist and in all."""
    order = rng.permutation(len(group))
    by_artist = order[np.argsort(rng.permutation(group.max() + 1)[group[order]], kind="stable")]
    groups = Groups.of(group[by_artist])
    within = np.arange(len(group)) - groups.starts[groups.code]
    return rng.permutation(by_artist[within < _MOST_OF_ARTIST][:size])
