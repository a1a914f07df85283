"""Findings on synthetic genres: each picks what a picture is to show, with a sentence."""

from collections.abc import Mapping, Sequence

import numpy as np

from genre_spark.bundle.manifest import ScoringPart
from genre_spark.clustering.quality_results import Candidate, QualityComparison, Stability
from genre_spark.clustering.results import CatalogueMap, Landmark, Rules, SyntheticGenre
from genre_spark.reporting import charts, cluster_figures
from genre_spark.reporting.style import Picture
from genre_spark.reporting.text import QUALITIES, count, in_text, in_units, listed, percent, plain
from genre_spark.schema import feature

_MOST_HELD = 20
_MOST_SAID = 3
# In standard deviations from the average track: less is not worth saying.
_NOTABLE = 0.4
_FITS = {
    "seeds": "the same tracks, other seeds",
    "bootstraps": "tracks drawn again (bootstraps)",
}


def catalogue_map(found: CatalogueMap | None, genres: Sequence[SyntheticGenre]) -> Picture | None:
    """Where tracks lie; None where the bundle keeps no map."""
    if found is None or not found.points:
        return None
    names = {genre.id: genre.name for genre in genres}
    near = [(genre.nearest[0].distance, genre) for genre in genres if genre.nearest]
    finding = f"Each dot is a track, in the colour of one of {len(names)} synthetic genres."
    if near:
        _, one = min(near, key=lambda pair: pair[0])
        other = names.get(one.nearest[0].id, "another")
        finding = f"The most alike are {in_text(one.name)} and {in_text(other)}."
    if found.genres:
        finding += f" Real genres lie where their names stand: {_listed_names(found.genres)}."
    return Picture(finding, cluster_figures.catalogue_map(found, names, found.genres))


def artist_map(found: CatalogueMap | None, genres: Sequence[SyntheticGenre]) -> Picture | None:
    """Where the largest artists lie; None for a catalogue without artists."""
    if found is None or not found.artists:
        return None
    names = {genre.id: genre.name for genre in genres}
    finding = (
        f"The {len(found.artists)} artists with the most tracks lie where the means of their"
        f" tracks are: {_listed_names(found.artists)}."
    )
    return Picture(finding, cluster_figures.catalogue_map(found, names, found.artists))


def quality(found: QualityComparison | None) -> Picture | None:
    """How good the groups are; None where it was not measured."""
    if found is None:
        return None
    own, plain_ones, null = found.synthetic_genres, found.plain_kmeans, found.permuted
    rows = {
        title: [getattr(one, name) for one in (own, plain_ones, null)]
        for name, title in QUALITIES.items()
        if getattr(own, name) is not None
    }
    finding = f"On {count(found.tracks)} tracks the same groups are found again with a stability of"
    finding += f" {own.stability:.2f} (plain KMeans {plain_ones.stability:.2f})."
    if own.artist_coherence is not None and plain_ones.artist_coherence is not None:
        finding = (
            f"Two tracks of one artist share a synthetic genre {own.artist_coherence:.1f} times as"
            f" often as by chance; with plain KMeans {plain_ones.artist_coherence:.1f} times. "
        ) + finding
    return Picture(finding, cluster_figures.quality(rows))


def _listed_names(landmarks: Sequence[Landmark]) -> str:
    return listed([in_text(one.name) for one in landmarks])


def sizes(names: Sequence[str], tracks: Sequence[int]) -> Picture:
    """How many tracks each synthetic genre holds."""
    order = np.argsort(-np.array(tracks), kind="stable")
    ordered, total = [tracks[i] for i in order], max(1, sum(tracks))
    finding = (
        f"The largest, {in_text(names[order[0]])}, holds {count(ordered[0])} tracks"
        f" ({percent(ordered[0] / total)}), the smallest {count(ordered[-1])}"
        f" ({percent(ordered[-1] / total)})."
    )
    return Picture(finding, charts.bars([names[i] for i in order], ordered))


def centroids(scoring: ScoringPart, values: np.ndarray, names: Sequence[str]) -> Picture:
    """What sets each synthetic genre apart, from the means of its tracks in scaled units."""
    columns = [plain(one.name) for one in scoring.scaler.scaled_features]
    row, column = np.unravel_index(np.abs(values).argmax(), values.shape)
    far = float(values[row, column])
    finding = (
        f"{in_text(names[row])} stands out most: its {columns[column]} lies {abs(far):.1f} standard deviations"
        f" {_side(far)} the average track."
    )
    return Picture(finding, cluster_figures.centroids(values, names, columns))


def profile(scoring: ScoringPart, genre: SyntheticGenre) -> Picture:
    """How one synthetic genre sounds; a small picture."""
    shown = [
        (scaled.feature, value)
        for scaled, value in zip(scoring.scaler.scaled_features, genre.centroid, strict=True)
        if feature(scaled.feature).encoding != "circular"  # a circle has neither high nor low
    ]
    names = [plain(name) for name, _ in shown]
    values = [value for _, value in shown]
    texts = [_typical(name, genre) for name, _ in shown]
    order = np.argsort(-np.abs(values), kind="stable")[:_MOST_SAID]
    notable = [i for i in order if abs(values[i]) >= _NOTABLE]
    sides = [
        f"{names[i]} ({abs(values[i]):.1f} standard deviations {_side(values[i])})" for i in notable
    ]
    finding = (
        f"What sets it apart: {listed(sides)}." if sides else "It lies near the average track."
    )
    return Picture(finding, cluster_figures.profile(values, names, texts))


