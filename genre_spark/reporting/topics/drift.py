"""Drift: how far the labelled catalogue is from the one the model was made from."""

from genre_spark.monitoring.drift import OK, Drift, ranked
from genre_spark.platform.safe_text import enumerated
from genre_spark.reporting import charts
from genre_spark.reporting.document import Columns, Figure, Subject, Table, Tile, Topic
from genre_spark.reporting.text import count, percent, plain, ratio, shown

_LEVELS = {"ok": "within limits", "warn": "beyond a limit", "stop": "far beyond a limit"}


def topic(subject: Subject) -> Topic | None:
    """The section on drift; None without a labelled catalogue."""
    if subject.labels is None:
        return None
    drift = subject.labels.drift
    limits = drift.limits
    lead = (
        "Population stability index (PSI) and Kolmogorov–Smirnov distance (KS) to the model’s"
        f" catalogue; 0 is the same distribution. Limits: PSI {limits.warn_psi}, KS"
        f" {limits.warn_ks}, and {percent(limits.warn_missing)} more tracks without a value."
    )
    finding = _finding(drift)
    tile = Tile("Drift", _LEVELS[drift.level] if drift.assessed else "not assessed", finding,
                drift.level if drift.assessed else "")  # fmt: skip
    return Topic("drift", "Drift", lead, [_figure(drift, finding), _table(drift)], [tile])


def _finding(drift: Drift) -> str:
    if not drift.assessed:
        return f"Fewer than {count(drift.limits.min_tracks)} tracks: distances would be random."
    far = [plain(name) for name, one in ranked(drift) if one.level != OK]
    return f"Beyond a limit: {enumerated(far)}." if far else "Nothing is beyond a limit."


def _figure(drift: Drift, finding: str) -> Figure | None:
    values = {plain(name): one.psi for name, one in ranked(drift) if one.psi is not None}
    if not values:
        return None
    limit = drift.limits.warn_psi
    top = 1.1 * max(limit, *values.values())
    chart = charts.bars(values, "PSI; dotted: the limit", ".2f", top, limit)
    question = "Which features and labels have drifted?"
    return Figure("drift-psi", question, finding, {"psi": chart})


def _table(drift: Drift) -> Table:
    rows = [
        (plain(name), one.psi, one.ks, getattr(one, "missing", None),
         getattr(one, "missing_before", None), _LEVELS[one.level])
        for name, one in ranked(drift)
    ]  # fmt: skip
    columns: Columns = {"feature or label": shown, "PSI": ratio, "KS": ratio, "without a value": percent,
               "in the model’s catalogue": percent, "level": shown}  # fmt: skip
    return Table("Distances to the model’s catalogue", columns, rows)
