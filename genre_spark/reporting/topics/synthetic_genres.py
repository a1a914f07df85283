"""Synthetic genres: the map, a card for each, their quality, and how their number was chosen."""

from collections.abc import Mapping
from functools import partial
from itertools import zip_longest
from math import hypot

import numpy as np

from genre_spark.bundle.manifest import ScoringPart
from genre_spark.clustering import results
from genre_spark.features.scaling import FeatureScaler
from genre_spark.platform.safe_text import enumerated
from genre_spark.reporting import charts
from genre_spark.reporting.document import Cards, Columns, Figure, Subject, Table, Topic, facts
from genre_spark.reporting.text import count, in_units, largest, one_line, percent, plain, shown
from genre_spark.schema import feature

# Measures of synthetic genres, by their fields in `results.Quality`.
_QUALITIES = {
    "artist_coherence": "two tracks of an artist share a group, ratio to random",
    "held_out_coherence": "the same, each half labelled without the other",
    "album_coherence": "two tracks of an album share a group, ratio to random",
    "adjusted_mutual_information": "adjusted mutual information with real genres",
    "stability": "stability (adjusted Rand index over bootstraps)",
    "explained_variance": "explained variance of the features",
}
# Measures by which their number is chosen, by their fields in `results.Candidate`.
_TRIED = {
    "stability": "Stability (adjusted Rand index)",
    "silhouette": "Silhouette",
    "artist_agreement": "Agreement of an artist’s tracks (kappa)",
}
_MOST_HELD = 20
_MOST_SAID, _NOTABLE = 3, 0.4
_MOST_CALLED, _LEAST_CALLED = 3, 0.1
# Distance of a real genre's label from its place, as a share of the map's height.
_LABEL_OFFSET = 16 / 520
# Beyond this many standard deviations a heat map has one colour.
_FAR = 2.5


def topic(subject: Subject) -> Topic:
    """The section on a bundle's synthetic genres."""
    model = subject.model
    found, owner = model.clusters, model.scoring.synthetic.owner
    lead = (
        "Groups of tracks that sound alike, found from the audio features alone, without labels."
        " Their names describe the sound; “people call it” lists the real genres of their"
        " labelled tracks. Agreement with real genres is never an accuracy: synthetic genres do not"
        " try to be the real ones."
    )
    if not owner:
        lead += (
            " The catalogue has too few artists or albums with several tracks, so tracks are"
            " compared by their own features; such groups are weaker."
        )
    names = {one.id: f"{one.id} {one.name}" for one in found.synthetic_genres}
    return Topic("synthetic", "Synthetic genres", lead, [
        _map(subject, names), _cards(found, model.scoring, names), _held(found, names),
        _centroids(found, model.scoring, names), quality(found.quality), _choice(found),
        listing(found, model.scoring.scaler), changes(found.change),
    ])  # fmt: skip


def listing(found: results.Discovery, scaler: FeatureScaler) -> Table:
    """Each synthetic genre with its size, its medians, and the real genres that it leans to."""
    columns: Columns = {
        "synthetic genre": shown, "tracks": count, "share": percent, "people call it": shown,
    }  # fmt: skip
    # A circle has no median.
    known = [one for one in map(feature, scaler.features) if one.encoding != "circular"]
    for one in known:
        unit = f" ({one.display_unit})" if one.display_unit else ""
        columns[plain(one.name) + unit] = partial(in_units, one)
    rows = [
        (f"{one.id} {one.name}", one.size, one.share, called(one) or None,
         *(one.medians.get(of.name) for of in known))
        for one in found.synthetic_genres
    ]  # fmt: skip
    said = []
    if found.stability:
        parts = [f"{mean:.2f} ± {std:.2f} over {name}"
                 for name, (mean, std) in found.stability.summary().items()]  # fmt: skip
        said.append(f"Stability (adjusted Rand index): {enumerated(parts)}.")
    if found.rules:
        said.append(
            f"{found.rules.n_leaves} rules agree with them on {percent(found.rules.agreement)} of"
            f" {count(found.rules.unseen)} unseen tracks."
        )
    return Table("Sizes, medians and real genres", columns, rows, " ".join(said))


def quality(found: results.QualityComparison | None) -> Table | None:
    """Synthetic genres, plain KMeans at the same k, and the method on permuted features."""
    if found is None:
        return None
    compared = (found.synthetic_genres, found.plain_kmeans, found.permuted)
    rows = [
        (title, *(getattr(one, name) for one in compared))
        for name, title in _QUALITIES.items()
        if getattr(compared[0], name) is not None
    ]
    names = ("synthetic genres", "plain KMeans", "permuted features")
    columns = {"quality": shown, **dict.fromkeys(names, "{:.2f}".format)}
    note = (
        f"On {count(found.tracks)} tracks. Plain KMeans: the same number of groups on the scaled"
        " features. Permuted: the method on features shuffled between tracks, in which there is"
        " nothing to find."
    )
    return Table("Quality of the groups", columns, rows, note)


