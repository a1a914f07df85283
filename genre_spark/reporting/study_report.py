"""Report of a study: tables in Markdown, and charts as PNG files."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from genre_spark.evaluation.study_results import PublishedStudy, StudiedProtocol
from genre_spark.platform.safe_text import markdown
from genre_spark.reporting import charts, text
from genre_spark.reporting.document import Columns, Figure, Panel, Table, markdown_page
from genre_spark.reporting.topics import accuracy, confidence
from genre_spark.reporting.topics.accuracy import MEASURES
from genre_spark.schema import MODEL

PAGE = "evaluation.md"
_WHOLE = "whole classifier"


def write(study: PublishedStudy, folder: Path) -> None:
    """Writes the page and its charts into a folder."""
    folder.mkdir(exist_ok=True)
    parts = [*_parts(study)]
    for figure in parts:
        if isinstance(figure, Figure):
            (folder / f"{figure.name}.png").write_bytes(charts.png(figure))
    (folder / PAGE).write_text(markdown_page(parts), encoding="utf-8")


def _parts(study: PublishedStudy) -> Iterator[Figure | Table | str]:
    """The page: facts, tables of each protocol, charts, tables over all protocols."""
    protocols = study.protocols
    skipped = [f"- not measured on {text.protocol(of)}: {why}" for of, why in study.skipped.items()]
    facts = [
        f"- catalogue: `{study.data.source}`, fingerprint `{study.data.rows.fingerprint}`",
        f"- {text.count(study.tracks)} labelled tracks, {len(study.classes)} genres",
        f"- seeds of known artists: {', '.join(map(str, study.seeds))}; ± is the standard deviation over them",
        f"- new artists: every artist held out once in each of {study.repetitions} repetitions",
        "- fitted on all tracks, without labels: scales, bin edges and centers",
    ]
    yield "# How accurate are the genres?"
    yield "\n".join([*facts, *skipped])
    for name, of in protocols.items():
        yield f"## {text.protocol(name).capitalize()}"
        yield from _tables(name, of, study.target_precision)
    question = "Is the classifier better than the baselines?"
    compared = {name: _compared(of) for name, of in protocols.items()}
    yield Figure.by_protocol("accuracy", question, compared)
    gained = {name: _gained(of) for name, of in protocols.items() if len(of.ladder) > 1}
    if gained:
        question = "What does the whole classifier gain over each step?"
        yield Figure.by_protocol("parts", question, gained)
    for name, of in protocols.items():
        finding, chart = accuracy.confusion(of.confusion, study.classes)
        question = f"Which genres are confused ({text.protocol(name)})?"
        yield Figure(f"confusion_{name}", question, finding, {"confusion": chart})
    yield confidence.reliability(protocols)
    yield confidence.risk_coverage(protocols, study.target_precision)
    if found := study.learning_curve:
        columns: Columns = {"labels": text.count, **dict.fromkeys(found[0].ladder, text.ratio),
                   "gain from labels of synthetic genres, points (95% interval)": text.points}  # fmt: skip
        rows = [(one.labels, *one.ladder.values(), one.gain_by_synthetic_genres) for one in found]
        yield "## How many labels are needed?"
        yield Table("Learning curve", columns, rows, "Accuracy on one fold of new artists.")
    yield "## How well is each genre recognised?"
    scored = {name: of.per_genre for name, of in protocols.items()}
    yield accuracy.per_genre(study.classes, scored, (text.over_seeds, text.over_seeds))


def scores(name: str, of: StudiedProtocol, measures: Sequence[str] = tuple(MEASURES)) -> Table:
    """The classifier, its steps and the baselines, each with what the classifier gains over it."""
    compared = {_WHOLE: of.cnn, **of.ladder, **of.baselines}
    rows = [
        (title, *(getattr(one, measure) for measure in measures), getattr(one, "cnn_gain", None))
        for title, one in compared.items()
    ]
    columns: Columns = {text.protocol(name): text.shown, **{MEASURES[one]: text.over_seeds for one in measures},
               "classifier minus this, points (95% interval)": text.points}  # fmt: skip
    return Table(f"Scores, {text.protocol(name)}", columns, rows)


def _tables(name: str, of: StudiedProtocol, target: float) -> Iterator[Table | str]:
    bounds, own = of.interval, of.cnn
    yield scores(name, of)
    yield (
        f"Accuracy {text.ratio(bounds.mean)}, 95% interval over artists {text.ratio(bounds.low)} to"
        f" {text.ratio(bounds.high)}. {text.percent(of.linked, 0)} of the held-out tracks share another named"
        f" artist or an album with a labelled track. Held-out tracks: {', '.join(map(str, of.tracks))}."
    )
    columns = {"target precision": text.shown, "labels accepted": text.over_seeds,
               "of these right": text.over_seeds}  # fmt: skip
    rows = [(goal, one.coverage, one.precision) for goal, one in of.coverage_at.items()]
    yield Table("Accepted", columns, rows)
    yield (
        f"Labels accepted at a target precision of {target:.2f}: {text.over_seeds(own.coverage)}; of these"
        f" right: {text.over_seeds(own.precision)}. With hindsight, {text.over_seeds(own.attainable)} of the"
        " most confident labels reach that precision."
    )
    if of.never_learned:
        yield text.never_learned(map(markdown, of.never_learned))


def ahead(of: StudiedProtocol) -> str:
    """Baselines with a higher mean accuracy than the classifier, the highest first."""
    own, found = of.cnn.accuracy.mean or 0.0, of.baselines.items()
    means = {name: one.accuracy.mean or 0.0 for name, one in found}
    higher = sorted((name for name in means if means[name] > own), key=lambda name: -means[name])
    return ", ".join(f"{name} ({means[name]:.3f} against {own:.3f})" for name in higher)


def _compared(of: StudiedProtocol) -> Panel:
    name, best = of.strongest_baseline
    finding = f"{text.points(best.cnn_gain)} points of accuracy over the best baseline, {name}."
    if higher := ahead(of):
        finding += f" Ahead of the classifier: {higher}."
    bounds = {}
    for title, one in {MODEL: of.cnn, **of.baselines}.items():
        values = [value for value in one.accuracy.values if value is not None] or [0.0]
        bounds[title] = one.accuracy.mean or 0.0, min(values), max(values)
    return finding, accuracy.compared(bounds)


def _gained(of: StudiedProtocol) -> Panel:
    gains = {step: one.cnn_gain for step, one in list(of.ladder.items())[:-1]}
    most = max(gains, key=lambda name: gains[name].mean)
    bounds = {name: (100 * one.mean, 100 * one.low, 100 * one.high) for name, one in gains.items()}
    chart = charts.marks({"gain": bounds}, "points of accuracy, 95% intervals")
    return f"{text.points(gains[most])} points over “{most}”.", chart
