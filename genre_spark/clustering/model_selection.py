"""Number and quality of synthetic genres, measured on a bounded sample."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import combinations
from statistics import fmean
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from genre_spark.clustering.catalogue_passes import Sample, with_means
from genre_spark.clustering.metric import SyntheticPart, nearest
from genre_spark.clustering.results import Candidate, Quality, QualityComparison, Stability
from genre_spark.config import ClusteringSettings
from genre_spark.errors import InputError
from genre_spark.features.track_inputs import TrackInputs

if TYPE_CHECKING:
    from sklearn.cluster import KMeans

Result = TypeVar("Result")

# The silhouette compares each pair of tracks.
_SILHOUETTE_TRACKS = 2500
# Trying a number need not be as exact as the figures that are published of the chosen one.
_TRIED_TRACKS = 8000
_TRIED_BOOTSTRAPS = 5
_REPEATS = 5
# Lowest mean adjusted Rand index over bootstraps of a stable number.
_STABLE = 0.80
# Earlier groups are kept where their sum of squared distances is at most this times the least.
_AS_TIGHT = 1.05
# Shares of the tracks below and above which a synthetic genre is of little use.
_SMALLEST, _LARGEST = 0.01, 0.30
# Wider limits for an earlier number of groups, so that it does not change randomly: a mean over five bootstraps has a standard error of up to 0.05.
_STABLE_BEFORE, _SMALLEST_BEFORE, _LARGEST_BEFORE = 0.70, 0.005, 0.35
# Groups of tracks without artists must explain this many times what they explain in random data.
_MIN_GAIN = 1.05


def try_each_k(
    points: np.ndarray, group: np.ndarray, settings: ClusteringSettings, seed: int
) -> tuple[Candidate, ...]:
    """Measures every k in the range.

    Raises `InputError` if there are too few distinct tracks for the smallest k.

    `points`: A sample as tracks are compared, in random order [shape=(n_tracks, n_dimensions)].
    `group`: Artist of each track [shape=(n_tracks,), dtype=int64].

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

    `candidates`: Those with a synthetic genre that is too small or too large count only among
        themselves. Where no number is stable, the most stable one is chosen.
    `previous_k`: Kept unless it clearly fails the limits: a catalogue should not change its genres
        lightly.
    """
    earlier = next((c for c in candidates if c.k == previous_k), None)
    if (
        earlier
        and earlier.stability >= _STABLE_BEFORE
        and earlier.smallest >= _SMALLEST_BEFORE
        and earlier.largest <= _LARGEST_BEFORE
    ):
        return earlier.k
    sized = [c for c in candidates if c.smallest >= _SMALLEST and c.largest <= _LARGEST]
    compared = sized or candidates
    stable = [c for c in compared if c.stability >= _STABLE]
    if not stable:
        return max(compared, key=lambda candidate: candidate.stability).k
    # How separate groups are, where the catalogue names no artists.
    agreed = [(c.silhouette if c.artist_agreement is None else c.artist_agreement) for c in stable]
    return stable[int(np.argmax(agreed))].k


def fit_best(
    points: np.ndarray, k: int, settings: ClusteringSettings, seed: int
) -> tuple[np.ndarray, Stability]:
    """Centers [shape=(k, n_dimensions)] of the tightest of several fits, and their stability."""
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

    `points`: [shape=(n_tracks, n_dimensions)]
    `earlier`: Row of each track in an earlier fit of as many groups [shape=(n_tracks,), dtype=int64].
    `centers`: The new ones [shape=(k, n_dimensions)].
    """
    k = len(centers)
    if len(np.unique(earlier)) < k:
        return False
    means = np.stack([points[earlier == row].mean(axis=0) for row in range(k)])
    least = float((nearest(points, centers)[1].astype(np.float64) ** 2).sum())
    return float(((points - means[earlier]) ** 2).sum()) <= _AS_TIGHT * least


def agreement(
    rows: np.ndarray, group: np.ndarray, k: int, half: np.ndarray | None = None
) -> tuple[float, float] | None:
    """Probability that two tracks of one group share a synthetic genre, and that two random ones do.

    None where no group has two tracks to compare. Arrays are [shape=(n_tracks,), dtype=int64].

    `rows`: Synthetic genre of each track, in [0, k).
    `group`: Artist or album of each track.
    `half`: 0 or 1: only tracks in different halves of a group are compared.
    """
    n_groups = int(group.max()) + 1

    def counts(tracks: np.ndarray) -> np.ndarray:
        both = group[tracks] * k + rows[tracks]
        return np.bincount(both, minlength=n_groups * k).reshape(n_groups, k)

    if half is None:
        one = counts(np.ones(len(rows), bool))
        other, total = one - 1, one.sum(axis=1)
        pairs = (total * (total - 1)).sum()
    else:
        one, other = counts(half == 0), counts(half == 1)
        pairs = (one.sum(axis=1) * other.sum(axis=1)).sum()
    random = ((np.bincount(rows) / len(rows)) ** 2).sum()
    return (float((one * other).sum() / pairs), float(random)) if pairs else None


def kappa(rows: np.ndarray, group: np.ndarray, k: int) -> float | None:
    """`agreement` corrected for chance: 0 is random and 1 always, whatever k is."""
    found = agreement(rows, group, k)
    return (found[0] - found[1]) / max(1e-9, 1 - found[1]) if found else None


