"""What ``bundle.json`` says of the accuracy of genres: measured on held-out tracks."""

from typing import Literal

from pydantic import Field

from genre_spark._model import Count, Finite, Share, SparseModel, StrictModel

# Held-out tracks of artists with other labelled tracks, of artists without, and those of the
# latter that share no named artist and no album with a labelled track; then tracks without features,
# of which there are as many as make a third of all tracks.
Protocol = Literal["known", "new", "unlinked", "known_without_features", "new_without_features"]


class Estimate(StrictModel):
    """A share, or a difference of shares, with its 95 % interval over artists."""

    mean: Finite
    low: Finite
    high: Finite


class AcceptedShare(StrictModel):
    """Share of the labels that are accepted, and share of these that are right, None without any."""

    coverage: Share
    precision: Share | None


class GenreScores(StrictModel):
    """How well one genre is recognised; `support` is its number of tracks."""

    precision: Share
    recall: Share
    f1_score: Share = Field(alias="f1-score")
    support: Finite


class Scores(StrictModel):
    """What any classifier is measured by.

    `accuracy`, `macro_f1`, `top3`, `ece`: In [0, 1].
    `log_loss`: At least 0.
    `aurc`: Area under the risk-coverage curve, in [0, 1]; lower is better.
    """

    accuracy: Share
    macro_f1: Share
    top3: Share
    log_loss: Finite
    ece: Share
    aurc: Share


class Counted(StrictModel):
    """How many tracks are held out."""

    tracks: Count


class HeldOutMetrics(Scores, Counted):
    """All metrics of the classifier on one set of held-out tracks.

    `coverage`, `precision`: See `AcceptedShare`.
    `attainable`: The largest share of the surest labels that meets the target precision, with
        hindsight.
    `confusion`: Rows are true genres [shape=(n_classes, n_classes)].
    `reliability`: Per bin of confidence its mean, the accuracy and the share of the tracks.
    `risk_coverage`: Coverage, and accuracy of the surest labels.
    `linked`: Share of the tracks that share another named artist or an album with a labelled track.
    `never_learned`: Genres of which all tracks were held out.
    """

    coverage: Share
    precision: Share | None
    attainable: Share
    confusion: tuple[tuple[Count, ...], ...]
    per_genre: dict[str, GenreScores]
    reliability: tuple[tuple[Share, Share, Share], ...]
    risk_coverage: tuple[tuple[Share, Share], ...]
    interval: Estimate
    coverage_at: dict[str, AcceptedShare]
    linked: Share
    never_learned: tuple[str, ...]


class Loss(StrictModel):
    """What is lost without a part of the input, over repeats; per genre the mean."""

    mean: Finite
    std: Finite
    per_genre: dict[str, Finite]


class Losses(StrictModel):
    """Loss by measure."""

    accuracy: Loss
    log_likelihood: Loss


class FeatureLosses(StrictModel):
    """Without a feature of the track alone, and without it in all channels."""

    own: Losses
    all: Losses


class Importance(StrictModel):
    """Permutation importance on `tracks` held-out tracks; see `permutation_importance`."""

    tracks: Count
    repeats: Count
    features: dict[str, FeatureLosses]
    inputs: dict[str, Losses]


class ProtocolMetrics(HeldOutMetrics, SparseModel):
    """Metrics of one protocol, beside baselines on the same tracks.

    `held_out`: Fingerprint of the tracks: where it is equal, accuracies are comparable.
    `baselines`, `ladder`: Accuracies of simpler classifiers, and of the classifier's own steps.
    """

    held_out: str
    baselines: dict[str, Share]
    ladder: dict[str, Share]
    importance: Importance | None = None

    @property
    def best_baseline(self) -> tuple[str, float]:
        """Name and accuracy of the most accurate baseline."""
        return max(self.baselines.items(), key=lambda item: item[1])


class GenreMetrics(StrictModel):
    """Metrics of a trained classifier.

    `skipped`: Protocols that were not measured, each with the reason.
    """

    classes: tuple[str, ...]
    target_precision: Share
    protocols: dict[Protocol, ProtocolMetrics]
    skipped: dict[Protocol, str]
