"""Checks the files of a bundle before they are used: whoever made them is not trusted.

Checksums detect damage, not malice: somebody who changes a file can also change its checksum. What
is refused here could read other files, run code, never end, fill the memory, or label at random.
The network may consist only of the operators that `onnx_network` writes, on float32 tensors whose
sizes grow in proportion to the number of tracks.
"""

import math
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.classifier.onnx_network import OPERATORS, OPSET

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, TensorProto

# About a hundred times what the networks of genre-spark have.
MAX_BYTES = 64 * 2**20
MAX_WEIGHTS = 2**24
MAX_NODES = 2000
# A track: numbers computed on the way, and multiplications.
MAX_NUMBERS = 2**18
MAX_MULTIPLICATIONS = 2**23
# Scaled features are clipped to a few units and counts are logarithms.
_LARGEST_INPUT = 100.0
# Weights in float32 beyond this could overflow within a few layers.
_LARGEST_WEIGHT = 1e6
_PROBE_TRACKS = 64
_TOLERANCE = 1e-3
# Tracks for which sizes are inferred; twice as many may need at most twice as much.
_FEW = 8

Shapes = Mapping[str, tuple[int, ...]]


class UntrustedError(Exception):
    """A file is not what a bundle may hold; says what is wrong, without the file's name."""


def check_plain(file: Path) -> None:
    """Refuses what is not a plain file of a reasonable size: links, pipes, devices.

    Raises `UntrustedError`.
    """
    status = file.lstat()
    if not stat.S_ISREG(status.st_mode):
        raise UntrustedError("is not a plain file")
    if status.st_size > MAX_BYTES:
        raise UntrustedError(f"has {status.st_size:,} bytes, the limit is {MAX_BYTES:,}")


def check_onnx(content: bytes, inputs: Shapes, outputs: Shapes) -> None:
    """Refuses a network that is more than bounded arithmetic from tracks to log-probabilities.

    Raises `UntrustedError`.

    `inputs`: Shape per track of each input, all float32; the number of tracks stands before it.
    `outputs`: Shape per track of each output, in order: log-probabilities along the last axis.
    """
    import onnx

    with _refusing("is not an ONNX network"):
        model = onnx.load_model_from_string(content)
    _check_structure(model)
    for tensor in model.graph.initializer:
        _check_tensor(tensor)
    with _refusing("is not a valid ONNX network"):
        onnx.checker.check_model(model)
    _check_signature(model.graph, inputs, outputs)
    _check_costs(model)
    _check_run(content, inputs, outputs)


@contextmanager
def _refusing(fault: str) -> Iterator[None]:
    """Raises whatever fails in the block: protobuf, onnx and numpy have kinds of their own for each."""
    try:
        yield
    except Exception as err:
        raise UntrustedError(fault) from err


def _check_structure(model: "ModelProto") -> None:
    """Known operators in one flat graph, and constants among its initialisers only."""
    graph = model.graph
    if any(one.external_data or one.data_location == one.EXTERNAL for one in graph.initializer):
        raise UntrustedError("keeps data in other files")
    if model.functions or model.training_info or graph.sparse_initializer:
        raise UntrustedError("has functions, training parts or sparse tensors")
    versions = [(one.domain, one.version) for one in model.opset_import]
    if versions != [("", OPSET)]:
        raise UntrustedError(f"uses operator sets {versions}, should use ONNX's own, {OPSET}")
    odd = sorted({n.op_type for n in graph.node if n.domain or n.op_type not in OPERATORS})
    if odd:
        raise UntrustedError(f"has operators that genre-spark does not write: {', '.join(odd)}")
    if len(graph.node) > MAX_NODES:
        raise UntrustedError(f"has {len(graph.node):,} operators, the limit is {MAX_NODES:,}")
    for attribute in (one for node in graph.node for one in node.attribute):
        if attribute.type not in (attribute.INT, attribute.INTS, attribute.FLOAT):
            raise UntrustedError(f"has an attribute {attribute.name} that is no number")


def _check_tensor(tensor: "TensorProto") -> None:
    from onnx import numpy_helper

    if math.prod(tensor.dims) > MAX_WEIGHTS:
        raise UntrustedError(f"has a tensor of shape {list(tensor.dims)}")
    if tensor.data_type not in (tensor.FLOAT, tensor.INT64):
        raise UntrustedError("has constants that are neither float32 nor int64")
    with _refusing(f"has a tensor that is not of its shape {list(tensor.dims)}"):
        values = numpy_helper.to_array(tensor)
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise UntrustedError("has weights that are not finite")
    if values.dtype.kind == "f" and values.size and np.abs(values).max() > _LARGEST_WEIGHT:
        raise UntrustedError(f"has weights beyond {_LARGEST_WEIGHT:g}")


