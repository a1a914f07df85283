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
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyspark
from kills import ROOT, make_tracks, whole_catalogue

from genre_spark.errors import GenreSparkError

_SPARK = Path(pyspark.__file__).parent / "bin"
_DEPLOY = "org.apache.spark.deploy"
_ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": str(ROOT),
    "PYSPARK_PYTHON": sys.executable,
    "PYSPARK_DRIVER_PYTHON": sys.executable,
}
_WAIT = 120


@contextmanager
def cluster(folder: Path) -> Iterator[tuple[str, int]]:
    """A standalone cluster of one worker: the master's URL, and the worker's process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"spark://127.0.0.1:{port}"
    at = ["--host", "127.0.0.1", "--webui-port", "0"]
    master = _daemon([f"{_DEPLOY}.master.Master", *at, "--port", str(port)], folder / "master.log")
    work = ["--cores", "2", "--memory", "2g", "--work-dir", str(folder / "work")]
    worker = _daemon([f"{_DEPLOY}.worker.Worker", *at, *work, url], folder / "worker.log")
    try:
        yield url, worker.pid
    finally:
        for process in (worker, master):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _daemon(command: list[str], log: Path) -> subprocess.Popen:
    with log.open("w") as file:
        return subprocess.Popen(
            [str(_SPARK / "spark-class"), *command],
            stdout=file,
            stderr=file,
            start_new_session=True,
            env=_ENVIRONMENT,
        )


def children(parent: int) -> list[int]:
    """Processes that a process started."""
    found = subprocess.run(["pgrep", "-P", str(parent)], capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def submit(url: str, folder: Path, command: str, *arguments: str) -> subprocess.Popen:
    """A job of the cluster."""
    conf = ["--conf", "spark.executor.memory=1g", "--conf", "spark.ui.enabled=false"]
    entry = str(ROOT / "jobs" / f"{command}.py")
    return subprocess.Popen(
        [str(_SPARK / "spark-submit"), "--master", url, *conf, entry, *arguments],
        stdout=subprocess.DEVNULL,
        stderr=(folder / "job.log").open("w"),
        env=_ENVIRONMENT,
    )


def kill_an_executor(job: subprocess.Popen, worker: int, seconds: float) -> bool:
    """Kills the first executor some seconds after it started; False where the job was done by then."""
    end = time.monotonic() + _WAIT
    while not children(worker) and job.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    time.sleep(seconds)
    running = children(worker)
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
    with tempfile.TemporaryDirectory() as name, cluster(Path(name)) as (url, worker):
        folder = Path(name)
        make_tracks(400, seed=1, artists=60).to_parquet(folder / "one.parquet")
        model = str(ROOT / "models" / "reference")
        given_paths = ["--catalog", str(folder / "one.parquet"), "--model", model]
        for _ in range(given.kills):
            job = submit(url, folder, "score", *given_paths, "--output", str(folder / "labelled"))
            killed += kill_an_executor(job, worker, rng.uniform(2, 12))
            if job.wait():
                faults.append((folder / "job.log").read_text()[-500:])
            else:
                faults += fault_of(folder)
    print(json.dumps({"jobs": given.kills, "executors killed": killed, "faults": faults}))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
