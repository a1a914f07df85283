"""From Arrow batches of tracks to Arrow batches of labels: what runs in a Python worker.

A module of its own, without Spark: workers import it by name, so that its cache of opened models
lives as long as the worker and not only as long as a task, and tests call it directly.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from genre_spark.bundle.manifest import ScoringPart
from genre_spark.classifier.predictor import GenrePredictor
from genre_spark.features.artist_batches import (
    GROUP,
    ArtistBatch,
    artist_batches,
    single_tracks,
    sorted_by_group,
)
from genre_spark.features.group_statistics import Groups
from genre_spark.schema import EVIDENCE, RUN_COLUMNS, TRACK_ID, labelled_columns
from genre_spark.scoring.explanations import Explainer

if TYPE_CHECKING:
    from genre_spark.bundle.files import Bundle

TOP = 3
_PROBABILITY = pa.struct([("genre", pa.string()), ("probability", pa.float32())])


# Columns that pass through a worker unchanged; see `job.labelled`.
OWN_HASH, MISSING, HAS_GENRE, IS_AMBIGUOUS = "_own_hash", "_missing", "_has_genre", "_ambiguous"
_PASSED = (HAS_GENRE, IS_AMBIGUOUS, OWN_HASH, MISSING)
_OPENED: dict[tuple[str, bool], "Labeller"] = {}


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


@dataclass(frozen=True)
class Payload:
    """A bundle's scoring part as it travels to the workers."""

    model_id: str
    scoring_json: str
    onnx: bytes | None
    explain: bool = False

    @classmethod
    def of(cls, bundle: "Bundle", explain: bool = False) -> "Payload":
        """What scoring needs of a bundle."""
        manifest = bundle.manifest
        return cls(manifest.model_id, manifest.scoring.model_dump_json(), bundle.onnx, explain)


def label_partition(
    payload: Payload, batches: Iterator[pa.RecordBatch]
) -> Iterator[pa.RecordBatch]:
    """The labels of a partition of tracks.

    Parameters
    ----------
    batches : iterator of pa.RecordBatch
        With the columns of `job.labelled`'s narrow table. All tracks of an artist group are in one
        partition if the model relates them.

    Yields
    ------
    pa.RecordBatch
        The labelled columns but those of the run, then `HAS_GENRE`, `IS_AMBIGUOUS`, `OWN_HASH` and
        `MISSING`.
    """
    labeller = _opened(payload)
    for batch in labeller.batches(batches):
        yield labeller.label(batch)


def hash_partition(relates: bool, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """``track_id`` and ``input_hash`` of a partition of tracks, as `label_partition` gives them."""
    for batch in sorted_by_group(batches) if relates else batches:
        hashes = _input_hashes(batch, relates)
        passed = {name: batch[name] for name in _PASSED}
        ids = {TRACK_ID: batch[TRACK_ID], "input_hash": hashes}
        yield pa.RecordBatch.from_pydict(ids | passed)


def _opened(payload: Payload) -> "Labeller":
    """The labeller of a model, opened once in each worker."""
    key = (payload.model_id, payload.explain)
    if key not in _OPENED:
        # Workers outlive jobs; a model of an earlier job need not stay in their memory.
        _OPENED.clear()
        scoring = ScoringPart.model_validate_json(payload.scoring_json)
        _OPENED[key] = Labeller(scoring, payload.onnx, payload.explain)
    return _OPENED[key]


class Labeller:
    """Labels batches of complete artist groups.

    Parameters
    ----------
    onnx : bytes or None
        The network; None labels with synthetic genres only.
    """

    def __init__(self, scoring: ScoringPart, onnx: bytes | None, explain: bool = False):
        self._scoring = scoring
        self._ids = pa.array(scoring.synthetic.ids, pa.int32())
        self._names = pa.array(scoring.synthetic.names, pa.string())
        self._genres = None
        if scoring.genres is not None and onnx is not None:
            self._genres = GenrePredictor(scoring.genres, scoring.scaler, onnx)
        self._explainer = Explainer(scoring, self._genres) if explain else None
        labelled = [name for name in labelled_columns(explain) if name not in RUN_COLUMNS]
        self._order = (*labelled, *_PASSED)

    def batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[ArtistBatch]:
        """What `label` takes, of a partition."""
        split = artist_batches if self._scoring.relates_artists else single_tracks
        return split(batches, self._scoring.scaler)

    def label(self, batch: ArtistBatch) -> pa.RecordBatch:
        """The labels of a batch; see `label_partition`."""
        rows, (nearest, distances) = batch.rows, self._scoring.synthetic.assign(batch.inputs)
        genres = self._label_genres(batch, nearest)
        # Nothing is known of a track, nor of its artist's other tracks.
        unplaced = nearest < 0
        places = pa.array(nearest, mask=unplaced)
        columns = {
            TRACK_ID: rows[TRACK_ID],
            "synthetic_genre_id": self._ids.take(places),
            "synthetic_genre": self._names.take(places),
            "synthetic_genre_distance": pa.array(
                distances.astype(np.float32, copy=False), mask=unplaced
            ),
            **genres,
            "n_imputed": pa.array(batch.n_missing.astype(np.int32)),
            "input_hash": _input_hashes(rows, self._scoring.relates_artists),
        }
        if self._explainer:
            columns |= self._explainer.explain(batch.inputs, nearest, genres["genre"])
        columns |= {name: rows[name] for name in _PASSED}
        # Spark takes the columns by their position.
        return pa.RecordBatch.from_pydict({name: columns[name] for name in self._order})

    def _label_genres(self, batch: ArtistBatch, nearest: np.ndarray) -> dict[str, pa.Array]:
        if self._genres is None or self._scoring.genres is None:
            n = batch.rows.num_rows
            return {**no_genres(n), EVIDENCE: pa.nulls(n, pa.int32())}
        found = self._genres.predict(batch.inputs, batch.groups, nearest)
        columns = genre_columns(
            found.probabilities,
            self._scoring.genres.classes,
            found.known,
            found.precision,
            found.accepted,
        )
        if self._explainer:
            columns[EVIDENCE] = pa.array(found.evidence.astype(np.int32))
        return columns


def _input_hashes(rows: pa.RecordBatch, relates: bool) -> pa.Array:
    """Hash of all that a track's label depends on: the track, and the tracks of its artist group.

    Of a sum and not of an exclusive or, under which two equal tracks would be as good as none.
    """
    own = rows[OWN_HASH].to_numpy()
    if not relates or not len(own):
        return rows[OWN_HASH]
    groups = Groups.of(rows[GROUP].to_numpy())
    return pa.array(_mixed(own, groups.sums(own)[groups.code]))


def _mixed(own: np.ndarray, of_group: np.ndarray) -> np.ndarray:
    """One hash of two [shape=(n_tracks,), dtype=int64].

    References
    ----------
    Steele, Lea & Flood (2014), "Fast Splittable Pseudorandom Number Generators", OOPSLA: the
    finalizer of SplitMix64.
    """
    mixed = own.view(np.uint64) + of_group.view(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))).view(np.int64)
