"""The model bundle: an immutable, verified directory with all that scoring needs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from genre_spark.bundle import security
from genre_spark.bundle.manifest import Manifest, Profile, model_id
from genre_spark.bundle.security import UntrustedError
from genre_spark.classifier.genre_part import GenrePart
from genre_spark.classifier.head import n_encoded
from genre_spark.classifier.onnx_network import ARTISTS, ARTISTS_OUTPUT, INPUT, OUTPUT
from genre_spark.clustering.matching import Previous
from genre_spark.errors import BundleError, InputError
from genre_spark.features.tensor import CHANNELS
from genre_spark.platform.safe_text import plain, redact
from genre_spark.platform.storage import MAX_SMALL, read_small, sha256_of
from genre_spark.versions import __version__

FORMAT_VERSION = 11
MANIFEST = "bundle.json"
PROFILE = "profile.json"
ONNX = "cnn.onnx"
CARD = "model_card.md"
SUMS = "SHA256SUMS"
_FILES = {
    "clusters": {MANIFEST, PROFILE, CARD},
    "full": {MANIFEST, PROFILE, CARD, ONNX},
}
# Every name that a file of a bundle may have.
ALL = frozenset({*_FILES["full"], SUMS})
# It holds weights of each genre, and there may be many.
MAX_MANIFEST = security.MAX_BYTES
# Characters of a message: places in a file may be of any length.
_LONGEST = 500
_Model = TypeVar("_Model", bound=BaseModel)


@dataclass(frozen=True, repr=False)
class Bundle:
    """A verified bundle.

    `path`: Where its files are, or were while a copy of it was read.
    `profile`: Distributions of the catalogue that it was made from.
    `reference`: What it was opened by, where `path` is that of a copy.
    """

    path: Path
    manifest: Manifest
    onnx: bytes | None
    profile: Profile
    reference: str | None = None

    @property
    def location(self) -> str:
        """The path or reference that it was opened by, which may hold a password."""
        return self.reference or str(self.path)

    @property
    def source(self) -> str:
        """Where it came from, without passwords."""
        return redact(self.location)

    def __repr__(self) -> str:
        return f"<{self.manifest.kind} bundle {self.manifest.model_id} of {self.source}>"

    def as_previous(self) -> Previous:
        """What matching a new fit with this one needs."""
        scoring = self.manifest.scoring
        return Previous(
            path=self.source,
            model_id=self.manifest.model_id,
            scaler=scoring.scaler,
            synthetic=scoring.synthetic,
            retired=self.manifest.clusters.retired,
        )


def load(path: str | Path) -> Bundle:
    """Reads and verifies a bundle in a local directory.

    Raises `BundleError` if a file is missing, changed or unexpected, or the format is newer.
    """
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise BundleError(f"{path}: not a model bundle: it has no {MANIFEST}")
    for file in sorted(path.iterdir()):
        with _naming(file):
            security.check_plain(file)
    _verify_sums(path)
    manifest = _parse_manifest(path)
    if odd := sorted(_names(path) ^ _FILES[manifest.kind]):
        raise BundleError(
            f"{path}: {', '.join(odd)}: missing or not part of a {manifest.kind} bundle"
        )
    onnx = (path / ONNX).read_bytes() if manifest.kind == "full" else None
    if model_id(manifest.scoring, onnx) != manifest.model_id:
        raise BundleError(f"{path}: its content does not have the model_id {manifest.model_id}")
    if onnx is not None and manifest.scoring.genres:
        _vet_network(path, onnx, manifest.scoring.genres, manifest.scoring.scaler.n_scaled)
    profile = _validated(Profile, _read_json(path, PROFILE), path, PROFILE)
    if set(profile.features) != set(manifest.scoring.scaler.features):
        raise BundleError(f"{path}: {PROFILE} is of other features than the model")
    return Bundle(path, manifest, onnx, profile)


def write_files(directory: Path, manifest: Manifest, profile: Profile, card: str) -> None:
    """Completes a directory, which for a full bundle already holds the network, to a bundle."""
    (directory / MANIFEST).write_text(_pretty(manifest), encoding="utf-8")
    (directory / PROFILE).write_text(_pretty(profile), encoding="utf-8")
    (directory / CARD).write_text(card, encoding="utf-8")
    (directory / SUMS).write_text(_sums(directory, _FILES[manifest.kind]), encoding="utf-8")


def _vet_network(path: Path, onnx: bytes, genres: GenrePart, n_scaled: int) -> None:
    inputs: security.Shapes = {INPUT: (n_scaled, len(CHANNELS))}
    outputs: security.Shapes = {OUTPUT: (len(genres.classes),)}
    if genres.forest:
        inputs = {**inputs, ARTISTS: (n_encoded(n_scaled, len(genres.classes)),)}
        outputs = {**outputs, ARTISTS_OUTPUT: (len(genres.classes),)}
    with _naming(path / ONNX):
        security.check_onnx(onnx, inputs, outputs)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Raises what is wrong with a file as a `BundleError` that names it."""
    try:
        yield
    except UntrustedError as err:
        raise BundleError(f"{file.parent}: {file.name} {err}") from err


def _verify_sums(path: Path) -> None:
    try:
        listed = read_small(path / SUMS).decode("utf-8")
        pairs = (line.split("  ", 1) for line in listed.splitlines())
        sums = {name: found for found, name in pairs}
    except (InputError, OSError, ValueError) as err:
        raise BundleError(f"{path}: {SUMS} is missing or damaged") from err
    found = _names(path)
    if found != set(sums):
        odd = sorted(found ^ set(sums))
        raise BundleError(f"{path}: {', '.join(odd)}: missing, or not listed in {SUMS}")
    for name, expected in sums.items():
        if sha256_of(path / name) != expected:
            raise BundleError(f"{path}: {name} was changed or damaged: its checksum differs")
    if listed != _sums(path, found):
        raise BundleError(f"{path}: {SUMS} is missing or damaged")


def _names(path: Path) -> set[str]:
    """Files of a bundle, without the checksums that Hadoop keeps beside its own."""
    return {file.name for file in path.iterdir() if not file.name.endswith(".crc")} - {SUMS}


def _sums(path: Path, names: set[str]) -> str:
    return "".join(f"{sha256_of(path / name)}  {name}\n" for name in sorted(names))


def _parse_manifest(path: Path) -> Manifest:
    content = _read_json(path, MANIFEST, MAX_MANIFEST)
    version = content.get("format_version")
    if type(version) is not int:  # True is 1 to Python
        raise BundleError(f"{path}: {MANIFEST} is damaged")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: has format {version}, genre-spark {__version__} reads {FORMAT_VERSION};"
            " use the genre-spark that made it, or train again"
        )
    return _validated(Manifest, content, path, MANIFEST)


def _read_json(path: Path, name: str, most: int = MAX_SMALL) -> dict[str, Any]:
    try:
        content = json.loads(read_small(path / name, most), parse_constant=_refuse_constant)
    except InputError as err:
        raise BundleError(str(err)) from err
    except (ValueError, RecursionError) as err:
        raise BundleError(f"{path}: {name} is damaged") from err
    if not isinstance(content, dict):
        raise BundleError(f"{path}: {name} is damaged")
    return content


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _validated(model: type[_Model], content: dict[str, Any], path: Path, name: str) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as err:
        violation = err.errors()[0]
        place = ".".join(map(str, violation["loc"]))
        raise BundleError(plain(f"{path}: {name}: {place}: {violation['msg']}"[:_LONGEST])) from err


def _pretty(model: BaseModel) -> str:
    content = model.model_dump(mode="json", by_alias=True)
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
