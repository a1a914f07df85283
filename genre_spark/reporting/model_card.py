"""The model card: what a bundle is, in Markdown, from the same tables as the report."""

from genre_spark.bundle.manifest import Manifest
from genre_spark.platform.safe_text import markdown
from genre_spark.reporting.document import Table, facts, markdown_page
from genre_spark.reporting.topics import accuracy, confidence, importance, synthetic_genres
from genre_spark.reporting.topics.model import made

_LIMITS = """The accuracy of known artists depends on the labels of the artist's other tracks: see the
artist lookup among the baselines. One fold is held out of each kind; `evaluate` holds out every artist.
The figures apply to catalogues like the one named above. A genre without labelled tracks is never
predicted."""
_SPREAD = f"{importance.LEAD} ± is the standard deviation over repeats."


def render(manifest: Manifest) -> str:
    """A Markdown page on a bundle.

    References
    ----------
    Mitchell et al. (2019), "Model Cards for Model Reporting", FAT*.
    """
    found, genres = manifest.clusters, manifest.genres
    parts: list[Table | str | None] = [
        f"# genre-spark {manifest.kind} bundle `{manifest.model_id}`",
        facts("Facts", made(manifest)),
        "## Synthetic genres",
        synthetic_genres.listing(found, manifest.scoring.scaler),
        synthetic_genres.quality(found.quality),
    ]
    if genres:
        parts += [
            "## Accuracy", accuracy.LEAD, accuracy.headline(genres), accuracy.steps(genres),
            confidence.acceptance(genres), accuracy.baselines(genres),
            *map(markdown, accuracy.remarks(genres)), _LIMITS,
            "## What the model uses", _SPREAD, *importance.tables(genres),
        ]  # fmt: skip
    return markdown_page(parts)
