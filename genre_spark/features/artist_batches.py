"""From a partition of tracks to batches of complete artist groups: what a Python worker does first.

Sorting happens here and not in Spark: numpy sorts a partition's 64-bit keys faster than the JVM
sorts its rows.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.track_inputs import Keys, TrackInputs

# Columns between Spark and its workers; see `artist_pass.narrow`.
GROUP, ARTIST_KEY, ALBUM_KEY = "_group", "_artist", "_album"
OTHER_ARTISTS, FEATURES = "_other_artists", "_features"
TITLE_TEXT, ALBUM_TEXT = "_title", "_album_name"

# Tracks of a batch, about: their arrays stay in a core's cache from one step to the next.
_BATCH_TRACKS = 8192


@dataclass(frozen=True)
class ArtistBatch:
    """Tracks of complete artist groups.

    `rows`: All columns of the tracks, those of a group beside each other.
    `groups`: By artist; of an artist with more than `max_group` tracks, by part of it. A track
        without an artist is a group of its own.
    """

    rows: pa.RecordBatch
    inputs: TrackInputs
    groups: Groups

    @classmethod
    def of(
        cls, rows: pa.RecordBatch, scaler: FeatureScaler, group: np.ndarray | None = None
    ) -> "ArtistBatch":
        """From rows in the order of `GROUP`, or of another group for each."""
        n = rows.num_rows
        scaled = scaler.to_numpy(_raw(rows))
        artist, album = (
            rows[name].fill_null(0).to_numpy(zero_copy_only=False)
            for name in (ARTIST_KEY, ALBUM_KEY)
        )
        by_artist = Groups.of(rows[GROUP].to_numpy() if group is None else group)
        # A track without an album is an album of its own.
        by_album = Groups.of(
            by_artist.code, np.where(album == 0, np.arange(1, n + 1), album), album == 0
        )
        means, deviations = by_album.means_and_deviations(scaled)
        artist_mean, artist_deviation = by_artist.means_and_deviations(scaled)
        others = _optional(rows, OTHER_ARTISTS)
        inputs = TrackInputs(
            scaled=scaled,
            artist=artist,
            album=album,
            other_artists=Keys.none(n) if others is None else Keys.of(others),
            artist_tracks=by_artist.sizes[by_artist.code],
            artist_counts=by_artist.counts(scaled).astype(np.float32)[by_artist.code],
            album_counts=by_album.counts(scaled).astype(np.float32)[by_album.code],
            artist_mean=artist_mean[by_artist.code],
            album_mean=means[by_album.code],
            album_deviation=deviations[by_album.code],
            artist_deviation=artist_deviation[by_artist.code],
            title=_optional(rows, TITLE_TEXT),
            album_name=_optional(rows, ALBUM_TEXT),
        )
        return cls(rows, inputs, by_artist)

    @property
    def n_missing(self) -> np.ndarray:
        """Features that each track lacks [shape=(n_tracks,), dtype=int64]."""
        return np.isnan(_raw(self.rows)).sum(axis=1)


def artist_batches(
    batches: Iterator[pa.RecordBatch], scaler: FeatureScaler
) -> Iterator[ArtistBatch]:
    """The tracks of a partition, artist by artist.

    `batches`: The whole partition, with the columns of `artist_pass.narrow`. It is held in memory.

    Yields
    ------
    ArtistBatch
        Of about 8,192 tracks; a group is never cut.
    """
    for rows in sorted_by_group(batches):
        starts = Groups.of(rows[GROUP].to_numpy()).starts
        # A batch begins where a group does, after at least so many tracks.
        wanted = np.searchsorted(starts, np.arange(_BATCH_TRACKS, rows.num_rows, _BATCH_TRACKS))
        inner = np.unique(starts[wanted[wanted < len(starts)]])
        for first, end in itertools.pairwise([0, *inner.tolist(), rows.num_rows]):
            yield ArtistBatch.of(rows.slice(first, end - first), scaler)


def single_tracks(
    batches: Iterator[pa.RecordBatch], scaler: FeatureScaler
) -> Iterator[ArtistBatch]:
    """The tracks of a partition, each a group of its own, for models that do not relate tracks."""
    for rows in batches:
        if rows.num_rows:
            yield ArtistBatch.of(rows, scaler, np.arange(rows.num_rows))


def sorted_by_group(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """All rows of a partition as one batch, in the order of `GROUP`, then of `ALBUM_KEY` if given."""
    held = [batch for batch in batches if batch.num_rows]
    if not held:
        return
    table = pa.Table.from_batches(held)
    by = [name for name in (ALBUM_KEY, GROUP) if name in table.schema.names]
    keys = [table[name].combine_chunks().fill_null(0).to_numpy() for name in by]
    yield from table.take(pa.array(np.lexsort(keys))).combine_chunks().to_batches()


def _raw(rows: pa.RecordBatch) -> np.ndarray:
    """Features in their units [shape=(n_tracks, n_features), dtype=float32]; NaN where missing."""
    flat = rows[FEATURES].flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(rows.num_rows, -1)


def _optional(rows: pa.RecordBatch, name: str) -> pa.Array | None:
    return rows[name] if name in rows.schema.names else None
