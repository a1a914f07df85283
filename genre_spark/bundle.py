"""The model bundle: an immutable, verified directory with all that scoring needs."""

import base64
import hashlib
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from genre_spark import __version__, vetting
from genre_spark.clusterspace import ClusterSpace
from genre_spark.decision import Decision
from genre_spark.discovery import Discovery
from genre_spark.drift import Profile
from genre_spark.errors import BundleError
from genre_spark.features import FeatureSpace
from genre_spark.schema import context_column
from genre_spark.tensor import assign, channel_names
from genre_spark.vetting import UntrustedError

FORMAT_VERSION = 3
MANIFEST = "bundle.json"
PROFILE = "profile.json"
ONNX = "cnn.onnx"
KERAS = "cnn.keras"
CARD = "model_card.md"
SUMS = "SHA256SUMS"
_FILES = {
    "clusters": {MANIFEST, PROFILE, CARD},
    "full": {MANIFEST, PROFILE, CARD, ONNX, KERAS},
}
_SCORING_LIBRARIES = ("pyspark", "numpy", "pyarrow", "onnxruntime")
_LIBRARIES = (*_SCORING_LIBRARIES, "keras", "tensorflow-cpu", "tensorflow")

Finite = Annotated[float, Field(allow_inf_nan=False)]
_Model = TypeVar("_Model", bound=BaseModel)


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SyntheticPart(_Strict):
    """What scoring needs of the synthetic genres.

    Attributes
    ----------
    ids : tuple of int
    names : tuple of str
    compared : ClusterSpace
        How tracks are compared with the centers.
    centers : tuple of tuple of float
        A track belongs to the nearest; in the units of `compared`.
    centroids : tuple of tuple of float
        Means of their tracks, in scaled units, one per axis: what the network reads.
    """

    ids: tuple[int, ...]
    names: tuple[str, ...]
    compared: ClusterSpace
    centers: tuple[tuple[Finite, ...], ...]
    centroids: tuple[tuple[Finite, ...], ...]

    @model_validator(mode="after")
    def _lengths_agree(self) -> "SyntheticPart":
        counts = {len(self.ids), len(self.names), len(self.centers), len(self.centroids)}
        if len(counts) > 1 or not self.ids:
            raise ValueError("ids, names and centroids of synthetic genres differ in number")
        n = len(self.compared.dimensions)
        if any(len(center) != n for center in self.centers):
            raise ValueError(f"a center has not {n} numbers, as there are dimensions")
        return self

    def nearest(self, axes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The synthetic genre of each track.

        Parameters
        ----------
        axes : np.ndarray [shape=(n_tracks, n_axes), dtype=float64]

        Returns
        -------
        rows : np.ndarray [shape=(n_tracks,), dtype=int64]
            Of `ids`, not the ids.
        distances : np.ndarray [shape=(n_tracks,), dtype=float64]
            Euclidean, in the units of `compared`.
        """
        return assign(self.compared.to_numpy(axes), np.array(self.centers))


class GenrePart(_Strict):
    """What scoring needs of the real genres beside the network.

    Attributes
    ----------
    classes : tuple of str
        Genres in the order of the network's outputs.
    groups : tuple of str
        Context groups (artist, album) that the network was trained with.
    known, new : Decision
        For artists of the labelled sample, and for others.
    known_artists : str
        Keys of the labelled sample's artists: sorted little-endian int64, in base64.
    target_precision : float
        What the thresholds were chosen for.
    """

    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    groups: tuple[Literal["artist", "album"], ...]
    known: Decision
    new: Decision
    known_artists: str
    target_precision: Annotated[float, Field(ge=0, le=1)]

    @field_validator("known_artists")
    @classmethod
    def _artists_are_keys(cls, packed: str) -> str:
        try:
            length = len(base64.b64decode(packed, validate=True))
        except ValueError as err:
            raise ValueError("not base64") from err
        if length % 8:
            raise ValueError(f"{length} bytes are not keys of 8 bytes each")
        return packed

    @property
    def decisions(self) -> dict[bool, Decision]:
        """Decision by whether the artist is known."""
        return {False: self.new, True: self.known}

    def knows(self, artists: np.ndarray) -> np.ndarray:
        """Which artist keys [shape=(n_tracks,), dtype=int64] are of the labelled sample."""
        keys = np.frombuffer(base64.b64decode(self.known_artists), dtype="<i8")
        return np.isin(artists, keys, kind="sort")


def pack_artists(keys: np.ndarray) -> str:
    """Artist keys as `GenrePart.known_artists` has them."""
    return base64.b64encode(np.unique(keys).astype("<i8").tobytes()).decode("ascii")


class ScoringPart(_Strict):
    """All that decides a label, apart from the network's weights."""

    space: FeatureSpace
    synthetic: SyntheticPart
    genres: GenrePart | None

    @model_validator(mode="after")
    def _centroids_fit(self) -> "ScoringPart":
        if any(len(centroid) != self.space.n_axes for centroid in self.synthetic.centroids):
            raise ValueError(f"a centroid has not {self.space.n_axes} numbers, as there are axes")
        if any(one.axis >= self.space.n_axes for one in self.synthetic.compared.dimensions):
            raise ValueError(f"a dimension is of none of the {self.space.n_axes} axes")
        return self

    @property
    def inputs(self) -> tuple[str, ...]:
        """Columns of a track that the models read."""
        groups = self.genres.groups if self.genres else ()
        return (*self.space.features, *map(context_column, groups))

    @property
    def centroids(self) -> np.ndarray:
        """Centroids as an array [shape=(k, n_axes), dtype=float64]."""
        return np.array(self.synthetic.centroids)


class Manifest(_Strict):
    """The content of ``bundle.json``."""

    format_version: int
    kind: Literal["clusters", "full"]
    model_id: str
    created_at: str
    genre_spark_version: str
    source_revision: str | None
    libraries: dict[str, str]
    seed: int
    scoring: ScoringPart
    left_out: tuple[str, ...]
    data: dict[str, Any]
    clusters: Discovery
    genres: dict[str, Any] | None

    @model_validator(mode="after")
    def _kind_fits(self) -> "Manifest":
        if (self.kind == "full") != (self.scoring.genres is not None):
            raise ValueError(f"kind is {self.kind}, which does not fit its scoring part")
        return self


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes
    ----------
    path : Path
        Where it was read from.
    manifest : Manifest
    onnx : bytes or None
        The network; None in a clusters bundle.
    profile : Profile
        Distributions of the catalogue that it was made from.
    """

    path: Path
    manifest: Manifest
    onnx: bytes | None
    profile: Profile


def model_id(scoring: ScoringPart, onnx: bytes | None) -> str:
    """The content hash (16 hexadecimal digits): where it is equal, all labels are equal."""
    part = json.dumps(scoring.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(part.encode() + hashlib.sha256(onnx or b"").digest()).hexdigest()[:16]


def load(path: str | Path, *, kind: Literal["clusters", "full"] | None = None) -> Bundle:
    """Reads and verifies a bundle in a local directory.

    Parameters
    ----------
    path : path
        The bundle's directory.
    kind : {'clusters', 'full'}, optional
        Kind that the work needs; a full bundle serves where clusters are needed.

    Raises
    ------
    BundleError
        Where a file is missing, changed or unexpected, the format is newer, or the kind is wrong.
    """
    path = Path(path)
    if not (path / MANIFEST).is_file():
        raise BundleError(f"{path}: not a model bundle: it has no {MANIFEST}")
    _vet_plain(path)
    _verify_sums(path)
    manifest = _parse_manifest(path)
    _verify_files(path, manifest.kind)
    if kind == "full" and manifest.kind != "full":
        raise BundleError(f"{path}: is a {manifest.kind} bundle, needed is a full one: run train")
    onnx = (path / ONNX).read_bytes() if manifest.kind == "full" else None
    if model_id(manifest.scoring, onnx) != manifest.model_id:
        raise BundleError(f"{path}: its content does not have the model_id {manifest.model_id}")
    if onnx is not None:
        _vet_network(path, onnx, manifest.scoring)
    profile = _validated(Profile, _read_json(path, PROFILE), path, PROFILE)
    if set(profile.features) != set(manifest.scoring.space.features):
        raise BundleError(f"{path}: {PROFILE} is of other features than the model")
    return Bundle(path, manifest, onnx, profile)


def write_files(directory: Path, manifest: Manifest, profile: Profile, card: str) -> None:
    """Completes a directory, which for a full bundle already holds the network, to a bundle."""
    (directory / MANIFEST).write_text(_pretty(manifest.model_dump(mode="json")))
    (directory / PROFILE).write_text(_pretty(profile.model_dump(mode="json")))
    (directory / CARD).write_text(card)
    (directory / SUMS).write_text(_sums(directory, _FILES[manifest.kind]))


def library_versions() -> dict[str, str]:
    """Versions of the libraries that shape a model."""
    return _versions(_LIBRARIES)


def scoring_software() -> dict[str, str]:
    """Versions of all that shapes a label beside the model."""
    return {"genre-spark": __version__, **_versions(_SCORING_LIBRARIES)}


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def source_revision() -> str | None:
    """The git revision of a checkout that genre-spark runs from, None where installed."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _vet_plain(path: Path) -> None:
    for file in sorted(path.iterdir()):
        with _naming(file):
            vetting.check_plain(file)


def _vet_network(path: Path, onnx: bytes, scoring: ScoringPart) -> None:
    n_channels, n_classes = len(channel_names(scoring.genres.groups)), len(scoring.genres.classes)
    with _naming(path / ONNX):
        vetting.check_onnx(onnx, scoring.space.n_axes, n_channels, n_classes)
    with _naming(path / KERAS):
        vetting.check_keras(path / KERAS)


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Tells what is wrong with a file as the bundle's fault."""
    try:
        yield
    except UntrustedError as err:
        raise BundleError(f"{file.parent}: {file.name} {err}") from err


def _verify_sums(path: Path) -> None:
    try:
        listed = (path / SUMS).read_bytes().decode("utf-8")
        sums = dict(reversed(line.split("  ", 1)) for line in listed.splitlines())
    except (OSError, ValueError) as err:
        raise BundleError(f"{path}: {SUMS} is missing or damaged") from err
    found = _names(path)
    if found != set(sums):
        odd = sorted(found ^ set(sums))
        raise BundleError(f"{path}: {', '.join(odd)}: missing, or not listed in {SUMS}")
    for name, expected in sums.items():
        if _sha256(path / name) != expected:
            raise BundleError(f"{path}: {name} was changed or damaged: its checksum differs")
    if listed != _sums(path, found):
        raise BundleError(f"{path}: {SUMS} is missing or damaged")


def _names(path: Path) -> set[str]:
    """Files of a bundle, without the checksums that Hadoop keeps beside its own."""
    return {file.name for file in path.iterdir() if not file.name.endswith(".crc")} - {SUMS}


def _sums(path: Path, names: set[str]) -> str:
    return "".join(f"{_sha256(path / name)}  {name}\n" for name in sorted(names))


def _verify_files(path: Path, kind: str) -> None:
    odd = sorted(_names(path) ^ _FILES[kind])
    if odd:
        raise BundleError(f"{path}: {', '.join(odd)}: missing or not part of a {kind} bundle")


def _parse_manifest(path: Path) -> Manifest:
    content = _read_json(path, MANIFEST)
    version = content.get("format_version")
    if version is None:
        raise BundleError(f"{path}: {MANIFEST} is damaged")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: has format {version}, genre-spark {__version__} reads {FORMAT_VERSION};"
            " use the genre-spark that made it, or train again"
        )
    return _validated(Manifest, content, path, MANIFEST)


def _read_json(path: Path, name: str) -> dict[str, Any]:
    try:
        content = json.loads((path / name).read_bytes())
    except (ValueError, RecursionError) as err:
        raise BundleError(f"{path}: {name} is damaged") from err
    if not isinstance(content, dict):
        raise BundleError(f"{path}: {name} is damaged")
    return content


def _validated(model: type[_Model], content: dict[str, Any], path: Path, name: str) -> _Model:
    try:
        return model.model_validate(content)
    except ValidationError as err:
        fault = err.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise BundleError(f"{path}: {name}: {place}: {fault['msg']}") from err


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _pretty(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
