"""How many synthetic genres there are, measured on a bounded sample."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from genre_spark.clustering.quality_results import Candidate, Stability
from genre_spark.clustering.synthetic_part import nearest
from genre_spark.config import ClusteringSettings
from genre_spark.errors import InputError

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

Result = TypeVar("Result")

# The silhouette compares each pair of tracks.
_SILHOUETTE_TRACKS = 2500
# Trying a number need not be as exact as the figures that are published of the chosen one.
_TRIED_TRACKS = 8000
_TRIED_BOOTSTRAPS = 5
_REPEATS = 5
# Mean adjusted Rand index over bootstraps from which on the same groups are found again.
_STABLE = 0.80
# Earlier groups are kept where their sum of squared distances is at most this times the least.
_AS_TIGHT = 1.05
# Shares of the tracks below and above which a synthetic genre is of little use.
_SMALLEST, _LARGEST = 0.01, 0.30
# What an earlier number of groups may lack of these limits, so that it does not change by chance
# alone: a mean over five bootstraps has a standard error of up to 0.05.
_STABLE_BEFORE, _SMALLEST_BEFORE, _LARGEST_BEFORE = 0.70, 0.005, 0.35


def try_each_k(
    points: np.ndarray, group: np.ndarray, settings: ClusteringSettings, seed: int
) -> tuple[Candidate, ...]:
    """Measures every k in the range.

    Parameters
    ----------
    points : np.ndarray [shape=(n_tracks, n_dimensions)]
        A sample as tracks are compared, in random order.
    group : np.ndarray [shape=(n_tracks,), dtype=int64]
        Artist of each track.

    Raises
    ------
    InputError
        Where there are too few distinct tracks for the smallest k.

    References
    ----------
    Rousseeuw (1987), "Silhouettes", J. Comput. Appl. Math. 20; Hubert & Arabie (1985), "Comparing
    partitions", J. of Classification 2; Hennig (2007), "Cluster-wise assessment of cluster
    stability", CSDA 52; Cohen (1960), "A coefficient of agreement for nominal scales".
    """
    distinct = len(np.unique(points, axis=0))
    if distinct <= settings.k_min:
        raise InputError(
            f"the catalogue has {distinct} distinct tracks, k_min={settings.k_min} synthetic"
            " genres need more; give more tracks or --set k_min=K"
        )
    most = min(settings.k_max, len(np.unique(points[:_TRIED_TRACKS], axis=0)) - 1)
    numbers = range(settings.k_min, most + 1)
    return tuple(_at_once(lambda k: _try(points, group, k, settings, seed), numbers))


def choose(candidates: Sequence[Candidate], previous_k: int | None = None) -> int:
    """Of the stable numbers that in which artists agree most.

    Parameters
    ----------
    candidates : sequence of Candidate
        Those with a synthetic genre that is too small or too large count only among themselves.
        Where no number is stable, the most stable one is chosen.
    previous_k : int, optional
        Kept unless it clearly fails the limits: a catalogue should not change its genres lightly.
    """
    earlier = next((c for c in candidates if c.k == previous_k), None)
    if earlier and _may_stay(earlier):
        return earlier.k
    sized = [c for c in candidates if c.smallest >= _SMALLEST and c.largest <= _LARGEST]
    compared = sized or candidates
    stable = [c for c in compared if c.stability >= _STABLE]
    if not stable:
        return max(compared, key=lambda candidate: candidate.stability).k
    return max(stable, key=_usefulness).k


def _may_stay(earlier: Candidate) -> bool:
    """Whether an earlier number of groups is still within its wider limits."""
    is_sized = earlier.smallest >= _SMALLEST_BEFORE and earlier.largest <= _LARGEST_BEFORE
    return is_sized and earlier.stability >= _STABLE_BEFORE


def fit_best(
    points: np.ndarray, k: int, settings: ClusteringSettings, seed: int
) -> tuple[np.ndarray, Stability]:
    """The tightest of several fits, and how little they depend on chance.

    Returns
    -------
    centers : np.ndarray [shape=(k, n_dimensions)]
    stability : Stability
    """
    fits = _at_once(lambda i: _fit(points, k, settings, seed + i), range(_REPEATS))
    labels = [nearest(points, fit.cluster_centers_)[0] for fit in fits]
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


def still_fit(points: np.ndarray, earlier: np.ndarray, centers: np.ndarray) -> bool:
    """Whether earlier groups are about as tight as the tightest new ones.

    Parameters
    ----------
    points : np.ndarray [shape=(n_tracks, n_dimensions)]
    earlier : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of each track in an earlier fit of as many groups.
    centers : np.ndarray [shape=(k, n_dimensions)]
        The new ones.
    """
    k = len(centers)
    if len(np.unique(earlier)) < k:
        return False
    means = np.stack([points[earlier == row].mean(axis=0) for row in range(k)])
    least = float((nearest(points, centers)[1].astype(np.float64) ** 2).sum())
    return float(((points - means[earlier]) ** 2).sum()) <= _AS_TIGHT * least


def agreement_of_artists(rows: np.ndarray, group: np.ndarray, k: int) -> float | None:
    """How often two tracks of one artist share a group, corrected for chance as Cohen's kappa is.

    0 is chance and 1 always, whatever k is; None where no artist has two tracks.
    """
    n_groups = int(group.max()) + 1
    shared = np.bincount(group * k + rows, minlength=n_groups * k).reshape(n_groups, k)
    n = shared.sum(axis=1)
    if not (pairs := (n * (n - 1)).sum()):
        return None
    chance = ((np.bincount(rows) / len(rows)) ** 2).sum()
    return float(((shared * (shared - 1)).sum() / pairs - chance) / max(1e-9, 1 - chance))


def _usefulness(candidate: Candidate) -> float:
    """Agreement of artists; how separate groups are where the catalogue names none."""
    agreement = candidate.artist_agreement
    return candidate.silhouette if agreement is None else agreement


def _at_once(work: Callable[[int], Result], numbers: Iterable[int]) -> list[Result]:
    """What the work makes of each number; a core for each, since fits run outside Python's lock."""
    import loky
    from threadpoolctl import threadpool_limits

    # Each fit sets and puts back the limit of all: it has to be the same before.
    with threadpool_limits(1), ThreadPoolExecutor(loky.cpu_count()) as pool:
        return list(pool.map(work, numbers))


