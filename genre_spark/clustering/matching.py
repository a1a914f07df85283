"""Matching with the synthetic genres of an earlier bundle: ids that survive a new fit."""

from dataclasses import dataclass, field

import numpy as np

from genre_spark.clustering.metric import SyntheticPart
from genre_spark.clustering.results import Change, Match, Merge, Split
from genre_spark.errors import BundleError
from genre_spark.features.scaling import FeatureScaler

# Two synthetic genres are the same where they share at least this part of the larger one.
_SAME = 0.5
# An earlier one has split where at least two new ones have this part of it each.
_PART = 0.25


@dataclass(frozen=True)
class Previous:
    """The synthetic genres of an earlier bundle.

    `path`: For messages.
    `retired`: Ids that were used before it.
    """

    path: str
    model_id: str
    scaler: FeatureScaler
    synthetic: SyntheticPart
    retired: tuple[int, ...]


@dataclass(frozen=True)
class Lineage:
    """Ids of a new fit.

    `ids`: By row of the new fit.
    `names`: Of the rows that were there before.
    `retired`: Ids that must not be used again.
    """

    ids: tuple[int, ...]
    names: dict[int, str] = field(default_factory=dict)
    retired: tuple[int, ...] = ()
    change: Change | None = None


def check(previous: Previous, scaler: FeatureScaler) -> None:
    """Refuses an earlier bundle whose synthetic genres rest on other features.

    Raises `BundleError`.
    """
    before, now = previous.scaler.features, scaler.features
    if set(before) != set(now):
        raise BundleError(
            f"{previous.path}: its synthetic genres rest on {', '.join(before)}, this catalogue has"
            f" {', '.join(now)}: they cannot be matched; run without --previous"
        )


def check_owner(previous: Previous, owner: str | None) -> None:
    """Refuses an earlier bundle that compares tracks by other groups.

    Raises `BundleError`.
    """
    before, now = (
        f"by {name}" if name else "one by one" for name in (previous.synthetic.owner, owner)
    )
    if before != now:
        raise BundleError(
            f"{previous.path}: its synthetic genres compare tracks {before}, those of this"
            f" catalogue {now}: they cannot be matched; run without --previous"
        )


def follow(previous: Previous, before: np.ndarray, now: np.ndarray, k: int) -> Lineage:
    """Ids of a new fit, the earlier ones where synthetic genres are the same.

    `before`: Row of each sampled track in the earlier bundle [shape=(n_tracks,), dtype=int64].
    `now`: Row of each track in the new fit, which has `k` rows [shape=(n_tracks,), dtype=int64].

    References
    ----------
    Kuhn (1955), "The Hungarian method for the assignment problem".
    """
    from scipy.optimize import linear_sum_assignment

    old = previous.synthetic
    shared = np.zeros((len(old.ids), k), dtype=int)
    np.add.at(shared, (before, now), 1)
    larger = np.maximum(shared.sum(axis=1)[:, None], shared.sum(axis=0))
    pairs = zip(*linear_sum_assignment(-shared), strict=True)
    same = {
        int(b): int(a) for a, b in pairs if shared[a, b] and shared[a, b] >= _SAME * larger[a, b]
    }
    used = {*old.ids, *previous.retired}
    fresh = iter(range(max(used) + 1, max(used) + 1 + k))
    ids = tuple(old.ids[same[row]] if row in same else next(fresh) for row in range(k))
    return Lineage(
        ids=ids,
        names={row: old.names[earlier] for row, earlier in same.items()},
        retired=tuple(sorted(used - set(ids))),
        change=_change(previous.model_id, shared, np.array(old.ids), np.array(ids)),
    )


def _change(previous: str, shared: np.ndarray, before: np.ndarray, now: np.ndarray) -> Change:
    """From the tracks that each earlier (row) and each new (column) one share."""
    of_earlier = shared / np.maximum(1, shared.sum(axis=1, keepdims=True))
    stayed = before[:, None] == now
    parts = zip(before.tolist(), of_earlier >= _PART, strict=True)
    sources = zip(now.tolist(), of_earlier.T > 0.5, strict=True)
    return Change(
        previous=previous,
        tracks=int(shared.sum()),
        moved=shared[~stayed].sum() / max(1, shared.sum()),
        matched=tuple(
            Match(id=int(before[i]), kept=of_earlier[i, j]) for i, j in np.argwhere(stayed)
        ),
        new=tuple(np.setdiff1d(now, before).tolist()),
        retired=tuple(np.setdiff1d(before, now).tolist()),
        split=tuple(
            Split(id=one, into=tuple(now[into].tolist())) for one, into in parts if into.sum() > 1
        ),
        merged=tuple(
            Merge(id=one, of=tuple(before[of].tolist())) for one, of in sources if of.sum() > 1
        ),
    )
