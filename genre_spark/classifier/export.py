"""Writes the network for ONNX Runtime, once it is known to agree with Keras."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier import onnx_graph
from genre_spark.classifier.network import mean_log_probabilities, member_log_probabilities
from genre_spark.classifier.onnx_session import Network
from genre_spark.errors import GenreSparkError

if TYPE_CHECKING:
    import keras

# ONNX and Keras may differ by this much, and never in the winner.
PARITY = 1e-5


def export(model: "keras.Model", onnx_file: Path, probe: np.ndarray) -> None:
    """Write the network for ONNX Runtime, and check that it agrees with Keras.

    Parameters
    ----------
    model : keras.Model
        From `network.fit`.
    onnx_file : Path
        To write, in an existing directory.
    probe : np.ndarray [shape=(n_tracks, n_scaled, n_channels), dtype=float32]
        Real tracks on which the two are compared.

    Raises
    ------
    GenreSparkError
        Where they do not agree.
    """
    n_scaled, n_channels = probe.shape[1:]
    written = onnx_graph.write(model.get_weights(), n_scaled, n_channels, model.output_shape[-1])
    onnx_file.write_bytes(written.SerializeToString())
    expected = mean_log_probabilities(member_log_probabilities(model, probe))
    check_parity(expected, onnx_file, probe)


def check_parity(expected: np.ndarray, onnx: Path, probe: np.ndarray) -> None:
    """Compare ONNX with the expected log-probabilities [shape=(n_tracks, n_classes)].

    Raises
    ------
    GenreSparkError
    """
    found = Network(onnx.read_bytes()).log_probabilities(probe)
    difference = float(np.abs(np.exp(found) - np.exp(expected)).max())
    if difference > PARITY or (found.argmax(axis=1) != expected.argmax(axis=1)).any():
        raise GenreSparkError(
            f"the exported network differs from Keras by {difference:.1e} on {len(probe)} tracks,"
            f" the limit is {PARITY:.0e}; nothing was written"
        )
