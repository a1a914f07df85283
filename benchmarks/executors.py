"""Kills executors of a standalone cluster while they label, and looks whether the job is done.

    python benchmarks/executors.py --kills 3

Starts a master and a worker of Spark's standalone cluster on this machine. Each run is a real
`spark-submit jobs/score.py`; as soon as it has an executor, that is killed (`kill -9`) after a
random time. The cluster gives it another one, and the catalogue has to be published, whole.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kills import ROOT, whole_catalogue
from support.generated import make_tracks
from support.standalone import BIN, Cluster, cluster

from genre_spark.errors import GenreSparkError

_ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_DRIVER_PYTHON": sys.executable,
}
_WAIT = 120


def submit(
    url: str, folder: Path, command: str, *arguments: str, heap: str = "1g"
) -> subprocess.Popen:
    """A job of the cluster; `heap` is its driver's."""
    conf = ["--conf", "spark.executor.memory=1g", "--conf", "spark.ui.enabled=false"]
    conf += ["--driver-memory", heap]
    entry = str(ROOT / "jobs" / f"{command}.py")
    return subprocess.Popen(
        [str(BIN / "spark-submit"), "--master", url, *conf, entry, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "job.log").open("w"),
        env=_ENVIRONMENT,
    )


def kill_an_executor(job: subprocess.Popen, on: Cluster, seconds: float) -> bool:
    """Kills the first executor some seconds after it started; False where the job was done by then."""
    end = time.monotonic() + _WAIT
    while not on.executors() and job.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(seconds)
    running = on.executors()
    if job.poll() is not None or not running:
        return False
    os.kill(running[0], signal.SIGKILL)
    return True


def fault_of(folder: Path) -> list[str]:
    """What is not whole about the catalogue that a job published."""
    try:
        whole_catalogue(folder)
    except (GenreSparkError, OSError, ValueError) as err:
        return [str(err)]
    return []


def main() -> int:
    """Kills, and prints a summary as JSON; 1 where a job failed or a catalogue is not whole."""
    parser = argparse.ArgumentParser(description="Kills executors of a standalone cluster.")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="Another one for each slice.")
    given = parser.parse_args()
    rng, killed, faults = random.Random(given.seed), 0, []
    with tempfile.TemporaryDirectory() as name, cluster(Path(name)) as on:
        folder = Path(name)
        make_tracks(400, seed=1, artists=60).to_parquet(folder / "one.parquet")
        model = str(ROOT / "models" / "reference")
        given_paths = ["--catalog", str(folder / "one.parquet"), "--model", model]
        for _ in range(given.kills):
            job = submit(
                on.url, folder, "score", *given_paths, "--output", str(folder / "labelled")
            )
            killed += kill_an_executor(job, on, rng.uniform(2, 12))
            if job.wait():
                faults.append((folder / "job.log").read_text()[-500:])
            else:
                faults += fault_of(folder)
    print(json.dumps({"jobs": given.kills, "executors killed": killed, "faults": faults}))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
