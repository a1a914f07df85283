"""From Arrow batches of tracks to Arrow batches of labels: what runs in a Python worker.

A module of its own, without Spark: workers import it by name, so that its cache of opened models
lives as long as the worker and not only as long as a task, and tests call it directly.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from genre_spark.bundle import Bundle, GenrePart, ScoringPart
from genre_spark.calibration import softmax
from genre_spark.schema import TRACK_ID, context_column
from genre_spark.tensor import assign, build, packed, unpack

TOP = 3
_PROBABILITY = pa.struct([("genre", pa.string()), ("probability", pa.float32())])
_OPENED: dict[str, "Predictor"] = {}


@dataclass(frozen=True)
class Payload:
    """A bundle's scoring part as it travels to the workers."""

    model_id: str
    scoring_json: str
    onnx: bytes | None

    @classmethod
    def of(cls, bundle: Bundle) -> "Payload":
        """What scoring needs of a bundle."""
        manifest = bundle.manifest
        return cls(manifest.model_id, manifest.scoring.model_dump_json(), bundle.onnx)


def predictor(payload: Payload) -> "Predictor":
    """The predictor of a model, opened once in each worker."""
    if payload.model_id not in _OPENED:
        # Workers outlive jobs; a model of an earlier job need not stay in their memory.
        _OPENED.clear()
        scoring = ScoringPart.model_validate_json(payload.scoring_json)
        _OPENED[payload.model_id] = Predictor(scoring, payload.onnx)
    return _OPENED[payload.model_id]


class Predictor:
    """Labels batches of tracks.

    Parameters
    ----------
    scoring : ScoringPart
        Transform, centroids, names, classes, calibration.
    onnx : bytes or None
        The network; None labels with synthetic genres only.
    """

    def __init__(self, scoring: ScoringPart, onnx: bytes | None):
        self._scoring = scoring
        self._centroids = scoring.centroids
        self._ids = pa.array(scoring.synthetic.ids, pa.int32())
        self._names = pa.array(scoring.synthetic.names, pa.string())
        self._session = open_session(onnx) if onnx else None

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Labels of a batch of tracks.

        Parameters
        ----------
        batch : pa.RecordBatch
            `TRACK_ID`, ``n_imputed``, ``input_hash``, the model's features as double, and the
            context columns of its groups.

        Returns
        -------
        pa.RecordBatch
            The labelled columns but ``model_id`` and ``scored_at``, which are the same for all.
        """
        space = self._scoring.space
        raw = [batch[name].to_numpy(zero_copy_only=False) for name in space.features]
        axes = space.to_numpy(np.stack(raw, axis=1).astype(np.float64))
        nearest, distances = assign(axes, self._centroids)
        rows = pa.array(nearest)
        columns = {
            TRACK_ID: batch[TRACK_ID],
            "synthetic_genre_id": self._ids.take(rows),
            "synthetic_genre": self._names.take(rows),
            "synthetic_genre_distance": pa.array(distances.astype(np.float32)),
            **self._genres(batch, axes, nearest),
            "n_imputed": batch["n_imputed"],
            "input_hash": batch["input_hash"],
        }
        return pa.RecordBatch.from_pydict(columns)

    def _genres(
        self, batch: pa.RecordBatch, axes: np.ndarray, nearest: np.ndarray
    ) -> dict[str, pa.Array]:
        part = self._scoring.genres
        if part is None or self._session is None:
            return _no_genres(len(axes))
        groups = {g: unpack(*packed(batch[context_column(g)]), axes) for g in part.groups}
        tensor = build(axes, self._centroids[nearest], groups)
        (logits,) = self._session.run(None, {self._session.get_inputs()[0].name: tensor})
        return genre_columns(softmax(logits / part.temperature), part)


def genre_columns(probabilities: np.ndarray, part: GenrePart) -> dict[str, pa.Array]:
    """The genre columns of calibrated probabilities [shape=(n_tracks, n_classes)]."""
    n, n_top = len(probabilities), min(TOP, len(part.classes))
    best = np.argsort(-probabilities, axis=1, kind="stable")[:, :n_top]
    values = np.take_along_axis(probabilities, best, axis=1).astype(np.float32)
    classes = pa.array(part.classes, pa.string())
    names = classes.take(pa.array(best.ravel()))
    top = pa.StructArray.from_arrays([names, pa.array(values.ravel())], fields=list(_PROBABILITY))
    offsets = pa.array(np.arange(0, n * n_top + 1, n_top, dtype=np.int32))
    return {
        "genre": classes.take(pa.array(best[:, 0])),
        "genre_confidence": pa.array(values[:, 0]),
        "genre_accepted": pa.array(values[:, 0] >= part.threshold),
        "genre_top3": pa.ListArray.from_arrays(offsets, top),
    }


def _no_genres(n: int) -> dict[str, pa.Array]:
    return {
        "genre": pa.nulls(n, pa.string()),
        "genre_confidence": pa.nulls(n, pa.float32()),
        "genre_accepted": pa.nulls(n, pa.bool_()),
        "genre_top3": pa.nulls(n, pa.list_(_PROBABILITY)),
    }


def open_session(onnx: bytes):
    """An ONNX Runtime session of one thread: Spark gives each worker one core."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
