"""Rules that separate synthetic genres: a small decision tree, as sentences in real units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.clustering.catalogue_passes import Sample
from genre_spark.clustering.metric import ClusterMetric
from genre_spark.clustering.results import GenreRules, Rules
from genre_spark.platform.safe_text import enumerated
from genre_spark.schema import AudioFeature, feature

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

LEAVES_PER_GENRE = 4
_UNSEEN_SHARE = 0.2
# A leaf of fewer tracks is about those tracks.
_SMALLEST_LEAF = 5


@dataclass(frozen=True)
class Subject:
    """The feature of a column of values.

    `owner`: ``artist`` (``album``) for its usual value; None for the track's own.
    """

    feature: str
    owner: str | None = None

    @property
    def declared(self) -> AudioFeature:
        """The feature's declaration."""
        return feature(self.feature)


@dataclass
class Leaf:
    """A box of raw feature values, and the row of the synthetic genre that lies in it.

    `bounds`: By column: a value lies above the first and is at most the second.
    """

    genre: int
    bounds: dict[int, tuple[float, float]] = field(default_factory=dict)

    def holds(self, values: np.ndarray) -> np.ndarray:
        """Which tracks [shape=(n_tracks, n_subjects)] lie in it [shape=(n_tracks,), dtype=bool]."""
        inside = np.ones(len(values), dtype=bool)
        for column, (low, high) in self.bounds.items():
            inside &= (values[:, column] > low) & (values[:, column] <= high)
        return inside


def table(
    sample: Sample, metric: ClusterMetric, owner: str | None
) -> tuple[np.ndarray, list[Subject]]:
    """Features of tracks and usual values of their artists, in the features' units.

    Gives values [shape=(n_tracks, n_subjects), dtype=float64], and the subject of each column.

    `metric`: Features that it does not compare are left out, and so are circles.
    `owner`: Of `SyntheticPart`.
    """
    levels = metric.levels(sample.inputs)
    compared = [
        (i, sample.scaler.scaled_features[column]) for i, column in enumerate(metric.columns)
    ]
    flat = [(i, one) for i, one in compared if one.name == one.feature]
    columns = [sample.raw[:, sample.scaler.features.index(one.feature)] for _, one in flat]
    subjects = [Subject(one.feature) for _, one in flat]
    if metric.relates_artists:
        columns += [one.decode(levels[:, i]) for i, one in flat]
        subjects += [Subject(one.feature, owner) for _, one in flat]
    return np.stack(columns, axis=1), subjects


def learn(
    values: np.ndarray,
    genres: np.ndarray,
    ids: Sequence[int],
    subjects: Sequence[Subject],
    seed: int,
) -> Rules:
    """Rules learned from most tracks of a sample, and their agreement on the others.

    `values`: In the features' units, in random order; tracks that lack one, NaN, take no part
        [shape=(n_tracks, n_subjects), dtype=float64].
    `genres`: Row of each track's synthetic genre in `ids` [shape=(n_tracks,), dtype=int64].
    `subjects`: Of the columns.

    References
    ----------
    Breiman et al. (1984), "Classification and Regression Trees", grown best first.
    """
    whole = ~np.isnan(values).any(axis=1)
    values, genres = values[whole], genres[whole]
    n_unseen = max(1, int(len(values) * _UNSEEN_SHARE))
    seen, unseen = slice(n_unseen, None), slice(0, n_unseen)
    leaves = grow(values[seen], genres[seen], LEAVES_PER_GENRE * len(ids), subjects, seed)
    given = apply(leaves, values[unseen])
    # Those that cover the most tracks first.
    order = sorted(leaves, key=lambda leaf: -leaf.holds(values[seen]).sum())
    sentences = [(leaf.genre, sentence(leaf, subjects)) for leaf in order]
    return Rules(
        agreement=(given == genres[unseen]).mean(),
        unseen=n_unseen,
        n_leaves=len(leaves),
        genres=tuple(
            GenreRules(
                id=ids[row],
                sentences=tuple(text for genre, text in sentences if genre == row),
                recall=_share(given[genres[unseen] == row] == row),
                precision=_share(genres[unseen][given == row] == row),
            )
            for row in range(len(ids))
        ),
    )


