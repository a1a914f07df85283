"""Packs what a cluster needs: the package itself, and what its executors' Python imports.

    python -m genre_spark.platform.executor_archive --output dist

- ``genre_spark.zip``, for ``--py-files``: the package with its settings;
- ``executors.tar.gz``, for ``--archives``: the libraries of a scoring worker, in the versions of
  constraints.txt, without pyspark, TensorFlow or scikit-learn;
- ``SHA256SUMS`` of both;
- ``jobs/`` and ``conf/``, for spark-submit.
"""

import argparse
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from genre_spark.platform.storage import sha256_of

ROOT = Path(__file__).resolve().parents[2]
# What the workers import, and pandas, which Spark's own workers ask for.
LIBRARIES = ("numpy", "pandas", "pyarrow", "onnxruntime", "pydantic", "PyYAML")
# Of no use to a worker.
_LEFT_OUT = {"tests", "__pycache__", "include"}
_UNUSED = ("libarrow_flight", "_flight")


def pack_sources(output: Path) -> Path:
    """The package as a zip, with its settings inside, as in an installed one."""
    target = output / "genre_spark.zip"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for folder, name in (
            (ROOT / "genre_spark", "genre_spark"),
            (ROOT / "conf", "genre_spark/conf"),
        ):
            for path in _kept(folder):
                archive.write(path, name / path.relative_to(folder))
    return target


def pack_libraries(output: Path) -> Path:
    """The libraries of a scoring worker, to be unpacked beside it."""
    target = output / "executors.tar.gz"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pinned = ["--no-warn-conflicts", "--constraint", str(ROOT / "constraints.txt")]
    with tempfile.TemporaryDirectory(dir=output) as folder:
        subprocess.run([*pip, *pinned, "--target", folder, *LIBRARIES], check=True)
        with tarfile.open(target, "w:gz", compresslevel=6) as archive:
            for path in _kept(Path(folder)):
                archive.add(path, path.relative_to(folder), recursive=False)
    return target


def _kept(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        needed = _LEFT_OUT.isdisjoint(path.relative_to(folder).parts)
        if path.is_file() and needed and not path.name.startswith(_UNUSED):
            yield path


def main() -> None:
    """Packs, and prints how large the parts are."""
    parser = argparse.ArgumentParser(description="Packs what a cluster needs.")
    parser.add_argument("--output", type=Path, default=Path("dist"))
    output = parser.parse_args().output
    output.mkdir(parents=True, exist_ok=True)
    archives = [pack_sources(output), pack_libraries(output)]
    for packed in archives:
        print(f"{packed}: {packed.stat().st_size / 2**20:.1f} MiB")
    sums = [f"{sha256_of(path)}  {path.name}\n" for path in archives]
    (output / "SHA256SUMS").write_text("".join(sums), encoding="utf-8")
    for name in ("jobs", "conf"):
        shutil.copytree(ROOT / name, output / name, dirs_exist_ok=True)


if __name__ == "__main__":
    main()
