"""Writes the networks for ONNX Runtime, and checks that they agree with Keras."""

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


def to_onnx(model: "keras.Model", artist_model: "keras.Model") -> bytes:
    """Write the network of tracks and that of artists as one ONNX model."""
    _, n_scaled, n_channels = model.input_shape
    written = onnx_graph.write(
        model.get_weights(),
        artist_model.get_weights(),
        n_scaled,
        n_channels,
        model.output_shape[-1],
    )
    return written.SerializeToString()


def check_parity(
    onnx: bytes,
    models: tuple["keras.Model", "keras.Model"],
    probes: tuple[np.ndarray, np.ndarray],
) -> None:
    """Compare ONNX with Keras on real tracks and artists.

    Parameters
    ----------
    onnx : bytes
        From `to_onnx`.
    models : tuple of keras.Model
        Of tracks, and of artists.
    probes : tuple of np.ndarray
        Inputs of either.

    Raises
    ------
    GenreSparkError
        Where they do not agree.
    """
    opened = Network(onnx)
    found = opened.log_probabilities(probes[0]), opened.artist_log_probabilities(probes[1])
    for model, probe, logs in zip(models, probes, found, strict=True):
        expected = mean_log_probabilities(member_log_probabilities(model, probe))
        difference = float(np.abs(np.exp(logs) - np.exp(expected)).max())
        if difference > PARITY or (logs.argmax(axis=1) != expected.argmax(axis=1)).any():
            raise GenreSparkError(
                f"the exported network differs from Keras by {difference:.1e} on {len(probe)} rows,"
                f" the limit is {PARITY:.0e}; nothing was written"
            )
