import hashlib
import itertools
import json
import os
import pickle
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.generated import GENRES, make_manifest, make_profile, write_bundle
from support.networks import CHANNELS, CLASSES, SCALED, constant, make_network

from genre_spark.bundle import files, security
from genre_spark.bundle.manifest import Manifest, model_id
from genre_spark.classifier import onnx_network
from genre_spark.classifier.onnx_network import INPUT, OUTPUT
from genre_spark.errors import BundleError
from genre_spark.reporting import model_card

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "benchmarks"))

import fuzz_bundles  # noqa: E402

NETWORK = make_network()
SHAPES = {INPUT: (SCALED, CHANNELS)}, {OUTPUT: (CLASSES,)}
PROFILE = make_profile()
FILES = {
    "clusters": ["SHA256SUMS", "bundle.json", "model_card.md", "profile.json"],
    "full": [
        "SHA256SUMS", "bundle.json", "cnn.onnx", "model_card.md", "profile.json"
    ],
}  # fmt: skip


@pytest.fixture
def make(tmp_path):
    def write(kind="full"):
        network = NETWORK if kind == "full" else None
        return write_bundle(tmp_path / kind, make_manifest(network), network)

    return write


def refusal(folder):
    with pytest.raises(BundleError) as refused:
        files.load(folder)
    assert refused.value.exit_code == 4
    told = str(refused.value)
    assert told.startswith(f"{folder}: ")
    return told.removeprefix(f"{folder}: ")


def sha256(file):
    return hashlib.sha256(file.read_bytes()).hexdigest()


def sign(folder):
    """Writes checksums that fit, as somebody would who wants a bundle to be taken."""
    names = sorted(file.name for file in folder.iterdir() if file.name != files.SUMS)
    (folder / files.SUMS).write_text("".join(f"{sha256(folder / n)}  {n}\n" for n in names))


def resign(folder):
    """Makes a changed bundle fit together again: its model_id and its checksums."""
    content = json.loads((folder / files.MANIFEST).read_text())
    scoring = Manifest.model_validate(content).scoring
    content["model_id"] = model_id(scoring, (folder / files.ONNX).read_bytes())
    (folder / files.MANIFEST).write_text(json.dumps(content))
    sign(folder)


@pytest.mark.parametrize("kind", ["clusters", "full"])
def test_a_bundle_comes_back_as_it_was_written(make, kind):
    folder = make(kind)
    assert sorted(file.name for file in folder.iterdir()) == FILES[kind]
    loaded = files.load(folder)
    written = make_manifest(NETWORK if kind == "full" else None)
    assert loaded.manifest == written
    assert (loaded.path, loaded.profile) == (folder, PROFILE)
    assert loaded.onnx == (NETWORK if kind == "full" else None)
    assert (folder / files.CARD).read_text() == "# A card ✓\n"
    # As sha256sum writes them.
    sums = "".join(f"{sha256(folder / name)}  {name}\n" for name in FILES[kind][1:])
    assert (folder / files.SUMS).read_text() == sums


@pytest.mark.parametrize(
    ("name", "limit"), [(files.MANIFEST, 64 * 2**20), (files.PROFILE, 8 * 2**20)]
)
def test_weights_of_many_genres_are_read_and_larger_files_refused(make, name, limit):
    folder = make()
    with (folder / name).open("a") as file:
        file.write(" " * (limit - file.tell()))
    sign(folder)
    assert files.load(folder).profile == PROFILE
    with (folder / name).open("a") as file:
        file.write(" ")
    sign(folder)
    with pytest.raises(BundleError, match=f"limit is {limit:,}|more than {limit:,} bytes"):
        files.load(folder)


