"""A bounded sample of complete artists on the driver, on which k is chosen and quality is measured."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.features.artist_batches import FEATURES, GROUP, artist_batches
from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.track_inputs import Keys, TrackInputs
from genre_spark.schema import GENRE, TRACK_ID

# Tracks of one artist at most: the sample is to have many artists.
_MOST_OF_ARTIST = 200


@dataclass(frozen=True)
class Sample:
    """Tracks in random order.

    Attributes
    ----------
    scaler : FeatureScaler
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
        """Features [shape=(n_tracks, n_features), dtype=float64] in their units."""
        flat = self.rows[FEATURES].combine_chunks().flatten().to_numpy(zero_copy_only=False)
        return flat.reshape(len(self), -1).astype(np.float64)

    @property
    def genres(self) -> np.ndarray:
        """Code of each track's real genre [dtype=int64]; -1 without one."""
        codes = self.rows[GENRE].combine_chunks().dictionary_encode().indices
        return codes.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)


def with_means(inputs: TrackInputs, group: np.ndarray) -> TrackInputs:
    """The same tracks with their scaled features' means over groups.

    Parameters
    ----------
    inputs : TrackInputs
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
        In [0, n).
    """
    order = np.argsort(group, kind="stable")
    means = np.empty_like(inputs.artist_mean)
    groups = Groups.of(group[order])
    means[order] = groups.means(inputs.scaled[order])[groups.code]
    return replace(inputs, artist_mean=means)


def draw(narrowed: DataFrame, n_tracks: int, scaler: FeatureScaler, size: int, seed: int) -> Sample:
    """Draws artists until there are enough tracks; the same in each run on the same catalogue.

    Parameters
    ----------
    narrowed : DataFrame
        From `artist_pass.narrow`, with `GENRE`.
    n_tracks : int
        How many there are.
    scaler : FeatureScaler
    size : int
        Tracks at most.
    seed : int
    """
    share = max(1, n_tracks // (2 * size))
    sampled = narrowed.filter(F.pmod(F.xxhash64(F.lit(seed), GROUP), F.lit(share)) == 0)
    table = sampled.toArrow().sort_by(TRACK_ID).combine_chunks()
    batches = list(artist_batches(iter(table.to_batches()), scaler))
    rows = pa.Table.from_batches([batch.rows for batch in batches])
    starts = np.cumsum([0, *(len(batch.groups.starts) for batch in batches)])
    pairs = zip(batches, starts, strict=False)
    group = np.concatenate([batch.groups.code + start for batch, start in pairs])
    chosen = _choose(group, size, np.random.default_rng(seed))
    inputs = _take(_join([batch.inputs for batch in batches]), chosen)
    return Sample(scaler, rows.take(pa.array(chosen)).combine_chunks(), inputs, group[chosen])


def _choose(group: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Tracks in random order: of artists drawn by chance, bounded per artist and in all."""
    order = rng.permutation(len(group))
    by_artist = order[np.argsort(rng.permutation(group.max() + 1)[group[order]], kind="stable")]
    groups = Groups.of(group[by_artist])
    within = np.arange(len(group)) - groups.starts[groups.code]
    return rng.permutation(by_artist[within < _MOST_OF_ARTIST][:size])


def _join(parts: Sequence[TrackInputs]) -> TrackInputs:
    """Numbers of all parts; other artists and words take no part in clustering."""
    n = sum(len(part.artist) for part in parts)
    arrays = {
        field.name: np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(TrackInputs)
        if isinstance(getattr(parts[0], field.name), np.ndarray)
    }
    return TrackInputs(**arrays, other_artists=Keys.none(n))


def _take(inputs: TrackInputs, rows: np.ndarray) -> TrackInputs:
    arrays = {
        field.name: getattr(inputs, field.name)[rows]
        for field in fields(TrackInputs)
        if isinstance(getattr(inputs, field.name), np.ndarray)
    }
    return TrackInputs(**arrays, other_artists=Keys.none(len(rows)))
