"""Bundles come back as they were written, or are refused."""

import hashlib
import json
import os
import pickle

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper
from support.generated import GENRES, make_manifest, make_profile
from support.networks import constant, make_keras, make_network

from genre_spark.bundle import files, security
from genre_spark.bundle.manifest import Manifest, model_id
from genre_spark.errors import BundleError

NETWORK, SAVED = make_network(), make_keras()
PROFILE = make_profile()
FILES = {
    "clusters": ["SHA256SUMS", "bundle.json", "model_card.md", "profile.json"],
    "full": [
        "SHA256SUMS", "bundle.json", "cnn.keras", "cnn.onnx", "model_card.md", "profile.json"
    ],
}  # fmt: skip


@pytest.fixture
def make(tmp_path):
    """Writes a bundle and returns its directory."""

    def write(kind="full"):
        folder = tmp_path / kind
        folder.mkdir()
        if kind == "full":
            (folder / files.ONNX).write_bytes(NETWORK)
            (folder / files.KERAS).write_bytes(SAVED)
        manifest = make_manifest(NETWORK if kind == "full" else None)
        files.write_files(folder, manifest, PROFILE, "# A card ✓\n")
        return folder

    return write


def refusal(folder, **options):
    with pytest.raises(BundleError) as refused:
        files.load(folder, **options)
    assert refused.value.exit_code == 4
    told = str(refused.value)
    assert told.startswith(f"{folder}: ")
    return told.removeprefix(f"{folder}: ")


def sign(folder):
    """Writes checksums that fit, as somebody would who wants a bundle to be taken."""
    names = sorted(file.name for file in folder.iterdir() if file.name != files.SUMS)
    sums = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}
    (folder / files.SUMS).write_text("".join(f"{h}  {name}\n" for name, h in sums.items()))


def rewrite(folder, change, remake_id=True):
    """Changes the manifest, and makes the bundle fit together again."""
    content = json.loads((folder / files.MANIFEST).read_text())
    change(content)
    if remake_id:
        scoring = Manifest.model_validate(content).scoring
        content["model_id"] = model_id(scoring, NETWORK if scoring.genres else None)
    (folder / files.MANIFEST).write_text(json.dumps(content))
    sign(folder)


@pytest.mark.parametrize("kind", ["clusters", "full"])
def test_a_bundle_comes_back_as_it_was_written(make, kind):
    folder = make(kind)
    assert sorted(file.name for file in folder.iterdir()) == FILES[kind]
    loaded = files.load(folder, kind=kind)
    written = make_manifest(NETWORK if kind == "full" else None)
    assert loaded.manifest == written
    assert (loaded.path, loaded.profile) == (folder, PROFILE)
    assert loaded.onnx == (NETWORK if kind == "full" else None)
    assert (folder / files.CARD).read_text() == "# A card ✓\n"


def test_a_bundle_can_be_given_as_text_and_is_bytes_the_same_when_written_again(make, tmp_path):
    folder = make()
    again = tmp_path / "again"
    again.mkdir()
    for name in (files.ONNX, files.KERAS):
        (again / name).write_bytes((folder / name).read_bytes())
    loaded = files.load(str(folder))
    files.write_files(again, loaded.manifest, loaded.profile, (folder / files.CARD).read_text())
    for name in FILES["full"]:
        assert (again / name).read_bytes() == (folder / name).read_bytes(), name


def test_checksums_are_such_that_sha256sum_can_check_them(make):
    folder = make()
    lines = (folder / files.SUMS).read_text().splitlines()
    assert lines == sorted(lines, key=lambda line: line.split("  ")[1])
    for line in lines:
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((folder / name).read_bytes()).hexdigest()


def test_a_full_bundle_serves_where_clusters_are_needed(make):
    assert files.load(make("full"), kind="clusters").manifest.kind == "full"


def test_a_clusters_bundle_is_refused_where_a_full_one_is_needed(make):
    assert refusal(make("clusters"), kind="full") == (
        "is a clusters bundle, needed is a full one: run train"
    )