@pytest.mark.parametrize("name", FILES["full"])
def test_a_changed_byte_and_one_more_or_less_are_refused_with_the_file(make, name):
    folder = make()
    content = (folder / name).read_bytes()
    flipped = [
        content[:i] + bytes([content[i] ^ 1]) + content[i + 1 :] for i in (0, len(content) // 2)
    ]
    appended = [content + b"\n", content + b" "]
    for changed in (*flipped, *appended, content[:-1] + b"?", content[:-1], b""):
        (folder / name).write_bytes(changed)
        told = refusal(folder)
        assert name == files.SUMS or told == f"{name} was changed or damaged: its checksum differs"


@pytest.mark.parametrize("change", [lambda byte: byte ^ 1, lambda byte: byte ^ 0x20, lambda _: 13])
def test_any_changed_byte_of_the_checksums_is_refused(make, change):
    folder = make("clusters")
    content = (folder / files.SUMS).read_bytes()
    for i, byte in enumerate(content):
        (folder / files.SUMS).write_bytes(content[:i] + bytes([change(byte)]) + content[i + 1 :])
        refusal(folder)


@pytest.mark.parametrize("kind", ["clusters", "full"])
def test_a_missing_file_is_refused_with_its_name(make, kind):
    folder = make(kind)
    for name in FILES[kind]:
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        assert name in refusal(folder)
        (folder / name).write_bytes(content)
    files.load(folder)


def test_files_that_hadoop_keeps_beside_its_own_do_not_count(make):
    folder = make()
    (folder / ".bundle.json.crc").write_bytes(b"crc")
    assert files.load(folder).manifest.kind == "full"


@pytest.mark.parametrize("path", ["none", "empty"])
def test_what_is_no_bundle_is_refused(tmp_path, path):
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / path) == "not a model bundle: it has no bundle.json"


def written(name, content, more=None):
    """Writes a file anew, and others; makes the checksums fit."""

    def change(folder):
        for file, text in {name: content, **(more or {})}.items():
            (folder / file).write_bytes(text if isinstance(text, bytes) else text.encode("latin-1"))
        sign(folder)

    return change


def edited(change, name=files.MANIFEST):
    """Changes a file's JSON, and makes the checksums fit; the model_id stays."""

    def apply(folder):
        content = json.loads((folder / name).read_text())
        change(content)
        written(name, json.dumps(content))(folder)

    return apply


def of_genres(name, value):
    return edited(lambda content: content["scoring"]["genres"].update({name: value}))


def of_synthetic(change):
    return edited(lambda content: change(content["scoring"]["synthetic"]))


def of_profile(change):
    return edited(change, files.PROFILE)


def linked(name):
    def change(folder):
        (folder / name).rename(folder.parent / name)
        (folder / name).symlink_to(folder.parent / name)

    return change


def listed(name):
    def change(folder):
        with open(folder / files.SUMS, "a", encoding="utf-8") as sums:
            sums.write(f"{'0' * 64}  {name}\n")

    return change


def in_turn(*changes):
    return lambda folder: [change(folder) for change in changes]


def _unlink_card(folder):
    (folder / files.CARD).unlink()