def grow(
    values: np.ndarray, genres: np.ndarray, most: int, subjects: Sequence[Subject], seed: int
) -> list[Leaf]:
    """At most `most` leaves, which together hold every track once; thresholds are readable."""
    from sklearn.tree import DecisionTreeClassifier

    tree = DecisionTreeClassifier(
        max_leaf_nodes=max(2, most), min_samples_leaf=_SMALLEST_LEAF, random_state=seed
    ).fit(values, genres)
    return _leaves(tree, 0, {}, subjects)


def apply(leaves: Sequence[Leaf], values: np.ndarray) -> np.ndarray:
    """The row of the synthetic genre that the leaves give to each track."""
    given = np.full(len(values), -1)
    for leaf in leaves:
        given[leaf.holds(values)] = leaf.genre
    return given


def sentence(leaf: Leaf, subjects: Sequence[Subject]) -> str:
    """What holds of all tracks in a leaf.

    ``"the artist usually is acoustic (acousticness above 0.6); the track has tempo above 118 BPM"``
    """
    by_owner: dict[str | None, list[str]] = {}
    for column, bounds in leaf.bounds.items():
        subject = subjects[column]
        by_owner.setdefault(subject.owner, []).append(_condition(subject, *bounds))
    parts = [
        ("the track " if owner is None else f"the {owner} usually ")
        + enumerated(sorted(conditions))
        for owner, conditions in sorted(by_owner.items(), key=lambda one: one[0] is None)
    ]
    return "; ".join(parts) or "every track"


def readable(declared: AudioFeature, threshold: float, usual: bool = False) -> float:
    """A threshold of a track's feature near the given one that people can read and remember.

    Two digits of a proportion, whole BPM and years, tenths of a dB and of a minute.
    """
    if declared.integer and not usual:
        return float(np.floor(threshold)) + (0.5 if _is_switch(declared) else 0.0)
    shown = threshold / declared.per_unit
    if declared.display_unit == "BPM":
        shown = round(shown)
    elif declared.display_unit:
        shown = round(shown, 1)
    elif abs(shown) > 1:
        # Two digits of a year would be a century.
        shown = float(f"{shown:.4g}")
    else:
        shown = float(f"{shown:.2g}")
    return float(shown * declared.per_unit)


def _leaves(
    tree: "DecisionTreeClassifier",
    node: int,
    bounds: dict[int, tuple[float, float]],
    subjects: Sequence[Subject],
) -> list[Leaf]:
    grown = tree.tree_
    if grown.children_left[node] < 0:
        return [Leaf(int(tree.classes_[grown.value[node].argmax()]), bounds)]
    column = int(grown.feature[node])
    subject = subjects[column]
    cut = readable(subject.declared, float(grown.threshold[node]), subject.owner is not None)
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
        for leaf in _leaves(tree, child, {**bounds, column: within}, subjects)
    ]
    if len(found) == 2 and found[0].genre == found[1].genre:
        return [Leaf(found[0].genre, bounds)]
    return found


def _condition(subject: Subject, low: float, high: float) -> str:
    declared = subject.declared
    if _is_switch(declared):
        return _switch(declared, low, high, subject.owner is not None)
    name, unit = declared.name.removesuffix("_ms").replace("_", " "), declared.display_unit
    if unit in ("beats", "year"):
        unit = ""
    below, above = _shown(declared, high), _shown(declared, low)
    bound = declared.word_bound
    if np.isinf(low):
        limits, word = f"{name} at most {below} {unit}".strip(), declared.low_word
        is_word_true = bound is not None and high <= bound
    elif np.isinf(high):
        limits, word = f"{name} above {above} {unit}".strip(), declared.high_word
        is_word_true = bound is not None and low >= bound
    else:
        return f"has {name} above {above} and at most {below} {unit}".strip()
    return f"is {word} ({limits})" if is_word_true and word else f"has {limits}"


def _switch(declared: AudioFeature, low: float, high: float, usual: bool) -> str:
    if not usual:
        return f"is {declared.low_word if high < declared.high else declared.high_word}"
    ends = [] if np.isinf(low) else [f"over {low:.0%}"]
    ends += [] if np.isinf(high) else [f"at most {high:.0%}"]
    return f"is {declared.high_word} in {' and '.join(ends)} of tracks"


def _shown(declared: AudioFeature, value: float) -> str:
    return f"{value / declared.per_unit:.10g}".replace("-", "−")


def _is_switch(declared: AudioFeature) -> bool:
    """Whether a feature has two values only, each with a word."""
    return declared.integer and (declared.low, declared.high) == (0, 1)


def _share(hits: np.ndarray) -> float | None:
    return float(hits.mean()) if len(hits) else None