@pytest.mark.parametrize("name", [name for name in FILES["full"] if name != files.SUMS])
@pytest.mark.parametrize("at", ["first", "middle", "last"])
def test_a_changed_byte_is_refused_with_its_file(make, name, at):
    folder = make()
    content = bytearray((folder / name).read_bytes())
    content[{"first": 0, "middle": len(content) // 2, "last": -1}[at]] ^= 1
    (folder / name).write_bytes(content)
    assert refusal(folder) == f"{name} was changed or damaged: its checksum differs"


@pytest.mark.parametrize("name", FILES["full"])
def test_a_byte_more_or_less_is_refused(make, name):
    folder = make()
    content = (folder / name).read_bytes()
    for changed in (content + b"\n", content + b" ", content[:-1], b""):
        (folder / name).write_bytes(changed)
        refusal(folder)


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
        told = refusal(folder)
        assert name in told
        (folder / name).write_bytes(content)
    files.load(folder)


def test_a_missing_file_is_refused_also_where_the_checksums_do_not_list_it(make):
    folder = make()
    (folder / files.KERAS).unlink()
    sign(folder)
    assert refusal(folder) == "cnn.keras: missing or not part of a full bundle"


@pytest.mark.parametrize("signed", [True, False])
def test_an_additional_file_is_refused_with_its_name(make, signed):
    folder = make()
    (folder / "weights.pkl").write_bytes(b"cos\nsystem\n")
    if signed:
        sign(folder)
        assert refusal(folder) == "weights.pkl: missing or not part of a full bundle"
    else:
        assert refusal(folder) == "weights.pkl: missing, or not listed in SHA256SUMS"


def test_an_additional_folder_is_refused(make):
    folder = make()
    (folder / "more").mkdir()
    assert refusal(folder) == "more is not a plain file"


def test_files_that_hadoop_keeps_beside_its_own_do_not_count(make):
    folder = make()
    (folder / ".bundle.json.crc").write_bytes(b"crc")
    assert files.load(folder).manifest.kind == "full"


@pytest.mark.parametrize("path", ["none", "empty"])
def test_what_is_no_bundle_is_refused(tmp_path, path):
    (tmp_path / "empty").mkdir()
    assert refusal(tmp_path / path) == "not a model bundle: it has no bundle.json"


def test_a_newer_format_is_refused_before_its_content_is_read(make):
    folder = make()
    newer = {"format_version": files.FORMAT_VERSION + 1, "something": "else"}
    (folder / files.MANIFEST).write_text(json.dumps(newer))
    sign(folder)
    told = refusal(folder)
    assert told.startswith(f"has format {files.FORMAT_VERSION + 1}, genre-spark ")
    assert told.endswith(
        f" reads {files.FORMAT_VERSION}; use the genre-spark that made it, or train again"
    )


def test_a_newer_format_with_other_files_is_refused_as_such(make):
    folder = make()
    (folder / files.MANIFEST).write_text(json.dumps({"format_version": 99}))
    (folder / "cnn.safetensors").write_bytes(b"x")
    sign(folder)
    assert refusal(folder).startswith("has format 99, ")


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '"x"', "\ufeff{}"])
def test_a_manifest_that_is_none_is_refused(make, content):
    folder = make()
    (folder / files.MANIFEST).write_text(content)
    sign(folder)
    assert refusal(folder) == "bundle.json is damaged"


def test_a_profile_that_is_no_json_is_refused(make):
    folder = make()
    (folder / files.PROFILE).write_text("{")
    sign(folder)
    assert refusal(folder) == "profile.json is damaged"


def center(content):
    return content["scoring"]["synthetic"]["centers"][3]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), None, "x"])
def test_a_center_that_is_not_finite_is_refused(make, value):
    folder = make()

    def break_it(content):
        center(content)[2] = value

    rewrite(folder, break_it, remake_id=False)
    assert refusal(folder).startswith("bundle.json: scoring.synthetic.centers.3.2: ")