def changes(change: results.Change | None) -> Table | None:
    """Changes since the synthetic genres of an earlier bundle."""
    if change is None:
        return None
    pairs = {
        "compared with": change.previous,
        "tracks that keep their id": percent(1 - change.moved),
        "kept": [one.id for one in change.matched],
        "new": change.new,
        "retired": change.retired,
        "split": "; ".join(f"{one.id} into {shown(one.into)}" for one in change.split),
        "merged": "; ".join(f"{shown(one.of)} into {one.id}" for one in change.merged),
    }
    return facts("Changes of the synthetic genres", pairs)


def called(genre: results.SyntheticGenre) -> str:
    """The real genres that a synthetic genre leans to, with their shares."""
    total = sum(genre.genres.values())
    shares = {name: n / total for name, n in genre.genres.items()} if total else {}
    lean = {name: share for name, share in shares.items() if genre.lift.get(name, 1.0) >= 1.0}
    order = sorted(lean or shares, key=lambda name: (-shares[name], name))
    said = [name for name in order if shares[name] >= _LEAST_CALLED][:_MOST_CALLED]
    return ", ".join(f"{one_line(name, 40)} {percent(shares[name], 0)}" for name in said)


def _map(subject: Subject, names: Mapping[int, str]) -> Figure | None:
    found, plan = subject.model.clusters, subject.model.clusters.map
    if plan is None or not plan.points:
        return None
    genres, colours = found.synthetic_genres, charts.palette(len(names))
    tracks = [
        {"x": x, "y": y, "id": own, "synthetic": names.get(own, str(own)), **_track(one, subject)}
        for (x, y, own), one in zip_longest(plan.points, plan.tracks)
    ]
    drawn = "" if len(tracks) == subject.model.data.rows.accepted else ", drawn randomly"
    note = (
        f"{count(len(tracks))} tracks{drawn}; t-SNE: neighbours are alike, distances between far groups"
        " mean nothing. Drag to move, scroll to zoom."
    )
    finding = f"{len(genres)} synthetic genres"
    if alike := [one for one in genres if one.nearest]:
        first = min(alike, key=lambda one: one.nearest[0].distance)
        other = next((one.name for one in genres if one.id == first.nearest[0].id), "another")
        finding += f"; the most alike are {one_line(first.name)} and {one_line(other)}"
    centers = [{"x": x, "y": y, "id": one} for x, y, one in plan.centers if one in names]
    landmarks = []
    offset = _LABEL_OFFSET * np.ptp([y for _, y, _ in plan.points])
    for genre in plan.genres:
        # Its label is on the side where the numbers of synthetic genres are farther from it.
        below, above = (
            min((hypot(x - genre.x, y - genre.y + step) for x, y, _ in plan.centers), default=0.0)
            for step in (offset, -offset)
        )
        landmarks.append({**genre.model_dump(), "below": below > above})
    chart = charts.chart(
        "map", tracks=tracks, centers=centers, landmarks=landmarks, ids=list(names), colours=colours
    )
    question = "Where are the synthetic genres, and where is an artist?"
    legend = list(zip(names, names.values(), colours, strict=True))
    named = any(one.title or one.artist for one in plan.tracks)
    return Figure("map", question, f"{finding}.", {"map": chart}, note, legend, named)


def _track(one: results.MapTrack | None, subject: Subject) -> dict[str, str]:
    """Names and label of a track of the map; None in bundles of earlier versions."""
    row = subject.labelled.get(one.track_id, {}) if one else {}
    genre, sure = row.get("genre"), row.get("genre_confidence")
    label = f"{genre} {percent(sure, 0)}" if genre and sure is not None else ""
    names = {key: getattr(one, key, None) or "" for key in ("title", "artist", "album")}
    return {**names, "genre": label}


def _cards(found: results.Discovery, scoring: ScoringPart, names: Mapping[int, str]) -> Cards:
    rules = {one.id: one for one in found.rules.genres} if found.rules else {}
    cards = [
        {
            "genre": one,
            "name": names[one.id],
            "colour": colour,
            "called": called(one),
            "sound": _sound(one, scoring),
            "alike": [names.get(other.id, "") for other in one.nearest[:2]],
            "rules": rules.get(one.id),
        }
        for one, colour in zip(found.synthetic_genres, charts.palette(len(names)), strict=True)
    ]
    note = (
        "Behind a real genre: its share of the labelled tracks. Typical tracks are the nearest to"
        " the center. Rules are for reading; labels do not depend on them."
    )
    return Cards("What is in each synthetic genre?", cards, note)


