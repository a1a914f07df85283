"""Accuracy of genres on held-out tracks: protocols, steps, baselines, confusions."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from genre_spark.bundle.genre_metrics import GenreMetrics, Protocol
from genre_spark.reporting import charts, text
from genre_spark.reporting.document import Columns, Figure, Panel, Spec, Subject, Table, Tile, Topic
from genre_spark.schema import MODEL

# More genres would not be legible in a chart; the tables have them all.
MOST_CONFUSED = 30
_MOST_PAIRS = 10
# Titles of `genre_metrics.Scores`.
MEASURES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "top3": "top 3", "log_loss": "log loss",
            "ece": "ECE", "aurc": "AURC"}  # fmt: skip
_RATIOS = {"log_loss", "aurc"}
# With fewer, a 95 % interval of an accuracy is wider than ± 0.18.
_FEWEST_TRACKS = 30
LEAD = (
    "On tracks held out from everything that was fitted on labels. Known artists have other"
    " labelled tracks, new artists have none; “without a link” means that no named artist and no"
    " album of the track has a labelled track. “No features”: the features of a third of the"
    " tracks are removed, and these are measured. Scales, bin edges and centers are fitted on all"
    " tracks, without labels."
)


def topic(subject: Subject) -> Topic | None:
    """The section on accuracy; None for a bundle without genres."""
    genres = subject.model.genres
    if not genres or not genres.protocols:
        return None
    found = genres.model_dump(by_alias=True)["protocols"]
    scores = {name: of["per_genre"] for name, of in found.items()}
    return Topic("accuracy", "Accuracy", " ".join([LEAD, *remarks(genres)]), [
        headline(genres), _baselines(genres), steps(genres), *_confusions(genres),
        per_genre(genres.classes, scores),
    ], [*_tiles(genres)])  # fmt: skip


def headline(genres: GenreMetrics, brief: bool = False) -> Table:
    """Accuracy of each protocol next to its best baseline; unless brief, with all other scores."""
    others = [] if brief else list(MEASURES)[1:]
    rows = [
        (text.protocol(name), of.tracks, of.interval.model_copy(update={"mean": of.accuracy}),
         of.best_baseline[1], of.best_baseline[0], of.baselines.get("majority"),
         *(getattr(of, measure) for measure in others))
        for name, of in genres.protocols.items()
    ]  # fmt: skip
    columns: Columns = {"held out": text.shown, "tracks": text.count, "accuracy (95% interval)": text.interval,
               "best baseline": text.percent, "which": text.shown, "majority": text.percent}  # fmt: skip
    columns |= {MEASURES[one]: text.ratio if one in _RATIOS else text.percent for one in others}
    return Table("Accuracy on held-out tracks", columns, rows)


def steps(genres: GenreMetrics) -> Table:
    """Accuracy of each step of the classifier: an ablation."""
    ladders = {name: of.ladder for name, of in genres.protocols.items()}
    return Table.of_parts("What each part adds (ablation)", "accuracy of", ladders, text.percent)


def baselines(genres: GenreMetrics) -> Table:
    """Accuracy of each baseline."""
    found = {name: of.baselines for name, of in genres.protocols.items()}
    return Table.of_parts("Baselines", "baseline", found, text.percent)


def remarks(genres: GenreMetrics) -> Iterator[str]:
    """Warnings about small or unusual numbers, and about protocols that were not measured."""
    for name, why in genres.skipped.items():
        yield f"Not measured on {text.protocol(name)}: {why}."
    for name, of in genres.protocols.items():
        title, majority = text.protocol(name), of.baselines.get("majority")
        if of.tracks < _FEWEST_TRACKS:
            yield (
                f"{title}: only {of.tracks:,} tracks were held out, fewer than {_FEWEST_TRACKS}:"
                " these numbers are mostly random."
            )
        if majority is not None and of.accuracy < majority:
            yield (
                f"{title}: accuracy {text.percent(of.accuracy)} is below {text.percent(majority)}, the accuracy"
                " of the most frequent genre for every track: do not use these genres."
            )
        if of.coverage == 0:
            yield (
                f"{title}: no label reaches a precision of {text.percent(genres.target_precision, 0)}, so"
                " genre_accepted will be false, however high the accuracy is."
            )
        if of.never_learned:
            yield f"{title}: {text.never_learned(map(text.one_line, of.never_learned))}"


def compared(accuracies: Mapping[str, charts.Interval]) -> Spec:
    """Accuracies of the classifier and others as bars, the highest first."""
    order = sorted(accuracies, key=lambda name: -accuracies[name][0])
    return charts.bars({name: accuracies[name] for name in order}, "accuracy", ".0%", 1.0)


def confusion(matrix: Sequence[Sequence[int]], classes: Sequence[str]) -> Panel:
    """The most frequent confusion in a sentence, and the matrix as a chart."""
    counts = np.array(matrix)
    shares, wrong = charts.shares(counts), counts - np.diag(np.diag(counts))
    kept = charts.most(wrong.sum(axis=0) + wrong.sum(axis=1), MOST_CONFUSED)
    names = [classes[i] for i in kept]
    finding = "No held-out track has a wrong label."
    if wrong.any():
        true, given = charts.largest(wrong)
        finding = (
            f"The most frequent confusion: {text.one_line(classes[true])} labelled as"
            f" {text.one_line(classes[given])}, {text.count(wrong[true, given])} of"
            f" {text.count(counts[true].sum())} tracks."
        )
    return finding, charts.heatmap(shares[np.ix_(kept, kept)], names, names, "share of the row")


def _baselines(genres: GenreMetrics) -> Figure:
    panels = {}
    for name, of in genres.protocols.items():
        best, accuracy = of.best_baseline
        side = "behind" if of.accuracy < accuracy else "ahead of"
        finding = (
            f"{100 * abs(of.accuracy - accuracy):.1f} points {side} the best baseline, {best}."
        )
        found = {MODEL: of.accuracy} | of.baselines
        bounded = {one: charts.wilson(share, of.tracks) for one, share in found.items()}
        panels[name] = finding, compared(bounded)
    return Figure.by_protocol(
        "baselines", "Is the model better than simple baselines?", panels,
        "A lookup gives the most frequent genre of the labelled tracks of the artist or album."
        " Whiskers: 95% intervals for independent tracks; tracks of one artist are not"
        " independent, so the true intervals are wider.",
    )  # fmt: skip


def _confusions(genres: GenreMetrics) -> Iterator[Figure | Table | None]:
    """Of the protocol with the most tracks of new artists."""
    name = "new" if "new" in genres.protocols else next(iter(genres.protocols))
    of, classes = genres.protocols[name], genres.classes
    finding, chart = confusion(of.confusion, classes)
    note = (
        f"{text.protocol(name).capitalize()}, {text.count(of.tracks)} tracks. Rows are true genres."
    )
    if len(classes) > MOST_CONFUSED:
        note += f" Shown are the {MOST_CONFUSED} genres with the most mistakes."
    yield Figure("confusion", "Which genres are confused?", finding, {"confusion": chart}, note)
    wrong = [(classes[true], classes[given], n, n / sum(row))
             for true, row in enumerate(of.confusion)
             for given, n in enumerate(row) if n and true != given]  # fmt: skip
    rows = sorted(wrong, key=lambda one: -one[2])[:_MOST_PAIRS]
    columns: Columns = {"true genre": text.one_line, "label": text.one_line, "tracks": text.count,
               "share of the true genre": text.percent}  # fmt: skip
    yield Table("The most frequent confusions", columns, rows) if rows else None


def per_genre(
    classes: Sequence[str],
    scores: Mapping[Protocol, Mapping[str, Mapping[str, Any]]],
    forms: tuple[Callable[[Any], str], Callable[[Any], str]] = (text.count, text.percent),
) -> Table:
    """Tracks, precision, recall and F1 of each genre, by protocol and genre; how both are written."""
    kinds = {"support": "tracks", "precision": "precision", "recall": "recall", "f1-score": "F1"}
    columns = {"genre": text.shown} | {
        f"{title}, {text.protocol(name)}": forms[kind != "support"]
        for name in scores
        for kind, title in kinds.items()
    }
    rows = [
        (text.one_line(genre), *(of[genre][kind] for of in scores.values() for kind in kinds))
        for genre in classes
    ]
    return Table("Precision, recall and F1 of each genre", columns, rows)


def _tiles(genres: GenreMetrics) -> Iterator[Tile]:
    """Accuracy of known and new artists; amber behind the best baseline, red below the majority."""
    for name in ("known", "new"):
        if not (of := genres.protocols.get(name)):
            continue
        best, accuracy = of.best_baseline
        level = "ok" if of.accuracy >= accuracy else "warn"
        if of.accuracy < of.baselines.get("majority", 0.0):
            level = "stop"
        detail = f"best baseline {text.percent(accuracy)} ({best})"
        yield Tile(f"Accuracy, {text.protocol(name)}", text.percent(of.accuracy), detail, level)