@pytest.mark.parametrize("more", [True, False])
def test_a_center_of_a_wrong_length_is_refused(make, more):
    folder = make()

    def break_it(content):
        if more:
            center(content).append(0.0)
        else:
            center(content).pop()

    rewrite(folder, break_it, remake_id=False)
    n = len(make_manifest().scoring.synthetic.metric.dimensions)
    assert f"a center has not {n} numbers, as there are dimensions" in refusal(folder)


@pytest.mark.parametrize("part", ["ids", "names", "centers"])
def test_synthetic_genres_whose_parts_differ_in_number_are_refused(make, part):
    folder = make()

    def break_it(content):
        content["scoring"]["synthetic"][part].pop()

    rewrite(folder, break_it, remake_id=False)
    assert "ids, names and centers of synthetic genres differ in number" in refusal(folder)


def test_a_kind_that_does_not_fit_the_content_is_refused(make):
    folder = make("full")

    def break_it(content):
        content["scoring"]["genres"] = None

    rewrite(folder, break_it, remake_id=False)
    assert "kind is full, which does not fit its scoring part" in refusal(folder)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("classes", ["rock"]),
        ("prior", [0.5]),
        ("target_precision", 1.5),
        ("artist", {"keys": "not an array"}),
    ],
)
def test_genres_that_cannot_be_are_refused(make, name, value):
    folder = make()

    def break_it(content):
        content["scoring"]["genres"][name] = value

    rewrite(folder, break_it, remake_id=False)
    # As if whoever changed it had also made the id anew.
    told = refusal(folder)
    assert name in told


def test_an_unknown_key_is_refused(make):
    folder = make()
    rewrite(folder, lambda content: content.update(more=1), remake_id=False)
    assert refusal(folder).startswith("bundle.json: more: ")


def test_a_model_id_that_is_not_of_the_content_is_refused(make):
    folder = make()
    old = make_manifest(NETWORK).model_id

    def change_a_label(content):
        content["scoring"]["synthetic"]["names"][0] = "another name"

    rewrite(folder, change_a_label, remake_id=False)
    assert refusal(folder) == f"its content does not have the model_id {old}"
    rewrite(folder, lambda content: None)
    assert files.load(folder).manifest.model_id != old


def test_another_network_under_the_same_model_id_is_refused(make):
    folder = make()
    (folder / files.ONNX).write_bytes(NETWORK + b"!")
    sign(folder)
    assert refusal(folder).startswith("its content does not have the model_id ")


def test_the_model_id_hangs_on_all_that_decides_a_label_and_on_nothing_else(make):
    manifest = make_manifest(NETWORK)
    scoring = manifest.scoring
    other_classes = scoring.genres.model_copy(update={"classes": (*GENRES[1:], GENRES[0])})
    other_space = scoring.space.model_copy(update={"medians": (*scoring.space.medians[1:], 0.0)})
    ids = [
        model_id(scoring, NETWORK),
        model_id(scoring, NETWORK + b"!"),
        model_id(scoring, None),
        model_id(scoring.model_copy(update={"genres": other_classes}), NETWORK),
        model_id(scoring.model_copy(update={"space": other_space}), NETWORK),
    ]
    assert len(set(ids)) == len(ids)
    assert ids[0] == manifest.model_id == files.load(make()).manifest.model_id
    assert len(ids[0]) == 16


# Bundles that somebody made to do harm, with checksums and a model_id that fit


def resign(folder, name, content):
    """Replaces a file and makes the bundle fit together again."""
    (folder / name).write_bytes(content)
    manifest = json.loads((folder / files.MANIFEST).read_text())
    scoring = Manifest.model_validate(manifest).scoring
    manifest["model_id"] = model_id(scoring, (folder / files.ONNX).read_bytes())
    (folder / files.MANIFEST).write_text(json.dumps(manifest))
    sign(folder)


def outside(model):
    tensor = constant(model, "weights of sound")
    tensor.ClearField("raw_data")
    tensor.data_location = tensor.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../../../etc/passwd"


