"""Opens the network in ONNX Runtime."""

from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier.onnx_graph import ARTISTS, ARTISTS_OUTPUT, INPUT, OUTPUT
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
        # Rows of zeros, for the network that is not asked.
        self._nothing = {
            one.name: np.zeros((2, *one.shape[1:]), np.float32)
            for one in self._session.get_inputs()
        }

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
        return self._run(INPUT, OUTPUT, tensor)

    def artist_log_probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """Compute log-probabilities of artists from `LogProbabilities.artist_inputs`; see above."""
        return self._run(ARTISTS, ARTISTS_OUTPUT, inputs)

    def _run(self, name: str, output: str, rows: np.ndarray) -> np.ndarray:
        # One row alone ONNX Runtime multiplies in another order, with other last digits.
        given = np.repeat(rows, 2, axis=0) if len(rows) == 1 else rows
        (found,) = self._session.run([output], self._nothing | {name: given})
        if not np.isfinite(found).all():
            raise BundleError(
                "the model's network gives numbers that are not finite for some tracks; no label"
                " can be trusted. Use another model"
            )
        return found[: len(rows)]


def open_session(onnx: bytes) -> "InferenceSession":
    """An ONNX Runtime session of one thread: Spark gives each worker one core."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(onnx, options, providers=["CPUExecutionProvider"])
