"""All titles and album names of an artist as one document: hashed character 3-grams.

4-grams add nothing on three tables, and take as long again.
"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from genre_spark.features.group_statistics import Groups
from genre_spark.features.track_inputs import Keys, TrackInputs

BITS = 15
# Stands around each text: a 3-gram may begin or end with it, and never reaches beyond.
_EDGE = "\n"
_EDGE_BYTE = np.uint32(ord(_EDGE))
# Of multiplicative hashing (Knuth, TAOCP 3).
_MIX = np.uint32(2654435761)


def of_artists(inputs: TrackInputs, groups: Groups) -> Keys:
    """Collect the document of each artist.

    `groups`: Consecutive tracks of one artist. An album's name counts once, on the first of its
        tracks.

    Returns
    -------
    Keys
        Distinct buckets in [0, 2 ** BITS), one list per group, in the order of the tracks.
    """
    n = len(groups.starts)
    ends = np.append(groups.starts, len(groups.code))
    texts = [] if inputs.title is None else [_joined(inputs.title, ends)]
    if inputs.album_name is not None:
        first = Groups.of(groups.code, inputs.album).starts
        texts.append(_joined(inputs.album_name.take(pa.array(first)), np.searchsorted(first, ends)))
    if not texts:
        return Keys(np.zeros(n + 1, np.int64), np.zeros(0, np.int32))
    text = pc.utf8_lower(pc.binary_join_element_wise("", *texts, "", _EDGE))
    return _buckets(text)


def sums(documents: Keys, weights: np.ndarray) -> np.ndarray:
    """Add up weights of each document's buckets [shape=(n_documents, n_columns), dtype=float64].

    Without scipy, which workers lack. Doubles hold the whole sums exactly, and add up faster.

    Parameters
    ----------
    weights : np.ndarray [shape=(n_columns, n_buckets), dtype=int16]
        Whole numbers, so that sums do not depend on the order of an artist's tracks.
    """
    filled = np.flatnonzero(np.diff(documents.offsets))
    buckets, starts = documents.values.astype(np.intp), documents.offsets[filled]
    found = np.zeros((len(documents.offsets) - 1, len(weights)))
    for column, own in enumerate(weights):
        found[filled, column] = np.add.reduceat(own.astype(np.float64).take(buckets), starts)
    return found


def on_first(documents: Keys, codes: np.ndarray) -> Keys:
    """Documents of artists on the first of each artist's rows, and none on the others.

    Parameters
    ----------
    documents : Keys
        One per artist.
    codes : np.ndarray [shape=(n_rows,), dtype=int64]
        Artist of each row, in order.
    """
    is_first = np.diff(codes, prepend=-1) > 0
    found = documents.take(codes[is_first])
    lengths = np.zeros(len(codes), np.int64)
    lengths[is_first] = np.diff(found.offsets)
    return Keys(np.concatenate([[0], np.cumsum(lengths)]), found.values)


def _joined(column: pa.StringArray, offsets: np.ndarray) -> pa.StringArray:
    """The texts of each group as one, with an edge between them."""
    texts = column.cast(pa.string()).fill_null("")
    lists = pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), texts)
    return pc.binary_join(lists, _EDGE)


def _buckets(text: pa.StringArray) -> Keys:
    _, offset_buffer, data = text.buffers()
    ends = np.frombuffer(offset_buffer, np.int32)[text.offset :][: len(text) + 1]
    raw = np.frombuffer(data or b"", np.uint8)[ends[0] : ends[-1]].astype(np.uint32)
    second, third = (np.append(raw, [_EDGE_BYTE] * i)[i:] for i in (1, 2))
    grams = raw | second << 8 | third << 16
    inside = second != _EDGE_BYTE
    buckets = ((grams * _MIX) >> np.uint32(32 - BITS)).astype(np.uint16)[inside]
    rows = np.repeat(np.arange(len(text), dtype=np.int32), np.diff(ends))[inside]
    # numpy sorts 16 bits by radix, several times faster than longer keys.
    order = np.argsort(buckets, kind="stable")
    is_first = np.ones(len(order), dtype=bool)
    bucket, row = buckets[order], rows[order]
    is_first[order[1:]] = (bucket[1:] != bucket[:-1]) | (row[1:] != row[:-1])
    offsets = np.searchsorted(rows[is_first], np.arange(len(text) + 1, dtype=np.int32))
    return Keys(offsets, buckets[is_first].astype(np.int32))
