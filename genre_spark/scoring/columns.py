"""Arrow columns of labels from numpy arrays."""

import numpy as np
import pyarrow as pa

TOP = 3
_PROBABILITY = pa.struct([("genre", pa.string()), ("probability", pa.float32())])


def lists(values: np.ndarray) -> pa.ListArray:
    """Rows of an array [shape=(n_lists, length)] as lists."""
    offsets = np.arange(0, values.size + 1, values.shape[1], dtype=np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(values.ravel()))


def genre_columns(
    probabilities: np.ndarray,
    classes: tuple[str, ...],
    known: np.ndarray,
    precision: np.ndarray,
    accepted: np.ndarray,
) -> dict[str, pa.Array]:
    """The genre columns of calibrated probabilities.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_classes)]
    known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether anything is known of the track; else its genre is null.
    precision : np.ndarray [shape=(n_tracks,)]
        Precision that such labels meet; NaN where none can be promised.
    accepted : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether it is at least the target.
    """
    n, n_top = len(probabilities), min(TOP, len(classes))
    best = _largest(probabilities, n_top)
    values = np.take_along_axis(probabilities, best, axis=1)
    names = pa.array(classes, pa.string())
    top = pa.StructArray.from_arrays(
        [names.take(pa.array(best.ravel())), pa.array(values.ravel().astype(np.float32))],
        fields=list(_PROBABILITY),
    )
    offsets = pa.array(np.arange(0, n * n_top + 1, n_top, dtype=np.int32))
    unknown = pa.array(~known)
    return {
        "genre": names.take(pa.array(best[:, 0], mask=~known)),
        "genre_confidence": pa.array(values[:, 0].astype(np.float32), mask=~known),
        "genre_precision": pa.array(precision, from_pandas=True),
        "genre_accepted": pa.array(accepted),
        "genre_top3": pa.ListArray.from_arrays(offsets, top, mask=unknown),
    }


def _largest(values: np.ndarray, n: int) -> np.ndarray:
    """Columns of each row's largest values, in order; sorting short rows takes many times longer."""
    left, rows = values.copy(), np.arange(len(values))
    found = np.empty((len(values), n), dtype=np.int64)
    for i in range(n):
        found[:, i] = left.argmax(axis=1)
        left[rows, found[:, i]] = -1.0
    return found


def no_genres(n: int) -> dict[str, pa.Array]:
    """The genre columns where there is no network."""
    return {
        "genre": pa.nulls(n, pa.string()),
        "genre_confidence": pa.nulls(n, pa.float32()),
        "genre_precision": pa.nulls(n, pa.float64()),
        "genre_accepted": pa.nulls(n, pa.bool_()),
        "genre_top3": pa.nulls(n, pa.list_(_PROBABILITY)),
    }
