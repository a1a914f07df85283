"""Protocols of evaluation, and measures of predictions on tracks that the model has not seen."""

from collections.abc import Sequence

import numpy as np

from genre_spark.bundle.genre_metrics import AcceptedShare, Estimate, Protocol, Scores
from genre_spark.classifier import splits
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.errors import InputError

_FEWEST_TRACKS = 50
# With fewer, only one or two artists are held out.
_FEWEST_ARTISTS = 20
_DRAWS = 1000
_PERCENTILES = (2.5, 97.5)


def protocols(tracks: LabelledTracks) -> dict[Protocol, str | None]:
    """The protocols that are fitted, each with the reason for which it is left out."""
    n_artists, reason = len(np.unique(tracks.artists)), None
    if len(tracks) < _FEWEST_TRACKS:
        few = f"of {len(tracks)} labelled tracks none are held out, {_FEWEST_TRACKS} are needed"
        return {"known": few, "new": few}
    if not tracks.has_artists:
        reason = "the catalogue names no artists"
    elif n_artists < _FEWEST_ARTISTS:
        reason = f"the labelled tracks are of {n_artists} artists, {_FEWEST_ARTISTS} are needed"
    return {"known": None, "new": reason}


def folds(tracks: LabelledTracks, protocol: Protocol, share: float, seed: int) -> np.ndarray:
    """Deal tracks to folds, each of which can be held out.

    `protocol`: ``known`` holds out tracks: the same recording is never on both sides. ``new`` holds
        out artists, with all of their tracks.
    `share`: Of the tracks in one fold, in (0, 0.5].

    Raises `InputError` where the tracks cannot be parted: all are of one artist, or of one recording.

    Returns
    -------
    np.ndarray [shape=(n_tracks,), dtype=int64]
    """
    together = tracks.artists if protocol == "new" else tracks.recordings
    found = splits.grouped(tracks.labels, together, max(2, round(1 / share)), seed)
    if (found == found[0]).all():
        raise InputError(
            f"{len(tracks)} labelled tracks are of one"
            f" {'artist' if protocol == 'new' else 'recording'}: none can be held out to measure"
            " how good the model is; label tracks of others"
        )
    return found


def never_learned(tracks: LabelledTracks, train: np.ndarray, test: np.ndarray) -> list[str]:
    """Genres that are held out whole: all of their tracks are of one artist, or of few.

    No classifier can be right on them.
    """
    labels = tracks.labels
    missing = np.setdiff1d(labels[test], labels[train])
    return [tracks.classes[code] for code in missing]


def acceptance(correct: np.ndarray, accepted: np.ndarray) -> AcceptedShare:
    """Share of accepted labels [shape=(n_tracks,), dtype=bool], and of right ones among them."""
    precision = float(correct[accepted].mean()) if accepted.any() else None
    return AcceptedShare(coverage=float(accepted.mean()), precision=precision)


def scores(probabilities: np.ndarray, labels: np.ndarray) -> Scores:
    """What any classifier can be measured by.

    Parameters
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_classes)]
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]

    Returns
    -------
    Scores
        Its ``macro_f1`` is over the genres that are held out or predicted.
    """
    from sklearn.metrics import f1_score

    winners, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct, rows = winners == labels, np.arange(len(labels))
    top3 = (np.argsort(-probabilities, axis=1)[:, :3] == labels[:, None]).any(axis=1)
    likelihood = np.log(np.maximum(probabilities[rows, labels], 1e-12))
    return Scores(
        accuracy=float(correct.mean()),
        macro_f1=float(f1_score(labels, winners, average="macro", zero_division=0)),
        top3=float(top3.mean()),
        log_loss=float(-likelihood.mean()),
        ece=expected_calibration_error(confidence, correct),
        aurc=area_under_risk_coverage(confidence, correct),
    )


def gain(
    ours: Sequence[np.ndarray],
    theirs: Sequence[np.ndarray],
    artists: Sequence[np.ndarray],
    seed: int,
) -> Estimate:
    """Difference of two accuracies with a 95 % interval, from paired splits.

    Tracks of one artist are right or wrong together, and an artist is held out in several splits:
    artists and splits are resampled, each apart.

    Parameters
    ----------
    ours, theirs : sequence of np.ndarray [shape=(n_test,), dtype=bool]
        Per split, whether each held-out track's label is right.
    artists : sequence of np.ndarray [shape=(n_test,), dtype=int64]
    seed : int

    Returns
    -------
    Estimate
        In [-1, 1].

    References
    ----------
    Owen (2007), "The pigeonhole bootstrap", Annals of Applied Statistics 1.
    """
    codes = np.unique(np.concatenate(artists), return_inverse=True)[1]
    n_artists, ends = codes.max() + 1, np.cumsum([len(one) for one in artists])[:-1]
    more, tracks = np.zeros((2, len(artists), n_artists))
    for i, code in enumerate(np.split(codes, ends)):
        more[i] = np.bincount(code, ours[i].astype(float) - theirs[i], n_artists)
        tracks[i] = np.bincount(code, minlength=n_artists)
    rng = np.random.default_rng(seed)
    ratios = []
    for _ in range(_DRAWS):
        chosen = np.bincount(rng.integers(0, len(more), len(more)), minlength=len(more))
        who = np.bincount(rng.integers(0, n_artists, n_artists), minlength=n_artists)
        ratios.append((chosen @ more @ who) / max(1.0, chosen @ tracks @ who))
    low, high = np.percentile(ratios, _PERCENTILES)
    return Estimate(mean=float(more.sum() / tracks.sum()), low=float(low), high=float(high))


def interval(
    correct: Sequence[np.ndarray], artists: Sequence[np.ndarray], seed: int = 0
) -> Estimate:
    """A share that is right with its 95 % interval over artists; see `gain`."""
    return gain(correct, [np.zeros(len(one), dtype=bool) for one in correct], artists, seed)


def area_under_risk_coverage(confidence: np.ndarray, correct: np.ndarray) -> float:
    """Mean share of wrong labels over all shares of the most confident labels, in [0, 1]; lower is better.

    References
    ----------
    Geifman, Uziel & El-Yaniv (2019), "Bias-Reduced Uncertainty Estimation for Deep Neural
    Classifiers", ICLR.
    """
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~correct[order]) / np.arange(1, len(order) + 1)
    return float(wrong.mean())


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
