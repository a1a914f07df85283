"""The network as ONNX operators: one chain of them for each member, and nothing else.

Written out here, since a general exporter makes several times as many operators of it, most of
which move numbers about. Each opinion has an input of its own, so that only the tracks that need it
cost anything.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.classifier.architecture import Branch
from genre_spark.classifier.decision import log_probabilities_of

if TYPE_CHECKING:
    from onnx import ModelProto

# What ONNX Runtime 1.20 reads, and the first with all that is used here.
OPSET, _IR_VERSION = 15, 8
# All that `write` may use: a bundle whose network has any other operator is refused.
OPERATORS = frozenset(
    {"Concat", "Gemm", "Identity", "LogSoftmax", "Mul", "ReduceMean", "Reshape", "Sigmoid"}
)

Fitted = tuple[Branch, Sequence[np.ndarray]]


def write(
    opinions: Mapping[str, Sequence[Fitted]], n_axes: int, n_channels: int, n_classes: int
) -> "ModelProto":
    """The network of opinions.

    Parameters
    ----------
    opinions : mapping of str to sequence of (Branch, weights)
        Whose mean log-probabilities each opinion is. Weights are those of `Branch.build`'s model:
        kernels and biases of the convolution, [shape=(1, n_seen, members * filters)], and of the
        dense layers, [shape=(members, n_inputs, n_units)].
    n_axes, n_channels, n_classes : int

    Returns
    -------
    onnx.ModelProto
        Per opinion an input of its name [shape=(n_tracks, n_axes, n_channels), dtype=float32] and
        an output `log_probabilities_of(name)` [shape=(n_tracks, n_classes)]; each may be given
        other tracks, or none.
    """
    from onnx import TensorProto, helper

    graph, inputs, outputs = _Graph(), [], []
    for name, parts in opinions.items():
        said = [_branch(graph, name, *part, n_axes, n_channels) for part in parts]
        graph.add("Identity", _mean(graph, said, n_classes), output=log_probabilities_of(name))
        shapes = [f"{name}_tracks", n_axes, n_channels], [f"{name}_tracks", n_classes]
        inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shapes[0]))
        outputs.append(
            helper.make_tensor_value_info(log_probabilities_of(name), TensorProto.FLOAT, shapes[1])
        )
    made = helper.make_graph(graph.nodes, "network", inputs, outputs, graph.constants)
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

    def silu(self, value: str) -> str:
        return self.add("Mul", value, self.add("Sigmoid", value))


def _branch(
    graph: _Graph,
    tensor: str,
    branch: Branch,
    weights: Sequence[np.ndarray],
    n_axes: int,
    n_channels: int,
) -> str:
    """The mean log-probabilities of a branch's members [shape=(n_tracks, n_classes)]."""
    (kernel, bias), *dense = zip(weights[::2], weights[1::2], strict=True)
    # Channels that a branch does not see have weights of 0.
    mix = np.zeros((n_channels, branch.members, branch.filters), np.float32)
    mix[list(branch.channels)] = kernel.reshape(-1, branch.members, branch.filters)
    biases = bias.reshape(branch.members, branch.filters)
    image, said = graph.reshape(tensor, -1, n_channels), []
    for member in range(branch.members):
        mixed = graph.silu(graph.dense(image, mix[:, member], biases[member]))
        found = graph.reshape(mixed, -1, n_axes * branch.filters)
        for own, own_bias in dense[:-1]:
            found = graph.silu(graph.dense(found, own[member], own_bias[member]))
        logits = graph.dense(found, dense[-1][0][member], dense[-1][1][member])
        said.append(graph.add("LogSoftmax", logits, axis=1))
    return _mean(graph, said, weights[-1].shape[1])


def _mean(graph: _Graph, said: Sequence[str], n_classes: int) -> str:
    """The mean of log-probabilities, normalised."""
    if len(said) == 1:
        return said[0]
    beside = graph.reshape(graph.add("Concat", *said, axis=1), -1, len(said), n_classes)
    mean = graph.add("ReduceMean", beside, axes=[1], keepdims=0)
    return graph.add("LogSoftmax", mean, axis=1)
