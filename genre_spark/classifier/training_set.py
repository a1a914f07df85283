"""The labelled tracks that a model learns from, collected on the driver as arrays."""

import functools
import hashlib
import json
import logging
import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog import names
from genre_spark.classifier import representation, splits
from genre_spark.classifier.evidence import mix
from genre_spark.classifier.representation import ARTISTS_SCHEMA, Artists
from genre_spark.classifier.similar_artists import Space
from genre_spark.clustering.metric import SyntheticPart
from genre_spark.config import Settings
from genre_spark.errors import InputError
from genre_spark.features import artist_pass, documents
from genre_spark.features.artist_batches import OTHER_ARTISTS, artist_batches
from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.track_inputs import Keys, TrackInputs, lists
from genre_spark.platform.safe_text import plain
from genre_spark.schema import ARTIST, GENRE, GENRES, TITLE, TRACK_ID

logger = logging.getLogger(__name__)

_CHOSEN, _TITLE_KEY, _ID_KEY = "_chosen", "_title_key", "_id_key"
_BUCKETS = 1_000_000
# Members each leave out a fifth; weights are fitted on what they left out.
_FEWEST_LABELS = 20
# Time and the size of a bundle grow with their number.
_MOST_GENRES = 200
# Tracks of a genre that are kept, where there are as many, however large the others are.
_FEWEST_KEPT = 100
_MATRICES = (
    "scaled", "artist_counts", "album_counts", "artist_mean", "artist_deviation", "album_mean",
    "album_deviation",
)  # fmt: skip
_TEXTS = ("title", "album_name")


@dataclass(frozen=True)
class LabelledTracks:
    """Labelled tracks, those of an artist beside each other.

    Attributes
    ----------
    inputs : TrackInputs
        Statistics of artist and album are those of all tracks of the catalogue.
    synthetic : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of each track's synthetic genre; -1 without one.
    targets : np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
        Shares of the genres that a track stands under; they sum to 1.
    classes : tuple of str
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks of one artist; a track without one is an artist of its own.
    recordings : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks with the same artist and title: one recording, issued several times.
    documents : Keys
        Hashed character n-grams of all titles and album names of each artist; see `documents`.
    document : np.ndarray [shape=(n_tracks,), dtype=int64]
        Place of the document of each track's artist.
    bin_edges : np.ndarray [shape=(N_BINS + 1, n_scaled)]
        Quantiles of the scaled features.
    features : tuple of str
        The audio feature of each scaled one.
    ids : np.ndarray [shape=(n_tracks,), dtype=object], optional
        `TRACK_ID` of each track.
    part : SyntheticPart, optional
        What `synthetic` comes from.
    space : Space, optional
        Fitted to artists of the whole catalogue, labelled or not.
    """

    inputs: TrackInputs
    synthetic: np.ndarray
    targets: np.ndarray
    classes: tuple[str, ...]
    artists: np.ndarray
    recordings: np.ndarray
    documents: Keys
    document: np.ndarray
    bin_edges: np.ndarray
    features: tuple[str, ...]
    ids: np.ndarray | None = None
    part: SyntheticPart | None = None
    space: Space | None = None

    def __len__(self) -> int:
        return len(self.artists)

    @property
    def labels(self) -> np.ndarray:
        """The most frequent genre of each track [shape=(n_tracks,), dtype=int64]."""
        return self.targets.argmax(axis=1)

    @property
    def certain(self) -> np.ndarray:
        """Whether a track stands under one genre alone [shape=(n_tracks,), dtype=bool]."""
        return self.targets.max(axis=1) == 1.0

    @property
    def has_artists(self) -> bool:
        """Whether the catalogue names artists."""
        return bool(self.inputs.has_artist.any())

    @property
    def artist_documents(self) -> Keys:
        """The document of each of `groups`."""
        return self.documents.take(self.document[self.groups.starts])

    @property
    def groups(self) -> Groups:
        """Tracks by artist."""
        return Groups.of(self.artists)

    def take(self, rows: np.ndarray) -> "LabelledTracks":
        """Some of the tracks, by index in order, or by mask."""
        at = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self,
            inputs=self.inputs.take(at),
            synthetic=self.synthetic[at],
            targets=self.targets[at],
            artists=self.artists[at],
            recordings=self.recordings[at],
            document=self.document[at],
            ids=None if self.ids is None else self.ids[at],
        )

    def without_features(self, seed: int) -> "LabelledTracks":
        """The same tracks, a third of them without features; see `splits.without_features`."""
        rows = splits.without_features(self.inputs.has_features, self.inputs.album, seed)
        inputs = self.inputs.without(rows, self.artists)
        synthetic = np.where(rows, -1, self.synthetic)
        if self.part is not None:
            synthetic = self.part.assign(inputs)[0]
        return replace(self, inputs=inputs, synthetic=synthetic)

    def fingerprint(self) -> str:
        """Identify the tracks and their genres, in whatever order; 16 hexadecimal digits."""
        digest = hashlib.sha256(json.dumps(self.classes).encode())
        order = np.lexsort((self.labels, self.recordings))
        for column in (self.recordings, self.labels):
            digest.update(column[order].astype("<i8").tobytes())
        return digest.hexdigest()[:16]