NEWER = {"format_version": files.FORMAT_VERSION + 1, "something": "else"}
N_DIMENSIONS = len(make_manifest().scoring.synthetic.metric.dimensions)
LENGTH = f"bundle.json: scoring.synthetic: Value error, a center has not {N_DIMENSIONS} numbers"
# How a bundle was changed, and how its refusal starts.
REFUSED = {
    "a missing file that is not listed": (
        in_turn(_unlink_card, sign), "model_card.md: missing or not part of a full bundle"
    ),
    "an additional file": (
        lambda folder: (folder / "weights.pkl").write_bytes(b"x"), "weights.pkl: missing, or not listed in SHA256SUMS"
    ),
    "an additional file that is listed": (
        written("weights.pkl", b"cos\nsystem\n"), "weights.pkl: missing or not part of a full bundle"
    ),
    "a folder": (lambda folder: (folder / "more").mkdir(), "more is not a plain file"),
    "a pipe": (
        in_turn(_unlink_card, lambda folder: os.mkfifo(folder / files.CARD)), "model_card.md is not a plain file"
    ),
    **{f"a link for {name}": (linked(name), f"{name} is not a plain file") for name in FILES["full"]},
    **{
        f"checksums of {name!r}": (listed(name), f"{name}: missing, or not listed in SHA256SUMS")
        for name in ("../../../etc/passwd", "/etc/passwd", "..", "a/b", "")
    },
    "a file of absurd size": (
        lambda folder: os.truncate(folder / files.ONNX, 2**40), "cnn.onnx has 1,099,511,627,776 bytes, the limit is "
    ),
    "a newer format": (
        written(files.MANIFEST, json.dumps(NEWER)), f"has format {files.FORMAT_VERSION + 1}, genre-spark "
    ),
    "a newer format with other files": (
        written(files.MANIFEST, '{"format_version": 99}', {"cnn.safetensors": b"x"}), "has format 99, "
    ),
    **{
        f"{content[:5]!r} for {name}": (written(name, content), f"{name} is damaged")
        for name in (files.MANIFEST, files.PROFILE)
        for content in ("", "{", '"x', "\xff", "[" * 100_000, '{"a":' * 100_000, "9" * 10_000)
    },
    **{
        f"{content} for a manifest": (written(files.MANIFEST, content), "bundle.json is damaged")
        for content in ("[]", "3", "{}", '"x"', "\xef\xbb\xbf{}")
    },
    # What is no JSON is refused before it is looked at.
    **{
        f"a center with {value}": (
            of_synthetic(lambda part, value=value: part["centers"][3].__setitem__(2, value)),
            "bundle.json is damaged" if isinstance(value, float) else "bundle.json: scoring.synthetic.centers.3.2: ",
        )
        for value in (float("nan"), float("inf"), -float("inf"), None, "x")
    },
    "a center that is too long": (of_synthetic(lambda part: part["centers"][3].append(0.0)), LENGTH),
    "a center that is too short": (of_synthetic(lambda part: part["centers"][3].pop()), LENGTH),
    **{
        f"fewer {name}": (
            of_synthetic(lambda part, name=name: part[name].pop()),
            "bundle.json: scoring.synthetic: Value error, ids, names and centers of synthetic genres differ in number",
        )
        for name in ("ids", "names", "centers")
    },
    "no genres in a full bundle": (
        edited(lambda content: content["scoring"].update(genres=None)),
        "bundle.json: : Value error, kind is full, which does not fit its scoring part",
    ),
    "one class": (of_genres("classes", ["rock"]), "bundle.json: scoring.genres.classes"),
    "half a prior": (of_genres("prior", [0.5]), "bundle.json: scoring.genres: Value error, prior, words"),
    "few thresholds": (
        of_genres("acceptance", {"target": 0.5, "levels": [0.9], "thresholds": {"new": [0], "known": [0]}}),
        "bundle.json: scoring.genres.acceptance",
    ),
    "few heads": (of_genres("heads", {"new": {"weights": {}, "bias": [0.0] * 6}}), "bundle.json: scoring.genres: Value error, heads are not"),
    "evidence that is no array": (
        of_genres("artist", {"keys": "not an array"}), "bundle.json: scoring.genres.artist"
    ),
    "an unknown key": (edited(lambda content: content.update(more=1)), "bundle.json: more: "),
    **{
        f"data {data}": (edited(lambda content, data=data: content.update(data=data)), "bundle.json: data")
        for data in ({}, {"source": "a"}, {"source": "a", "rows": {}}, {"rows": 3})
    },
    "a profile of other features": (
        of_profile(lambda p: p["features"].pop("tempo")), "profile.json is of other features than the model"
    ),
    "fewer counts than bins": (
        of_profile(lambda p: p["features"]["tempo"]["counts"].pop()), "profile.json: features.tempo: "
    ),
    "bins that fall": (
        of_profile(lambda p: p["features"]["tempo"]["bin_edges"].reverse()), "profile.json: features.tempo: "
    ),
    "fewer tracks than none": (of_profile(lambda p: p.update(tracks=-1)), "profile.json: tracks: "),
    "a profile without labels": (of_profile(lambda p: p.pop("labels")), "profile.json: labels: "),
    "another network": (
        written(files.ONNX, NETWORK + b"!"), "its content does not have the model_id "
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_a_bundle_that_cannot_be_is_refused_with_the_file_and_the_place(make, kind):
    change, told = REFUSED[kind]
    folder = make()
    change(folder)
    assert refusal(folder).startswith(told)


def test_a_model_id_that_is_not_of_the_content_is_refused(make):
    folder, old = make(), make_manifest(NETWORK).model_id
    of_synthetic(lambda part: part["names"].__setitem__(0, "another name"))(folder)
    assert refusal(folder) == f"its content does not have the model_id {old}"
    resign(folder)
    assert files.load(folder).manifest.model_id != old


def test_the_model_id_depends_on_all_that_decides_a_label_and_on_nothing_else(make):
    manifest = make_manifest(NETWORK)
    scoring = manifest.scoring
    other_classes = scoring.genres.model_copy(update={"classes": (*GENRES[1:], GENRES[0])})
    other_order = scoring.scaler.scaled_features[::-1]
    other_scaler = scoring.scaler.model_copy(update={"scaled_features": other_order})
    ids = [
        model_id(scoring, NETWORK),
        model_id(scoring, NETWORK + b"!"),
        model_id(scoring, None),
        model_id(scoring.model_copy(update={"genres": other_classes}), NETWORK),
        model_id(scoring.model_copy(update={"scaler": other_scaler}), NETWORK),
    ]
    assert len(set(ids)) == len(ids)
    assert ids[0] == manifest.model_id == files.load(make()).manifest.model_id
    assert len(ids[0]) == 16


def test_a_random_change_of_a_bundle_is_refused_or_harmless():
    """A short version of ``benchmarks/fuzz_bundles.py``."""
    found, faults = fuzz_bundles.fuzz(changes=120, seed=3)
    assert faults == []
    assert found["refused"] > 50


# Bundles that somebody made to do harm, with checksums and a model_id that fit


def add_constant(model, name, values):
    model.graph.initializer.append(numpy_helper.from_array(values, name))


def value(name, *shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def with_a_weight(value):
    def change(model):
        tensor = constant(model, "weights")
        values = np.frombuffer(tensor.raw_data, np.float32).copy()
        values[7] = value
        tensor.raw_data = values.tobytes()

    return change


def of_another_size(*dims):
    def change(model):
        constant(model, "weights").dims[:] = dims

    return change


def before_the_end(model, *nodes, reads="before", gives="grown"):
    """Puts operators before the last one, which makes log-probabilities."""
    last = model.graph.node[-1]
    nodes = list(nodes)
    for node in nodes:
        node.input[:] = [last.input[0] if name == reads else name for name in node.input]
    last.input[0] = gives
    model.graph.node.pop()
    model.graph.node.extend([*nodes, last])


# What could fill the memory, never end, label at random, or give no numbers for real tracks.
UNKNOWN_OPERATORS = (
    "Add", "ConstantOfShape", "Loop", "RandomNormalLike", "ReduceSum", "Shape", "Sqrt",
)  # fmt: skip


def of_unknown_operators(model):
    nodes = [helper.make_node(kind, ["before"], [kind]) for kind in UNKNOWN_OPERATORS]
    before_the_end(model, *nodes, gives=UNKNOWN_OPERATORS[-1])


def many_products(model):
    sizes = {"wide": (CLASSES, 4000), "square": (4000, 4000), "narrow": (4000, CLASSES)}
    for name, shape in sizes.items():
        add_constant(model, name, np.zeros(shape, np.float32))
    products = [helper.make_node("Gemm", ["before", "wide"], ["row 0"])]
    products += [
        helper.make_node("Gemm", [f"row {i}", "square"], [f"row {i + 1}"]) for i in range(20)
    ]
    before_the_end(model, *products, helper.make_node("Gemm", ["row 20", "narrow"], ["grown"]))


def product_of_tracks(model):
    """Of every track with every other: few numbers on few tracks, many on many."""
    before_the_end(
        model,
        helper.make_node("Gemm", ["before", "before"], ["pairs"], transB=1),
        helper.make_node("Gemm", ["pairs", "before"], ["grown"]),
        reads="before",
    )


def overflowing(model):
    """Squared so often that usual tracks are beyond float32."""
    names = ["before", *(f"power {i}" for i in range(9)), "grown"]
    pairs = itertools.pairwise(names)
    before_the_end(model, *[helper.make_node("Mul", [a, a], [b]) for a, b in pairs])


def of_the_wrong_sum(model):
    last = model.graph.node[-1]
    last.op_type = "Sigmoid"
    last.ClearField("attribute")


def with_a_function(model):
    body = helper.make_node("Identity", ["x"], ["y"])
    opset = helper.make_opsetid("", 15)
    model.functions.append(helper.make_function("own", "f", ["x"], ["y"], [body], [opset]))


def with_sparse_weights(model):
    values = numpy_helper.from_array(np.ones(1, np.float32), "sparse")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "at")
    model.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [2**20]))


