"""Findings on what decides: which features, and which inputs, by `permutation_importance`."""

from collections.abc import Mapping, Sequence

import numpy as np

from genre_spark.bundle.genre_metrics import Importance, Loss, ProtocolMetrics
from genre_spark.reporting import accuracy_findings, charts
from genre_spark.reporting.style import Picture
from genre_spark.reporting.text import in_text, percent, plain

_LOST = "points of accuracy lost"
_INPUTS = {"track": "sound of the track", "album": "sound of the album"}


def features(protocols: Mapping[str, ProtocolMetrics]) -> Picture | None:
    """Which features decide; None where it was not measured."""
    measured = _measured(protocols)
    if not measured:
        return None
    sentences, panels = [], {}
    for title, found in measured.items():
        lost = {name: one.all.accuracy for name, one in found.features.items()}
        order = sorted(lost, key=lambda name: -lost[name].mean)
        sentences.append(
            f"{title}: most depends on {plain(order[0])}; with another track’s,"
            f" {percent(lost[order[0]].mean)} more of the labels would be wrong."
        )
        panels[title] = {
            "of the track alone": {
                plain(name): _bounds(found.features[name].own.accuracy) for name in order
            },
            "in all channels": {plain(name): _bounds(lost[name]) for name in order},
        }
    return Picture(" ".join(sentences), charts.differences(panels, _LOST))


def inputs(protocols: Mapping[str, ProtocolMetrics]) -> Picture | None:
    """Whether the track, its synthetic genre, artist or album decides; None if not measured."""
    measured = _measured(protocols)
    if not measured:
        return None
    sentences, panels = [], {}
    for title, found in measured.items():
        lost = {name: one.accuracy for name, one in found.inputs.items()}
        most = max(lost, key=lambda name: lost[name].mean)
        sentences.append(
            f"{title}: the {_INPUTS.get(most, most)} decide most; with another track’s,"
            f" {percent(lost[most].mean)} more of the labels would be wrong."
        )
        own = {_INPUTS.get(name, name): _bounds(one) for name, one in lost.items()}
        panels[title] = {"input": own}
    return Picture(" ".join(sentences), charts.differences(panels, _LOST))


def features_of_genres(metrics: ProtocolMetrics, classes: Sequence[str]) -> Picture | None:
    """Which features tell each genre apart; None where it was not measured."""
    if not metrics.importance:
        return None
    found = metrics.importance.features
    tables = [one.all.accuracy.per_genre for one in found.values()]
    lost = np.array([[table.get(genre, 0.0) for table in tables] for genre in classes])
    shown = np.sort(np.argsort(-lost.max(axis=1), kind="stable")[: accuracy_findings.MOST_CONFUSED])
    row, column = map(int, np.unravel_index(lost.argmax(), lost.shape))
    names = [plain(name) for name in found]
    finding = (
        f"Most depends on {names[column]} for {in_text(classes[row])}: with another track’s,"
        f" {percent(lost[row, column])} more of its labels would be wrong."
    )
    values = np.maximum(0.0, lost[shown])
    return Picture(finding, charts.losses(values, [classes[i] for i in shown], names))


def _measured(protocols: Mapping[str, ProtocolMetrics]) -> dict[str, Importance]:
    return {title: of.importance for title, of in protocols.items() if of.importance}


def _bounds(loss: Loss) -> charts.Interval:
    return loss.mean, loss.mean - loss.std, loss.mean + loss.std
