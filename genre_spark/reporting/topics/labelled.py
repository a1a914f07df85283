"""The labelled catalogue: labels, confidence, explanations, and drift from the model's catalogue."""

from collections.abc import Mapping, Sequence

import numpy as np

from genre_spark.bundle.manifest import CONFIDENCE_BINS, LabelProfile
from genre_spark.clustering.results import SyntheticGenre
from genre_spark.monitoring.drift import OK, ranked
from genre_spark.platform.safe_text import enumerated
from genre_spark.reporting import charts
from genre_spark.reporting.document import Columns, Figure, Subject, Table, Tile, Topic
from genre_spark.reporting.text import count, largest, one_line, percent, plain, ratio, shown
from genre_spark.reporting.topics.confidence import thresholds

_MOST_MIXED = 30
_SURE = 0.9
_LEVELS = {"ok": "within limits", "warn": "beyond a limit", "stop": "far beyond a limit"}


def topic(subject: Subject) -> Topic | None:
    """The section on the labelled catalogue; None if there is none."""
    model, labels = subject.model, subject.labels
    if labels is None:
        return None
    mix = labels.labels
    lead = "These labels are not compared with true genres: confidence is not accuracy."
    if labels.rows.fingerprint == model.data.rows.fingerprint:
        lead += " They are the tracks the model was made from, on which it is overconfident."
    if labels.model_id != model.model_id:
        lead = (
            f"This catalogue was labelled by another model, {labels.model_id}; the accuracies on"
            f" this page are not its. {lead}"
        )
        synthetic = _mix("synthetic-mix", "synthetic genre", mix.synthetic_genres)
    else:
        synthetic = _shift(model.clusters.synthetic_genres, mix.synthetic_genres)
    features, why = model.scoring.scaler.features, mix.reasons or {}
    return Topic("labelled", "Labelled catalogue", lead, [
        _confidence(mix, thresholds(model)) if model.genres else None,
        _mix("label-mix", "genre", mix.genres),
        synthetic,
        _explanations("genre", why.get("genre", {}), features),
        _explanations("synthetic genre", why.get("synthetic_genre", {}), features),
    ])  # fmt: skip


def _confidence(labels: LabelProfile, least: Mapping[str, float]) -> Figure | None:
    counts = [labels.confidence.get(str(i), 0) for i in range(CONFIDENCE_BINS)]
    if not sum(counts):
        return None
    sure = sum(counts[round(_SURE * CONFIDENCE_BINS) :]) / sum(counts)
    finding = f"{percent(sure)} of the labels have a confidence of {percent(_SURE, 0)} or more"
    if labels.accepted is not None:
        finding += f"; {percent(labels.accepted)} are accepted"
    shares = [{"low": i / CONFIDENCE_BINS, "high": (i + 1) / CONFIDENCE_BINS, "share": n / sum(counts)}
              for i, n in enumerate(counts)]  # fmt: skip
    drawn = [{"at": at, "whose": whose} for whose, at in least.items() if at <= 1]
    chart = charts.chart("histogram", shares, step=1 / CONFIDENCE_BINS, thresholds=drawn)
    return Figure("confidence-mix", "How confident are the labels?", f"{finding}.", {"all": chart})


def _mix(name: str, what: str, counts: Mapping[str, int]) -> Figure | None:
    if not counts:
        return None
    names, total = largest([counts], _MOST_MIXED), sum(counts.values())
    values = {one: counts[one] for one in names}
    finding = f"The most frequent {what} is {one_line(names[0])}: {percent(counts[names[0]] / max(1, total))}."
    if len(counts) > len(names):
        rest = total - sum(counts[one] for one in names)
        values[f"other ({len(counts) - len(names)})"] = rest
    chart = charts.bars(values, "tracks", ",.0f")
    return Figure(name, f"How many tracks have each {what}?", finding, {what: chart})


def _shift(genres: Sequence[SyntheticGenre], counts: Mapping[str, int]) -> Figure | None:
    total = sum(counts.values())
    if not total:
        return None
    here = {genre.name: counts.get(genre.name, 0) / total for genre in genres}
    most = max(genres, key=lambda genre: abs(here[genre.name] - genre.share))
    finding = (
        f"The largest difference: {one_line(most.name)}, {percent(here[most.name])} of the"
        f" {count(total)} labelled tracks and {percent(most.share)} of the model’s catalogue."
    )
    series = {
        "labelled catalogue": {f"{one.id} {one.name}": here[one.name] for one in genres},
        "model’s catalogue": {f"{one.id} {one.name}": one.share for one in genres},
    }
    chart = charts.marks(series, "share of the tracks", ".0%")
    question = "How many tracks have each synthetic genre?"
    return Figure("synthetic-mix", question, finding, {"shares": chart})


def _explanations(
    what: str, tables: Mapping[str, Mapping[str, int]], features: Sequence[str]
) -> Figure | None:
    """Which feature supports each label most, by `score --explain`; None without it."""
    if not tables:
        return None
    names = largest([{name: sum(of.values()) for name, of in tables.items()}], _MOST_MIXED)
    counts = np.array([[tables[name].get(feature, 0) for feature in features] for name in names])
    shares = charts.shares(counts)
    row, column = charts.largest(shares)
    columns = [plain(feature) for feature in features]
    finding = (
        f"The clearest case is {one_line(names[row])}: {columns[column]}, for"
        f" {percent(shares[row, column])} of its tracks."
    )
    chart = charts.heatmap(shares, names, columns, "share of the row")
    note = "From score --explain. Tracks without a supporting feature are left out."
    name, question = what.replace(" ", "-"), f"Which feature supports each {what} most?"
    return Figure(f"explanations-{name}", question, finding, {what: chart}, note)


def drift(subject: Subject) -> Topic | None:
    """The section on drift; None without a labelled catalogue."""
    if subject.labels is None:
        return None
    found, far = subject.labels.drift, ranked(subject.labels.drift)
    limits, beyond = found.limits, [plain(name) for name, one in far if one.level != OK]
    lead = (
        "Population stability index (PSI) and Kolmogorov–Smirnov distance (KS) to the model’s"
        f" catalogue; 0 is the same distribution. Limits: PSI {limits.warn_psi}, KS"
        f" {limits.warn_ks}, and {percent(limits.warn_missing)} more tracks without a value."
    )
    finding = f"Beyond a limit: {enumerated(beyond)}." if beyond else "Nothing is beyond a limit."
    tile = Tile("Drift", _LEVELS[found.level], finding, found.level)
    if not found.assessed:
        finding = f"Fewer than {count(limits.min_tracks)} tracks: distances would be random."
        tile = Tile("Drift", "not assessed", finding)
    figure = None
    if values := {plain(name): one.psi for name, one in far if one.psi is not None}:
        top = 1.1 * max(limits.warn_psi, *values.values())
        chart = charts.bars(values, "PSI; dotted: the limit", ".2f", top, limits.warn_psi)
        question = "Which features and labels have drifted?"
        figure = Figure("drift-psi", question, finding, {"psi": chart})
    rows = [
        (name, one.psi, one.ks, getattr(one, "missing", None), getattr(one, "missing_before", None),
         _LEVELS[one.level])
        for name, one in far
    ]  # fmt: skip
    columns: Columns = {"feature or label": plain, "PSI": ratio, "KS": ratio, "without a value": percent,
               "in the model’s catalogue": percent, "level": shown}  # fmt: skip
    table = Table("Distances to the model’s catalogue", columns, rows)
    return Topic("drift", "Drift", lead, [figure, table], [tile])