def with_an_attribute(value):
    """Gives an allowed operator an attribute that ONNX does not know of it."""
    return lambda model: model.graph.node[1].attribute.append(helper.make_attribute("body", value))


def of_half_precision(model):
    tensor = constant(model, "weights")
    values = np.frombuffer(tensor.raw_data, np.float32).astype(np.float16).reshape(tensor.dims)
    tensor.CopyFrom(numpy_helper.from_array(values, "weights"))


def of_many_operators(model, n=2000):
    steps = itertools.pairwise(["before", *(f"step {i}" for i in range(n))])
    nodes = [helper.make_node("Sigmoid", [one], [following]) for one, following in steps]
    before_the_end(model, *nodes, gives=f"step {n - 1}")


def products_of_constants(model, transposed):
    """Each gives few numbers, and takes many multiplications for each."""
    long = np.zeros((4000, CLASSES) if transposed else (CLASSES, 4000), np.float32)
    add_constant(model, "long", long)
    products = [
        helper.make_node(
            "Gemm", ["long", "long"], [f"{i}"], transA=transposed, transB=not transposed
        )
        for i in range(500)
    ]
    before_the_end(model, *products, helper.make_node("Sigmoid", ["before"], ["grown"]))


def misnamed(model):
    model.graph.output[-1].name = model.graph.node[-1].output[0] = "another"