def not_finite(model, value=np.nan):
    tensor = constant(model, "weights of sound")
    values = np.frombuffer(tensor.raw_data, np.float32).copy()
    values[7] = value
    tensor.raw_data = values.tobytes()


def of_another_size(model, dims=(2**40, 2**20)):
    constant(model, "weights of sound").dims[:] = dims


def grow(model):
    """A small file whose tensors would fill the memory."""
    size = numpy_helper.from_array(np.array([2**17, 2**17]), "size")
    model.graph.initializer.append(size)
    model.graph.node.insert(0, helper.make_node("ConstantOfShape", ["size"], ["huge"]))
    model.graph.node.insert(1, helper.make_node("ReduceMax", ["huge"], ["most"], keepdims=0))
    model.graph.node[-2].output[0] = "before"
    model.graph.node[-1].input[0] = "grown"
    model.graph.node.insert(
        len(model.graph.node) - 1, helper.make_node("Add", ["before", "most"], ["grown"])
    )


def loop(model):
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["go_on"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, [])],
    )
    true = numpy_helper.from_array(np.array(True), "true")
    model.graph.initializer.append(true)
    model.graph.node.append(helper.make_node("Loop", ["", "true"], [], body=body))


def foreign(model):
    model.opset_import.append(helper.make_opsetid("com.evil", 1))
    model.graph.node[-1].domain = "com.evil"


def overflowing(model):
    tensor = constant(model, "weights of sound")
    tensor.raw_data = np.full(np.prod(tensor.dims), 3e38, np.float32).tobytes()
    model.graph.node.insert(0, helper.make_node("Exp", ["sound"], ["grown"]))
    model.graph.node[1].input[0] = "grown"


def misnamed(model):
    model.graph.output[-1].name = model.graph.node[-1].output[0] = "another"


