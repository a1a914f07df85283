"""Spark's standalone cluster on this machine, by the pyspark that is installed."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyspark

BIN = Path(pyspark.__file__).parent / "bin"
_DEPLOY = "org.apache.spark.deploy"
_WAIT = 120


@dataclass(frozen=True)
class Cluster:
    """The URL of a master, and the processes of its workers; executors are their children."""

    url: str
    workers: tuple[int, ...]

    def executors(self) -> list[int]:
        """Process ids of all executors that run now."""
        parents = ",".join(map(str, self.workers))
        found = subprocess.run(["pgrep", "-P", parents], capture_output=True, text=True)
        return [int(pid) for pid in found.stdout.split()]


@contextmanager
def cluster(folder: Path, workers: int = 1, cores: int = 2) -> Iterator[Cluster]:
    """A cluster that lasts as long as the block; logs and work directories are in `folder`."""
    url = f"spark://127.0.0.1:{_free_port()}"
    at = ["--host", "127.0.0.1", "--webui-port", "0"]
    started = []
    try:
        master = [f"{_DEPLOY}.master.Master", *at, "--port", url.rpartition(":")[2]]
        started.append(_daemon(master, folder / "master.log"))
        _await(folder / "master.log", "I have been elected leader")
        for i in range(workers):
            work = ["--cores", str(cores), "--memory", "2g", "--work-dir", str(folder / f"work{i}")]
            daemon = [f"{_DEPLOY}.worker.Worker", *at, *work, url]
            started.append(_daemon(daemon, folder / f"worker{i}.log"))
        for i in range(workers):
            _await(folder / f"worker{i}.log", "Successfully registered")
        yield Cluster(url, tuple(process.pid for process in started[1:]))
    finally:
        for process in reversed(started):
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _daemon(command: list[str], log: Path) -> subprocess.Popen:
    # Under their own settings, not under those of a Spark that this process may run itself.
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYSPARK", "SPARK"))}
    with log.open("w", encoding="utf-8") as file:
        return subprocess.Popen(
            [str(BIN / "spark-class"), *command],
            stdout=file,
            stderr=file,
            start_new_session=True,
            env=environment,
        )


def _await(log: Path, said: str) -> None:
    end = time.monotonic() + _WAIT
    while said not in log.read_text(encoding="utf-8"):
        if time.monotonic() > end:
            raise TimeoutError(
                f"{log.read_text(encoding='utf-8')[-2000:]}\n{log} never said: {said}"
            )
        time.sleep(0.1)


def bare_python(folder: Path) -> Path:
    """A Python that finds no libraries but its own and what the PATH of Python names."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    return folder / "bin" / "python"
