"""What `evaluate` finds, as ``evaluation.json`` has it."""

from genre_spark._model import Count, Finite, Share, StrictModel
from genre_spark.bundle.genre_metrics import Estimate, Protocol
from genre_spark.bundle.manifest import CatalogueFacts
from genre_spark.config import Settings


class OverSeeds(StrictModel):
    """A measure over several seeds: of the values that there are; a standard deviation takes two."""

    mean: Finite | None
    std: Finite | None
    values: tuple[Finite | None, ...]


class ScoresOverSeeds(StrictModel):
    """`genre_metrics.Scores` over several seeds."""

    accuracy: OverSeeds
    macro_f1: OverSeeds
    top3: OverSeeds
    log_loss: OverSeeds
    ece: OverSeeds
    aurc: OverSeeds


class AcceptanceOverSeeds(StrictModel):
    """`genre_metrics.AcceptedShare` over several seeds."""

    coverage: OverSeeds
    precision: OverSeeds


class ClassifierOverSeeds(ScoresOverSeeds, AcceptanceOverSeeds):
    """The numbers of `genre_metrics.HeldOutMetrics` over several seeds."""

    tracks: OverSeeds
    attainable: OverSeeds
    linked: OverSeeds


class ComparedOverSeeds(ScoresOverSeeds):
    """A baseline, or a step of the ladder; and the accuracy that the classifier gains over it."""

    cnn_gain: Estimate


class StudiedProtocol(StrictModel):
    """One protocol of a study.

    `tracks`: Held-out tracks per seed.
    `linked`: Share of them that share another named artist or an album with a labelled track.
    `never_learned`: Genres of which all tracks were held out in some split.
    `interval`: Of the accuracy.
    `coverage_at`: By target precision.
    `confusion`: Rows are true genres; over all splits.
    `reliability`, `risk_coverage`: See `genre_metrics.HeldOutMetrics`; over all splits.
    """

    tracks: tuple[Count, ...]
    linked: Share
    never_learned: tuple[str, ...]
    cnn: ClassifierOverSeeds
    interval: Estimate
    coverage_at: dict[str, AcceptanceOverSeeds]
    ladder: dict[str, ComparedOverSeeds]
    baselines: dict[str, ComparedOverSeeds]
    confusion: tuple[tuple[Count, ...], ...]
    per_genre: dict[str, dict[str, OverSeeds]]
    reliability: tuple[tuple[Share, Share, Share], ...]
    risk_coverage: tuple[tuple[Share, Share], ...]

    @property
    def strongest_baseline(self) -> tuple[str, ComparedOverSeeds]:
        """The baseline with the best mean accuracy."""
        return max(self.baselines.items(), key=lambda item: item[1].accuracy.mean or 0.0)


class CurvePoint(StrictModel):
    """Accuracy of the classifier's steps with this number of labels."""

    labels: Count
    ladder: dict[str, Share]
    gain_by_synthetic_genres: Estimate


class Study(StrictModel):
    """All protocols, with baselines on the same tracks.

    `tracks`: Labelled ones.
    `artists`: None where the catalogue names none.
    `seeds`: Of known artists.
    `repetitions`: Of new artists.
    `skipped`: Protocols that were not measured, each with the reason.
    """

    classes: tuple[str, ...]
    tracks: Count
    artists: Count | None
    target_precision: Share
    seeds: tuple[int, ...]
    repetitions: Count
    skipped: dict[Protocol, str]
    protocols: dict[Protocol, StudiedProtocol]
    learning_curve: tuple[CurvePoint, ...]
    seconds: Finite


class PublishedStudy(Study):
    """A study with what it was made from.

    `clusters`: The model_id of the bundle with synthetic genres.
    """

    genre_spark_version: str
    created_at: str
    clusters: str
    data: CatalogueFacts
    settings: Settings


class StudySummary(PublishedStudy):
    """What `evaluate` made: the study, and the path of its directory."""

    path: str
