"""What changes where one model takes another's place, as `models diff` prints it."""

from collections.abc import Sequence
from typing import Any

from pydantic import Field

from genre_spark._model import Count, SparseModel, StrictModel

# By name: a value of the model before, and one of the model after.
Pairs = dict[str, tuple[Any, Any]]


class NamedModel(StrictModel):
    """A model that is compared."""

    path: str
    model_id: str


class Flow(StrictModel):
    """Tracks whose label, or strongest feature, became another."""

    before: str | None = Field(alias="from")
    after: str | None = Field(alias="to")
    tracks: Count


class ChangedShare(StrictModel):
    """Tracks, and how many of them changed genre."""

    tracks: Count
    changed: Count


class ChangedAcceptance(StrictModel):
    """Tracks whose genre is accepted.

    Attributes
    ----------
    kept, gained, lost : int
        By both models, by the new one alone, by the old one alone.
    changed_though_accepted : int
        Of `kept`, those whose genre changed.
    """

    kept: Count
    gained: Count
    lost: Count
    changed_though_accepted: Count


class KnownGenres(StrictModel):
    """Tracks whose genre the catalogue has; the models may have learned from them."""

    tracks: Count
    right_before: Count
    right_after: Count


class ChangedGenres(StrictModel):
    """How many genres change, where, and how many known ones are met.

    Attributes
    ----------
    changed : int
    flows : tuple of Flow
        The largest ones.
    by_synthetic_genre, by_confidence : dict of str to ChangedShare
        By the old model's label of the track.
    accepted : ChangedAcceptance
    labelled : KnownGenres
    """

    changed: Count
    flows: tuple[Flow, ...]
    by_synthetic_genre: dict[str, ChangedShare]
    by_confidence: dict[str, ChangedShare]
    accepted: ChangedAcceptance
    labelled: KnownGenres


class ChangedSyntheticGenres(StrictModel):
    """How many synthetic genres change; ids mean the same in both models where `same_ids`."""

    same_ids: bool
    changed: Count
    flows: tuple[Flow, ...]


class Reasons(SparseModel):
    """Why labels change.

    Attributes
    ----------
    making : dict of str to pair
        What the models were made of and how they decide, where they differ.
    importance : dict of str to dict of str to pair
        Per protocol, the accuracy that depends on each input and feature.
    artists : dict of str to ChangedShare
        By whether the models have learned from the artist.
    features : tuple of Flow or None
        The strongest feature of labels that changed; with `explain`.
    """

    making: Pairs
    importance: dict[str, dict[str, tuple[float | None, float | None]]]
    artists: dict[str, ChangedShare]
    features: tuple[Flow, ...] | None = None


class Difference(StrictModel):
    """What changes where one model takes another's place.

    Attributes
    ----------
    before, after : NamedModel
    source : str
    tracks : int
        That both models accept.
    only_before, only_after : int
        That one alone accepts.
    genres : ChangedGenres
    synthetic_genres : ChangedSyntheticGenres
    why : Reasons
    """

    before: NamedModel
    after: NamedModel
    source: str
    tracks: Count
    only_before: Count
    only_after: Count
    genres: ChangedGenres
    synthetic_genres: ChangedSyntheticGenres
    why: Reasons


def largest(flows: Sequence[Flow], limit: int) -> list[str]:
    """Flows in words, the largest first."""
    return [
        f"{flow.before or 'none'} → {flow.after or 'none'}: {flow.tracks:,}"
        for flow in flows[:limit]
    ]
