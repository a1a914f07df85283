"""Confidence: calibration, risk and coverage, and which labels are accepted."""

from collections.abc import Mapping

from genre_spark.bundle.genre_metrics import GenreMetrics, HeldOutMetrics, Protocol
from genre_spark.bundle.manifest import Manifest
from genre_spark.classifier.head import NEW
from genre_spark.evaluation.study_results import StudiedProtocol
from genre_spark.reporting import charts
from genre_spark.reporting.document import Figure, Subject, Table, Tile, Topic
from genre_spark.reporting.text import accepted, percent, protocol

_USUAL = 0.8
# Both have curves of held-out tracks.
Curves = HeldOutMetrics | StudiedProtocol


def topic(subject: Subject) -> Topic | None:
    """The section on confidence; None for a bundle without genres."""
    genres, part = subject.model.genres, subject.model.scoring.genres
    if not genres or not genres.protocols or part is None:
        return None
    target = percent(part.acceptance.target, 0)
    lead = (
        f"A label is accepted if its confidence is high enough that {target} of the accepted labels"
        " are right, as measured on held-out tracks."
    )
    curves = reliability(genres.protocols), risk_coverage(genres.protocols, part.acceptance.target)
    return Topic("confidence", "Confidence", lead, [*curves, acceptance(genres)], _tiles(subject))


def acceptance(genres: GenreMetrics) -> Table:
    """Share of the labels accepted at each target precision, and the precision reached."""
    note = ". ".join(f"{name}: {share}" for name, share in accepted_shares(genres).items()) + "."
    levels = {name: of.coverage_at for name, of in genres.protocols.items()}
    title = "Labels accepted by target precision"
    return Table.of_parts(title, "target precision", levels, accepted, note)


def accepted_shares(genres: GenreMetrics) -> dict[str, str]:
    """For each protocol, how many labels reach the target precision, or which one is reachable."""
    shares, target = {}, genres.target_precision
    for name, of in genres.protocols.items():
        share = f"none: no precision from 0.80 to {target:.2f} is reached on held-out tracks"
        best = max((level for level, one in of.coverage_at.items() if one.coverage), default="")
        if of.coverage:
            share = f"{percent(of.coverage, 0)} of the labels at a precision of {target:.2f}"
        elif best:
            share = (
                f"none at {target:.2f}; {percent(of.coverage_at[best].coverage, 0)} of the labels"
                f" at {best} (train with --set target_precision={best})"
            )
        shares[f"accepted, {protocol(name)}"] = share
    return shares


def reliability(protocols: Mapping[Protocol, Curves]) -> Figure:
    """Whether confidence equals accuracy."""
    panels = {}
    for name, of in protocols.items():
        sure, right, _ = min(of.reliability, key=lambda point: abs(point[0] - _USUAL))
        said = f"of labels with a confidence of {percent(sure, 0)}, {percent(right, 0)} are right"
        if (ece := _mean(of, "ece")) is not None:
            said += f" (expected calibration error {100 * ece:.1f} points)"
        titles = ("mean confidence", "share of right labels")
        panels[name] = f"{said}.", charts.curve(of.reliability, titles)
    return Figure.by_protocol(
        "reliability", "Is a label with 80% confidence right in 80% of the cases?", panels,
        "Above the dotted line the model is underconfident, below it overconfident. Larger points"
        " stand for more tracks.",
    )  # fmt: skip


def risk_coverage(protocols: Mapping[Protocol, Curves], target: float) -> Figure:
    """How accurate the labels with the highest confidence are."""
    panels = {}
    for name, of in protocols.items():
        said, at = "no label is accepted.", None
        share, right = _mean(of, "coverage"), _mean(of, "precision")
        if share and right is not None:
            at = share, right
            said = f"{percent(share)} of the labels are accepted, {percent(right)} of them right."
        titles = ("share of the tracks, highest confidence first", "share of right labels")
        panels[name] = said, charts.curve(of.risk_coverage, titles, target=target, accepted=at)
    note = (
        f"Diamond: the accepted labels. Dotted line: the target precision of {percent(target, 0)}."
    )
    question = "How accurate are the most confident labels?"
    return Figure.by_protocol("risk-coverage", question, panels, note)


def _mean(of: Curves, measure: str) -> float | None:
    """A measure of the classifier; of a study, its mean over seeds."""
    found = getattr(of.cnn if isinstance(of, StudiedProtocol) else of, measure)
    mean: float | None = getattr(found, "mean", found)
    return mean


def thresholds(manifest: Manifest) -> dict[str, float]:
    """Least confidence of an accepted label, by kind of artist; above 1 none is accepted."""
    part = manifest.scoring.genres
    if part is None:
        return {}
    found = part.acceptance.accepting
    if not part.has_artists:
        return {"all artists": found[NEW]}
    return {protocol(kind): least for kind, least in found.items()}


def _tiles(subject: Subject) -> list[Tile]:
    """Accepted labels; of a catalogue that the model learned from, those of held-out tracks."""
    labels, genres = subject.labels, subject.model.genres
    if labels is None or labels.labels.accepted is None or genres is None:
        return []
    share = labels.labels.accepted
    target = f"target precision {percent(genres.target_precision, 0)}"
    detail = f"{target}; includes tracks that the model learned from"
    if labels.rows.fingerprint == subject.model.data.rows.fingerprint:
        detail = f"{target}; {percent(share)} with the tracks it learned from"
        (whose, share), *others = (
            (protocol(name), genres.protocols[name].coverage)
            for name in ("known", "new")
            if name in genres.protocols
        )
        details = [f"of held-out {whose}", *(f"{percent(of)} of {name}" for name, of in others)]
        detail = f"{', '.join(details)}; {detail}"
    return [Tile("Accepted labels", percent(share), detail, "ok" if share else "warn")]
