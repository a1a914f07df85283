"""Networks for tests that are what a bundle may hold, or just not: real files, never trained."""

import io
import json
import zipfile

import numpy as np
import onnx
from generated import GENRES
from onnx import TensorProto, helper, numpy_helper

from genre_spark.decision import N_OPINIONS
from genre_spark.tensor import channel_names

AXES, CHANNELS, CLASSES = 13, len(channel_names(("artist", "album"))), len(GENRES)


def make_network(seed=0, axes=AXES, channels=CHANNELS, outputs=(N_OPINIONS, CLASSES), change=None):
    """The bytes of a linear network; `change` may spoil the model before it is written."""
    rng = np.random.default_rng(seed)
    weights = rng.normal(0, 0.5, (axes * channels, outputs[0] * outputs[1])).astype(np.float32)
    constants = {
        "weights": weights,
        "flat": np.array([-1, axes * channels]),
        "shape": np.array([-1, *outputs]),
    }
    nodes = [
        helper.make_node("Reshape", ["tensor", "flat"], ["row"]),
        helper.make_node("MatMul", ["row", "weights"], ["scores"]),
        helper.make_node("Reshape", ["scores", "shape"], ["opinions"]),
        helper.make_node("LogSoftmax", ["opinions"], ["out"], axis=-1),
    ]
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("tensor", TensorProto.FLOAT, ["n", axes, channels])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["n", *outputs])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    if change:
        change(model)
    return model.SerializeToString()


def make_keras(layer=None, **members):
    """The bytes of a Keras file with one layer; `members` are added to it or replace its own."""
    layer = {"module": "keras.layers", "class_name": "Dense", "config": {}, **(layer or {})}
    files = {
        "metadata.json": b"{}",
        "config.json": json.dumps({"config": {"layers": [layer]}}).encode(),
        "model.weights.h5": b"\x89HDF\r\n\x1a\n" + bytes(64),
        **members,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return packed.getvalue()


def constant(model, name) -> onnx.TensorProto:
    """One of a network's constants, to be changed in place."""
    return next(tensor for tensor in model.graph.initializer if tensor.name == name)
