"""What ``bundle.json`` says, each part checked: all that decides a label, and where it comes from."""

import base64
import functools
import hashlib
import json
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from genre_spark.classifier.decision import OPINIONS, SOUND, Decision, pick
from genre_spark.clustering.metric import ClusterSpace
from genre_spark.clustering.results import Discovery
from genre_spark.features.scaling import FeatureSpace
from genre_spark.features.tensor import assign
from genre_spark.schema import ARTIST, context_column

Finite = Annotated[float, Field(allow_inf_nan=False)]


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

    @property
    def relates_artists(self) -> bool:
        """Whether an artist's tracks inform each other."""
        return ARTIST in self.groups or bool(self.known.consensus or self.new.consensus)

    @property
    def relates_tracks(self) -> bool:
        """Whether tracks inform each other at all."""
        return bool(self.groups) or self.relates_artists

    def hears_artists(self, known: np.ndarray) -> np.ndarray:
        """Tracks [dtype=bool] with opinions that count and read how their artist sounds.

        *sound* never does; see `branches.Branch`.
        """
        others = [i for i, name in enumerate(OPINIONS) if name != SOUND]
        return pick(known, self.decisions, "weights")[:, others].max(axis=1) > 0

    @functools.cached_property
    def artist_keys(self) -> np.ndarray:
        """The labelled sample's artists [dtype=int64], in order."""
        return np.sort(unpack_artists(self.known_artists))

    def knows(self, artists: np.ndarray) -> np.ndarray:
        """Which artist keys [shape=(n_tracks,), dtype=int64] are of the labelled sample."""
        keys = self.artist_keys
        if not len(keys):
            return np.zeros(len(artists), dtype=bool)
        return keys[np.minimum(np.searchsorted(keys, artists), len(keys) - 1)] == artists


def pack_artists(keys: np.ndarray) -> str:
    """Artist keys as `GenrePart.known_artists` has them."""
    return base64.b64encode(np.unique(keys).astype("<i8").tobytes()).decode("ascii")


def unpack_artists(packed: str) -> np.ndarray:
    """Artist keys [shape=(n_artists,), dtype=int64] from `GenrePart.known_artists`."""
    return np.frombuffer(base64.b64decode(packed), dtype="<i8")


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


def model_id(scoring: ScoringPart, onnx: bytes | None) -> str:
    """The content hash (16 hexadecimal digits): where it is equal, all labels are equal."""
    part = json.dumps(scoring.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(part.encode() + hashlib.sha256(onnx or b"").digest()).hexdigest()[:16]
