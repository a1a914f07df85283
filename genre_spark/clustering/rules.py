"""Rules that tell synthetic genres apart: a small decision tree on raw features, as sentences."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.clustering.results import GenreRules, Rules
from genre_spark.schema import AudioFeature, feature

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

LEAVES_PER_GENRE = 3
_UNSEEN_SHARE = 0.2
# A leaf of fewer tracks is about those tracks.
_SMALLEST_LEAF = 5


@dataclass
class Leaf:
    """A box of raw feature values, and the row of the synthetic genre that lies in it.

    Attributes
    ----------
    genre : int
    bounds : dict of int to (float, float)
        By column: a value lies above the first and is at most the second.
    """

    genre: int
    bounds: dict[int, tuple[float, float]] = field(default_factory=dict)

    def holds(self, raw: np.ndarray) -> np.ndarray:
        """Which tracks [shape=(n_tracks, n_features)] lie in it [shape=(n_tracks,), dtype=bool]."""
        inside = np.ones(len(raw), dtype=bool)
        for column, (low, high) in self.bounds.items():
            inside &= (raw[:, column] > low) & (raw[:, column] <= high)
        return inside


def learn(
    raw: np.ndarray, genres: np.ndarray, ids: Sequence[int], features: Sequence[str], seed: int
) -> Rules:
    """Rules learned from most tracks of a sample, and their agreement on the others.

    Parameters
    ----------
    raw : np.ndarray [shape=(n_tracks, n_features), dtype=float64]
        In the features' units, in random order, nothing missing.
    genres : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of each track's synthetic genre in `ids`.
    ids : sequence of int
    features : sequence of str
    seed : int

    References
    ----------
    Breiman et al. (1984), "Classification and Regression Trees", grown best first.
    """
    n_unseen = max(1, int(len(raw) * _UNSEEN_SHARE))
    seen, unseen = slice(n_unseen, None), slice(0, n_unseen)
    leaves = grow(raw[seen], genres[seen], LEAVES_PER_GENRE * len(ids), features, seed)
    given = apply(leaves, raw[unseen])
    covered = [int(leaf.holds(raw[seen]).sum()) for leaf in leaves]
    order = sorted(range(len(leaves)), key=lambda i: -covered[i])
    said = [(leaves[i].genre, sentence(leaves[i], features)) for i in order]
    return Rules(
        agreement=round(float((given == genres[unseen]).mean()), 4),
        unseen=n_unseen,
        n_leaves=len(leaves),
        genres=tuple(
            GenreRules(
                id=ids[row],
                sentences=tuple(text for genre, text in said if genre == row),
                recall=_share(given[genres[unseen] == row] == row),
                precision=_share(genres[unseen][given == row] == row),
            )
            for row in range(len(ids))
        ),
    )


def grow(
    raw: np.ndarray, genres: np.ndarray, most: int, features: Sequence[str], seed: int
) -> list[Leaf]:
    """At most `most` leaves, which together hold every track once; thresholds are readable."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_leaf_nodes=max(2, most), min_samples_leaf=_SMALLEST_LEAF, random_state=seed
    ).fit(raw, genres)
    return _leaves(tree, 0, {}, [feature(name) for name in features])


def apply(leaves: Sequence[Leaf], raw: np.ndarray) -> np.ndarray:
    """The row of the synthetic genre that the leaves give to each track."""
    given = np.full(len(raw), -1)
    for leaf in leaves:
        given[leaf.holds(raw)] = leaf.genre
    return given


def sentence(leaf: Leaf, features: Sequence[str]) -> str:
    """What holds of all tracks in a leaf: ``"tempo above 118 BPM and major"``."""
    conditions = [(feature(features[column]), *bound) for column, bound in leaf.bounds.items()]
    # Words read better after numbers.
    conditions.sort(key=lambda condition: _is_switch(condition[0]))
    said = [_condition(*condition) for condition in conditions]
    if not said:
        return "every track"
    return " and ".join([", ".join(said[:-1]), said[-1]] if len(said) > 1 else said)


def readable(declared: AudioFeature, threshold: float) -> float:
    """A threshold near the given one that people can read and remember, in raw units.

    Two digits of a proportion, whole BPM, tenths of a dB and of a minute.
    """
    if declared.integer:
        return float(np.floor(threshold)) + (0.5 if _is_switch(declared) else 0.0)
    shown = threshold / declared.per_unit
    if declared.display_unit == "BPM":
        shown = round(shown)
    elif declared.display_unit:
        shown = round(shown, 1)
    else:
        shown = round(shown, 2) if 0.1 <= abs(shown) <= 1 else float(f"{shown:.2g}")
    return float(shown * declared.per_unit)


def _leaves(
    tree: "DecisionTreeClassifier",
    node: int,
    bounds: dict[int, tuple[float, float]],
    features: Sequence[AudioFeature],
) -> list[Leaf]:
    grown = tree.tree_
    if grown.children_left[node] < 0:
        return [Leaf(int(tree.classes_[grown.value[node].argmax()]), bounds)]
    column = int(grown.feature[node])
    cut = readable(features[column], float(grown.threshold[node]))
    low, high = bounds.get(column, (-np.inf, np.inf))
    # A rounded threshold may leave nothing on one side.
    sides = [
        (grown.children_left[node], (low, min(high, cut))),
        (grown.children_right[node], (max(low, cut), high)),
    ]
    found = [
        leaf
        for child, within in sides
        if within[0] < within[1]
        for leaf in _leaves(tree, child, {**bounds, column: within}, features)
    ]
    if len(found) == 2 and found[0].genre == found[1].genre:
        return [Leaf(found[0].genre, bounds)]
    return found


def _condition(declared: AudioFeature, low: float, high: float) -> str:
    if _is_switch(declared):
        return declared.low_word if high < declared.high else declared.high_word
    name, unit = declared.name.removesuffix("_ms").replace("_", " "), declared.display_unit
    if unit in ("beats", "year"):
        unit = ""
    below, above = _shown(declared, high), _shown(declared, low)
    if np.isinf(low):
        return f"{name} at most {below} {unit}".strip()
    if np.isinf(high):
        return f"{name} above {above} {unit}".strip()
    return f"{name} above {above} and at most {below} {unit}".strip()


def _shown(declared: AudioFeature, value: float) -> str:
    return f"{value / declared.per_unit:.10g}".replace("-", "−")


def _is_switch(declared: AudioFeature) -> bool:
    """Whether there are but two values, each with a word."""
    return declared.integer and (declared.low, declared.high) == (0, 1)


def _share(hits: np.ndarray) -> float | None:
    return round(float(hits.mean()), 4) if len(hits) else None
