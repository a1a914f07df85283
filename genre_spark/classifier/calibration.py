"""Thresholds of accepted labels, and measures of confidence."""

import numpy as np

# No confidence can reach it: nothing is accepted.
NEVER = 2.0
# The statement "at least this precision" may be wrong in one of so many bundles.
_RISK = 0.05
_FEWEST_ACCEPTED = 50
_STEPS = 100
_STARTS = (0.02, 0.1, 0.3, 0.6)


def fit_threshold(
    confidence: np.ndarray, correct: np.ndarray, artists: np.ndarray, target: float
) -> float:
    """The least confidence above which labels meet a precision, with 95 % certainty.

    From each of several coverages thresholds are tested from strict to lenient, by the
    Clopper-Pearson bound, until one fails; the most lenient that passed is taken. Tests in a fixed
    order need no correction for their number, and the starts share the risk. Several starts are
    needed because a strict threshold leaves too few tracks to be certain of anything.

    Tracks of one artist are right or wrong together, so they count as fewer: as many independent
    ones as would give the same variance of the precision between samples of artists.

    Parameters
    ----------
    confidence : np.ndarray [shape=(n_tracks,)]
        Calibrated probability of the winner, on held-out tracks.
    correct : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether the winner is the label.
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks of one artist.
    target : float
        Precision to meet, in (0, 1).

    Returns
    -------
    float
        `NEVER` where no threshold meets the target.

    References
    ----------
    Angelopoulos et al. (2021), "Learn then Test"; Clopper & Pearson (1934), Biometrika 26; Korn &
    Graubard (1998), "Confidence Intervals for Proportions with Small Expected Number of Positive
    Counts Estimated from Survey Data", Survey Methodology 24.
    """
    order = np.argsort(-confidence, kind="stable")
    sure, codes = correct[order].astype(float), np.unique(artists, return_inverse=True)[1][order]
    lenient = 0
    for start in _STARTS:
        for n in _sequence(int(start * len(order)), len(order)):
            if _lower_bound(sure[:n], codes[:n], _RISK / len(_STARTS)) < target:
                break
            lenient = max(lenient, n)
    return float(confidence[order[lenient - 1]]) if lenient else NEVER


def _lower_bound(correct: np.ndarray, artists: np.ndarray, risk: float) -> float:
    """Of the share that is right, in all but `risk` of samples of artists."""
    from scipy.stats import beta

    share = correct.mean()
    n = _effective_number(correct, artists)
    return float(beta.ppf(risk, share * n, (1.0 - share) * n + 1.0)) if share else 0.0


def _effective_number(correct: np.ndarray, artists: np.ndarray) -> float:
    """How many independent tracks would tell the share that is right as well as these do."""
    n, share = len(correct), correct.mean()
    errors = np.bincount(artists, correct - share)
    n_artists = np.count_nonzero(np.bincount(artists))
    if share == 1.0 or n_artists < 2:
        return float(n_artists)
    variance = (errors**2).sum() / n**2 * n_artists / (n_artists - 1)
    return min(float(n), share * (1.0 - share) / max(variance, 1e-12))


def _sequence(first: int, last: int) -> list[int]:
    """Numbers of accepted tracks to test, at most `_STEPS`, the last among them."""
    first = max(first, _FEWEST_ACCEPTED)
    if first > last:
        return []
    return np.unique(np.linspace(first, last, _STEPS).astype(int)).tolist()


def expected_calibration_error(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 15
) -> float:
    """Mean gap between confidence and accuracy over bins of equal width, in [0, 1].

    References
    ----------
    Naeini et al. (2015), "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI.
    """
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = np.bincount(at, correct.astype(float) - confidence, bins)
    return float(np.abs(gaps).sum() / max(1, len(confidence)))


def reliability(
    confidence: np.ndarray, correct: np.ndarray, bins: int = 10
) -> tuple[tuple[float, float, float], ...]:
    """Per filled bin of confidence: mean confidence, accuracy, share of the tracks."""
    at = np.minimum((confidence * bins).astype(int), bins - 1)
    return tuple(
        (float(confidence[at == b].mean()), float(correct[at == b].mean()), float((at == b).mean()))
        for b in range(bins)
        if (at == b).any()
    )


def attainable_coverage(confidence: np.ndarray, correct: np.ndarray, target: float) -> float:
    """The largest share of the surest labels of which so many are right, in [0, 1].

    It takes hindsight: it says how well confidence sorts labels, not what may be accepted.
    """
    order = np.argsort(-confidence, kind="stable")
    running = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    met = np.flatnonzero(running >= target)
    return float((met[-1] + 1) / len(order)) if len(met) else 0.0


def risk_coverage(
    confidence: np.ndarray, correct: np.ndarray, points: int = 50
) -> tuple[tuple[float, float], ...]:
    """Accuracy of the most confident share of the tracks, as pairs (coverage, accuracy)."""
    order = np.argsort(-confidence, kind="stable")
    running = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    at = np.unique(np.linspace(1, len(order), min(points, len(order))).astype(int))
    return tuple((float(n / len(order)), float(running[n - 1])) for n in at)
