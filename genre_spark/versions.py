"""Which software runs: what a model is made with, and what labels are computed with."""

import subprocess
from importlib import metadata
from pathlib import Path

__version__ = "0.1.0"

_SCORING_LIBRARIES = ("pyspark", "numpy", "pyarrow", "onnxruntime")
# How labels and their hashes are computed; raised where the same model gives other ones.
_SCORING = "3"
_LIBRARIES = (*_SCORING_LIBRARIES, "keras", "tensorflow-cpu", "tensorflow")


def library_versions() -> dict[str, str]:
    """Versions of the libraries that shape a model."""
    return _versions(_LIBRARIES)


def scoring_software() -> dict[str, str]:
    """Versions of all that shapes a label beside the model."""
    return {"genre-spark": __version__, "scoring": _SCORING, **_versions(_SCORING_LIBRARIES)}


def source_revision() -> str | None:
    """The git revision of a checkout that genre-spark runs from, None where installed."""
    folder = Path(__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return None
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _versions(names: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found
