"""What an alias means, and the evidence for it: the content of a promotion's file."""

from pydantic import ConfigDict

from genre_spark._model import Count, Finite, SparseModel, StrictModel
from genre_spark.bundle.genre_metrics import Protocol


class ComparedAccuracy(SparseModel):
    """Accuracies of two models on the same tracks.

    Attributes
    ----------
    labelled : int or None
        Labelled tracks of the catalogue; this and the following of a comparison on a catalogue.
    artists : int or None
        Of `tracks`.
    won, lost : int or None
        Tracks that only the candidate, or only the champion, labels right.
    """

    tracks: Count
    champion: Finite
    candidate: Finite
    labelled: Count | None = None
    artists: Count | None = None
    won: Count | None = None
    lost: Count | None = None


class Evidence(SparseModel):
    """Comparison of a candidate with the champion; other fields, of earlier versions, are ignored.

    Attributes
    ----------
    by : str
        ``catalogue``.
    source : str or None
        The catalogue.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    by: str
    source: str | None = None
    protocols: dict[Protocol, ComparedAccuracy]


class Promotion(StrictModel):
    """What an alias means from some time on.

    Attributes
    ----------
    at : str
        ISO 8601.
    evidence : Evidence or None
        By which the gate was met; None where there was nothing to compare with.
    """

    alias: str
    version: str
    model_id: str
    at: str
    evidence: Evidence | None = None