def of_whole_numbers(model):
    for name, values in (("counts", [1, 2, 3, 4]), ("pairs", [2, 2])):
        add_constant(model, name, np.array(values, np.int64))
    before_the_end(
        model,
        helper.make_node("Reshape", ["counts", "pairs"], ["table"]),
        helper.make_node("Sigmoid", ["before"], ["grown"]),
    )


def of_nothing(model):
    tracks = np.zeros((1, SCALED, CHANNELS), np.float32)
    add_constant(model, "tensor", tracks)
    model.graph.ClearField("input")


# A change of a network, or the bytes in its place; and how the refusal starts.
NETWORKS = {
    "unknown operators": (
        of_unknown_operators,
        f"has operators that genre-spark does not write: {', '.join(UNKNOWN_OPERATORS)}",
    ),
    "a location of data": (
        lambda model: constant(model, "weights").external_data.add(key="location", value="/etc/passwd"),
        "keeps data in other files",
    ),
    "data that is elsewhere": (
        lambda model: setattr(constant(model, "weights"), "data_location", TensorProto.EXTERNAL),
        "keeps data in other files",
    ),
    "a weight that is not a number": (with_a_weight(np.nan), "has weights that are not finite"),
    "an infinite weight": (with_a_weight(-np.inf), "has weights that are not finite"),
    "an oversized tensor": (of_another_size(2**40, 2**20), "has a tensor of shape "),
    "a tensor of a wrong size": (of_another_size(3, 4), "has a tensor that is not of "),
    "products that take seconds": (
        many_products, "computes more than 8,388,608 multiplications per track"
    ),
    "products of tracks with each other": (
        product_of_tracks, "computes more than 262,144 numbers per track"
    ),
    "products of long rows": (
        lambda model: products_of_constants(model, transposed=False),
        "computes more than 8,388,608 multiplications per track",
    ),
    "products of long columns": (
        lambda model: products_of_constants(model, transposed=True),
        "computes more than 8,388,608 multiplications per track",
    ),
    "an operator that reads nothing": (
        lambda model: model.graph.node[1].input.__setitem__(0, "nowhere"), "is not a valid ONNX network"
    ),
    "two inputs": (
        lambda model: model.graph.input.append(value("more", "n", 2)),
        "reads (13, 12) for tensor, (2,) for more per track, should read (13, 12) for tensor",
    ),
    "two outputs": (
        lambda model: model.graph.output.append(value(model.graph.node[1].output[0], "n", CLASSES)),
        "gives log_probabilities, logits, should give log_probabilities",
    ),
    "no output": (
        lambda model: model.graph.ClearField("output"), "gives nothing, should give log_probabilities"
    ),
    "no input": (of_nothing, "reads nothing per track, should read (13, 12) for tensor"),
    "whole numbers": (of_whole_numbers, "computes what is not float32"),
    "numbers that overflow": (overflowing, "gives numbers that are not finite"),
    "a shape by values": (
        lambda model: model.graph.node[0].input.__setitem__(1, "tensor"), "is not a valid ONNX network"
    ),
    "no probabilities": (of_the_wrong_sum, "gives numbers that are no log-prob"),
    "weights from outside": (
        lambda model: model.graph.input.append(value("weights", SCALED * CHANNELS, CLASSES)),
        "has weights that could",
    ),
    "more operator sets": (
        lambda model: model.opset_import.append(helper.make_opsetid("ai.onnx.ml", 3)), "uses operator sets "
    ),
    "a function": (with_a_function, "has functions, training parts or sparse"),
    "sparse weights": (with_sparse_weights, "has functions, training parts or"),
    "training": (lambda model: model.training_info.add(), "has functions, training parts or sparse"),
    **{
        f"{kind} in an attribute": (with_an_attribute(value), "has an attribute body that is no number")
        for kind, value in {
            "a graph": helper.make_graph([], "inner", [], []),
            "a tensor": numpy_helper.from_array(np.zeros(3, np.float32)),
            "text": "x",
        }.items()
    },
    "an operator of another domain": (
        lambda model: setattr(model.graph.node[1], "domain", "com.example"),
        "has operators that genre-spark does not write: Gemm"
    ),
    "weights of half precision": (
        of_half_precision, "has constants that are neither float32 nor int64"
    ),
    "operators without end": (of_many_operators, "has 2,003 operators, the limit is 2,000"),
    "a weight that could overflow": (with_a_weight(1e30), "has weights beyond 1e+06"),
    "other features": (
        make_network(scaled=12),
        "reads (12, 12) for tensor per track, should read (13, 12) for tensor",
    ),
    "other channels": (make_network(channels=3), "reads (13, 3) for tensor per track, "),
    "other classes": (make_network(classes=5), "gives (5,) per track, should give (6,)"),
    "another input": (make_network(names=("sound", "log_probabilities")), "reads (13, 12) for sound per track, "),
    "outputs of other names": (misnamed, "gives another, should give log_probabilities"),
    "text": (b"an onnx network", "is not an ONNX network"),
    "a pickle": (pickle.dumps({"weights": [1.0]}), "is not an ONNX network"),
    "half of a network": (NETWORK[: len(NETWORK) // 2], "is not an ONNX network"),
}  # fmt: skip


@pytest.mark.parametrize(("network", "told"), NETWORKS.values(), ids=NETWORKS)
def test_a_network_that_is_not_what_it_should_be_is_refused(network, told):
    content = make_network(change=network) if callable(network) else network
    with pytest.raises(security.UntrustedError) as refused:
        security.check_onnx(content, *SHAPES)
    assert str(refused.value).startswith(told)


@pytest.mark.parametrize("kind", ["other features", "other classes", "a pickle"])
def test_the_network_of_a_bundle_is_checked(make, kind):
    folder, (network, told) = make(), NETWORKS[kind]
    (folder / files.ONNX).write_bytes(network)
    resign(folder)
    assert refusal(folder).startswith(f"cnn.onnx {told}")


def test_as_many_operators_and_as_large_a_weight_as_may_be_are_taken():
    for change in (lambda model: of_many_operators(model, 1997), with_a_weight(1e6)):
        security.check_onnx(make_network(change=change), *SHAPES)


@pytest.mark.parametrize(
    ("limit", "name", "taken"),
    [
        # The flattened track, a sum for each genre, and their log-probabilities.
        ("MAX_NUMBERS", "numbers", SCALED * CHANNELS + 2 * CLASSES),
        ("MAX_MULTIPLICATIONS", "multiplications", (CLASSES + 1) * SCALED * CHANNELS + CLASSES),
    ],
)
def test_a_network_may_take_what_is_allowed_per_track_and_not_one_more(
    monkeypatch, limit, name, taken
):
    monkeypatch.setattr(security, limit, taken)
    security.check_onnx(NETWORK, *SHAPES)
    monkeypatch.setattr(security, limit, taken - 1)
    told = rf"^computes more than [\d,]+ {name} per track$"
    with pytest.raises(security.UntrustedError, match=told):
        security.check_onnx(NETWORK, *SHAPES)


CERTAIN = np.where(np.arange(CLASSES) == 0, 0, -100).repeat(64).reshape(CLASSES, 64).T


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((CERTAIN, CERTAIN[:, ::-1]), "gives other numbers for the same tracks"),
        ((CERTAIN[:, :3], CERTAIN[:, :3]), f"gives (3,) per track, should give ({CLASSES},)"),
        ((CERTAIN + 0.1, CERTAIN + 0.1), "gives numbers that are no log-probabilities"),
        ((CERTAIN * np.inf, CERTAIN), "gives numbers that are not finite"),
        ((), "cannot be run by ONNX Runtime"),
    ],
)
def test_what_a_network_gives_is_checked_too(monkeypatch, arrays, message):
    answers = iter(arrays)
    session = SimpleNamespace(run=lambda outputs, tracks: [next(answers)])
    monkeypatch.setattr(onnx_network, "open_session", lambda content: session)
    with pytest.raises(security.UntrustedError) as refused:
        security.check_onnx(NETWORK, *SHAPES)
    assert str(refused.value) == message


def test_numbers_that_are_not_finite_on_tracks_that_no_check_foresaw_are_no_labels():
    network = onnx_network.Network(make_network(change=overflowing))
    tracks = np.zeros((2, SCALED, CHANNELS), np.float32)
    tracks[:, 0] = 50
    with pytest.raises(BundleError, match="gives numbers that are not finite for some tracks"):
        network.log_probabilities(tracks)


def test_the_reference_bundle_is_written_as_it_was_read(tmp_path):
    reference = Path(__file__).resolve().parents[2] / "models" / "reference"
    opened = files.load(str(reference))
    (tmp_path / files.ONNX).write_bytes(opened.onnx)
    files.write_files(tmp_path, opened.manifest, opened.profile, model_card.render(opened.manifest))
    for name in files.ALL:
        assert (tmp_path / name).read_bytes() == (reference / name).read_bytes(), name