def _check_signature(graph: "GraphProto", inputs: Shapes, outputs: Shapes) -> None:
    constants = {tensor.name for tensor in graph.initializer}
    if constants & {value.name for value in graph.input}:
        raise UntrustedError("has weights that could be given from outside")
    found = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)[1:]
        for value in graph.input
    }
    if found != dict(inputs) or any(_is_no_float(value) for value in graph.input):
        raise UntrustedError(f"reads {_listed(found)} per track, should read {_listed(inputs)}")
    given = [value.name for value in graph.output]
    if given != list(outputs):
        wanted = ", ".join(outputs)
        raise UntrustedError(f"gives {', '.join(given) or 'nothing'}, should give {wanted}")


def _listed(shapes: Shapes) -> str:
    return ", ".join(f"{shape} for {name}" for name, shape in shapes.items()) or "nothing"


def _is_no_float(value: Any) -> bool:
    return value.type.tensor_type.elem_type != 1  # TensorProto.FLOAT


def _check_costs(model: "ModelProto") -> None:
    """Sizes do not depend on values, grow at most with the number of tracks, and are small."""
    few, more = (_costs(model, n) for n in (_FEW, 2 * _FEW))
    for name, found, twice, limit in zip(
        ("numbers", "multiplications"), few, more, (MAX_NUMBERS, MAX_MULTIPLICATIONS), strict=True
    ):
        if found > limit * _FEW or twice > 2 * found:
            raise UntrustedError(f"computes more than {limit:,} {name} per track")


def _costs(model: "ModelProto", n_tracks: int) -> tuple[int, int]:
    """Numbers that the operators give on so many tracks, and multiplications that they take."""
    shapes = _inferred(model, n_tracks)
    numbers = multiplications = 0
    for node in model.graph.node:
        given = sum(math.prod(shapes[name]) for name in node.output if name)
        products = 1  # that are added up for each number
        if node.op_type == "Gemm":
            transposed = any(one.name == "transA" and one.i for one in node.attribute)
            products = shapes[node.input[0]][0 if transposed else -1]
        numbers += given
        multiplications += given * products
    return numbers, multiplications


def _inferred(model: "ModelProto", n_tracks: int) -> dict[str, tuple[int, ...]]:
    """Shapes of all tensors; refused where one is unknown, or anything but float32 is computed."""
    from onnx import ModelProto, shape_inference

    fixed = ModelProto()
    fixed.CopyFrom(model)
    for value in fixed.graph.input:
        value.type.tensor_type.shape.dim[0].dim_value = n_tracks
    for value in fixed.graph.output:  # what the file states is not relied on
        value.type.tensor_type.ClearField("shape")
    fixed.graph.ClearField("value_info")
    with _refusing("is not a valid ONNX network"):
        inferred = shape_inference.infer_shapes(fixed, strict_mode=True).graph
    computed = [*inferred.value_info, *inferred.output]
    if any(_is_no_float(value) for value in computed):
        raise UntrustedError("computes what is not float32")
    shapes = {tensor.name: tuple(tensor.dims) for tensor in inferred.initializer}
    for value in (*inferred.input, *computed):
        dims = value.type.tensor_type.shape.dim
        if not all(dim.HasField("dim_value") and dim.dim_value >= 0 for dim in dims):
            raise UntrustedError(f"computes {value.name}, whose size depends on values")
        shapes[value.name] = tuple(dim.dim_value for dim in dims)
    unknown = {name for node in model.graph.node for name in node.output if name} - set(shapes)
    if unknown:
        raise UntrustedError(f"computes {min(unknown)}, whose size depends on values")
    return shapes


def _check_run(content: bytes, inputs: Shapes, outputs: Shapes) -> None:
    """What comes out for tracks of all kinds: averages, usual ones, extreme ones."""
    from genre_spark.classifier.onnx_network import open_session

    tracks = {name: _probe(shape) for name, shape in inputs.items()}
    with _refusing("cannot be run by ONNX Runtime"):
        session = open_session(content)
        found, again = (session.run(list(outputs), tracks) for _ in range(2))
    for values, same, shape in zip(found, again, outputs.values(), strict=True):
        if values.shape != (_PROBE_TRACKS, *shape):
            raise UntrustedError(f"gives {values.shape[1:]} per track, should give {shape}")
        if not np.isfinite(values).all():
            raise UntrustedError("gives numbers that are not finite")
        if (values != same).any():
            raise UntrustedError("gives other numbers for the same tracks")
        # The logarithm of a probability is at most 0; e¹ is far enough off to be refused.
        total = np.exp(np.minimum(values.astype(np.float64), 1)).sum(axis=-1)
        if np.abs(total - 1).max() > _TOLERANCE:
            raise UntrustedError("gives numbers that are no log-probabilities")


def _probe(shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(0)
    scales = np.geomspace(0.01, _LARGEST_INPUT, _PROBE_TRACKS)
    tracks = rng.uniform(-1, 1, (_PROBE_TRACKS, *shape)) * scales.reshape(-1, *[1] * len(shape))
    tracks[0] = 0.0
    return tracks.astype(np.float32)
