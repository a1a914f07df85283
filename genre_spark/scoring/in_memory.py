"""Labels a small table in one process, without Spark: for a model that is served, or tried out.

The same code labels as in Spark's workers. Statistics of an artist are taken over the rows that are
given, so give it all tracks of an artist at once. Labels of a whole catalogue are those of `score`.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from genre_spark.bundle.files import Bundle
from genre_spark.catalog.columns import are_possible, is_id, means_nothing, value_of
from genre_spark.catalog.forms import PLAIN
from genre_spark.features.artist_batches import (
    ALBUM_KEY,
    ALBUM_TEXT,
    ARTIST_KEY,
    FEATURES,
    GROUP,
    OTHER_ARTISTS,
    TITLE_TEXT,
)
from genre_spark.features.track_inputs import lists
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    ARTISTS,
    FEATURE_SOURCE,
    LABELLED_COLUMNS,
    TITLE,
    TRACK_ID,
    unknown,
)
from genre_spark.scoring.worker import HAS_GENRE, IS_AMBIGUOUS, MISSING, OWN_HASH, Labeller

# What Spark hashes with.
_SEED = 42
# Of the labelled columns; the others tell Spark's runs apart.
_NOT_HERE = ("input_hash", "scored_at")
COLUMNS = tuple(name for name in LABELLED_COLUMNS if name not in _NOT_HERE)


class InMemoryScorer:
    """A model, opened once.

    Parameters
    ----------
    max_imputed : int
        Most impossible or unreadable features of a track; any number may be missing.
    """

    def __init__(self, bundle: Bundle, max_imputed: int):
        self._scoring = bundle.manifest.scoring
        self._model_id = bundle.manifest.model_id
        self._max_imputed = max_imputed
        self._labeller = Labeller(self._scoring, bundle.onnx)

    def label(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """Labels tracks.

        Parameters
        ----------
        tracks : pd.DataFrame
            Columns by their canonical names. Each may be absent but ``track_id``; features that
            are absent, or whose values are impossible, are missing.

        Returns
        -------
        pd.DataFrame
            `COLUMNS`, one row per row of `tracks`, with its index. A row that `score` would
            quarantine has an id at most; ids that come twice are labelled twice.
        """
        found = [_clean(tracks, name) for name in self._scoring.scaler.features]
        raw, damaged = (np.stack(columns, axis=1) for columns in zip(*found, strict=True))
        if sources := self._scoring.scaler.sources:
            names = _texts(tracks, FEATURE_SOURCE).to_numpy()
            raw = sources.to_numpy(raw, self._scoring.scaler.features, names)
        ids = _texts(tracks, TRACK_ID)
        usable = np.array([*map(is_id, ids)], bool) & (damaged.sum(axis=1) <= self._max_imputed)
        labelled = self._labelled(tracks[usable], raw[usable])
        # A row that was not labelled takes nulls.
        places = pa.array(np.cumsum(usable) - 1, mask=~usable)
        labels = labelled.take(places).to_pandas(types_mapper=_NULLABLE.get)
        labels[TRACK_ID] = ids.to_numpy()
        return labels.set_index(tracks.index)

    def _labelled(self, tracks: pd.DataFrame, raw: np.ndarray) -> pa.Table:
        rows = self._rows(tracks, raw)
        labels = [self._labeller.label(batch) for batch in self._labeller.batches(iter([rows]))]
        model = pa.array([self._model_id] * len(tracks), pa.string())
        if not labels:
            return pa.table({name: pa.nulls(0) for name in COLUMNS})
        found = pa.Table.from_batches(labels)
        # `OWN_HASH` carries the place of each row.
        order = np.argsort(found[OWN_HASH].to_numpy())
        return found.take(pa.array(order)).append_column("model_id", model).select(COLUMNS)

    def _rows(self, tracks: pd.DataFrame, raw: np.ndarray) -> pa.RecordBatch:
        """The columns that a worker reads; see `artist_pass.narrow`."""
        n = len(tracks)
        artist, ids = _keys(_texts(tracks, ARTIST)), _texts(tracks, TRACK_ID)
        lone = _keys(pd.Series([f"{TRACK_ID}\0{one}" for one in ids]))
        columns = {
            TRACK_ID: pa.array(ids, pa.string()),
            GROUP: pc.coalesce(artist, lone),
            ARTIST_KEY: artist,
            ALBUM_KEY: _keys(_texts(tracks, ALBUM)),
            FEATURES: lists(raw.astype(np.float32)),
            MISSING: pa.nulls(n, pa.int64()),
            HAS_GENRE: pa.nulls(n, pa.bool_()),
            IS_AMBIGUOUS: pa.nulls(n, pa.bool_()),
            OWN_HASH: pa.array(np.arange(n)),
        }
        if ARTISTS in tracks:
            columns[OTHER_ARTISTS] = _other_keys(tracks[ARTISTS])
        if self._scoring.reads_text:
            columns[TITLE_TEXT] = pa.array(_texts(tracks, TITLE), pa.string())
            columns[ALBUM_TEXT] = pa.array(_texts(tracks, ALBUM), pa.string())
        return pa.RecordBatch.from_pydict(columns)


_NULLABLE = {pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}


def _clean(tracks: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """A feature's values, NaN where missing or impossible, and where it is impossible or unreadable.

    Returns
    -------
    values : np.ndarray [shape=(n_tracks,), dtype=float64]
    damaged : np.ndarray [shape=(n_tracks,), dtype=bool]
        As `validation` has it: a value that means that nothing was found is missing.
    """
    if name not in tracks:
        return np.full(len(tracks), np.nan), np.zeros(len(tracks), dtype=bool)
    values = _numbers(tracks[name])
    possible = are_possible(name, values)
    unread = np.isnan(values)
    damaged = ~possible & ~unread & ~np.isin(values, unknown(name))
    if unread.any():
        texts = tracks[name].astype("string").fillna("")[unread]
        damaged[unread] = [not means_nothing(text, name) for text in texts]
    return np.where(possible, values, np.nan), damaged


def _numbers(column: pd.Series) -> np.ndarray:
    """A column as float64, NaN for other texts than numbers."""
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(np.float64, na_value=np.nan)
    # `pandas.to_numeric` crashes on exponents of many digits.
    texts = column.astype("string").fillna("")
    return np.array([PLAIN.number(text) for text in texts], np.float64)


def _texts(tracks: pd.DataFrame, name: str) -> pd.Series:
    """A text column, None where it has no value that `score` would take."""
    if name not in tracks:
        return pd.Series([None] * len(tracks), dtype=object)
    texts = tracks[name].astype("string").fillna("")
    return pd.Series([value_of(text, name) for text in texts], dtype=object)


def _keys(names: pd.Series) -> pa.Array:
    """As Spark's ``xxhash64`` of texts; null where there is none."""
    found = [name and xxhash.xxh64_intdigest(name.encode(), _SEED) for name in names]
    return pa.array(
        [key if key is None or key < 2**63 else key - 2**64 for key in found], pa.int64()
    )


def _other_keys(named: pd.Series) -> pa.ListArray:
    """Keys of the artists named on each track beside its first one."""
    others = [
        list(names)[1:] if isinstance(names, list | tuple | np.ndarray) else [] for names in named
    ]
    offsets = np.concatenate([[0], np.cumsum([len(one) for one in others])]).astype(np.int32)
    flat = pd.Series([name for one in others for name in one], dtype=object)
    return pa.ListArray.from_arrays(pa.array(offsets), _keys(flat))
