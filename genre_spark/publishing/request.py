"""What is to be labelled and published, and what came of it."""

from dataclasses import dataclass
from typing import Any

from genre_spark.bundle.files import Bundle
from genre_spark.catalog.catalogue import Source
from genre_spark.config import Settings
from genre_spark.publishing.manifest import Manifest, Replaced
from genre_spark.publishing.run_metadata import Changes
from genre_spark.schema import labelled_columns


@dataclass(frozen=True)
class LabelRequest:
    """What is to be labelled, with what, and where to.

    Attributes
    ----------
    incremental : bool
        Keep the published labels that still hold.
    dry_run : bool
        Do all but publish.
    run_id : str or None
        12 hexadecimal digits; None for one of its own.
    """

    source: Source
    bundle: Bundle
    output: str
    settings: Settings
    incremental: bool = False
    dry_run: bool = False
    run_id: str | None = None

    @property
    def explain(self) -> bool:
        """Whether to say why."""
        return self.settings.scoring.explain

    @property
    def columns(self) -> dict[str, str]:
        """What the labelled catalogue consists of; see `labelled_columns`."""
        return labelled_columns(self.explain)


@dataclass(frozen=True)
class PublishedLabels:
    """What `publish_labels` did.

    Attributes
    ----------
    published : bool
        False for a dry run.
    replaces : Replaced or None
        The catalogue that was there.
    changes : Changes or None
        Of a dry run over a published catalogue.
    """

    path: str
    published: bool
    manifest: Manifest
    replaces: Replaced | None
    changes: Changes | None

    def summary(self) -> dict[str, Any]:
        """The same for machines: the manifest without its list of files, and the rest."""
        manifest = self.manifest.model_dump(
            mode="json", by_alias=True, exclude={"made_by", "files"}
        )
        changes = {"changes": self.changes.model_dump()} if self.changes else {}
        replaces = self.replaces.model_dump() if self.replaces else None
        return {
            "path": self.path, "published": self.published, "replaces": replaces,
            **changes, **manifest,
        }  # fmt: skip
