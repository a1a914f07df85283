"""Drift: how far the labelled catalogue is from the one the model was made from."""

from genre_spark.monitoring.drift import OK, ranked
from genre_spark.platform.safe_text import enumerated
from genre_spark.reporting import charts
from genre_spark.reporting.document import Columns, Figure, Subject, Table, Tile, Topic
from genre_spark.reporting.text import count, percent, plain, ratio, shown

_LEVELS = {"ok": "within limits", "warn": "beyond a limit", "stop": "far beyond a limit"}


def topic(subject: Subject) -> Topic | None:
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
