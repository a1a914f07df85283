"""The real genres as the bundle holds them, beside the network."""

import base64
import functools
from typing import Annotated, Literal

import numpy as np
from pydantic import Field, field_validator

from genre_spark._model import StrictModel
from genre_spark.classifier.decision import OPINIONS, SOUND, Decision, pick
from genre_spark.schema import ARTIST


class GenrePart(StrictModel):
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
    def reads_text(self) -> bool:
        """Whether words are read."""
        return False

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