def collect(
    tracks: DataFrame,
    n_tracks: int,
    scaler: FeatureScaler,
    synthetic: SyntheticPart,
    settings: Settings,
) -> LabelledTracks:
    """Collect the labelled tracks of a catalogue, bounded, in proportion to the genres.

    A track under several genres has a share of each; it is learned from, and never evaluated on.

    Parameters
    ----------
    tracks : DataFrame
        Accepted tracks with the features of `scaler`. Statistics are those of all of them.
    n_tracks : int
        How many tracks there are.
    scaler : FeatureScaler
    synthetic : SyntheticPart
    settings : Settings
        Its seed decides which labels are taken, where there are more than `max_labels`.

    Raises
    ------
    InputError
        Where fewer than two genres have `min_per_genre` labelled tracks, or more than 200, or
        there are fewer than 20 labelled tracks in all.
    """
    per_genre = tracks.filter(F.col(GENRE).isNotNull()).groupBy(GENRE).count()
    spelled = {row[GENRE]: row["count"] for row in per_genre.collect()}
    tracks = names.respelled(tracks, names.spellings(spelled))
    counts = names.merged(spelled)
    classes = _usable_genres(counts, settings.training.min_per_genre)
    limit = settings.training.max_labels
    others = {
        OTHER_ARTISTS: artist_pass.other_artist_keys(),
        GENRES: _genres(tracks),
        _CHOSEN: F.coalesce(
            _is_chosen(_genres(tracks)[0], counts, classes, limit, settings.seed),
            F.lit(False),
        ),
        _TITLE_KEY: F.xxhash64(F.lower(F.trim(TITLE))),
        _ID_KEY: F.xxhash64(F.lit(TRACK_ID), TRACK_ID),
    }
    owner = synthetic.owner or ARTIST
    parts = artist_pass.oversized_artists(tracks, n_tracks, settings.scoring.max_group, owner)
    narrowed = artist_pass.narrow(tracks, scaler, parts, True, others, owner)
    together = artist_pass.by_artist(narrowed, n_tracks)

    def with_statistics(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in artist_batches(batches, scaler):
            chosen = np.flatnonzero(batch.rows[_CHOSEN].to_numpy(zero_copy_only=False))
            found = documents.of_artists(batch.inputs, batch.groups)
            once = documents.on_first(found, batch.groups.code[chosen])
            packed = _pack(batch.rows.take(pa.array(chosen)), batch.inputs.take(chosen), once)
            drawn = representation.draw(batch, n_tracks)
            artists = representation.artist_rows(batch, drawn, found)
            parts = [pa.Table.from_batches([one]) for one in (packed, artists)]
            yield from pa.concat_tables(parts, promote_options="default").to_batches()

    schema = f"{_SCHEMA}, {ARTISTS_SCHEMA}"
    table = together.mapInArrow(with_statistics, schema).orderBy(TRACK_ID, "artist_key").toArrow()
    is_artist = pc.is_valid(table["artist_key"])
    space = Space.of(Artists.of(table.filter(is_artist), n_tracks), settings.seed)
    labelled = _unpack(table.filter(pc.invert(is_artist)), scaler, synthetic, classes)
    return replace(labelled, space=space)


_SCHEMA = ", ".join(
    [
        f"{TRACK_ID} string, {GENRES} array<string>, {_TITLE_KEY} bigint, {_ID_KEY} bigint",
        "artist bigint, album bigint, artist_tracks bigint",
        "other_artists array<bigint>, document array<int>, title string, album_name string",
        *[f"{name} array<float>" for name in _MATRICES],
    ]
)


def _pack(rows: pa.RecordBatch, inputs: TrackInputs, document: Keys) -> pa.RecordBatch:
    """Columns of `_SCHEMA`."""
    plain = {name: rows[name] for name in (TRACK_ID, GENRES, _TITLE_KEY, _ID_KEY)}
    keys = ("artist", "album", "artist_tracks")
    numbers = {name: pa.array(getattr(inputs, name).astype(np.int64)) for name in keys}
    keyed = {"other_artists": inputs.other_artists.lists, "document": document.lists}
    texts = {name: getattr(inputs, name) for name in _TEXTS}
    matrices = {name: lists(getattr(inputs, name)) for name in _MATRICES}
    return pa.RecordBatch.from_pydict(plain | numbers | keyed | texts | matrices)


def _unpack(
    table: pa.Table, scaler: FeatureScaler, synthetic: SyntheticPart, classes: tuple[str, ...]
) -> LabelledTracks:
    names = table.column_names
    columns = {name: table[name].combine_chunks() for name in names}
    arrays = {
        name: columns[name].to_numpy(zero_copy_only=False)
        for name in names
        if pa.types.is_integer(table.schema.field(name).type)
    }
    own = {field.name for field in fields(TrackInputs)}
    matrices = {
        name: columns[name].flatten().to_numpy().reshape(len(table), -1) for name in _MATRICES
    }
    inputs = TrackInputs(
        **{name: values for name, values in arrays.items() if name in own},
        **matrices,
        other_artists=Keys.of(columns["other_artists"]),
        **{name: columns[name] for name in _TEXTS},
    )
    artists = np.where(inputs.has_artist, inputs.artist, arrays[_ID_KEY])
    has_title = inputs.has_artist & columns["title"].is_valid().to_numpy(zero_copy_only=False)
    recordings = np.where(has_title, mix(inputs.artist, arrays[_TITLE_KEY]), arrays[_ID_KEY])
    order = np.argsort(artists, kind="stable")
    groups, texts = Groups.of(artists[order]), Keys.of(columns["document"]).take(order)
    found = LabelledTracks(
        inputs=inputs,
        synthetic=synthetic.assign(inputs)[0],
        targets=_shares(columns[GENRES], classes),
        classes=classes,
        artists=artists,
        recordings=recordings,
        # Parts of a large artist have a document each.
        documents=Keys(texts.offsets[np.append(groups.starts, len(order))], texts.values),
        document=groups.code[np.argsort(order, kind="stable")],
        bin_edges=scaler.bin_edges,
        features=tuple(one.feature for one in scaler.scaled_features),
        ids=columns[TRACK_ID].to_numpy(zero_copy_only=False),
        part=synthetic,
    )
    return found.take(order)


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
            " from some and to weigh what was learned on others; label more"
        )
    if len(classes) > _MOST_GENRES:
        enough = sorted(counts.values(), reverse=True)[_MOST_GENRES] + 1
        # Where most genres are as rare as the rarest, too few would be left.
        rarest = f", or leave the rarest out (--set min_per_genre={enough})"
        raise InputError(
            f"{len(classes):,} genres have at least {fewest} labelled tracks, {_MOST_GENRES} can be"
            " learned; map the catalogue's genre column to broader genres"
            + rarest
            * (sum(n >= enough for n in counts.values()) > 1)
        )
    return classes


