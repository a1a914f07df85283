"""What each command is asked to do: one typed request, from the command line, jobs and `api`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from genre_spark.config import CatalogSettings, Settings

if TYPE_CHECKING:
    from genre_spark.catalog.catalogue import Source
    from genre_spark.source import Dataset


@dataclass(frozen=True)
class ClusterRequest:
    """Discover synthetic genres and write a clusters bundle.

    Attributes
    ----------
    output : str
        Directory of the new bundle.
    labels : str or None
        Where to publish the catalogue, labelled with the new bundle.
    previous : str or None
        Path of an earlier bundle, whose ids and names are kept where synthetic genres are the same.
    run_id : str or None
        Of the labelled catalogue; 12 hexadecimal digits.
    """

    source: "Source"
    output: str
    settings: Settings
    labels: str | None = None
    previous: str | None = None
    run_id: str | None = None


@dataclass(frozen=True)
class TrainRequest:
    """Train the classifier on the labelled tracks and write a full bundle.

    Attributes
    ----------
    clusters : str
        Path of a bundle with synthetic genres.
    output : str
        Directory of the new bundle.
    answers : tuple of str
        CSV files whose genres replace the catalogue's.
    """

    source: "Source"
    clusters: str
    output: str
    settings: Settings
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class EvaluateRequest:
    """Evaluate the classifier by cross-validation and publish the study.

    Attributes
    ----------
    clusters : str
        Path of a bundle with synthetic genres.
    output : str
        Directory of the study.
    n_seeds : int
        Splits of known artists, at least 1.
    with_ablations : bool
        Whether the classifier is also fitted on fewer labels.
    answers : tuple of str
        CSV files whose genres replace the catalogue's.
    """

    source: "Source"
    clusters: str
    output: str
    settings: Settings
    n_seeds: int
    with_ablations: bool = True
    answers: tuple[str, ...] = ()


@dataclass(frozen=True)
class ScoreRequest:
    """Label every track of a catalogue and publish the result.

    Attributes
    ----------
    model : str
        Path of a bundle.
    output : str
        Directory of the labelled catalogue.
    incremental : bool
        Reuse the published labels that still hold.
    dry_run : bool
        Do all but publish.
    run_id : str or None
        12 hexadecimal digits; None for a new one.
    """

    source: "Source"
    model: str
    output: str
    settings: Settings
    incremental: bool = False
    dry_run: bool = False
    run_id: str | None = None


@dataclass(frozen=True)
class ReportRequest:
    """Write the HTML page on a bundle and on a catalogue labelled with it.

    Attributes
    ----------
    model : str
        Path of a bundle of either kind.
    output : str
        The page; the page of an earlier report is replaced, and no other file.
    labels : str or None
        A labelled catalogue.
    pictures : str or None
        A directory for the same pictures as PNG files.
    allow_gap : bool
        Let it be on an object store too; see `atomic_directory.check_target`.
    storage_options : mapping of str to str
        With which deltalake reaches labels in a Delta table.
    """

    model: str
    output: str
    labels: str | None = None
    pictures: str | None = None
    allow_gap: bool = False
    storage_options: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> tuple[str, ...]:
        """All paths that are read or written."""
        return tuple(p for p in (self.model, self.labels, self.output, self.pictures) if p)


@dataclass(frozen=True)
class BrowseRequest:
    """Write a page to search a labelled catalogue.

    Attributes
    ----------
    labels : str
        A labelled catalogue.
    output : str
        The page; an earlier one is replaced, and no other file.
    max_tracks : int
        Of a larger catalogue so many, from all over it.
    catalog : str or None
        The table that was labelled: titles, artists and albums are taken from it.
    dataset : Dataset or None
        Its mapping; None for that of the labels, which must be plain.
    storage_options : mapping of str to str
        With which deltalake reaches Delta tables.
    """

    labels: str
    output: str
    max_tracks: int
    catalog: str | None = None
    dataset: "Dataset | None" = None
    storage_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class InspectRequest:
    """Look into a table.

    Attributes
    ----------
    mapping : str or None
        Name or file of the mapping in `source`; None to guess one.
    output : str or None
        File for the guessed mapping.
    """

    source: "Source"
    settings: CatalogSettings
    mapping: str | None = None
    output: str | None = None


@dataclass(frozen=True)
class DemoRequest:
    """Cluster, train, score and report on the demo's table.

    Attributes
    ----------
    catalog : Path
        From `demo.table`.
    output : Path
        From `demo.make_room`.
    """

    catalog: Path
    output: Path
    settings: Settings
