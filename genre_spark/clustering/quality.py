"""Quality of synthetic genres, next to plain KMeans and to the method on permuted features."""

from dataclasses import replace

import numpy as np

from genre_spark.clustering import model_selection
from genre_spark.clustering.model_selection import agreement
from genre_spark.clustering.results import Quality, QualityComparison
from genre_spark.clustering.sample import Sample, with_means
from genre_spark.clustering.synthetic_part import SyntheticPart, nearest
from genre_spark.config import ClusteringSettings
from genre_spark.errors import InputError
from genre_spark.features.track_inputs import TrackInputs

# Groups of tracks without artists must explain this many times what they explain in random data.
_MIN_GAIN = 1.05


def compare(
    sample: Sample, part: SyntheticPart, stability: float, settings: ClusteringSettings, seed: int
) -> QualityComparison:
    """Measures synthetic genres, plain KMeans at the same k, and the same method on a null.

    Parameters
    ----------
    sample : Sample
        All three are measured on these tracks.
    stability : float
        Of `part`: mean adjusted Rand index over bootstraps.

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
    centers, null = model_selection.fit_best(part.points(shuffled), k, settings, seed)
    null_part = part.model_copy(update={"centers": tuple(map(tuple, centers.tolist()))})
    plain_centers, plain = model_selection.fit_best(scaled, k, settings, seed)
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
