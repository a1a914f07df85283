"""What aliases of a model mean: in a folder of bundles, or in MLflow's registry."""

from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import SparkSession

from genre_spark.bundle import registry
from genre_spark.bundle.promotions import Promotion
from genre_spark.platform.hadoop import storage_of
from genre_spark.platform.storage import Storage


class Aliases(Protocol):
    """Aliases of a model, as seen from one of its versions."""

    @property
    def version(self) -> str:
        """The version."""

    def made(self) -> list[Promotion]:
        """All promotions, the oldest first."""

    def current(self, alias: str) -> tuple[str, str] | None:
        """Path and model_id of the version that has an alias; None where there is none."""

    def give(self, promotion: Promotion, seen: int) -> None:
        """Gives an alias to this version; `seen` as of `registry.promote`."""


def aliases_of(spark: SparkSession | None, path: str) -> Aliases:
    """Where a version's aliases are kept.

    Parameters
    ----------
    spark : SparkSession, optional
        Needed for what only Hadoop can reach.
    path : str
        Of the bundle: ``…/NAME/VERSION``, or ``models:/NAME/VERSION``.
    """
    if registry.is_in_mlflow(path):
        # Needs the extra `mlflow`.
        from genre_spark.bundle.mlflow_registry import MlflowAliases

        return MlflowAliases(path)
    folder, _, version = path.rstrip("/").rpartition("/")
    return FolderAliases(spark, storage_of(spark, path), folder, version)


@dataclass(frozen=True)
class FolderAliases:
    """Aliases of a folder of versions; see `registry`."""

    spark: SparkSession | None
    storage: Storage
    folder: str
    version: str

    def made(self) -> list[Promotion]:
        """See `registry.promotions`."""
        return registry.promotions(self.storage, self.folder)

    def current(self, alias: str) -> tuple[str, str] | None:
        """The latest promotion to the alias."""
        found = registry.current(self.made()).get(alias)
        if found is None:
            return None
        return registry.locate(self.spark, f"{self.folder}@{alias}", ""), found.model_id

    def give(self, promotion: Promotion, seen: int) -> None:
        """See `registry.promote`."""
        registry.promote(self.storage, self.folder, promotion, seen)
