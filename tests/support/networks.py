"""Networks for tests that are what a bundle may hold, or just not: real files, never trained."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from genre_spark.classifier.decision import OPINIONS, log_probabilities_of
from genre_spark.features.tensor import channel_names
from support.generated import GENRES

AXES, CHANNELS, CLASSES = 13, len(channel_names(("artist", "album"))), len(GENRES)


def make_network(
    seed=0, axes=AXES, channels=CHANNELS, classes=CLASSES, opinions=OPINIONS, change=None
):
    """The bytes of a linear network; `change` may spoil the model before it is written."""
    rng = np.random.default_rng(seed)
    constants, nodes = {"flat": np.array([-1, axes * channels])}, []
    for name in opinions:
        weights = rng.normal(0, 0.5, (axes * channels, classes)).astype(np.float32)
        constants[f"weights of {name}"] = weights
        nodes += [
            helper.make_node("Reshape", [name, "flat"], [f"row of {name}"]),
            helper.make_node("Gemm", [f"row of {name}", f"weights of {name}"], [f"{name} says"]),
            helper.make_node("LogSoftmax", [f"{name} says"], [log_probabilities_of(name)], axis=-1),
        ]
    graph = helper.make_graph(
        nodes,
        "network",
        [_of_tracks(name, axes, channels) for name in opinions],
        [_of_tracks(log_probabilities_of(name), classes) for name in opinions],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    if change:
        change(model)
    return model.SerializeToString()


def _of_tracks(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, [f"n of {name}", *shape])


def constant(model, name) -> onnx.TensorProto:
    """One of a network's constants, to be changed in place."""
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)
