"""Opens networks in ONNX Runtime, and asks them."""

from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier.decision import OPINIONS
from genre_spark.errors import BundleError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class Network:
    """A network, opened once.

    Parameters
    ----------
    onnx : bytes
        As `graph` writes it.
    """

    def __init__(self, onnx: bytes):
        self._session = open_session(onnx)
        self._n_classes = self._session.get_outputs()[0].shape[1]

    def opinions(self, tensor: np.ndarray, wanted: np.ndarray) -> np.ndarray:
        """What it says of tracks, without work for what nobody wants to know.

        Parameters
        ----------
        tensor : np.ndarray [shape=(n_tracks, n_axes, n_channels), dtype=float32]
        wanted : np.ndarray [shape=(n_tracks, 3), dtype=bool]
            Which of `OPINIONS` on which track.

        Returns
        -------
        np.ndarray [shape=(n_tracks, 3, n_classes), dtype=float32]
            Log-probabilities, 0 where they are not wanted.

        Raises
        ------
        BundleError
            Where a log-probability is not finite, which no check of a few tracks can rule out.
        """
        said = np.zeros((len(tensor), len(OPINIONS), self._n_classes), np.float32)
        given = [tensor if rows.all() else tensor[rows] for rows in wanted.T]
        found = self._session.run(None, dict(zip(OPINIONS, map(_several, given), strict=True)))
        for i, (rows, values) in enumerate(zip(wanted.T, found, strict=True)):
            said[rows, i] = values[: len(given[i])]
        if not np.isfinite(said).all():
            raise BundleError(
                "the model's network gives numbers that are not finite for some tracks; no label"
                " can be trusted. Use another model"
            )
        return said


def _several(tensor: np.ndarray) -> np.ndarray:
    """One row alone ONNX Runtime multiplies in another order, with other last digits."""
    return np.repeat(tensor, 2, axis=0) if len(tensor) == 1 else tensor


def open_session(onnx: bytes) -> "InferenceSession":
    """An ONNX Runtime session of one thread: Spark gives each worker one core."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
