"""Permutation importance: which features and inputs the classifier uses."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from genre_spark.bundle.genre_metrics import GenreMetrics, Importance, Loss, Protocol
from genre_spark.reporting import charts
from genre_spark.reporting.document import Figure, Spec, Subject, Table, Topic
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
    tracks = "; ".join(f"{protocol(name)} {count(one.tracks)}" for name, one in measured.items())
    rests_on = f"Whiskers: one standard deviation over repeats. Tracks: {tracks}."
    inputs = (
        "Shuffled are all features of the track or its album, its words, or the labels counted for"
        f" its artist, other artists, album or synthetic genre. {rests_on}"
    )
    features = f"“In all channels” includes the statistics of the album. {rests_on}"
    parts = [
        Figure.by_protocol("inputs", "Does it use the sound, the words or the labels?", measured,
                           lambda of: _drawn({"input": _inputs(of)}), inputs),
        Figure.by_protocol("features", "Which features does it use?", measured, _channels, features),
        _of_genres(*list(measured.items())[-1], genres.classes),
    ]  # fmt: skip
    return Topic("importance", "What the model uses", lead, parts)


def tables(genres: GenreMetrics) -> Iterator[Table]:
    """Losses without each input and each feature, the largest first; one table per protocol."""
    for held_out, of in _measured(genres).items():
        title = protocol(held_out)
        lost = {f"input: {name}": one for name, one in _inputs(of).items()}
        lost |= {f"feature: {plain(name)}": one.all.accuracy for name, one in of.features.items()}
        rows = sorted(lost.items(), key=lambda pair: -pair[1].mean)
        yield Table(f"Importance, {title}", {title: shown, _LOST: loss}, rows)


def _measured(genres: GenreMetrics) -> dict[Protocol, Importance]:
    return {name: of.importance for name, of in genres.protocols.items() if of.importance}


def _inputs(found: Importance) -> dict[str, Loss]:
    return {_INPUTS.get(name, name): one.accuracy for name, one in found.inputs.items()}


def _channels(found: Importance) -> tuple[str, Spec]:
    lost = {plain(name): one.all.accuracy for name, one in found.features.items()}
    own = {plain(name): one.own.accuracy for name, one in found.features.items()}
    return _drawn({"in all channels": lost, "of the track only": own})


def _drawn(series: Mapping[str, Mapping[str, Loss]]) -> tuple[str, Spec]:
    """The largest loss of the first series in a sentence, and all losses as a chart."""
    ranked = {kind: sorted(of.items(), key=lambda one: -one[1].mean) for kind, of in series.items()}
    name, most = next(iter(ranked.values()))[0]
    bounds = {kind: {one: _bounds(loss) for one, loss in lost} for kind, lost in ranked.items()}
    return f"mostly {name} ({100 * most.mean:.1f} points).", charts.marks(bounds, _LOST)


def _bounds(lost: Loss) -> charts.Interval:
    return 100 * lost.mean, 100 * (lost.mean - lost.std), 100 * (lost.mean + lost.std)


def _of_genres(name: str, found: Importance, classes: Sequence[str]) -> Figure:
    tables = [one.all.accuracy.per_genre for one in found.features.values()]
    lost = np.array([[table.get(genre, 0.0) for table in tables] for genre in classes])
    kept = charts.most(lost.max(axis=1), MOST_CONFUSED)
    row, column = charts.largest(lost)
    names = [plain(name) for name in found.features]
    finding = (
        f"The largest loss: {percent(lost[row, column])} of the right labels of"
        f" {one_line(classes[row])} without {names[column]}."
    )
    values, rows = np.maximum(0.0, lost[kept]), [classes[i] for i in kept]
    chart = charts.heatmap(values, rows, names, "share of the labels lost")
    note = (
        f"{protocol(name).capitalize()}, {count(found.tracks)} tracks; a feature in all channels."
    )
    question = "Which features identify each genre?"
    return Figure("features-of-genres", question, finding, {"genres": chart}, note)
