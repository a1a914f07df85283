"""Labels a small table in one process, without Spark: for a model that is served, or tried out.

The same predictor labels as in Spark's workers, on rows put together as they are there: an artist's
context and consensus are taken over the rows that are given. So give it all tracks of an artist at
once. Labels of a whole catalogue are those that `score` gives.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from genre_spark.bundle.files import Bundle
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    GROUPS,
    LABELLED_COLUMNS,
    MAX_ID_LENGTH,
    TRACK_ID,
    context_column,
    feature,
    key_column,
)
from genre_spark.scoring.artist_batches import ALBUM_SUM, GATHER, of_groups
from genre_spark.scoring.columns import lists
from genre_spark.scoring.worker import Predictor

# What Spark hashes with.
_SEED = 42
# Of the labelled columns; the others tell Spark's runs apart.
_NOT_HERE = ("input_hash", "scored_at")
COLUMNS = tuple(name for name in LABELLED_COLUMNS if name not in _NOT_HERE)


class Labeller:
    """A model, opened once.

    Parameters
    ----------
    bundle : Bundle
        Of either kind.
    max_imputed : int
        Most features a track may lack.
    """

    def __init__(self, bundle: Bundle, max_imputed: int):
        self._scoring = bundle.manifest.scoring
        self._model_id = bundle.manifest.model_id
        self._max_imputed = max_imputed
        self._predictor = Predictor(self._scoring, bundle.onnx)

    def label(self, tracks: pd.DataFrame) -> pd.DataFrame:
        """Labels tracks.

        Parameters
        ----------
        tracks : pd.DataFrame
            Columns by their canonical names. Features that are absent, or whose values are
            impossible, are imputed; ``artist`` and ``album`` are optional.

        Returns
        -------
        pd.DataFrame
            `COLUMNS`, one row per row of `tracks`, with its index. A row that `score` would set
            aside has an id at most; ids that come twice are labelled twice.
        """
        raw = np.stack([_clean(tracks, name) for name in self._scoring.space.features], axis=1)
        n_imputed = np.isnan(raw).sum(axis=1)
        ids = _texts(tracks, TRACK_ID)
        usable = _are_ids(ids) & (n_imputed <= self._max_imputed)
        found = self._labelled(tracks[usable], raw[usable], n_imputed[usable])
        # A row that was not labelled takes nulls.
        places = pa.array(np.cumsum(usable) - 1, mask=~usable)
        labels = found.take(places).to_pandas(types_mapper=_NULLABLE.get)
        labels[TRACK_ID] = ids.to_numpy()
        return labels.set_index(tracks.index)

    def _labelled(self, tracks: pd.DataFrame, raw: np.ndarray, n_imputed: np.ndarray) -> pa.Table:
        batch = self._inputs(tracks, raw, n_imputed)
        keys = [(GATHER, "ascending"), (key_column(ALBUM), "ascending")]
        order = pc.sort_indices(batch, sort_keys=keys).to_numpy()
        labels = self._predictor.label(batch.take(pa.array(order)))
        model = pa.array([self._model_id] * len(tracks), pa.string())
        found = pa.Table.from_batches([labels]).append_column("model_id", model).select(COLUMNS)
        return found.take(pa.array(np.argsort(order)))

    def _inputs(
        self, tracks: pd.DataFrame, raw: np.ndarray, n_imputed: np.ndarray
    ) -> pa.RecordBatch:
        """What `Predictor.label` takes, in the order of the tracks."""
        space, n = self._scoring.space, len(tracks)
        keys = {group: _keys(_texts(tracks, group)) for group in GROUPS}
        filled = np.where(np.isnan(raw), np.asarray(space.medians), raw)
        columns = {
            TRACK_ID: pa.array(_texts(tracks, TRACK_ID), pa.string()),
            "n_imputed": pa.array(n_imputed.astype(np.int32)),
            # Nothing is carried over from here: no label hangs on a hash.
            "input_hash": pa.array(np.zeros(n, np.int64)),
            ALBUM_SUM: pa.nulls(n, pa.int64()),
            **{key_column(group): key for group, key in keys.items()},
            GATHER: pc.coalesce(keys[ARTIST], _keys(_texts(tracks, TRACK_ID))),
            **{name: pa.array(filled[:, i]) for i, name in enumerate(space.features)},
        }
        if self._scoring.genres:
            context = _of_albums(keys, space.to_numpy(raw), space.edges)
            columns[context_column(ALBUM)] = context
        return pa.RecordBatch.from_pydict(columns)


_NULLABLE = {pa.int32(): pd.Int32Dtype(), pa.bool_(): pd.BooleanDtype()}


def _clean(tracks: pd.DataFrame, name: str) -> np.ndarray:
    """A feature's values [shape=(n_tracks,), dtype=float64], NaN where missing or impossible."""
    if name not in tracks:
        return np.full(len(tracks), np.nan)
    values = pd.to_numeric(tracks[name], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    limits = feature(name)
    possible = (values >= limits.low) & (values <= limits.high)
    if limits.integer:
        possible &= values == np.round(values)
    return np.where(possible, values, np.nan)


def _texts(tracks: pd.DataFrame, name: str) -> pd.Series:
    """A text column, None where it is absent or blank."""
    if name not in tracks:
        return pd.Series([None] * len(tracks), dtype=object)
    texts = tracks[name].astype("string").reset_index(drop=True)
    given = (texts.str.strip(" ") != "").fillna(False)
    return texts.astype(object).where(given, None)


def _are_ids(ids: pd.Series) -> np.ndarray:
    """Which are none that `validation` would set aside."""
    odd = ids.astype("string").str.contains("[\x00-\x1f\x7f\ufffd]", regex=True)
    fine = ids.notna() & ~odd.fillna(False) & (ids.astype("string").str.len() <= MAX_ID_LENGTH)
    return fine.to_numpy(bool, na_value=False)


def _keys(names: pd.Series) -> pa.Array:
    """As Spark's ``xxhash64`` of texts; null where there is none."""
    found = [name and xxhash.xxh64_intdigest(name.encode(), _SEED) for name in names]
    return pa.array(
        [key if key is None or key < 2**63 else key - 2**64 for key in found], pa.int64()
    )


def _of_albums(keys: dict[str, pa.Array], axes: np.ndarray, edges: np.ndarray) -> pa.Array:
    """The packed context of each track's album, null where it has none."""
    on_album, albums = _values(keys[ALBUM])
    named, artists = _values(keys[ARTIST])
    code = np.full(len(axes), -1)
    code[on_album] = np.unique(albums[on_album], return_inverse=True)[1]
    pairs = np.unique(np.stack([code, artists], axis=1)[on_album & named], axis=0)
    rows = np.flatnonzero(on_album)[np.argsort(code[on_album], kind="stable")]
    starts = np.flatnonzero(np.diff(code[rows], prepend=-1))
    n_artists = np.bincount(pairs[:, 0], minlength=len(starts))
    found = of_groups(ALBUM, axes[rows], edges, starts, n_artists)
    return lists(found.packed()).take(pa.array(code, mask=code < 0))


def _values(keys: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Which are not null, and what they are."""
    return keys.is_valid().to_numpy(zero_copy_only=False), keys.fill_null(0).to_numpy()
