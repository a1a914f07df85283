"""What became of the synthetic genres of an earlier bundle, as the bundle holds it."""

from genre_spark._model import Share, StrictModel


class Match(StrictModel):
    """A synthetic genre that was there before.

    Attributes
    ----------
    id : int
        The same in both.
    kept : float
        Share of its earlier tracks that it still has.
    """

    id: int
    kept: Share


class Split(StrictModel):
    """An earlier synthetic genre whose tracks now lie in several."""

    id: int
    into: tuple[int, ...]


class Merge(StrictModel):
    """A synthetic genre that holds most of several earlier ones."""

    id: int
    of: tuple[int, ...]


class Change(StrictModel):
    """What became of the synthetic genres of an earlier bundle.

    Attributes
    ----------
    previous : str
        Its model_id.
    tracks : int
        In the sample that both assigned.
    moved : float
        Share of these whose id changed.
    matched : tuple of Match
    new, retired : tuple of int
        Ids that came, and that went.
    split : tuple of Split
    merged : tuple of Merge
    """

    previous: str
    tracks: int
    moved: Share
    matched: tuple[Match, ...]
    new: tuple[int, ...]
    retired: tuple[int, ...]
    split: tuple[Split, ...]
    merged: tuple[Merge, ...]
