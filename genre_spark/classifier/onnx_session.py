"""Opens the network in ONNX Runtime."""

from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier.onnx_graph import INPUT
from genre_spark.errors import BundleError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


class Network:
    """A network, opened once.

    Parameters
    ----------
    onnx : bytes
        As `onnx_graph` writes it.
    """

    def __init__(self, onnx: bytes):
        self._session = open_session(onnx)

    def log_probabilities(self, tensor: np.ndarray) -> np.ndarray:
        """Compute log-probabilities of the genres.

        Parameters
        ----------
        tensor : np.ndarray [shape=(n_tracks, n_scaled, n_channels), dtype=float32]

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_classes), dtype=float32]

        Raises
        ------
        BundleError
            Where a log-probability is not finite, which no check of a few tracks can rule out.
        """
        # One row alone ONNX Runtime multiplies in another order, with other last digits.
        given = np.repeat(tensor, 2, axis=0) if len(tensor) == 1 else tensor
        (found,) = self._session.run(None, {INPUT: given})
        if not np.isfinite(found).all():
            raise BundleError(
                "the model's network gives numbers that are not finite for some tracks; no label"
                " can be trusted. Use another model"
            )
        return found[: len(tensor)]


def open_session(onnx: bytes) -> "InferenceSession":
    """An ONNX Runtime session of one thread: Spark gives each worker one core."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
