"""What shows that a column has features of several sources."""

import numpy as np
import pyarrow as pa
import pytest

from genre_spark.catalog import mixed_sources
from genre_spark.catalog.inspection_results import Column


@pytest.mark.parametrize(
    ("name", "values", "is_source"),
    [
        ("analysis_source", ["api", "file"], True),
        ("Provider", ["api", "file"], True),
        ("provider", ["api"], False),
        ("provider", [str(i) for i in range(10)], False),
        ("genre", ["rock", "pop"], False),
        ("resource", ["a", "b"], False),
    ],
)
def test_a_column_may_name_sources_by_its_name_and_few_values(name, values, is_source):
    column = Column(name, "string", 1.0, values=dict.fromkeys(values, 1))
    assert bool(mixed_sources.columns([column])) == is_source


def test_sources_are_asked_about_where_they_clearly_differ():
    rng = np.random.default_rng(0)
    sources = rng.choice(["api", "file", "rare"], 2000, p=[0.6, 0.395, 0.005])
    values = rng.normal(-9, 4, 2000)
    by = {"provider": pa.chunked_array([sources])}
    assert mixed_sources.question(pa.chunked_array([values]), by) == ""
    values[sources != "api"] -= 10
    found = mixed_sources.question(pa.chunked_array([values]), by)
    assert found.startswith("rows with provider 'api' and 'file' are distributed differently")
    assert "columns: feature_source: provider" in found
    few = {"provider": pa.chunked_array([np.where(np.arange(2000) < 49, "file", "api")])}
    assert mixed_sources.question(pa.chunked_array([values]), few) == ""
