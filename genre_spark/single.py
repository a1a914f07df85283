"""Labels a small table in one process, without Spark: for a model that is served, or tried out.

The same predictor labels as in Spark's workers, and context and consensus are computed here as Spark
computes them: over the rows that are given. So give it all tracks of an artist at once. Labels of a
whole catalogue are those that `score` gives, but for one thing: Spark counts the albums of an artist
within 5 %, which moves some confidences in the third digit.
"""

import numpy as np
import pandas as pd
import pyarrow as pa
import xxhash

from genre_spark.bundle import Bundle
from genre_spark.predict import ARTIST_KEY, CONSENSUS, OPINION, Predictor
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    LABELLED_COLUMNS,
    MAX_ID_LENGTH,
    TRACK_ID,
    context_column,
    feature,
)
from genre_spark.tensor import STATISTICS, bins

# What Spark hashes with, and the units of its fixed-point sums: see `context` and `scoring`.
_SEED = 42
_AXIS_UNIT, _OPINION_UNIT = 2.0**16, 2.0**24
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
        judged = self._predictor.judge(batch)
        consensus = _means(judged[OPINION], tracks, _OPINION_UNIT)
        decided = self._predictor.decide(judged.append_column(CONSENSUS, consensus))
        model = pa.array([self._model_id] * len(tracks), pa.string())
        return pa.Table.from_batches([decided]).append_column("model_id", model).select(COLUMNS)

    def _inputs(
        self, tracks: pd.DataFrame, raw: np.ndarray, n_imputed: np.ndarray
    ) -> pa.RecordBatch:
        """What `Predictor.judge` takes."""
        space, part = self._scoring.space, self._scoring.genres
        axes = space.to_numpy(raw)
        columns = {
            TRACK_ID: pa.array(_texts(tracks, TRACK_ID)),
            "n_imputed": pa.array(n_imputed.astype(np.int32)),
            "input_hash": pa.nulls(len(tracks), pa.int64()),
            ARTIST_KEY: _keys(_texts(tracks, ARTIST)),
        }
        filled = np.where(np.isnan(raw), np.asarray(space.medians), raw)
        columns |= {name: pa.array(filled[:, i]) for i, name in enumerate(space.features)}
        for group in part.groups if part else ():
            columns[context_column(group)] = _context(group, tracks, axes, space.edges)
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
    return texts.where(texts.str.strip(" ") != "").astype(object).where(texts.notna(), None)


def _are_ids(ids: pd.Series) -> np.ndarray:
    """Which are none that `validation` would set aside."""
    odd = ids.astype("string").str.contains("[\x00-\x1f\x7f\ufffd]", regex=True)
    fine = ids.notna() & ~odd.fillna(False) & (ids.astype("string").str.len() <= MAX_ID_LENGTH)
    return fine.to_numpy(bool, na_value=False)


def _keys(artists: pd.Series) -> pa.Array:
    """As Spark's ``xxhash64`` of the artist; null where there is none."""
    found = [name and xxhash.xxh64_intdigest(name.encode(), _SEED) for name in artists]
    return pa.array(
        [key if key is None or key < 2**63 else key - 2**64 for key in found], pa.int64()
    )


def _context(group: str, tracks: pd.DataFrame, axes: np.ndarray, edges: np.ndarray) -> pa.Array:
    """A group's context, packed as `context.add_context` packs it."""
    code, names = pd.factorize(_texts(tracks, group))
    named = code >= 0
    counts = np.bincount(code[named], minlength=len(names))[:, None]
    others = _texts(tracks, ALBUM if group == ARTIST else ARTIST)
    n_others = others[named].groupby(code[named]).nunique().clip(lower=1).to_numpy()[:, None]
    found = _statistics(axes[named], edges, code[named], counts)
    packed = np.concatenate([counts, n_others, *(found[s] for s in STATISTICS[group])], axis=1)
    return _lists(packed[code[named]], named)


def _statistics(
    axes: np.ndarray, edges: np.ndarray, code: np.ndarray, counts: np.ndarray
) -> dict[str, np.ndarray]:
    """Each statistic of each group [shape=(n_groups, n_axes)]."""
    n, fixed = len(counts), _fixed(axes, _AXIS_UNIT)
    mean = _sums(fixed, code, n) / counts / _AXIS_UNIT
    mean_square = _sums(fixed * fixed, code, n) / counts / _AXIS_UNIT**2
    low, high = np.full((2, n, axes.shape[1]), [[[np.inf]], [[-np.inf]]])
    np.minimum.at(low, code, axes)
    np.maximum.at(high, code, axes)
    spread = np.sqrt(np.maximum(mean_square - mean * mean, 0.0))
    steps = _fixed(bins(axes, edges), _AXIS_UNIT)
    shares = {
        f"bin{i + 1}": _sums(steps[:, i], code, n) / counts / _AXIS_UNIT
        for i in range(steps.shape[1])
    }
    return {"mean": mean, "spread": spread, "low": low, "high": high, **shares}


def _means(opinions: pa.Array, tracks: pd.DataFrame, unit: float) -> pa.Array:
    """Each track's artist's mean opinion, null where it has no artist or there is no opinion."""
    code, names = pd.factorize(_texts(tracks, ARTIST))
    named = (code >= 0) & opinions.is_valid().to_numpy(zero_copy_only=False)
    if not named.any():
        return pa.nulls(len(tracks), pa.list_(pa.float32()))
    flat = opinions.flatten().to_numpy(zero_copy_only=False).astype(np.float64)
    values = flat.reshape(len(tracks), -1)[named]
    counts = np.bincount(code[named], minlength=len(names))[:, None]
    means = _sums(_fixed(values, unit), code[named], len(names)) / np.maximum(counts, 1) / unit
    return _lists(means[code[named]].astype(np.float32), named)


def _fixed(values: np.ndarray, unit: float) -> np.ndarray:
    """Whole numbers of a unit; halves go away from zero, as Spark rounds."""
    return (np.sign(values) * np.floor(np.abs(values) * unit + 0.5)).astype(np.int64)


def _sums(values: np.ndarray, code: np.ndarray, n: int) -> np.ndarray:
    sums = np.zeros((n, values.shape[1]), np.int64)
    np.add.at(sums, code, values)
    return sums


def _lists(values: np.ndarray, given: np.ndarray) -> pa.Array:
    """A list per row that has one, null for the others."""
    ends = np.concatenate([[0], np.cumsum(given)]) * values.shape[1]
    mask = pa.array(~given)
    return pa.ListArray.from_arrays(
        pa.array(ends.astype(np.int32)), pa.array(values.ravel()), mask=mask
    )
