"""Changes a small bundle at random, and looks whether it is refused or still works.

    python benchmarks/fuzz_bundles.py --changes 1000

Each change hits bytes of one file, or a field of one JSON file. Half of the changed bundles get
checksums and a `model_id` that fit again, as somebody would give them who wants to be trusted. Each
is then loaded, and where it loads, its network labels tracks and it is shown as by `models show`:

- without new checksums it is refused, or equal to the unchanged one;
- with them it is refused, or works: all log-probabilities are finite;
- nothing raises anything but `BundleError`, takes more than `--seconds`, or more than 1 GB.
"""

import argparse
import collections
import contextlib
import hashlib
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.generated import make_manifest, make_profile  # noqa: E402
from support.networks import make_network  # noqa: E402

from genre_spark.bundle import files  # noqa: E402
from genre_spark.bundle.files import Bundle  # noqa: E402
from genre_spark.bundle.manifest import Manifest, model_id  # noqa: E402
from genre_spark.classifier.onnx_network import Network  # noqa: E402
from genre_spark.cli import views  # noqa: E402
from genre_spark.errors import BundleError  # noqa: E402
from genre_spark.features.tensor import CHANNELS  # noqa: E402

_GB = 2**20  # in the units of ru_maxrss, which are kilobytes
_HOSTILE: tuple[Any, ...] = (
    None, True, -1, 0, 1, 10**30, -(10**30), 1e308, 1e-308, float("nan"), float("inf"), "", "x",
    "../../x", "\x1b[31m\u202e\n", "9" * 5000, [], {}, [[]], {"": None}, [0] * 1000, ["a"] * 1000,
)  # fmt: skip


class TooLongError(Exception):
    """A change took longer than it may."""


def make_bundle(folder: Path) -> Path:
    """A small full bundle."""
    folder.mkdir()
    network = make_network()
    (folder / files.ONNX).write_bytes(network)
    files.write_files(folder, make_manifest(network), make_profile(), "# A card\n")
    return folder


def change_bytes(folder: Path, rng: random.Random) -> str:
    """Changes, deletes or inserts some bytes of a file."""
    name = rng.choice(sorted(file.name for file in folder.iterdir()))
    content = bytearray((folder / name).read_bytes())
    for _ in range(rng.choice([1, 1, 1, 2, 8])):
        # Most of a network is weights; its structure stands at the beginning and at the end.
        edge = min(len(content), 2000)
        at = rng.choice(
            [rng.randrange(len(content)), rng.randrange(edge), -rng.randrange(edge) - 1]
        )
        how = rng.choice(["flip", "set", "delete", "insert"])
        if how == "flip":
            content[at] ^= 1 << rng.randrange(8)
        elif how == "set":
            content[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF])
        elif how == "delete":
            del content[at : at + rng.choice([1, 1, 4, 100])]
        else:
            content[at:at] = rng.randbytes(rng.choice([1, 4]))
        if not content:
            break
    (folder / name).write_bytes(content)
    return f"bytes of {name}"


def change_field(folder: Path, rng: random.Random) -> str:
    """Replaces, deletes or adds a field of a JSON file."""
    name = rng.choice([files.MANIFEST, files.MANIFEST, files.PROFILE])
    content = json.loads((folder / name).read_text(encoding="utf-8"))
    at: Any = content
    key: Any = None
    place: list[str] = []
    while isinstance(at, dict | list) and at and (key is None or rng.random() < 0.8):
        parent, key = at, rng.choice(list(at) if isinstance(at, dict) else range(len(at)))
        at = parent[key]
        place.append(str(key))
    how = rng.choice(["replace", "replace", "replace", "delete", "add"])
    if how == "delete":
        del parent[key]
    elif how == "add" and isinstance(parent, dict):
        parent[f"{key} too"] = rng.choice(_HOSTILE)
    else:
        parent[key] = rng.choice(_HOSTILE)
    (folder / name).write_text(json.dumps(content), encoding="utf-8")
    return f"{how} {name} {'.'.join(place)}"


def sign(folder: Path) -> None:
    """Makes checksums, and where that is possible `model_id`, fit again."""
    with contextlib.suppress(Exception):  # where the manifest is none, there is nothing to fit
        content = json.loads((folder / files.MANIFEST).read_text(encoding="utf-8"))
        content["model_id"] = model_id(
            Manifest.model_validate(content).scoring, (folder / files.ONNX).read_bytes()
        )
        (folder / files.MANIFEST).write_text(json.dumps(content), encoding="utf-8")
    names = sorted(file.name for file in folder.iterdir() if file.name != files.SUMS)
    sums = [(hashlib.sha256((folder / name).read_bytes()).hexdigest(), name) for name in names]
    text = "".join(f"{digest}  {name}\n" for digest, name in sums)
    (folder / files.SUMS).write_text(text, encoding="utf-8")


def use(opened: Bundle) -> None:
    """Labels some tracks, and shows the model.

    Raises
    ------
    ValueError
        Where a log-probability is not finite.
    """
    scoring = opened.manifest.scoring
    views.model(opened, ())
    if opened.onnx is None or scoring.genres is None:
        return
    tracks = np.random.default_rng(0).normal(size=(50, scoring.scaler.n_scaled, len(CHANNELS)))
    if not np.isfinite(Network(opened.onnx).log_probabilities(tracks.astype("f4"))).all():
        raise ValueError("log-probabilities are not finite")


@contextlib.contextmanager
def at_most(seconds: int) -> Iterator[None]:
    """Ends what takes longer."""

    def stop(*_: Any) -> None:
        raise TooLongError(f"took more than {seconds} seconds")

    signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)


def fuzz(changes: int, seed: int, seconds: int = 20) -> tuple[collections.Counter, list[str]]:
    """What became of so many changed bundles, and the faults."""
    rng, faults = random.Random(seed), []
    found: collections.Counter[str] = collections.Counter()
    with tempfile.TemporaryDirectory() as name:
        whole = make_bundle(Path(name) / "whole")
        original = files.load(whole)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for i in range(changes):
            folder = Path(shutil.copytree(whole, Path(name) / "changed"))
            what = rng.choice([change_bytes, change_field])(folder, rng)
            signed = rng.random() < 0.7
            if signed:
                sign(folder)
            try:
                with at_most(seconds):
                    opened = files.load(folder)
                    use(opened)
                same = (opened.manifest, opened.onnx) == (original.manifest, original.onnx)
                found["equal" if same else "works"] += 1
                if not same and not signed:
                    faults.append(f"{i}: {what}: loads without checksums that fit")
            except BundleError as err:
                found["refused"] += 1
                if "\n" in str(err) or "\x1b" in str(err):
                    faults.append(f"{i}: {what}: more than a line: {str(err)!r}")
            except Exception as err:  # anything else is what is looked for
                faults.append(f"{i}: {what}: {type(err).__name__}: {err}")
            shutil.rmtree(folder)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    if grown > _GB:
        faults.append(f"memory grew by {grown / 2**10:,.0f} MB")
    found["megabytes"] = grown // 2**10
    return found, faults


def main() -> int:
    """Prints a summary as JSON; 1 where there is a fault."""
    parser = argparse.ArgumentParser(description="Changes a bundle at random.")
    parser.add_argument("--changes", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=int, default=20, help="Longer is a fault.")
    given = parser.parse_args()
    found, faults = fuzz(given.changes, given.seed, given.seconds)
    print(json.dumps({"found": found, "faults": faults}, indent=1))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
