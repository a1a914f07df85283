"""A bundle as MLflow loads it: ``mlflow.pyfunc.load_model(uri).predict(tracks)``."""

from typing import Any

import pandas as pd

from genre_spark.bundle import files
from genre_spark.config import load_settings
from genre_spark.scoring.in_memory import InMemoryScorer


class GenreModel:
    """What `mlflow.pyfunc` calls.

    Parameters
    ----------
    path : str
        The bundle's directory inside the logged model; it is verified.
    """

    def __init__(self, path: str):
        limit = load_settings().catalog.max_imputed
        self._labeller = InMemoryScorer(files.load(path), limit)

    def predict(
        self, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Labels tracks; see `InMemoryScorer.label`. There are no parameters."""
        return self._labeller.label(model_input)


def _load_pyfunc(data_path: str) -> GenreModel:
    """By its name MLflow finds it."""
    return GenreModel(data_path)
