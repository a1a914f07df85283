"""Vets the files of a bundle before anybody uses them: whoever made them is not trusted.

Checksums tell damage, not malice: somebody who changes a file can also change its checksum. What is
refused here could read other files, run code, never end, or fill the memory.
"""

import json
import math
import stat
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.classifier.onnx_graph import INPUT, OUTPUT

if TYPE_CHECKING:
    from onnx import AttributeProto, GraphProto, ModelProto, TensorProto

# The networks of genre-spark have some hundred thousand weights.
MOST_BYTES = 512 * 2**20
MOST_ELEMENTS = 2**26
# They need not end.
_ENDLESS = {"Loop", "Scan"}
_STANDARD = ("", "ai.onnx")
_KERAS_FILES = {"config.json", "metadata.json", "model.weights.h5"}
_CODE = {"Lambda", "__lambda__", "function"}
_HDF5 = b"\x89HDF\r\n\x1a\n"


class UntrustedError(Exception):
    """A file is not what a bundle may hold; says what is wrong, without the file's name."""


def check_plain(file: Path) -> None:
    """Refuses what is not a plain file of a reasonable size: links, pipes, devices.

    Raises
    ------
    UntrustedError
    """
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise UntrustedError("is not a plain file")
    if status.st_size > MOST_BYTES:
        raise UntrustedError(f"has {status.st_size:,} bytes, the limit is {MOST_BYTES:,}")


def check_onnx(content: bytes, n_axes: int, n_channels: int, n_classes: int) -> None:
    """Refuses a network that is more than arithmetic from tracks to log-probabilities.

    Parameters
    ----------
    content : bytes
        An ONNX model.
    n_axes, n_channels : int
        Of its input ``(tracks, axes, channels)``.
    n_classes : int
        Of its output ``(tracks, classes)``.

    Raises
    ------
    UntrustedError
    """
    model = _parse(content)
    if model.functions or any(node.domain not in _STANDARD for node in _nodes(model.graph)):
        raise UntrustedError("has operators that are not ONNX's own")
    endless = sorted({node.op_type for node in _nodes(model.graph)} & _ENDLESS)
    if endless:
        raise UntrustedError(f"has {', '.join(endless)}, which need not end")
    for tensor in _tensors(model.graph):
        _check_tensor(tensor)
    _check_sizes(model)
    given = (n_axes, n_channels)
    _check_shapes(model.graph, given)
    _check_run(content, given, n_classes)


def check_keras(file: Path) -> None:
    """Refuses a Keras file that holds more than layers of Keras's own and their weights.

    Raises
    ------
    UntrustedError
    """
    try:
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info.file_size for info in archive.infolist()}
            if set(members) != _KERAS_FILES or len(archive.infolist()) != len(members):
                raise UntrustedError(f"holds {', '.join(sorted(members))}")
            if sum(members.values()) > MOST_BYTES:
                raise UntrustedError(f"unpacks to more than {MOST_BYTES:,} bytes")
            config = json.loads(archive.read("config.json"))
            with archive.open("model.weights.h5") as weights:
                is_hdf5 = weights.read(len(_HDF5)) == _HDF5
    except (zipfile.BadZipFile, ValueError, RecursionError, NotImplementedError) as err:
        raise UntrustedError("is not a Keras file") from err
    if not is_hdf5:
        raise UntrustedError("has weights that are not HDF5")
    for part in _objects(config):
        _check_layer(part)


def _parse(content: bytes) -> "ModelProto":
    import onnx

    try:
        model = onnx.load_model_from_string(content)
    except Exception as err:  # protobuf raises what it likes
        raise UntrustedError("is not an ONNX network") from err
    # Before the checker, which would open them.
    if any(_is_outside(tensor) for tensor in _tensors(model.graph)):
        raise UntrustedError("keeps data in other files")
    return model


def _nodes(graph: "GraphProto") -> Iterator[Any]:
    for node in graph.node:
        yield node
        for inner in _graphs(node.attribute):
            yield from _nodes(inner)


def _graphs(attributes: Iterable["AttributeProto"]) -> Iterator["GraphProto"]:
    for attribute in attributes:
        yield from attribute.graphs
        if attribute.HasField("g"):
            yield attribute.g


