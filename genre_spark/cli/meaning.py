"""What small or strange numbers of a model mean, in one line each."""

from genre_spark.bundle.genre_metrics import ProtocolMetrics

# With fewer, a 95 % interval of an accuracy is wider than ± 0.18.
_FEWEST_TRACKS = 30


def of_accuracy(name: str, metrics: ProtocolMetrics, target_precision: float) -> list[str]:
    """Lines on one protocol's numbers; none where they need no explanation.

    Parameters
    ----------
    name : str
        Of the protocol, for people.
    metrics : ProtocolMetrics
    target_precision : float
        In [0, 1].
    """
    lines = []
    majority = metrics.baselines.get("majority")
    if metrics.tracks < _FEWEST_TRACKS:
        lines.append(
            f"{name}: {metrics.tracks:,} tracks were held out, fewer than {_FEWEST_TRACKS}:"
            " these numbers are mostly chance"
        )
    if majority is not None and metrics.accuracy < majority:
        lines.append(
            f"{name}: accuracy {metrics.accuracy:.3f} is below {majority:.3f}, which the most"
            " frequent genre for every track would reach: do not use these genres"
        )
    if metrics.coverage == 0:
        lines.append(
            f"{name}: no label is sure enough for a precision of {target_precision:.0%}, so"
            " genre_accepted will be false, however high the accuracy is"
        )
    return lines
