"""The labelled sample: what the driver learns from, as arrays."""

import functools
import hashlib
import json
import logging
import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.clustering.synthetic_part import SyntheticPart
from genre_spark.config import TrainingSettings
from genre_spark.errors import InputError
from genre_spark.features.catalogue_context import add_context, key
from genre_spark.features.scaling import FeatureSpace
from genre_spark.features.tensor import Context, build, unpack
from genre_spark.platform.safe_text import plain
from genre_spark.schema import ARTIST, GENRE, TITLE, TRACK_ID, context_column

logger = logging.getLogger(__name__)

SYNTHETIC_GENRES = "synthetic genres"
_BUCKETS = 1_000_000
# A fifth of them is held out, and a seventh of the rest decides how sure is sure.
_FEWEST_LABELS = 50
# Tracks of a genre that stay in the sample, where there are as many, however large the others are.
_FEWEST_KEPT = 100


@dataclass(frozen=True)
class Sample:
    """Labelled tracks.

    Attributes
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes), dtype=float64]
    centroids : np.ndarray [shape=(n_tracks, n_axes), dtype=float64]
        Of each track's synthetic genre.
    edges : np.ndarray [shape=(N_BINS + 1, n_axes)]
    features : tuple of str
        The audio feature that each axis is of.
    contexts : mapping of str to Context
        Catalogue context; computed from features alone.
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]
        Index into `classes`.
    classes : tuple of str
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks of one artist; a track without one is an artist of its own.
    recordings : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks with the same artist and title: one recording, issued several times.
    has_artists : bool
        Whether the catalogue names artists at all.
    """

    axes: np.ndarray
    centroids: np.ndarray
    edges: np.ndarray
    features: tuple[str, ...]
    contexts: Mapping[str, Context]
    labels: np.ndarray
    classes: tuple[str, ...]
    artists: np.ndarray
    recordings: np.ndarray
    has_artists: bool

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray) -> "Sample":
        """Some of the tracks, by index or mask."""
        return replace(
            self,
            axes=self.axes[rows],
            centroids=self.centroids[rows],
            contexts={group: context.take(rows) for group, context in self.contexts.items()},
            labels=self.labels[rows],
            artists=self.artists[rows],
            recordings=self.recordings[rows],
        )

    def fingerprint(self) -> str:
        """Of the tracks and their genres, in whatever order; 16 hexadecimal digits."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        order = np.lexsort((self.labels, self.recordings))
        for column in (self.recordings, self.labels):
            digest.update(column[order].astype("<i8").tobytes())
        return digest.hexdigest()[:16]

    def without(self, *scopes: str) -> "Sample":
        """The same tracks, of which the network is not shown everything.

        Parameters
        ----------
        *scopes : str
            `SYNTHETIC_GENRES`, whose channel becomes 0, or groups of `contexts`, whose channels are
            left out. Who made a track stays known: it parts the sides of a split, and an artist's
            tracks still inform each other.
        """
        kept = {name: one for name, one in self.contexts.items() if name not in scopes}
        hidden = SYNTHETIC_GENRES in scopes
        centroids = np.zeros_like(self.centroids) if hidden else self.centroids
        return replace(self, contexts=kept, centroids=centroids)

    def tensor(self) -> np.ndarray:
        """The network's input [shape=(n_tracks, n_axes, n_channels), dtype=float32]."""
        return build(self.axes, self.centroids, self.edges, self.contexts)


