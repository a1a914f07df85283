"""Packs what a cluster needs: the package itself, and what its executors' Python imports.

    python deploy/package.py --output dist

- ``genre_spark.zip``, for ``--py-files``;
- ``executors.tar.gz``, for ``--archives``: the libraries of a scoring worker, in the versions of
  constraints.txt, without pyspark, TensorFlow or scikit-learn;
- ``jobs/`` and ``conf/``, for spark-submit.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What `genre_spark.predict` and `reasons` import, and pandas, which Spark's own workers ask for.
LIBRARIES = ("numpy", "pandas", "pyarrow", "onnxruntime", "pydantic", "PyYAML")
# Of no use to a worker.
_LEFT_OUT = ("tests", "__pycache__", "include")
_UNUSED = ("libarrow_flight", "_flight")


def pack_sources(output: Path) -> Path:
    """The package, with its settings, as a zip."""
    target = output / "genre_spark.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((ROOT / "genre_spark").rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                archive.write(path, path.relative_to(ROOT))
    return target


def pack_libraries(output: Path) -> Path:
    """The libraries of a scoring worker, to be unpacked beside it."""
    folder = output / "build"
    shutil.rmtree(folder, ignore_errors=True)
    pip = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-warn-conflicts",
    ]
    constraints = ["--constraint", str(ROOT / "constraints.txt")]
    subprocess.run([*pip, *constraints, "--target", str(folder), *LIBRARIES], check=True)
    target = output / "executors.tar.gz"
    with tarfile.open(target, "w:gz", compresslevel=6) as archive:
        for path in _kept(folder):
            archive.add(path, path.relative_to(folder), recursive=False)
    shutil.rmtree(folder)
    return target


def _kept(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        needed = set(_LEFT_OUT).isdisjoint(path.relative_to(folder).parts)
        if path.is_file() and needed and not path.name.startswith(_UNUSED):
            yield path


def main() -> None:
    """Packs, and says how large the parts are."""
    parser = argparse.ArgumentParser(description="Packs what a cluster needs.")
    parser.add_argument("--output", type=Path, default=ROOT / "dist")
    given = parser.parse_args()
    given.output.mkdir(parents=True, exist_ok=True)
    for packed in (pack_sources(given.output), pack_libraries(given.output)):
        print(f"{packed}: {packed.stat().st_size / 2**20:.1f} MiB")
    for name in ("jobs", "conf"):
        shutil.copytree(ROOT / name, given.output / name, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