def _sound(genre: results.SyntheticGenre, scoring: ScoringPart) -> str:
    """The features in which it differs most, each with its median."""
    pairs = [
        (declared, value)
        for scaled, value in zip(scoring.scaler.scaled_features, genre.centroid, strict=True)
        # A circle has neither high nor low.
        if (declared := feature(scaled.feature)).encoding != "circular" and abs(value) >= _NOTABLE
    ]
    said = []
    for one, value in sorted(pairs, key=lambda pair: -abs(pair[1]))[:_MOST_SAID]:
        median = f"{in_units(one, genre.medians.get(one.name))} {one.display_unit}".rstrip()
        side = "above" if value > 0 else "below"
        said.append(f"{plain(one.name)} {median} ({abs(value):.1f} SD {side})")
    return enumerated(said) or "near the average track"


def _held(found: results.Discovery, names: Mapping[int, str]) -> Figure | None:
    tables = [genre.genres for genre in found.synthetic_genres]
    columns = largest(tables, _MOST_HELD)
    totals = np.array([sum(table.values()) for table in tables])
    if not totals.any():
        return None
    titles, others = list(names.values()), len(set().union(*tables)) - len(columns)
    counts = np.array([[table.get(name, 0) for name in columns] for table in tables])
    shares = counts / np.maximum(1, totals)[:, None]  # of all genres, also of those left out
    row, column = charts.largest(shares)
    finding = (
        f"The purest is {one_line(titles[row])}: {percent(shares[row, column])} of its"
        f" {count(totals[row])} labelled tracks are {one_line(columns[column])}."
    )
    note = "Shares of the row."
    if found.relation:
        one = found.relation
        note += (
            f" Over {count(one.labelled)} labelled tracks, {percent(one.purity)} have the most"
            f" frequent real genre of their synthetic genre ({percent(one.chance)} with a single"
            f" group); normalised mutual information {one.nmi:.2f}."
        )
    if others:
        shares = np.column_stack([shares, 1 - shares.sum(axis=1)])
        columns.append(f"other ({others})")
    chart = charts.heatmap(shares, titles, columns, "share of the row")
    question = "Which real genres are in each?"
    return Figure("held", question, finding, {"held": chart}, note)


def _centroids(found: results.Discovery, scoring: ScoringPart, names: Mapping[int, str]) -> Figure:
    titles = list(names.values())
    values = np.array([genre.centroid for genre in found.synthetic_genres])
    scaled = scoring.scaler.scaled_features
    columns = [plain(one.name) for one in scaled]
    row, column = charts.largest(np.abs(values))
    far = float(values[row, column])
    finding = (
        f"{one_line(titles[row])} differs most: its {columns[column]} is {abs(far):.1f} standard"
        f" deviations {'above' if far > 0 else 'below'} the average track."
    )
    note = "Red is above the average track, blue below."
    if any(one.name != one.feature for one in scaled):
        note += " The key is a circle, drawn as its two coordinates."
    order = sorted(scoring.synthetic.metric.dimensions, key=lambda one: -one.ratio)
    compared = dict.fromkeys(plain(scaled[one.column].feature) for one in order)
    note += f" Tracks are compared by {enumerated(list(compared))}, in this order."
    limit = min(_FAR, max(0.5, float(np.abs(values).max())))
    chart = charts.heatmap(values, titles, columns, "standard deviations", far=limit)
    return Figure("centroids", "What distinguishes each?", finding, {"centroids": chart}, note)


def _choice(found: results.Discovery) -> Figure | None:
    tried, k = found.candidates, found.k
    if len(tried) < 2:
        return None
    stable = max(tried, key=lambda one: one.stability)
    finding = (
        f"Of {len(tried)} numbers tried, {stable.k} has the best stability ({stable.stability:.2f});"
        f" {k} were chosen."
    )
    drawn = {}
    for name, title in _TRIED.items():
        points = [{"x": one.k, "y": getattr(one, name)} for one in tried]
        if points[0]["y"] is not None:
            drawn[title] = charts.chart(
                "lines", points, title="number of synthetic genres", chosen=k
            )
    note = (
        "Higher is better. Chosen is the highest kappa among numbers with a stability of at least"
        " 0.80; if there is none, the best stability."
    )
    return Figure("choice", f"Why {k} synthetic genres?", finding, drawn, note)
