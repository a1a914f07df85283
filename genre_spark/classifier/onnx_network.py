"""The networks in ONNX: written, opened by ONNX Runtime, and compared with Keras.

One chain of operators for each member, and nothing else. Written out here, since a general exporter
makes several times as many operators of it, most of which move numbers about.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.classifier.network import (
    FILTERS,
    MEMBERS,
    mean_log_probabilities,
    member_log_probabilities,
)
from genre_spark.errors import BundleError, GenreSparkError

if TYPE_CHECKING:
    import keras
    from onnxruntime import InferenceSession

INPUT, OUTPUT = "tensor", "log_probabilities"
ARTISTS, ARTISTS_OUTPUT = "artists", "artist_log_probabilities"
# What ONNX Runtime 1.20 reads, and the first with all that is used here.
OPSET, _IR_VERSION = 15, 8
# All that `to_onnx` may use: a bundle whose network has any other operator is refused.
OPERATORS = frozenset({"Concat", "Gemm", "LogSoftmax", "Mul", "ReduceMean", "Reshape", "Sigmoid"})
# ONNX and Keras may differ by this much, and never in the winner.
PARITY = 1e-5


def to_onnx(model: "keras.Model", artist_model: "keras.Model") -> bytes:
    """Write the mean log-probabilities of the members of both networks as one ONNX model.

    Parameters
    ----------
    model, artist_model : keras.Model
        From `network.build_track` and `network.build_artist`.

    Returns
    -------
    bytes
        From `INPUT` [shape=(n_tracks, n_scaled, n_channels), dtype=float32] to `OUTPUT`
        [shape=(n_tracks, n_classes)], and from `ARTISTS` [shape=(n_artists, n_inputs)] to
        `ARTISTS_OUTPUT` [shape=(n_artists, n_classes)].
    """
    from onnx import TensorProto, helper

    _, n_scaled, n_channels = model.input_shape
    n_classes, artist_weights = model.output_shape[-1], artist_model.get_weights()
    graph = _Graph()
    graph.mean(_members(graph, model.get_weights(), n_scaled, n_channels), n_classes, OUTPUT)
    layers = list(zip(artist_weights[::2], artist_weights[1::2], strict=True))
    artists = [graph.chain(ARTISTS, layers, member) for member in range(MEMBERS)]
    graph.mean(artists, n_classes, ARTISTS_OUTPUT)
    shapes: dict[str, list[str | int]] = {
        INPUT: ["tracks", n_scaled, n_channels],
        ARTISTS: ["artists", artist_weights[0].shape[1]],
        OUTPUT: ["tracks", n_classes],
        ARTISTS_OUTPUT: ["artists", n_classes],
    }
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    made = helper.make_graph(graph.nodes, "network", values[:2], values[2:], graph.constants)
    opset = helper.make_opsetid("", OPSET)
    written = helper.make_model(made, opset_imports=[opset], ir_version=_IR_VERSION)
    return written.SerializeToString()


class Network:
    """A network, opened once.

    Parameters
    ----------
    onnx : bytes
        From `to_onnx`.
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


class _Graph:
    """Operators and constants, in order."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: np.ndarray) -> str:
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def add(self, op: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        from onnx import helper

        if op not in OPERATORS:
            raise ValueError(f"{op} is not among the operators that bundles may have")
        output = output or f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [output], **attributes))
        return output

    def reshape(self, value: str, *shape: int) -> str:
        return self.add("Reshape", value, self.constant(np.array(shape, np.int64)))

    def dense(self, value: str, kernel: np.ndarray, bias: np.ndarray) -> str:
        return self.add("Gemm", value, self.constant(kernel), self.constant(bias))

    def chain(
        self, value: str, layers: Sequence[tuple[np.ndarray, np.ndarray]], member: int
    ) -> str:
        """Log-probabilities from the dense layers of one member."""
        for kernel, bias in layers[:-1]:
            value = self.silu(self.dense(value, kernel[member], bias[member]))
        kernel, bias = layers[-1]
        return self.add("LogSoftmax", self.dense(value, kernel[member], bias[member]), axis=1)

    def mean(self, members: Sequence[str], n_classes: int, output: str) -> None:
        """Mean log-probabilities of the members, which again add up to 1."""
        beside = self.reshape(self.add("Concat", *members, axis=1), -1, MEMBERS, n_classes)
        mean = self.add("ReduceMean", beside, axes=[1], keepdims=0)
        self.add("LogSoftmax", mean, output=output, axis=1)

    def silu(self, value: str) -> str:
        return self.add("Mul", value, self.add("Sigmoid", value))


def _members(
    graph: _Graph, weights: Sequence[np.ndarray], n_scaled: int, n_channels: int
) -> list[str]:
    """Log-probabilities of each member [shape=(n_tracks, n_classes)]."""
    (kernel, bias), *dense = zip(weights[::2], weights[1::2], strict=True)
    mix, biases = kernel.reshape(n_channels, MEMBERS, FILTERS), bias.reshape(MEMBERS, FILTERS)
    image, members = graph.reshape(INPUT, -1, n_channels), []
    for member in range(MEMBERS):
        mixed = graph.silu(graph.dense(image, mix[:, member], biases[member]))
        found = graph.reshape(mixed, -1, n_scaled * FILTERS)
        members.append(graph.chain(found, dense, member))
    return members
