"""How good synthetic genres are, beside plain KMeans and beside permuted features."""

from dataclasses import dataclass, replace

import numpy as np

from genre_spark.clustering import model_selection
from genre_spark.clustering.quality_results import Quality, QualityComparison
from genre_spark.clustering.sample import Sample, with_means
from genre_spark.clustering.synthetic_part import SyntheticPart, nearest
from genre_spark.config import ClusteringSettings
from genre_spark.errors import InputError
from genre_spark.features.track_inputs import TrackInputs

# Groups of tracks that stand alone must explain so many times what they do by chance.
_MIN_GAIN = 1.05


@dataclass(frozen=True)
class _Labels:
    """Synthetic genres of the sample's tracks, and those by one half of each artist's tracks."""

    rows: np.ndarray
    by_half: np.ndarray
    stability: float


def compare(
    sample: Sample, part: SyntheticPart, stability: float, settings: ClusteringSettings, seed: int
) -> QualityComparison:
    """Measures synthetic genres, plain KMeans at the same k, and the same method on a null.

    Parameters
    ----------
    sample : Sample
        All three are measured on these tracks.
    part : SyntheticPart
    stability : float
        Of `part`: mean adjusted Rand index over bootstraps.
    settings : ClusteringSettings
    seed : int

    Notes
    -----
    Plain KMeans is fitted to the scaled features; it and the null take the catalogue's means for missing ones. For the null, the sample's tracks exchange each
    feature by chance, so that neither an artist's tracks nor a track's features have anything in
    common; metric and method stay.
    """
    k, inputs, half = len(part.ids), sample.inputs, _halves(sample.group, seed)
    scaled = _filled(inputs.scaled)
    exchanged = np.random.default_rng(seed).permuted(scaled, axis=0)
    shuffled = with_means(replace(inputs, scaled=exchanged), sample.group)
    centers, null = model_selection.fit_best(part.points(shuffled), k, settings, seed)
    null_part = part.model_copy(update={"centers": tuple(map(tuple, centers.tolist()))})
    plain_centers, plain = model_selection.fit_best(scaled, k, settings, seed)
    plain_rows = nearest(scaled, plain_centers)[0]
    found = {
        "synthetic_genres": (inputs, _labels(sample, part, inputs, half, stability)),
        "plain_kmeans": (inputs, _Labels(plain_rows, plain_rows, _mean(plain.bootstraps))),
        "permuted": (
            shuffled,
            _labels(sample, null_part, shuffled, half, _mean(null.bootstraps)),
        ),
    }
    measured = {name: _measure(sample, of, labels, half) for name, (of, labels) in found.items()}
    return QualityComparison(tracks=len(sample), **measured)


def check_structure(found: QualityComparison) -> None:
    """Refuses groups of tracks that stand alone where chance gives as good ones.

    Raises
    ------
    InputError
    """
    own, null = found.synthetic_genres.explained_variance, found.permuted.explained_variance
    if own < _MIN_GAIN * null:
        raise InputError(
            "no synthetic genres found: the features of a track have nothing to do with each other"
            f" (groups explain {own:.0%} of their variance, {null:.0%} after features were exchanged"
            " between tracks by chance); check that features belong to the same tracks"
        )


def coherence(rows: np.ndarray, group: np.ndarray, k: int) -> float | None:
    """Probability that two tracks of one group share a synthetic genre, over chance.

    Parameters
    ----------
    rows, group : np.ndarray [shape=(n_tracks,), dtype=int64]
    k : int

    Returns
    -------
    float or None
        1 is chance; None where no group has two tracks.
    """
    shared = _table(rows, group, k)
    n = shared.sum(axis=1)
    pairs = (n * (n - 1)).sum()
    return _over_chance((shared * (shared - 1)).sum() / pairs, rows) if pairs else None


def held_out_coherence(
    rows: np.ndarray, group: np.ndarray, half: np.ndarray, k: int
) -> float | None:
    """As `coherence`, of tracks in different halves of a group, labelled without each other."""
    one, other = (_table(rows[half == i], group[half == i], k, group.max() + 1) for i in (0, 1))
    pairs = (one.sum(axis=1) * other.sum(axis=1)).sum()
    return _over_chance((one * other).sum() / pairs, rows) if pairs else None


def _measure(sample: Sample, inputs: TrackInputs, labels: _Labels, half: np.ndarray) -> Quality:
    from sklearn.metrics import adjusted_mutual_info_score

    rows, k = labels.rows, int(max(labels.rows.max(), labels.by_half.max())) + 1
    album = np.unique(np.stack([sample.group, inputs.album]), axis=1, return_inverse=True)[1]
    on_album, labelled = inputs.album != 0, sample.genres >= 0
    return Quality(
        artist_coherence=_rounded(coherence(rows, sample.group, k)),
        held_out_coherence=_rounded(held_out_coherence(labels.by_half, sample.group, half, k)),
        album_coherence=_rounded(coherence(rows[on_album], album[on_album], k))
        if on_album.any()
        else None,
        stability=round(labels.stability, 4),
        explained_variance=round(_explained(inputs.scaled.astype(np.float64), rows, k), 4),
        adjusted_mutual_information=round(
            float(adjusted_mutual_info_score(sample.genres[labelled], rows[labelled])), 4
        )
        if labelled.any()
        else None,
    )


def _labels(
    sample: Sample, part: SyntheticPart, inputs: TrackInputs, half: np.ndarray, stability: float
) -> _Labels:
    halves = sample.group * 2 + half
    apart = with_means(inputs, halves)
    return _Labels(part.assign(inputs)[0], part.assign(apart)[0], stability)


def _filled(values: np.ndarray) -> np.ndarray:
    """Values with the catalogue's mean, 0, in place of those that are unknown."""
    return np.nan_to_num(values, nan=0.0)


def _halves(group: np.ndarray, seed: int) -> np.ndarray:
    """0 or 1 for each track, of each group about as many."""
    order = np.random.default_rng((seed, 1)).permutation(len(group))
    order = order[np.argsort(group[order], kind="stable")]
    half = np.empty(len(group), np.int64)
    half[order] = np.arange(len(group)) % 2
    return half


def _table(rows: np.ndarray, group: np.ndarray, k: int, n: int | None = None) -> np.ndarray:
    """Tracks of each group in each synthetic genre [shape=(n_groups, k), dtype=int64]."""
    n = n or int(group.max()) + 1
    return np.bincount(group * k + rows, minlength=n * k).reshape(n, k)


def _over_chance(shared: float, rows: np.ndarray) -> float:
    shares = np.bincount(rows) / len(rows)
    return float(shared / (shares**2).sum())


def _explained(values: np.ndarray, rows: np.ndarray, k: int) -> float:
    """Share of the variance of all columns that lies between groups."""
    known = ~np.isnan(values)
    total = np.nanmean(values, axis=0)
    values = np.where(known, values, total)
    n = np.stack([np.bincount(rows, column, k) for column in known.T], axis=1)
    sums = np.stack([np.bincount(rows, column, k) for column in (values * known).T], axis=1)
    between = (n * (sums / np.maximum(1, n) - total) ** 2).sum()
    return float(between / ((values - total) ** 2).sum())


def _mean(values: tuple[float, ...]) -> float:
    return float(np.mean(values))


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
