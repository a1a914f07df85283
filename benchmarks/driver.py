"""Holds the memory of `score`'s driver for a small catalogue against that for a large one.

    python benchmarks/driver.py --tracks 1000000 16000000

On Spark's standalone cluster, a master and a worker on this machine, since in local mode the
driver's JVM is the executors' too. All jobs have the same small heap (`--heap`): a driver that held
something of each track or artist would not come through with the largest catalogue. Told are the most
MiB that its JVM, with all that is not heap, and its Python ever held.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests")]

import catalogues  # noqa: E402
import executors  # noqa: E402
import measuring  # noqa: E402
from support.standalone import cluster  # noqa: E402

from genre_spark.platform.session import get_session  # noqa: E402

_EVERY = 0.5
# The gates have nothing to do with memory.
_UNGATED = ("--set", "stop_psi=99", "--set", "stop_ks=1")


def main() -> int:
    """Measures, prints and writes the JSON; 1 where a job failed."""
    parser = argparse.ArgumentParser(description="Measures the memory of score's driver.")
    parser.add_argument("--tracks", type=int, nargs="+", default=[1_000_000, 16_000_000])
    parser.add_argument("--heap", default="512m", help="Of the driver's JVM, in all jobs.")
    parser.add_argument("--folder", default="/tmp/genre-spark-bench", help="Catalogues, outputs.")
    given = parser.parse_args()
    folder, jobs = Path(given.folder), []
    for n in given.tracks:
        jobs.append({"tracks": n, **_score(n, given.heap, folder)})
        print(jobs[-1], flush=True)
    content = {"heap": given.heap, "jobs": jobs}
    measuring.publish("driver", "python " + " ".join(sys.argv), content)
    return any(one["exit_code"] for one in jobs)


def _score(n: int, heap: str, folder: Path) -> dict[str, int]:
    """A job on a cluster of its own: nobody else's memory is in the figures."""
    catalog = str(folder / f"catalogue-{n}")
    with get_session() as spark:
        catalogues.make_once(spark, n, catalog)
    paths = ["--catalog", catalog, "--format", "parquet", "--output", str(folder / "out cluster")]
    model = ["--model", str(ROOT / "models" / "reference")]
    with tempfile.TemporaryDirectory() as name, cluster(Path(name)) as on:
        job = executors.submit(on.url, Path(name), "score", *paths, *model, *_UNGATED, heap=heap)
        most = {"jvm_mib": 0, "python_mib": 0}
        while job.poll() is None:
            for pid in measuring.family(job.pid):
                kind = "jvm_mib" if measuring.is_jvm(pid) else "python_mib"
                most[kind] = max(most[kind], round(measuring.peak_mib(pid)))
            time.sleep(_EVERY)
        if job.returncode:
            said = (Path(name) / "job.log").read_text().splitlines()
            print(*[line for line in said if " INFO " not in line][-30:], sep="\n", file=sys.stderr)
    return {**most, "exit_code": job.returncode}


if __name__ == "__main__":
    sys.exit(main())
