"""Networks for tests that are what a bundle may hold, or just not: real files, never trained."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from genre_spark.classifier.onnx_network import INPUT, OUTPUT
from genre_spark.features.tensor import CHANNELS as CHANNEL_NAMES
from support.generated import GENRES

SCALED, CHANNELS, CLASSES = 13, len(CHANNEL_NAMES), len(GENRES)


def make_network(
    seed=0, scaled=SCALED, channels=CHANNELS, classes=CLASSES, names=(INPUT, OUTPUT), change=None
):
    """The bytes of a linear network; `change` may spoil the model before it is written."""
    given, found = names
    weights = np.random.default_rng(seed).normal(0, 0.5, (scaled, channels, classes))
    # What all tracks have alike, such as the channel of known features, must not decide alone.
    weights = (weights - weights.mean(axis=0)).reshape(scaled * channels, classes)
    constants = {"flat": np.array([-1, scaled * channels]), "weights": weights.astype(np.float32)}
    nodes = [
        helper.make_node("Reshape", [given, "flat"], ["row"]),
        helper.make_node("Gemm", ["row", "weights"], ["logits"]),
        helper.make_node("LogSoftmax", ["logits"], [found], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [_of_tracks(given, scaled, channels)],
        [_of_tracks(found, classes)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    if change:
        change(model)
    return model.SerializeToString()


def _of_tracks(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", *shape])


def constant(model, name) -> onnx.TensorProto:
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)
