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


Seconds = dict[str, dict[str, list[float]]]


def alternate(candidates: Mapping[str, Callable[[], Any]], repeats: int) -> Seconds:
    """Seconds of each candidate, run one after the other, `repeats` times round.

    Parameters
    ----------
    candidates : mapping of str to callable
    repeats : int
        Rounds that count; one more goes before them to warm everything up.

    Returns
    -------
    dict
        By candidate, ``seconds`` by the clock and ``cpu`` seconds of this process, its JVM and all
        Python workers together. The latter hang less on what else the machine does.
    """
    found: Seconds = {name: {"seconds": [], "cpu": []} for name in candidates}
    for turn in range(repeats + 1):
        for name, run in candidates.items():
            began, used = time.perf_counter(), cpu_seconds()
            run()
            took = {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - used}
            said = ", ".join(f"{one:.1f} {unit}" for unit, one in took.items())
            print(f"{turn or 'warm-up'}: {name}: {said}", flush=True)
            for unit, one in took.items() if turn else ():
                found[name][unit].append(one)
    return found


def cpu_seconds() -> float:
    """What this process and all that it started have used, with children that ended."""
    times, parents = {}, {}
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        pid = int(file.parent.name)
        parents[pid], times[pid] = int(fields[1]), sum(map(int, fields[11:15]))
    ours = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return sum(times.get(pid, 0) for pid in ours) / os.sysconf("SC_CLK_TCK")


def compare(found: Seconds, reference: str) -> list[dict[str, Any]]:
    """Medians of each, and the median over the rounds of how many times the reference it took."""
    rows = []
    for name, own in found.items():
        row: dict[str, Any] = {"name": name}
        for unit, values in own.items():
            pairs = zip(values, found[reference][unit], strict=True)
            row[unit] = [round(one, 2) for one in values]
            row[f"{unit}_median"] = round(statistics.median(values), 2)
            row[f"{unit}_ratio"] = round(statistics.median(a / b for a, b in pairs), 2)
        rows.append(row)
    return rows


def table(rows: list[dict[str, Any]], reference: str) -> str:
    """The comparison as Markdown."""
    lines = [
        f"| | s | ÷ {reference} | CPU s | ÷ {reference} |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    units = ("seconds", "cpu")
    lines += [
        f"| {row['name']} | "
        + " | ".join(f"{row[f'{u}_median']:.1f} | {row[f'{u}_ratio']:.2f}" for u in units)
        + " |"
        for row in rows
    ]
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
