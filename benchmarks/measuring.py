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


def alternate(
    candidates: Mapping[str, Callable[[], Any]],
    repeats: int,
    state: Path,
    longest: float,
    ends: float,
) -> Seconds:
    """Seconds of each candidate, run one after the other, `repeats` times round.

    Parameters
    ----------
    candidates : mapping of str to callable
    repeats : int
        Rounds that count; one more goes before them to warm everything up.
    state : Path
        Where each measurement is kept as it is taken; those that stand there are not taken again.
    longest : float
        Seconds; what takes longer to warm up is not warmed up: that run counts, and is the only one.
    ends : float
        `time.monotonic` after which nothing new is begun.

    Returns
    -------
    dict
        By candidate, ``seconds`` by the clock and ``cpu`` seconds of this process, its JVM and all
        Python workers together. The latter depend less on what else the machine does.
    """
    state.parent.mkdir(exist_ok=True)
    done = (
        [json.loads(line) for line in state.read_text(encoding="utf-8").splitlines()]
        if state.exists()
        else []
    )
    slow = {one["name"] for one in done if one["seconds"] > longest}
    taken = {(one["turn"], one["name"]) for one in done}
    for turn in range(repeats + 1):
        for name, run in candidates.items():
            if (turn, name) in taken or name in slow or time.monotonic() > ends:
                continue
            began, used = time.perf_counter(), cpu_seconds()
            run()
            one = {"seconds": time.perf_counter() - began, "cpu": cpu_seconds() - used}
            print(f"{turn or 'warm-up'}: {name}: {one['seconds']:.1f} s", flush=True)
            if one["seconds"] > longest:
                slow.add(name)
            done.append({"turn": turn, "name": name, **one})
            with state.open("a", encoding="utf-8") as file:
                file.write(json.dumps(done[-1]) + "\n")
    found: Seconds = {name: {"turn": [], "seconds": [], "cpu": []} for name in candidates}
    for one in done:
        if one["name"] in found and (one["turn"] or one["name"] in slow):
            for unit, values in found[one["name"]].items():
                values.append(one[unit])
    return {name: own for name, own in found.items() if own["seconds"]}


def cpu_seconds() -> float:
    """What this process and all that it started have used, with children that ended."""
    ours = family(os.getpid())
    ticks = sum(sum(map(int, _stat(pid)[11:15])) for pid in ours)
    return ticks / os.sysconf("SC_CLK_TCK")


def peaks() -> dict[str, float]:
    """Most MiB that the processes of this session held so far.

    Returns
    -------
    dict
        ``driver``, this Python; ``jvm``, which in local mode is driver and executors in one;
        ``worker``, the largest Python worker that still lives.
    """
    found = {"driver": peak_mib(), "jvm": 0.0, "worker": 0.0}
    for pid in family(os.getpid()) - {os.getpid()}:
        kind = "jvm" if is_jvm(pid) else "worker"
        found[kind] = max(found[kind], peak_mib(pid))
    return {name: round(value) for name, value in found.items()}


def peak_mib(pid: int | None = None) -> float:
    """The most MiB that a process, or this one, held so far."""
    pid = pid or os.getpid()
    lines = [line for line in _read(pid, "status").splitlines() if line.startswith("VmHWM:")]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def is_jvm(pid: int) -> bool:
    """Whether a process is Java."""
    return _read(pid, "cmdline").split("\0")[0].endswith("java")


def family(root: int) -> set[int]:
    """Ids of a process and of all below it."""
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    parents = {pid: int(_stat(pid)[1]) for pid in pids}
    ours = {root}
    while more := {pid for pid, parent in parents.items() if parent in ours} - ours:
        ours |= more
    return ours


def _stat(pid: int) -> list[str]:
    """Fields from the state on; zeros for a process that is gone."""
    return _read(pid, "stat").rpartition(")")[2].split() or ["0"] * 50


def _read(pid: int, what: str) -> str:
    try:
        return Path(f"/proc/{pid}/{what}").read_text(encoding="utf-8")
    except OSError:
        return ""


def compare(found: Seconds, reference: str) -> list[dict[str, Any]]:
    """Medians of each, and the median over the rounds of how many times the reference it took."""
    rows = []
    for name, own in found.items():
        row: dict[str, Any] = {"name": name, "runs": len(own["seconds"])}
        for unit in ("seconds", "cpu"):
            row[unit] = [round(one, 2) for one in own[unit]]
            row[f"{unit}_median"] = round(statistics.median(own[unit]), 2)
            row[f"{unit}_ratio"] = round(_ratio(own, found[reference], unit), 3)
        rows.append(row)
    return rows


def _ratio(own: dict[str, list[float]], other: dict[str, list[float]], unit: str) -> float:
    """Of the same rounds, or, where there are none, of the medians."""
    by_turn = dict(zip(other["turn"], other[unit], strict=True))
    pairs = [a / by_turn[t] for t, a in zip(own["turn"], own[unit], strict=True) if t in by_turn]
    medians = statistics.median(own[unit]) / statistics.median(other[unit])
    return statistics.median(pairs) if pairs else medians


def table(rows: list[dict[str, Any]], reference: str) -> str:
    """The comparison as Markdown."""
    lines = [
        f"| | runs | s | ÷ {reference} | CPU s | ÷ {reference} |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {row['name']} | {row['runs']} | {_cells(row, 'seconds')} | {_cells(row, 'cpu')} |"
        for row in rows
    ]
    return "\n".join(lines)


def _cells(row: dict[str, Any], unit: str) -> str:
    """Median and ratio; of a candidate whose workers ended meanwhile, CPU seconds are lost."""
    if min(row[unit]) <= 0:
        return "unknown | "
    return f"{row[f'{unit}_median']:.1f} | {row[f'{unit}_ratio']:.2f}"


def publish(name: str, command: str, content: Mapping[str, Any]) -> None:
    """Writes ``results/NAME.json`` with the command, the revision and the machine."""
    RESULTS.mkdir(exist_ok=True)
    whole = {"command": command, "machine": machine(), "revision": _revision(), **content}
    (RESULTS / f"{name}.json").write_text(json.dumps(whole, indent=1) + "\n")


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import pyspark

    cpu = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
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