def _try(
    points: np.ndarray, group: np.ndarray, k: int, settings: ClusteringSettings, seed: int
) -> Candidate:
    from sklearn.metrics import silhouette_score

    tried = points[:_TRIED_TRACKS]
    centers = _fit(tried, k, settings, seed).cluster_centers_
    labels = nearest(points, centers)[0]
    shares = np.bincount(labels, minlength=k) / len(labels)
    some = slice(0, _SILHOUETTE_TRACKS)
    varied = len(set(labels[some])) > 1
    own = labels[:_TRIED_TRACKS]
    agreements = [_bootstrap(tried, own, k, settings, seed, i) for i in range(_TRIED_BOOTSTRAPS)]
    of_artists = agreement_of_artists(labels, group, k)
    return Candidate(
        k=k,
        artist_agreement=None if of_artists is None else round(of_artists, 4),
        silhouette=round(float(silhouette_score(points[some], labels[some])), 4) if varied else 0.0,
        stability=round(float(np.mean(agreements)), 4),
        smallest=round(float(shares.min()), 4),
        largest=round(float(shares.max()), 4),
    )


def _bootstrap(
    points: np.ndarray, labels: np.ndarray, k: int, settings: ClusteringSettings, seed: int, i: int
) -> float:
    """Agreement of the labels with those by tracks drawn with replacement, over all tracks."""
    resampled = np.random.default_rng((seed, i)).integers(len(points), size=len(points))
    other = _fit(points[resampled], k, settings, seed + 1000 + i)
    return _agreement(labels, nearest(points, other.cluster_centers_)[0])


def _agreement(one: np.ndarray, other: np.ndarray) -> float:
    from sklearn.metrics import adjusted_rand_score

    return round(float(adjusted_rand_score(one, other)), 4)


def _fit(points: np.ndarray, k: int, settings: ClusteringSettings, seed: int) -> "KMeans":
    """Of several k-means++ starts the tightest (Arthur & Vassilvitskii, 2007)."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    # Samples are small: threads would cost more than they give, and sums would depend on them.
    with threadpool_limits(1):
        return KMeans(k, n_init=settings.restarts, random_state=seed % 2**31).fit(points)
