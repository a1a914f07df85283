"""How many synthetic genres there are, judged on a bounded sample."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from genre_spark.clustering.results import Candidate, Stability
from genre_spark.config import ClusteringSettings
from genre_spark.errors import InputError
from genre_spark.features.tensor import assign

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

Result = TypeVar("Result")

# The silhouette compares each pair of tracks.
_SILHOUETTE_TRACKS = 2500
# Trying a number need not be as exact as the figures that are published of the chosen one.
_TRIED_TRACKS = 8000
_TRIED_BOOTSTRAPS = 3
_REPEATS = 5
# Numbers whose stability differs by less are equally stable.
_SAME_STABILITY = 0.02
# A synthetic genre of fewer or more tracks says little.
_SMALLEST, _LARGEST = 0.01, 0.30


def try_each_k(
    points: np.ndarray, settings: ClusteringSettings, seed: int
) -> tuple[Candidate, ...]:
    """How every k in the range does.

    Parameters
    ----------
    points : np.ndarray [shape=(n_tracks, n_dimensions)]
        A sample as tracks are compared, in random order.

    Raises
    ------
    InputError
        Where there are too few distinct tracks for the smallest k.

    References
    ----------
    Rousseeuw (1987), "Silhouettes", J. Comput. Appl. Math. 20; Davies & Bouldin (1979), "A Cluster
    Separation Measure", IEEE PAMI 1; Hubert & Arabie (1985), "Comparing partitions", J. of
    Classification 2; Hennig (2007), "Cluster-wise assessment of cluster stability", CSDA 52.
    """
    distinct = len(np.unique(points, axis=0))
    if distinct <= settings.k_min:
        raise InputError(
            f"the catalogue has {distinct} distinct tracks, k_min={settings.k_min} synthetic"
            " genres need more; give more tracks or --set k_min=K"
        )
    tried = points[:_TRIED_TRACKS]
    most = min(settings.k_max, len(np.unique(tried, axis=0)) - 1)
    numbers = range(settings.k_min, most + 1)
    return tuple(_at_once(lambda k: _try(tried, k, settings, seed), numbers))


def choose(candidates: Sequence[Candidate], previous_k: int | None = None) -> int:
    """The most stable number; of equally stable ones that with the best silhouette.

    Parameters
    ----------
    candidates : sequence of Candidate
        Those with a synthetic genre that is too small or too large count only among themselves.
    previous_k : int, optional
        Kept where it is among the most stable: a catalogue should not change its genres lightly.
    """
    sized = [c for c in candidates if c.smallest >= _SMALLEST and c.largest <= _LARGEST]
    judged = sized or candidates
    best = max(candidate.stability for candidate in judged)
    stable = [c for c in judged if c.stability >= best - _SAME_STABILITY]
    if previous_k in {candidate.k for candidate in stable}:
        return previous_k
    return max(stable, key=lambda candidate: candidate.silhouette).k


def settle(
    points: np.ndarray, k: int, settings: ClusteringSettings, seed: int
) -> tuple[np.ndarray, Stability]:
    """The sample's centres, and how little they hang on chance.

    Returns
    -------
    centers : np.ndarray [shape=(k, n_dimensions)]
        The tightest of all fits to the sample.
    stability : Stability
    """
    fits = _at_once(lambda i: _fit(points, k, settings, seed + i), range(_REPEATS))
    labels = [assign(points, fit.cluster_centers_)[0] for fit in fits]
    best = min(range(_REPEATS), key=lambda i: fits[i].inertia_)
    stability = Stability(
        tracks=len(points),
        seeds=tuple(_agreement(*pair) for pair in combinations(labels, 2)),
        bootstraps=tuple(
            _at_once(
                lambda i: _bootstrap(points, labels[best], k, settings, seed, i), range(_REPEATS)
            )
        ),
    )
    return fits[best].cluster_centers_, stability


def _at_once(work: Callable[[int], Result], numbers: Iterable[int]) -> list[Result]:
    """What the work makes of each number; a core for each, since fits run outside Python's lock."""
    import loky
    from threadpoolctl import threadpool_limits

    # Each fit sets and puts back the limit of all: it has to be the same before.
    with threadpool_limits(1), ThreadPoolExecutor(loky.cpu_count()) as pool:
        return list(pool.map(work, numbers))


def _try(points: np.ndarray, k: int, settings: ClusteringSettings, seed: int) -> Candidate:
    from sklearn.metrics import davies_bouldin_score, silhouette_score

    centers = _fit(points, k, settings, seed).cluster_centers_
    labels = assign(points, centers)[0]
    shares = np.bincount(labels, minlength=k) / len(labels)
    some = slice(0, _SILHOUETTE_TRACKS)
    varied = len(set(labels[some])) > 1
    agreements = [
        _bootstrap(points, labels, k, settings, seed, i) for i in range(_TRIED_BOOTSTRAPS)
    ]
    return Candidate(
        k=k,
        silhouette=round(float(silhouette_score(points[some], labels[some])), 4) if varied else 0.0,
        davies_bouldin=round(float(davies_bouldin_score(points, labels)), 4),
        stability=round(float(np.mean(agreements)), 4),
        smallest=round(float(shares.min()), 4),
        largest=round(float(shares.max()), 4),
    )


def _bootstrap(
    points: np.ndarray, labels: np.ndarray, k: int, settings: ClusteringSettings, seed: int, i: int
) -> float:
    """Agreement of the labels with those by tracks drawn with replacement, over all tracks."""
    drawn = np.random.default_rng((seed, i)).integers(len(points), size=len(points))
    other = _fit(points[drawn], k, settings, seed + 1000 + i)
    return _agreement(labels, assign(points, other.cluster_centers_)[0])


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return round(float(adjusted_rand_score(one, other)), 4)


def _fit(points: np.ndarray, k: int, settings: ClusteringSettings, seed: int) -> "KMeans":
    """Of several k-means++ starts the tightest (Arthur & Vassilvitskii, 2007)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # Samples are small: threads would cost more than they give, and sums would hang on them.
    with threadpool_limits(1):
        return KMeans(k, n_init=settings.restarts, random_state=seed % 2**31).fit(points)
