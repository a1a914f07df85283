"""Times what is to be compared in turns, so that what else the machine does hits all alike."""

import json
import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).resolve().parent / "results"


def alternate(candidates: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, list[float]]:
    """Seconds of each candidate, run one after the other, `repeats` times round.

    Parameters
    ----------
    candidates : mapping of str to callable
    repeats : int
        Rounds that count; one more goes before them to warm everything up.
    """
    seconds: dict[str, list[float]] = {name: [] for name in candidates}
    for turn in range(repeats + 1):
        for name, run in candidates.items():
            began = time.perf_counter()
            run()
            took = time.perf_counter() - began
            print(f"{turn or 'warm-up'}: {name}: {took:.1f} s", flush=True)
            if turn:
                seconds[name].append(took)
    return seconds


def compare(seconds: Mapping[str, list[float]], reference: str) -> list[dict[str, Any]]:
    """Median of each, and the median over the rounds of how many times the reference it took."""
    base = seconds[reference]
    return [
        {
            "name": name,
            "seconds": [round(one, 2) for one in own],
            "median": round(statistics.median(own), 2),
            "ratio": round(statistics.median(a / b for a, b in zip(own, base, strict=True)), 2),
        }
        for name, own in seconds.items()
    ]


def table(rows: list[dict[str, Any]], reference: str) -> str:
    """The comparison as Markdown."""
    lines = [f"| | median s | ÷ {reference} |", "| --- | ---: | ---: |"]
    lines += [f"| {row['name']} | {row['median']:.1f} | {row['ratio']:.2f} |" for row in rows]
    return "\n".join(lines)


def publish(name: str, command: str, content: Mapping[str, Any]) -> None:
    """Writes ``results/NAME.json`` with the command, the revision and the machine."""
    RESULTS.mkdir(exist_ok=True)
    whole = {"command": command, "machine": machine(), "revision": _revision(), **content}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What the figures hang on."""
    import pyspark

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "memory_gib": round(memory),
        "load_before": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "spark": pyspark.__version__,
    }


def _revision() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=RESULTS.parent)
    return done.stdout.strip()