NETWORKS = {
    "data in other files": (make_network(change=outside), "keeps data in other files"),
    "a weight that is not a number": (make_network(change=not_finite), "has weights that are not finite"),
    "an infinite weight": (
        make_network(change=lambda model: not_finite(model, -np.inf)), "has weights that are not finite"
    ),
    "an oversized tensor": (make_network(change=of_another_size), "has a tensor of shape "),
    "a tensor of a wrong size": (
        make_network(change=lambda model: of_another_size(model, (3, 4))), "has a tensor that is not of "
    ),
    "a tensor that grows": (make_network(change=grow), "computes a tensor of more than "),
    "a loop": (make_network(change=loop), "has Loop, which need not end"),
    "a foreign operator": (make_network(change=foreign), "has operators that are not ONNX's own"),
    "numbers that overflow": (make_network(change=overflowing), "gives numbers that are not finite"),
    "other axes": (
        make_network(axes=12),
        "reads (12, 11) for tensor per track, should read (13, 11) for tensor",
    ),
    "other channels": (make_network(channels=3), "reads (13, 3) for tensor per track, "),
    "other classes": (make_network(classes=5), "gives (5,) per track, should give (6,)"),
    "another input": (make_network(names=("sound", "log_probabilities")), "reads (13, 11) for sound per track, "),
    "outputs of other names": (make_network(change=misnamed), "gives another, should give log_probabilities"),
    "text": (b"an onnx network", "is not an ONNX network"),
    "a pickle": (pickle.dumps({"weights": [1.0]}), "is not an ONNX network"),
    "half of a network": (NETWORK[: len(NETWORK) // 2], "is not an ONNX network"),
}  # fmt: skip


@pytest.mark.parametrize(("network", "told"), NETWORKS.values(), ids=NETWORKS)
def test_a_network_that_is_not_what_it_should_be_is_refused(make, network, told):
    folder = make()
    resign(folder, files.ONNX, network)
    assert refusal(folder).startswith(f"cnn.onnx {told}")


SAVED_NETWORKS = {
    "a pickle": (pickle.dumps([1]), "is not a Keras file"),
    "a pickle within": (make_keras(**{"weights.pkl": pickle.dumps([1])}), "holds config.json, "),
    "a path that leads out": (make_keras(**{"../../.bashrc": b"x"}), "holds ../../.bashrc, "),
    "code": (make_keras({"class_name": "Lambda"}), "has a layer keras.layers.Lambda, "),
    "a function": (make_keras({"config": {"f": {"class_name": "function", "config": "x"}}}), "has a layer None.function"),
    "somebody's class": (make_keras({"module": "os", "class_name": "system"}), "has a layer os.system, "),
    "a registered class": (make_keras({"registered_name": "mine>Layer"}), "has a layer keras.layers.Dense, "),
    "no weights": (make_keras(**{"model.weights.h5": b"weights"}), "has weights that are not HDF5"),
    "no configuration": (make_keras(**{"config.json": b"{"}), "is not a Keras file"),
}  # fmt: skip


@pytest.mark.parametrize(("saved", "told"), SAVED_NETWORKS.values(), ids=SAVED_NETWORKS)
def test_a_keras_file_that_is_more_than_layers_and_weights_is_refused(make, saved, told):
    folder = make()
    resign(folder, files.KERAS, saved)
    assert refusal(folder).startswith(f"cnn.keras {told}")


def test_a_keras_file_that_unpacks_to_absurd_sizes_is_refused(make, monkeypatch):
    folder = make()
    resign(folder, files.KERAS, make_keras(**{"model.weights.h5": bytes(2**20)}))
    monkeypatch.setattr(security, "MOST_BYTES", 2**18)
    assert refusal(folder) == "cnn.keras unpacks to more than 262,144 bytes"


@pytest.mark.parametrize("name", FILES["full"])
def test_a_link_in_place_of_a_file_is_refused(make, tmp_path, name):
    folder = make()
    (folder / name).rename(tmp_path / name)
    (folder / name).symlink_to(tmp_path / name)
    assert refusal(folder) == f"{name} is not a plain file"


def test_a_pipe_is_refused_and_not_waited_for(make):
    folder = make()
    (folder / files.KERAS).unlink()
    os.mkfifo(folder / files.KERAS)
    assert refusal(folder) == "cnn.keras is not a plain file"


def test_a_file_of_absurd_size_is_refused_without_reading_it(make):
    folder = make()
    with open(folder / files.ONNX, "r+b") as file:
        file.truncate(2**40)
    assert refusal(folder).startswith("cnn.onnx has 1,099,511,627,776 bytes, the limit is ")


@pytest.mark.parametrize("name", ["../../../etc/passwd", "/etc/passwd", "..", "a/b", ""])
def test_checksums_that_name_files_elsewhere_are_refused(make, name):
    folder = make()
    with open(folder / files.SUMS, "a") as sums:
        sums.write(f"{'0' * 64}  {name}\n")
    assert refusal(folder) == f"{name}: missing, or not listed in SHA256SUMS"


@pytest.mark.parametrize("name", [files.MANIFEST, files.PROFILE])
@pytest.mark.parametrize("content", ["[" * 100_000, '{"a":' * 100_000, "9" * 10_000, "\xff"])
def test_json_that_breaks_parsers_is_refused(make, name, content):
    folder = make()
    (folder / name).write_bytes(content.encode("latin-1"))
    sign(folder)
    assert refusal(folder) == f"{name} is damaged"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p["features"].pop("tempo"), "profile.json is of other features than the model"),
        (lambda p: p["features"]["tempo"]["counts"].pop(), "profile.json: features.tempo: "),
        (lambda p: p["features"]["tempo"]["edges"].reverse(), "profile.json: features.tempo: "),
        (lambda p: p.update(tracks=-1), "profile.json: tracks: "),
        (lambda p: p.pop("labels"), "profile.json: labels: "),
    ],
)
def test_a_profile_that_cannot_be_is_refused(make, change, told):
    folder = make()
    profile = json.loads((folder / files.PROFILE).read_text())
    change(profile)
    (folder / files.PROFILE).write_text(json.dumps(profile))
    sign(folder)
    assert refusal(folder).startswith(told)
