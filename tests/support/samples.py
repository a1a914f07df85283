"""A labelled sample for tests, as Spark would have collected it, by pandas."""

import numpy as np

from genre_spark.classifier.training_set import Sample
from genre_spark.features.tensor import COUNTS, STATISTICS, Context, assign, bins
from genre_spark.schema import FEATURE_NAMES
from support.generated import GENRES, make_space, make_tracks


def make_sample(n, seed=4, copies=1, genres=GENRES, groups=("artist", "album"), artists=None):
    """`n` labelled tracks, each `copies` times under other ids."""
    tracks = make_tracks(n // copies, seed, genres=genres, artists=artists)
    tracks = tracks.loc[tracks.index.repeat(copies)].reset_index(drop=True)
    space = make_space(tracks)
    axes = space.to_numpy(tracks[list(FEATURE_NAMES)].to_numpy(float))
    centroids = axes[:12]
    code = {name: tracks[name].factorize()[0] for name in ("artist", "album")}
    return Sample(
        axes=axes,
        centroids=centroids[assign(axes, centroids)[0]],
        edges=space.edges,
        features=tuple(axis.feature for axis in space.axes),
        contexts={group: context(group, code[group], axes, space.edges) for group in groups},
        labels=np.array([genres.index(name) for name in tracks["genre"]]),
        classes=tuple(genres),
        artists=code["artist"].astype(np.int64),
        recordings=np.repeat(np.arange(n // copies), copies),
        has_artists="artist" in groups,
    )


def context(group, code, axes, edges):
    """The statistics of each group, given to all of its tracks."""
    counts = np.ones((len(axes), len(COUNTS[group])))
    statistics = np.zeros((len(axes), len(STATISTICS[group]), axes.shape[1]))
    for one in np.unique(code):
        rows = code == one
        own = axes[rows]
        counts[rows, 0] = rows.sum()
        found = {"mean": own.mean(0), "spread": own.std(0), "low": own.min(0), "high": own.max(0)}
        steps = bins(own, edges).mean(axis=0)
        found |= {f"bin{i + 1}": step for i, step in enumerate(steps)}
        statistics[rows] = np.stack([found[name] for name in STATISTICS[group]])
    return Context(counts, statistics)
