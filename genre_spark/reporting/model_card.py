"""The model card: what a bundle is, in Markdown, from the same tables as the report."""

from genre_spark.bundle.manifest import Manifest
from genre_spark.platform.safe_text import markdown
from genre_spark.reporting.document import Table, facts
from genre_spark.reporting.topics import accuracy, confidence, importance, synthetic_genres
from genre_spark.reporting.topics.model import made

_LIMITS = """Accuracies are of tracks held out from all fitting on labels; for new artists, of artists
held out. Without a link means: no other named artist and no album of the track has a labelled track.
The accuracy of known artists depends on the labels of the artist's other tracks: see the artist lookup
among the baselines. Scales, bin edges and centers are fitted on all tracks, without labels.
One fold is held out of each kind; `evaluate` holds out every artist. The figures apply to catalogues
like the one named above. A genre without labelled tracks is never predicted."""
_SHUFFLED = """Permutation importance: accuracy lost on held-out tracks when a part of the input is shuffled
between tracks. ± is the standard deviation over repeats."""


def render(manifest: Manifest) -> str:
    """A Markdown page on a bundle.

    References
    ----------
    Mitchell et al. (2019), "Model Cards for Model Reporting", FAT*.
    """
    found, genres = manifest.clusters, manifest.genres
    parts: list[str | Table | None] = [
        f"# genre-spark {manifest.kind} bundle `{manifest.model_id}`",
        facts("Facts", made(manifest)),
        "## Synthetic genres",
        synthetic_genres.listing(found),
        synthetic_genres.quality(found.quality),
    ]
    if genres:
        parts += [
            "## Accuracy", accuracy.headline(genres), accuracy.steps(genres),
            confidence.acceptance(genres), accuracy.baselines(genres),
            *map(markdown, accuracy.remarks(genres)), _LIMITS,
            "## What the model uses", _SHUFFLED, *importance.tables(genres),
        ]  # fmt: skip
    shown = [one.markdown() if isinstance(one, Table) else one for one in parts if one]
    return "\n\n".join(shown) + "\n"