def _genres(tracks: DataFrame) -> Column:
    """The genres of a track [array<string>], with repetition; null without any."""
    one = F.when(F.col(GENRE).isNotNull(), F.array(GENRE))
    return F.coalesce(F.col(GENRES), one) if GENRES in tracks.columns else one


def _shares(genres: pa.ListArray, classes: tuple[str, ...]) -> np.ndarray:
    """Share of each genre [shape=(n_tracks, n_classes), dtype=float32]."""
    found = pc.index_in(genres.flatten(), pa.array(classes))
    known = found.is_valid().to_numpy(zero_copy_only=False)
    rows = np.repeat(np.arange(len(genres)), genres.value_lengths().to_numpy())[known]
    cells = rows * len(classes) + found.drop_null().to_numpy()
    counts = np.bincount(cells, minlength=len(genres) * len(classes)).reshape(-1, len(classes))
    return (counts / counts.sum(axis=1, keepdims=True)).astype(np.float32)


def _is_chosen(
    genre: Column, counts: dict[str, int], classes: Sequence[str], most: int, seed: int
) -> Column:
    """Whether a track of a genre is kept: by the hash of its id, the same in each run."""
    total = sum(counts[name] for name in classes)
    by_chance = F.pmod(F.xxhash64(F.lit(seed), F.col(TRACK_ID)), F.lit(_BUCKETS))
    # Genres with equal shares together: those that are kept whole, and most of the others.
    genres: dict[int, list[str]] = {}
    for name in classes:
        share = min(1.0, max(most / total, _FEWEST_KEPT / counts[name]))
        genres.setdefault(int(_BUCKETS * share), []).append(name)
    chosen = [genre.isin(*own) & (by_chance < share) for share, own in genres.items()]
    return functools.reduce(operator.or_, chosen)
