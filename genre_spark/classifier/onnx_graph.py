"""The network as ONNX operators: one chain of them for each member, and nothing else.

Written out here, since a general exporter makes several times as many operators of it, most of
which move numbers about.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.classifier.architecture import FILTERS, MEMBERS

if TYPE_CHECKING:
    from onnx import ModelProto

INPUT, OUTPUT = "tensor", "log_probabilities"
ARTISTS, ARTISTS_OUTPUT = "artists", "artist_log_probabilities"
# What ONNX Runtime 1.20 reads, and the first with all that is used here.
OPSET, _IR_VERSION = 15, 8
# All that `write` may use: a bundle whose network has any other operator is refused.
OPERATORS = frozenset({"Concat", "Gemm", "LogSoftmax", "Mul", "ReduceMean", "Reshape", "Sigmoid"})


def write(
    weights: Sequence[np.ndarray],
    artist_weights: Sequence[np.ndarray],
    n_scaled: int,
    n_channels: int,
    n_classes: int,
) -> "ModelProto":
    """Write the mean log-probabilities of the members of both networks as one ONNX model.

    Parameters
    ----------
    weights : sequence of np.ndarray
        Of `architecture.build`'s model: kernels and biases of the convolution
        [shape=(1, n_channels, MEMBERS * FILTERS)], and of the dense layers
        [shape=(MEMBERS, n_inputs, n_units)].
    artist_weights : sequence of np.ndarray
        Of `architecture.build_artist`'s model: kernels and biases of the dense layers.
    n_scaled, n_channels, n_classes : int

    Returns
    -------
    onnx.ModelProto
        From `INPUT` [shape=(n_tracks, n_scaled, n_channels), dtype=float32] to `OUTPUT`
        [shape=(n_tracks, n_classes)], and from `ARTISTS` [shape=(n_artists, n_inputs)] to
        `ARTISTS_OUTPUT` [shape=(n_artists, n_classes)].
    """
    from onnx import TensorProto, helper

    graph = _Graph()
    graph.mean(_members(graph, weights, n_scaled, n_channels), n_classes, OUTPUT)
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
    return helper.make_model(made, opset_imports=[opset], ir_version=_IR_VERSION)


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