def held(
    names: Sequence[str], tables: Sequence[Mapping[str, int]], nmi: float | None
) -> Picture | None:
    """Which real genres each synthetic genre holds; None where no track has one."""
    columns = charts.largest(tables, _MOST_HELD)
    others = len(set().union(*tables)) - len(columns)
    totals = np.array([sum(table.values()) for table in tables])
    if not totals.any():
        return None
    counts = np.array([[table.get(name, 0) for name in columns] for table in tables])
    row, column = np.unravel_index((counts / np.maximum(1, totals)[:, None]).argmax(), counts.shape)
    if others:
        counts = np.column_stack([counts, totals - counts.sum(axis=1)])
        columns.append(f"other ({others})")
    shares = counts / np.maximum(1, totals)[:, None]
    finding = (
        f"The purest is {in_text(names[row])}: {percent(shares[row, column])} of its"
        f" {count(int(totals[row]))} labelled tracks are {in_text(columns[column])}."
        + ("" if nmi is None else f" NMI over all: {nmi:.2f}.")
    )
    return Picture(finding, charts.shares(shares, names, columns))


def candidates(tried: Sequence[Candidate], k: int) -> Picture | None:
    """Why there are this many synthetic genres; None where no other number was tried."""
    if len(tried) < 2:
        return None
    agreements = [one.artist_agreement for one in tried]
    known = [value for value in agreements if value is not None]
    measures = {
        "Stability (adjusted Rand index; higher is better)": [one.stability for one in tried],
        "Silhouette (higher is better)": [one.silhouette for one in tried],
    }
    if len(known) == len(tried):
        measures["Agreement of an artist’s tracks (kappa; higher is better)"] = known
    stable = max(tried, key=lambda one: one.stability)
    finding = (
        f"{k} were chosen. Of {len(tried)} numbers tried, {stable.k} has the best stability"
        f" ({stable.stability:.2f})."
    )
    return Picture(finding, cluster_figures.candidates([one.k for one in tried], measures, k))


def stability(measured: Stability | None) -> Picture | None:
    """Whether the same synthetic genres are found again; None where it was not measured."""
    if measured is None:
        return None
    rows = {title: getattr(measured, name) for name, title in _FITS.items()}
    summary_of = [
        f"{mean:.2f} ± {std:.2f} over {len(getattr(measured, name))} comparisons with {what}"
        for (name, (mean, std)), what in zip(
            measured.summary().items(), ("other seeds", "bootstraps"), strict=True
        )
    ]
    finding = f"The adjusted Rand index is {listed(summary_of)}."
    return Picture(finding, cluster_figures.stability(rows))


def rules(found: Rules | None, names: Mapping[int, str]) -> Picture | None:
    """How well the rules tell the synthetic genres apart; None without any."""
    if found is None:
        return None
    finding = (
        f"On {count(found.unseen)} unseen tracks the rules, {found.n_leaves} in all, give"
        f" {percent(found.agreement)} the synthetic genre that they have."
    )
    measured = [one for one in found.genres if one.recall is not None]
    if measured:
        best, worst = (pick(measured, key=lambda one: one.recall or 0.0) for pick in (max, min))
        finding += (
            f" They find {in_text(names[best.id])} best ({percent(best.recall, 0)} of its tracks),"
            f" {in_text(names[worst.id])} worst ({percent(worst.recall, 0)})."
        )
    by_genre = {one.id: one for one in found.genres}
    ordered = [by_genre[genre] for genre in names if genre in by_genre]
    series = {
        "its tracks that its rules find": [one.recall for one in ordered],
        "tracks its rules find that are its": [one.precision for one in ordered],
    }
    return Picture(finding, cluster_figures.pairs(series, [names[one.id] for one in ordered]))


def shift(genres: Sequence[SyntheticGenre], counts: Mapping[str, int]) -> Picture | None:
    """How frequent each synthetic genre is in a scored catalogue, and was in the model's.

    Parameters
    ----------
    genres : sequence of SyntheticGenre
    counts : mapping of str to int
        Tracks of the scored catalogue by name of the synthetic genre; None where there are none.
    """
    total = sum(counts.values())
    if not total:
        return None
    here = {genre.name: counts.get(genre.name, 0) / total for genre in genres}
    most = max(genres, key=lambda genre: abs(here[genre.name] - genre.share))
    finding = (
        f"The largest difference is that of {in_text(most.name)}: {percent(here[most.name])} of the"
        f" {count(total)} scored tracks, {percent(most.share)} of the model’s catalogue."
    )
    series = {
        "of the scored catalogue": [here[genre.name] for genre in genres],
        "of the model’s catalogue": [genre.share for genre in genres],
    }
    names = [f"{genre.id} {genre.name}" for genre in genres]
    return Picture(finding, cluster_figures.pairs(series, names))


def _typical(name: str, genre: SyntheticGenre) -> str:
    """A feature's median with its unit."""
    declared = feature(name)
    unit = declared.display_unit
    return f"{in_units(declared, genre.medians.get(name))}{' ' + unit if unit else ''}"


def _side(value: float) -> str:
    return "above" if value > 0 else "below"