def collect(
    tracks: DataFrame,
    space: FeatureSpace,
    synthetic: SyntheticPart,
    groups: Sequence[str],
    settings: TrainingSettings,
    seed: int,
) -> Sample:
    """The labelled sample of a catalogue, bounded, in proportion to its genres; small ones whole.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks, validated for the bundle's features. Context is taken from all of them.
    space : FeatureSpace
        The fitted scaling.
    synthetic : SyntheticPart
        The synthetic genres.
    groups : sequence of str
        Context groups that the catalogue has.
    settings : TrainingSettings
    seed : int
        Of the choice, where there are more labels than `max_labels`.

    Raises
    ------
    InputError
        Where fewer than two genres have `min_per_genre` labelled tracks, or there are fewer than
        50 in all.
    """
    per_genre = tracks.filter(F.col(GENRE).isNotNull()).groupBy(GENRE).count()
    counts = {row[GENRE]: row["count"] for row in per_genre.collect()}
    classes = _usable_genres(counts, settings.min_per_genre)
    chosen = _is_chosen(counts, classes, settings.max_labels, seed)
    in_context = add_context(tracks, space, groups).filter(chosen)
    features = [column.alias(name) for name, column in space.imputed().items()]
    has_title = F.col(ARTIST).isNotNull() & F.col(TITLE).isNotNull()
    table = in_context.select(
        TRACK_ID,
        GENRE,
        F.coalesce(key(ARTIST), F.xxhash64(TRACK_ID)).alias("_artist"),
        F.when(has_title, _recording_key()).otherwise(F.xxhash64(TRACK_ID)).alias("_recording"),
        *features,
        *[context_column(group) for group in groups],
    )
    return _to_arrays(table.orderBy(TRACK_ID).toArrow(), space, synthetic, groups, classes)


def _usable_genres(counts: dict[str, int], fewest: int) -> tuple[str, ...]:
    rare = sorted(genre for genre, n in counts.items() if n < fewest)
    if rare:
        logger.warning(
            "left out, under %d labelled tracks: %s", fewest, ", ".join(map(plain, rare[:20]))
        )
    classes = tuple(sorted(set(counts) - set(rare)))
    if len(classes) < 2:
        raise InputError(
            f"{len(classes)} genres have at least {fewest} labelled tracks, 2 are needed to train;"
            " map the catalogue's genre column (columns: genre: <SQL expression>), or label more"
        )
    total = sum(counts[genre] for genre in classes)
    if total < _FEWEST_LABELS:
        raise InputError(
            f"{total} labelled tracks in {len(classes)} genres, {_FEWEST_LABELS} are needed to learn"
            " from some and to judge by others; label more"
        )
    return classes


def _is_chosen(counts: dict[str, int], classes: Sequence[str], most: int, seed: int) -> Column:
    """Whether a track is in the sample: by the hash of its id, and so the same in each run."""
    total = sum(counts[genre] for genre in classes)
    by_chance = F.pmod(F.xxhash64(F.lit(seed), F.col(TRACK_ID)), F.lit(_BUCKETS))
    # Genres with equal shares together: those that are kept whole, and most of the others.
    genres: dict[int, list[str]] = {}
    for genre in classes:
        share = min(1.0, max(most / total, _FEWEST_KEPT / counts[genre]))
        genres.setdefault(int(_BUCKETS * share), []).append(genre)
    chosen = [F.col(GENRE).isin(*own) & (by_chance < share) for share, own in genres.items()]
    return functools.reduce(operator.or_, chosen)


def _recording_key() -> Column:
    return F.xxhash64(key(ARTIST), F.lower(F.trim(TITLE)))


def _to_arrays(
    table: pa.Table,
    space: FeatureSpace,
    synthetic: SyntheticPart,
    groups: Sequence[str],
    classes: tuple[str, ...],
) -> Sample:
    raw = np.stack([table[name].to_numpy() for name in space.features], axis=1)
    axes = space.to_numpy(raw)
    nearest, _ = synthetic.nearest(axes)
    labels = pc.index_in(table[GENRE], pa.array(classes)).to_numpy()
    edges = space.edges
    packed = {group: table[context_column(group)].combine_chunks() for group in groups}
    return Sample(
        axes=axes,
        centroids=np.array(synthetic.centroids)[nearest],
        edges=edges,
        features=tuple(axis.feature for axis in space.axes),
        contexts={group: unpack(group, packed[group], axes, edges) for group in groups},
        labels=labels.astype(np.int64),
        classes=classes,
        artists=table["_artist"].to_numpy(),
        recordings=table["_recording"].to_numpy(),
        has_artists=ARTIST in groups,
    )
