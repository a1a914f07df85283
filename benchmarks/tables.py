"""Writes the tables of ``benchmarks/README.md`` from ``results/*.json``: no figure by hand."""

import json
import re
import statistics
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

import measuring
from scoring import COPY, IDENTITY, JOB, LABELS, TRACKS_ALONE

README = Path(__file__).resolve().parent / "README.md"
_BEGIN, _END = "<!-- figures: benchmarks/tables.py -->", "<!-- /figures -->"


def main() -> None:
    """Replaces what stands between the two marks."""
    found = [json.loads(file.read_text()) for file in sorted(measuring.RESULTS.glob("*.json"))]
    compared = [one for one in found if "rows" in one]
    compared.sort(key=lambda one: (one["reference"], one["tracks"]))
    workers = [_worker(one) for one in found if "microseconds_a_track" in one]
    text = README.read_text()
    drivers = [_driver(one) for one in found if "jobs" in one]
    parts = [_BEGIN, _per_track(compared), *map(_section, compared), *workers, *drivers, _END]
    made = "\n\n".join(part for part in parts if part)
    pattern = f"{re.escape(_BEGIN)}.*{re.escape(_END)}"
    README.write_text(re.sub(pattern, lambda _: made, text, flags=re.DOTALL))


def _section(one: dict[str, Any]) -> str:
    machine = one["machine"]
    ratios = {row["name"]: row for row in one["rows"]}
    said = [
        f"**{one['tracks']:,} tracks.** `{one['command']}`, revision {one['revision']}, on"
        f" {machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']} GiB, Spark"
        f" {machine['spark']}; load before it {machine['load_before']}.",
        measuring.table(one["rows"], one["reference"]),
    ]
    if IDENTITY in ratios:
        shares = [
            ratios[name]["seconds_median"] / ratios[IDENTITY]["seconds_median"]
            for name in (LABELS, TRACKS_ALONE)
        ]
        said.append(
            "Labels alone took {:.2f} times the identity, {:.2f} times where the model reads no"
            " artists and albums.".format(*shares)
        )
    if "cold_start" in one:
        said.append(_memory(one["peak_mib"], one["cold_start"]))
    return "\n\n".join(said)


def _memory(peak: dict[str, float], cold: list[dict[str, float]]) -> str:
    return (
        f"Most memory: driver's Python {peak['driver']:.0f} MiB, its JVM (in local mode the executors'"
        f" too) {peak['jvm']:.0f} MiB, a Python worker {peak['worker']:.0f} MiB. A new worker's first"
        f" labels came after {_most(cold, 'seconds'):.2f} s, when it held"
        f" {_most(cold, 'mib'):.0f} MiB."
    )


def _worker(one: dict[str, Any]) -> str:
    """What a worker does with a partition, without Spark."""
    lines = [
        f"**{one['tracks']:,} tracks in one worker.** `{one['command']}`, revision"
        f" {one['revision']}; processor time on one thread.",
        "| | µs a track |\n| --- | ---: |\n"
        + "\n".join(f"| {name} | {took} |" for name, took in one["microseconds_a_track"].items()),
    ]
    return "\n\n".join(lines)


def _driver(one: dict[str, Any]) -> str:
    """Most memory of the driver of `score`, by how many tracks there are."""
    lines = [
        f"**Driver of `score` on a standalone cluster.** `{one['command']}`, revision"
        f" {one['revision']}; a heap of {one['heap']} for all.",
        "| tracks | its JVM, MiB | its Python, MiB |\n| ---: | ---: | ---: |\n"
        + "\n".join(
            f"| {job['tracks']:,} | {job['jvm_mib']} | {job['python_mib']} |" for job in one["jobs"]
        ),
    ]
    return "\n\n".join(lines)


def _most(cold: list[dict[str, float]], what: str) -> float:
    return max((one[what] for one in cold), default=float("nan"))


def _per_track(found: list[dict[str, Any]]) -> str:
    """Of the whole job, by how many tracks there are."""
    lines = ["| tracks | µs per track | ÷ fewest tracks |", "| ---: | ---: | ---: |"]
    taken = {}
    for one in found:
        for row in one["rows"]:
            if one["reference"] == COPY and row["name"] == JOB:
                taken[one["tracks"]] = statistics.median(row["seconds"]) / one["tracks"] * 1e6
    if len(taken) < 2:
        return ""
    least = taken[min(taken)]
    lines += [f"| {n:,} | {t:.1f} | {t / least:.2f} |" for n, t in sorted(taken.items())]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