def compare_quality(
    sample: Sample, part: SyntheticPart, stability: float, settings: ClusteringSettings, seed: int
) -> QualityComparison:
    """Measures synthetic genres, plain KMeans at the same k, and the same method on a null.

    `sample`: All three are measured on these tracks.
    `stability`: Of `part`: mean adjusted Rand index over bootstraps.

    Notes
    -----
    Plain KMeans is fitted to the scaled features; it and the null take the catalogue's means for
    missing ones. For the null, each feature is shuffled between the sample's tracks, so that neither
    an artist's tracks nor a track's features have anything in common; metric and method stay.
    """
    k, inputs, half = len(part.ids), sample.inputs, _halves(sample.group, seed)
    scaled = np.nan_to_num(inputs.scaled, nan=0.0)
    exchanged = np.random.default_rng(seed).permuted(scaled, axis=0)
    shuffled = with_means(replace(inputs, scaled=exchanged), sample.group)
    centers, null = fit_best(part.points(shuffled), k, settings, seed)
    null_part = part.model_copy(update={"centers": tuple(map(tuple, centers.tolist()))})
    plain_centers, plain = fit_best(scaled, k, settings, seed)
    plain_rows = nearest(scaled, plain_centers)[0]

    def assigned(part: SyntheticPart, inputs: TrackInputs) -> tuple[np.ndarray, np.ndarray]:
        apart = with_means(inputs, sample.group * 2 + half)
        return part.assign(inputs)[0], part.assign(apart)[0]

    own, of_null = assigned(part, inputs), assigned(null_part, shuffled)
    return QualityComparison(
        tracks=len(sample),
        synthetic_genres=_measure(sample, inputs, half, *own, stability),
        plain_kmeans=_measure(sample, inputs, half, plain_rows, plain_rows, plain.mean),
        permuted=_measure(sample, shuffled, half, *of_null, null.mean),
    )


def check_structure(found: QualityComparison) -> None:
    """Refuses groups of tracks without artists if random data gives groups as good.

    Raises `InputError`.
    """
    own, null = found.synthetic_genres.explained_variance, found.permuted.explained_variance
    if own < _MIN_GAIN * null:
        raise InputError(
            "no synthetic genres found: the features of a track are unrelated to each other (groups"
            f" explain {own:.0%} of their variance, {null:.0%} after features were shuffled between"
            " tracks); check that features belong to the same tracks"
        )


def coherence(
    rows: np.ndarray, group: np.ndarray, k: int, half: np.ndarray | None = None
) -> float | None:
    """Probability that two tracks of one group share a synthetic genre, over that of random tracks.

    1 is random; None where no group has two tracks. Parameters are those of `agreement`.
    """
    found = agreement(rows, group, k, half)
    return found[0] / found[1] if found else None


def _at_once(work: Callable[[int], Result], numbers: Iterable[int]) -> list[Result]:
    """Results of the work for each number; a core for each, since fits release the GIL."""
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
    some, own = slice(0, _SILHOUETTE_TRACKS), labels[:_TRIED_TRACKS]
    varied = len(set(labels[some])) > 1
    agreements = [_bootstrap(tried, own, k, settings, seed, i) for i in range(_TRIED_BOOTSTRAPS)]
    return Candidate(
        k=k,
        artist_agreement=kappa(labels, group, k),
        silhouette=silhouette_score(points[some], labels[some]) if varied else 0.0,
        stability=fmean(agreements),
        smallest=shares.min(),
        largest=shares.max(),
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


def _measure(
    sample: Sample,
    inputs: TrackInputs,
    half: np.ndarray,
    rows: np.ndarray,
    by_half: np.ndarray,
    stability: float,
) -> Quality:
    """Quality of the groups `rows` of the sample's tracks, and of those by one half of each artist."""
    from sklearn.metrics import adjusted_mutual_info_score

    k = int(max(rows.max(), by_half.max())) + 1
    album = np.unique(np.stack([sample.group, inputs.album]), axis=1, return_inverse=True)[1]
    on_album, labelled, genres = inputs.album != 0, sample.genres >= 0, sample.genres
    return Quality(
        artist_coherence=coherence(rows, sample.group, k),
        held_out_coherence=coherence(by_half, sample.group, k, half),
        album_coherence=coherence(rows[on_album], album[on_album], k) if on_album.any() else None,
        stability=stability,
        explained_variance=_explained(inputs.scaled.astype(np.float64), rows, k),
        adjusted_mutual_information=adjusted_mutual_info_score(genres[labelled], rows[labelled])
        if labelled.any()
        else None,
    )


def _halves(group: np.ndarray, seed: int) -> np.ndarray:
    """0 or 1 for each track, of each group about as many."""
    order = np.random.default_rng((seed, 1)).permutation(len(group))
    order = order[np.argsort(group[order], kind="stable")]
    half = np.empty(len(group), np.int64)
    half[order] = np.arange(len(group)) % 2
    return half


def _explained(values: np.ndarray, rows: np.ndarray, k: int) -> float:
    """Share of the variance of all columns that lies between groups; NaN counts as the mean."""
    known = ~np.isnan(values)
    values = np.where(known, values - np.nanmean(values, axis=0), 0.0)
    n, sums = (
        np.stack([np.bincount(rows, column, k) for column in of.T], axis=1)
        for of in (known, values)
    )
    return float((sums**2 / np.maximum(1, n)).sum() / (values**2).sum())
