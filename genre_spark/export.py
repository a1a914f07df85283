"""Ships the network: for Keras and for ONNX Runtime, once it is known that they agree."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.bundle import KERAS, ONNX
from genre_spark.errors import GenreSparkError
from genre_spark.inference import open_session
from genre_spark.network import log_probabilities

if TYPE_CHECKING:
    import keras

# ONNX and Keras may differ by this much, and never in the winner.
PARITY = 1e-5


def export(model: "keras.Model", folder: Path, probe: np.ndarray) -> None:
    """Writes the network for Keras and for ONNX Runtime, once it is known that they agree.

    Parameters
    ----------
    model : keras.Model
    folder : Path
        Existing directory.
    probe : np.ndarray [shape=(n_tracks, n_axes, n_channels), dtype=float32]
        Real tracks on which the two are compared.

    Raises
    ------
    GenreSparkError
        Where they do not agree.
    """
    model.save(folder / KERAS)
    # Keras exports only what was called.
    model(probe[:1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks numpy for what it left behind
        model.export(folder / ONNX, format="onnx", verbose=False)
    _fold_constants(folder / ONNX)
    check_parity(log_probabilities(model, probe), folder / ONNX, probe)


def _fold_constants(onnx: Path) -> None:
    """Leaves out copies of weights of which the exporter's graph asks the shape alone."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    # Such rewrites are the same for every machine; further ones are not.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    folded = onnx.with_suffix(".folded")
    options.optimized_model_filepath = str(folded)
    ort.InferenceSession(onnx.read_bytes(), options, providers=["CPUExecutionProvider"])
    folded.replace(onnx)


def check_parity(expected: np.ndarray, onnx: Path, probe: np.ndarray) -> None:
    """The parity gate between Keras and ONNX, on probabilities [shape=(n_tracks, 3, n_classes)]."""
    session = open_session(onnx.read_bytes())
    (found,) = session.run(None, {session.get_inputs()[0].name: probe})
    difference = float(np.abs(np.exp(found) - np.exp(expected)).max())
    if difference > PARITY or (found.argmax(axis=2) != expected.argmax(axis=2)).any():
        raise GenreSparkError(
            f"the exported network differs from Keras by {difference:.1e} on {len(probe)} tracks,"
            f" the limit is {PARITY:.0e}; nothing was written"
        )
