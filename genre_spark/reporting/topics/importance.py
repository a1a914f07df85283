"""Permutation importance: which features and inputs the classifier uses."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from genre_spark.bundle.genre_metrics import GenreMetrics, Importance, Loss, Protocol
from genre_spark.reporting import charts
from genre_spark.reporting.document import Figure, Panel, Subject, Table, Topic
from genre_spark.reporting.text import count, loss, one_line, percent, plain, protocol, shown
from genre_spark.reporting.topics.accuracy import MOST_CONFUSED

LEAD = (
    "Permutation importance: the accuracy lost on held-out tracks when one part of the input is"
    " shuffled between tracks. It shows what this model uses, not what genres are; parts with"
    " the same information replace each other, so each may seem unimportant."
)
_LOST = "points of accuracy lost"
_INPUTS = {"track": "sound of the track", "album": "sound of the album"}


def topic(subject: Subject) -> Topic | None:
    """The section on importance; None where it was not measured."""
    genres = subject.model.genres
    measured = _measured(genres) if genres else {}
    if not genres or not measured:
        return None
    tracks = "; ".join(f"{protocol(name)} {count(one.tracks)}" for name, one in measured.items())
    rests_on = f"Whiskers: one standard deviation over repeats. Tracks: {tracks}."
    inputs = (
        "Shuffled are all features of the track or its album, its words, or the labels counted for"
        f" its artist, other artists, album or synthetic genre. {rests_on}"
    )
    features = f"“In all channels” includes the statistics of the album. {rests_on}"
    by_input = {name: _drawn({"input": _inputs(of)}) for name, of in measured.items()}
    by_feature = {
        name: _drawn({"in all channels": _features(of), "of the track only": _features(of, "own")})
        for name, of in measured.items()
    }
    question = "Does it use the sound, the words or the labels?"
    return Topic("importance", "What the model uses", LEAD, [
        Figure.by_protocol("inputs", question, by_input, inputs),
        Figure.by_protocol("features", "Which features does it use?", by_feature, features),
        _of_genres(*list(measured.items())[-1], genres.classes),
    ])  # fmt: skip


def tables(genres: GenreMetrics) -> Iterator[Table]:
    """Losses without each input and each feature, the largest first; one table per protocol."""
    for held_out, of in _measured(genres).items():
        title = protocol(held_out)
        lost = {f"input: {name}": one for name, one in _inputs(of).items()}
        lost |= {f"feature: {name}": one for name, one in _features(of).items()}
        rows = sorted(lost.items(), key=lambda pair: -pair[1].mean)
        yield Table(f"Importance, {title}", {title: shown, _LOST: loss}, rows)


def _measured(genres: GenreMetrics) -> dict[Protocol, Importance]:
    return {name: of.importance for name, of in genres.protocols.items() if of.importance}


def _inputs(found: Importance) -> dict[str, Loss]:
    return {_INPUTS.get(name, name): one.accuracy for name, one in found.inputs.items()}


def _features(found: Importance, channels: str = "all") -> dict[str, Loss]:
    return {plain(name): getattr(one, channels).accuracy for name, one in found.features.items()}


def _drawn(series: Mapping[str, Mapping[str, Loss]]) -> Panel:
    """The largest loss of the first series in a sentence, and all losses as a chart."""
    ranked = {kind: sorted(of.items(), key=lambda one: -one[1].mean) for kind, of in series.items()}
    name, most = next(iter(ranked.values()))[0]
    bounds = {
        kind: {
            one: (100 * of.mean, 100 * (of.mean - of.std), 100 * (of.mean + of.std))
            for one, of in lost
        }
        for kind, lost in ranked.items()
    }
    return f"mostly {name} ({100 * most.mean:.1f} points).", charts.marks(bounds, _LOST)


def _of_genres(name: str, found: Importance, classes: Sequence[str]) -> Figure:
    lost_without = _features(found)
    names = list(lost_without)
    lost = np.array([[one.per_genre.get(genre, 0.0) for one in lost_without.values()]
                     for genre in classes])  # fmt: skip
    kept = charts.most(lost.max(axis=1), MOST_CONFUSED)
    row, column = charts.largest(lost)
    finding = (
        f"The largest loss: {percent(lost[row, column])} of the right labels of"
        f" {one_line(classes[row])} without {names[column]}."
    )
    values, rows = np.maximum(0.0, lost[kept]), [classes[i] for i in kept]
    chart = charts.heatmap(values, rows, names, "share of the labels lost")
    tracks = f"{protocol(name).capitalize()}, {count(found.tracks)} tracks"
    question, note = "Which features identify each genre?", f"{tracks}; a feature in all channels."
    return Figure("features-of-genres", question, finding, {"genres": chart}, note)