def _tensors(graph: "GraphProto") -> Iterator["TensorProto"]:
    """All constants of a graph and of those within it."""
    yield from graph.initializer
    yield from _dense(graph.sparse_initializer)
    for node in graph.node:
        for attribute in node.attribute:
            yield from attribute.tensors
            yield from _dense(attribute.sparse_tensors)
            if attribute.HasField("t"):
                yield attribute.t
            if attribute.HasField("sparse_tensor"):
                yield from _dense([attribute.sparse_tensor])
        for inner in _graphs(node.attribute):
            yield from _tensors(inner)


def _dense(sparse: Iterable[Any]) -> Iterator["TensorProto"]:
    for tensor in sparse:
        yield tensor.values
        yield tensor.indices


def _is_outside(tensor: "TensorProto") -> bool:
    return bool(tensor.external_data) or tensor.data_location == tensor.EXTERNAL


def _check_tensor(tensor: "TensorProto") -> None:
    from onnx import numpy_helper

    if math.prod(tensor.dims) > MOST_ELEMENTS:
        raise UntrustedError(f"has a tensor of shape {list(tensor.dims)}")
    try:
        values = numpy_helper.to_array(tensor)
    except Exception as err:  # numpy and onnx raise many kinds where sizes do not fit
        raise UntrustedError(f"has a tensor that is not of its shape {list(tensor.dims)}") from err
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UntrustedError("has weights that are not finite")


def _check_sizes(model: "ModelProto") -> None:
    """What the network computes on the way stays small too."""
    from onnx import checker, shape_inference

    try:
        checker.check_model(model)
        inferred = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as err:
        raise UntrustedError("is not a valid ONNX network") from err
    for value in inferred.graph.value_info:
        # Of one track: how many there are is left open.
        sizes = (dim.dim_value or 1 for dim in value.type.tensor_type.shape.dim)
        if math.prod(sizes) > MOST_ELEMENTS:
            raise UntrustedError(f"computes a tensor of more than {MOST_ELEMENTS:,} numbers")


def _check_shapes(graph: "GraphProto", given: tuple[int, int]) -> None:
    constants = {tensor.name for tensor in graph.initializer}
    inputs = {value.name: _shape(value) for value in graph.input if value.name not in constants}
    if inputs != {INPUT: given}:
        raise UntrustedError(f"reads {_listed(inputs)} per track, should read {given} for {INPUT}")
    outputs = [value.name for value in graph.output]
    if outputs != [OUTPUT]:
        raise UntrustedError(f"gives {', '.join(outputs) or 'nothing'}, should give {OUTPUT}")


def _listed(inputs: Mapping[str, tuple[int, ...]]) -> str:
    return ", ".join(f"{shape} for {name}" for name, shape in inputs.items()) or "nothing"


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)[1:]


def _check_run(content: bytes, given: tuple[int, int], n_classes: int) -> None:
    """Two tracks of nothing but averages are enough to see what comes out."""
    from genre_spark.classifier.onnx_session import open_session

    tracks = {INPUT: np.zeros((2, *given), "f4")}
    try:
        found = open_session(content).run(None, tracks)
    except Exception as err:  # ONNX Runtime has kinds of its own for each failure
        raise UntrustedError("cannot be run by ONNX Runtime") from err
    for values in found:
        if values.shape != (2, n_classes):
            raise UntrustedError(f"gives {values.shape[1:]} per track, should give {(n_classes,)}")
        if not np.isfinite(values).all():
            raise UntrustedError("gives numbers that are not finite")


def _objects(config: Any) -> Iterator[dict]:
    """All objects in a configuration, at whatever depth."""
    queue = [config]
    while queue:
        part = queue.pop()
        if isinstance(part, dict):
            yield part
            queue += part.values()
        elif isinstance(part, list):
            queue += part


def _check_layer(part: dict) -> None:
    """Keras's own classes only, none of which holds code."""
    module, name = part.get("module"), part.get("class_name")
    if name is None:
        return
    own = module is None or str(module).split(".")[0] in ("keras", "builtins")
    registered = ">" in str(part.get("registered_name"))
    if not own or registered or name in _CODE:
        raise UntrustedError(f"has a layer {module}.{name}, which is not Keras's own or holds code")
