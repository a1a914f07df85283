"""genre_spark: labels whole music catalogues with synthetic and real genres, on Spark.

For notebooks: `cluster`, `train`, `score`, `suggest`, `quarantine` and `open_model`; see `genre_spark.api`.
"""

from typing import TYPE_CHECKING, Any

from genre_spark.versions import __version__ as __version__

if TYPE_CHECKING:
    from genre_spark.api import cluster as cluster
    from genre_spark.api import open_model as open_model
    from genre_spark.api import quarantine as quarantine
    from genre_spark.api import score as score
    from genre_spark.api import suggest as suggest
    from genre_spark.api import train as train

_API = ("cluster", "open_model", "quarantine", "score", "suggest", "train")


def __getattr__(name: str) -> Any:
    """The Python API, loaded once it is asked for: finding Java has to do without it."""
    if name not in _API:
        raise AttributeError(f"module 'genre_spark' has no attribute '{name}'")
    from genre_spark import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_API])
