"""Writes the network for ONNX Runtime, once it is known to agree with Keras."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier import onnx_graph
from genre_spark.classifier.architecture import branches
from genre_spark.classifier.decision import GENERAL, N_OPINIONS, SOUND, SPECIAL
from genre_spark.classifier.network import log_probabilities
from genre_spark.classifier.onnx_session import Network
from genre_spark.errors import GenreSparkError

if TYPE_CHECKING:
    import keras

# ONNX and Keras may differ by this much, and never in the winner.
PARITY = 1e-5


def export(
    model: "keras.Model",
    groups: Sequence[str],
    onnx_file: Path,
    probe: np.ndarray,
) -> None:
    """Writes the network for ONNX Runtime, once it is known to agree with Keras.

    Parameters
    ----------
    model : keras.Model
        From `network.fit`.
    groups : sequence of str
        Context groups that it was fitted with.
    onnx_file : Path
        To write, in an existing directory.
    probe : np.ndarray [shape=(n_tracks, n_axes, n_channels), dtype=float32]
        Real tracks on which the two are compared.

    Raises
    ------
    GenreSparkError
        Where they do not agree.
    """
    names = {layer.name for layer in model.layers}
    fitted = [
        (branch, model.get_layer(branch.name).get_weights())
        for branch in branches(groups, specialists=True)
        if branch.name in names
    ]
    n_axes, n_channels = probe.shape[1:]
    written = onnx_graph.write(_by_opinion(fitted), n_axes, n_channels, model.output_shape[-1])
    onnx_file.write_bytes(written.SerializeToString())
    check_parity(log_probabilities(model, probe), onnx_file, probe)


def _by_opinion(fitted: Sequence[onnx_graph.Fitted]) -> dict[str, list[onnx_graph.Fitted]]:
    """The branches behind each opinion; *sound* stands for what there is not."""
    by_name = {branch.name: [(branch, weights)] for branch, weights in fitted}
    special = [one for one in fitted if one[0].long]
    sound = by_name[SOUND]
    return {SOUND: sound, GENERAL: by_name.get(GENERAL, sound), SPECIAL: special or sound}


def check_parity(expected: np.ndarray, onnx: Path, probe: np.ndarray) -> None:
    """The parity gate between Keras and ONNX, on probabilities [shape=(n_tracks, 3, n_classes)]."""
    everything = np.ones((len(probe), N_OPINIONS), dtype=bool)
    found = Network(onnx.read_bytes()).opinions(probe, everything)
    difference = float(np.abs(np.exp(found) - np.exp(expected)).max())
    if difference > PARITY or (found.argmax(axis=2) != expected.argmax(axis=2)).any():
        raise GenreSparkError(
            f"the exported network differs from Keras by {difference:.1e} on {len(probe)} tracks,"
            f" the limit is {PARITY:.0e}; nothing was written"
        )
