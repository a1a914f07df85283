"""The labelled catalogue: labels, confidence and explanations."""

from collections.abc import Mapping, Sequence

import numpy as np

from genre_spark.bundle.manifest import CONFIDENCE_BINS, LabelProfile
from genre_spark.clustering.results import SyntheticGenre
from genre_spark.reporting import charts
from genre_spark.reporting.document import Figure, Subject, Topic
from genre_spark.reporting.text import count, largest, one_line, percent, plain
from genre_spark.reporting.topics.confidence import thresholds

_MOST_MIXED = 30
_SURE = 0.9


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
