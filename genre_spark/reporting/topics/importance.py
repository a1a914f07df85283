"""Permutation importance: which features and inputs the classifier uses."""

from collections.abc import Iterator, Sequence

import numpy as np

from genre_spark.bundle.genre_metrics import GenreMetrics, Importance, Loss
from genre_spark.reporting import charts
from genre_spark.reporting.document import Figure, Spec, Subject, Table, Topic, panels
from genre_spark.reporting.text import count, loss, one_line, percent, plain, protocol, shown
from genre_spark.reporting.topics.accuracy import MOST_CONFUSED

_LOST = "points of accuracy lost"
_INPUTS = {"track": "sound of the track", "album": "sound of the album"}


def topic(subject: Subject) -> Topic | None:
    """The section on importance; None where it was not measured."""
    genres = subject.model.genres
    measured = _measured(genres) if genres else {}
    if not genres or not measured:
        return None
    lead = (
        "Permutation importance: the accuracy lost on held-out tracks when one part of the input is"
        " shuffled between tracks. It shows what this model uses, not what genres are; parts with"
        " the same information replace each other, so each may seem unimportant."
    )
    title = list(measured)[-1]
    parts = [
        _inputs(measured),
        _features(measured),
        _of_genres(title, measured[title], genres.classes),
    ]
    return Topic("importance", "What the model uses", lead, parts)


def tables(genres: GenreMetrics) -> Iterator[Table]:
    """Losses without each input and each feature, the largest first; one table per protocol."""
    for title, one in _measured(genres).items():
        lost = {f"input: {_INPUTS.get(name, name)}": of.accuracy for name, of in one.inputs.items()}
        lost |= {f"feature: {plain(name)}": of.all.accuracy for name, of in one.features.items()}
        rows = sorted(lost.items(), key=lambda pair: -pair[1].mean)
        columns = {title: shown, _LOST: loss}
        yield Table(f"Importance, {title}", columns, rows)


def _measured(genres: GenreMetrics) -> dict[str, Importance]:
    return {protocol(name): of.importance for name, of in genres.protocols.items() if of.importance}


def _inputs(measured: dict[str, Importance]) -> Figure:
    def panel(found: Importance) -> tuple[str, Spec]:
        lost = {_INPUTS.get(name, name): one.accuracy for name, one in found.inputs.items()}
        return _most(lost), charts.marks({"input": _bounds(lost)}, _LOST)

    note = (
        "Shuffled are all features of the track or its album, its words, or the labels counted for"
        f" its artist, other artists, album or synthetic genre. {_rests_on(measured)}"
    )
    question = "Does it use the sound, the words or the labels?"
    return panels("inputs", question, {name: panel(of) for name, of in measured.items()}, note)


def _features(measured: dict[str, Importance]) -> Figure:
    def panel(found: Importance) -> tuple[str, Spec]:
        lost = {plain(name): one.all.accuracy for name, one in found.features.items()}
        own = {plain(name): one.own.accuracy for name, one in found.features.items()}
        series = {"in all channels": _bounds(lost), "of the track only": _bounds(own)}
        return _most(lost), charts.marks(series, _LOST)

    note = f"“In all channels” includes the statistics of the album. {_rests_on(measured)}"
    parts = {name: panel(of) for name, of in measured.items()}
    return panels("features", "Which features does it use?", parts, note)


def _of_genres(title: str, found: Importance, classes: Sequence[str]) -> Figure:
    tables = [one.all.accuracy.per_genre for one in found.features.values()]
    lost = np.array([[table.get(genre, 0.0) for table in tables] for genre in classes])
    shown = np.sort(np.argsort(-lost.max(axis=1), kind="stable")[:MOST_CONFUSED])
    row, column = charts.largest(lost)
    names = [plain(name) for name in found.features]
    finding = (
        f"The largest loss: {percent(lost[row, column])} of the right labels of"
        f" {one_line(classes[row])} without {names[column]}."
    )
    values, rows = np.maximum(0.0, lost[shown]), [classes[i] for i in shown]
    chart = charts.heatmap(values, rows, names, "share of the labels lost")
    note = f"{title.capitalize()}, {count(found.tracks)} tracks; a feature in all channels."
    question = "Which features identify each genre?"
    return Figure("features-of-genres", question, finding, {"genres": chart}, note)


def _most(lost: dict[str, Loss]) -> str:
    name = max(lost, key=lambda one: lost[one].mean)
    return f"mostly {name} ({100 * lost[name].mean:.1f} points)."


def _bounds(lost: dict[str, Loss]) -> dict[str, charts.Interval]:
    order = sorted(lost, key=lambda name: -lost[name].mean)
    return {
        name: (100 * one.mean, 100 * (one.mean - one.std), 100 * (one.mean + one.std))
        for name, one in ((name, lost[name]) for name in order)
    }


def _rests_on(measured: dict[str, Importance]) -> str:
    tracks = "; ".join(f"{title} {count(one.tracks)}" for title, one in measured.items())
    return f"Whiskers: one standard deviation over repeats. Tracks: {tracks}."
