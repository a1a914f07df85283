"""Kills genre-spark, with its JVM, at random instants, and looks whether anything was lost.

    python benchmarks/kills.py --kills 100

Every run is a real one of the console script, on a few hundred generated tracks. `kill -9` hits the
driver and its JVM at an instant that chance chooses between the start and the usual end of the
command; half of the instants lie in its last third, where things are written. After each kill:

- the labelled catalogue is the one of before or the new one, whole: manifest, rows, quarantine and
  checksum belong together (`score`, in turns of two catalogues, in full and incrementally);
- the bundle is absent, or verified to the last byte (`cluster`, `train`);
- no run is refused because of one that was killed before it (*blocked*);
- a file that is put into the output at another random instant, or in its place, is still there or
  was kept beside it (*lost*).

In the end every command has to succeed over what the killed runs left. Slices with seeds of their own
(`--kills 20 --seed 2`) add up; `--minutes` ends a slice early, and then it tells how far it came;
with one `--folder` for all slices, what they need is made only once. `--table-format delta` does the
same to a Delta table: its rows, its quarantine and the manifest in its log belong together.
"""

import argparse
import collections
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.generated import make_tracks  # noqa: E402

from genre_spark.bundle import files  # noqa: E402
from genre_spark.errors import BundleError, OutputError  # noqa: E402
from genre_spark.platform import atomic_directory  # noqa: E402

with contextlib.suppress(ModuleNotFoundError):  # the extra `delta`, for --table-format delta
    from deltalake import DeltaTable

    from genre_spark.catalog import delta_source
from genre_spark.platform.storage import LocalStorage  # noqa: E402

QUICK = [
    part
    for setting in ("k_max=11", "restarts=1", "epochs=2", "min_steps=0")
    for part in ("--set", setting)
]
_TOO_LATE = "done before the kill"
_FOREIGN, _REFUSED = "foreign file", "for the foreign file"
_START = [sys.executable, "-m", "genre_spark.cli"]


@dataclass
class Playground:
    """A folder with two catalogues, and what the commands make of them.

    Attributes
    ----------
    folder : Path
    table_format : str
        Of what `score` publishes.
    seconds : dict of str to float
        How long each command takes when nobody kills it.
    found : Counter
        What became of the killed runs.
    faults : list of str
        Whatever should not be.
    """

    folder: Path
    table_format: str = "parquet"
    seconds: dict[str, float] = field(default_factory=dict)
    found: collections.Counter = field(default_factory=collections.Counter)
    faults: list[str] = field(default_factory=list)

    def prepare(self, commands: list[str]) -> None:
        """Makes the catalogues, and what else an earlier slice has not, before the first kill."""
        if self.times.exists():
            self.seconds = json.loads(self.times.read_text(encoding="utf-8"))
        for name, seed in (("one", 1), ("other", 2)):
            make_tracks(400, seed, artists=60).to_parquet(self.folder / f"{name}.parquet")
        if not (self.folder / "clusters").exists():
            self.run("cluster", self.arguments("cluster", "clusters"))
        if "score" not in self.seconds:
            self.run("score", self.arguments("score", "one"))
        if "train" in commands and "train" not in self.seconds:
            self.run("train", self.arguments("train", "model"))

    @property
    def times(self) -> Path:
        """Where `seconds` are kept for the next slice."""
        return self.folder / "seconds.json"

    def arguments(self, command: str, what: str) -> list[str]:
        """The command's; `what` is the bundle that it makes, or the catalogue that it scores."""
        at = self.folder
        if command == "score":
            given = ["--catalog", at / f"{what}.parquet", "--model", at / "clusters"]
            options = ["--output", str(at / "labelled"), "--table-format", self.table_format]
            return [*map(str, given), *options]
        given = ["--catalog", at / "one.parquet", "--output", at / what, *QUICK]
        more = ["--clusters", at / "clusters"] if command == "train" else []
        return [*map(str, given), *map(str, more)]

    def run(self, command: str, arguments: list[str]) -> None:
        """Runs a command to its end; a failure is a fault."""
        began = time.monotonic()
        process = start(command, arguments)
        if process.wait():
            self.faults.append(f"{command} failed: {said(process)[-400:]}")
        self.seconds[command] = time.monotonic() - began
        self.times.write_text(json.dumps(self.seconds), encoding="utf-8")

    def kill(self, command: str, rng: random.Random) -> None:
        """Starts a command, kills it, and looks at what it left."""
        what = rng.choice(["one", "other"]) if command == "score" else f"killed-{command}"
        arguments = self.arguments(command, what)
        if command == "score" and rng.random() < 0.5:
            arguments.append("--incremental")
        before = whole_catalogue(self.folder, self.table_format) if command == "score" else None
        share = rng.uniform(0.67, 1.0) if rng.random() < 0.5 else rng.uniform(0.0, 1.0)
        output = self.folder / ("labelled" if command == "score" else what)
        # Late enough to find most runs past their first look at the output.
        first, second = rng.uniform(share / 2, share), share
        process = start(command, arguments)
        foreign = None
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(first * self.seconds[command])
            second = first
        if process.poll() is None:
            foreign = put_foreign(output, rng)
        try:
            process.wait((second - first) * self.seconds[command])
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        moment = f"{command} killed at {share:.2f}, foreign file put at {first:.2f}"
        self.look_after(foreign, output, moment)
        self.check(command, what, process, before, share)

    def look_after(self, foreign: str | None, output: Path, moment: str) -> None:
        """Counts the foreign file as lost unless it is found, and makes room for the next run."""
        if not foreign:
            return
        found = find_foreign(output, foreign)
        if not found:
            self.faults.append(f"{moment}: lost: {foreign}")
        for file in found:
            place = "kept beside" if ".kept-" in str(file) else "left in place"
            self.found[f"{_FOREIGN}: {place}"] += 1
            file.unlink()
            with contextlib.suppress(OSError):  # as far up as nothing else is there
                os.removedirs(file.parent)

    def check(
        self, command: str, what: str, process: subprocess.Popen, before: str | None, share: float
    ) -> None:
        """Counts what became of a run, and names what should not have."""
        moment = f"{command} killed at {share:.2f}"
        # A run may refuse an output in which it finds the foreign file: it is left alone then.
        told = said(process) if process.returncode == OutputError.exit_code else ""
        if "what genre-spark did not publish" in told or "never overwritten" in told:
            self.found[f"{command}: refused, {_REFUSED}"] += 1
            return
        if "appeared while a new one was being made" in told:
            self.found[f"{command}: nothing published, {_REFUSED}"] += 1
            return
        if process.returncode not in (0, -signal.SIGKILL):
            self.faults.append(f"{moment}: blocked: {said(process)[-400:]}")
            return
        try:
            if command == "score":
                after = whole_catalogue(self.folder, self.table_format)
                end = "old" if after == before else "new"
            else:
                end = whole_bundle(self.folder / what)
        except Exception as err:  # whatever a reader stumbles over is a fault
            self.faults.append(f"{moment}: {type(err).__name__}: {err}")
            return
        done = _TOO_LATE if process.returncode == 0 else end
        self.found[f"{command}: {done}"] += 1
        print(f"{moment}: {done}", flush=True)
        if process.returncode == 0 and end in ("old", "absent"):
            self.faults.append(f"{moment}: exit code 0, but {end}")

    def finish(self, commands: list[str]) -> None:
        """Everything has to work over what was left, and to leave nothing beside itself."""
        for command in commands:
            what = "other" if command == "score" else f"killed-{command}"
            self.run(command, self.arguments(command, what))
            if command != "score" and whole_bundle(self.folder / what) != "made":
                self.faults.append(f"{command} made no bundle in the end")
        whole_catalogue(self.folder, self.table_format)
        left = [path.name for path in (*self.folder.glob(".*"), *self.folder.glob("*.kept-*"))]
        if self.table_format == "delta":
            left += uncommitted(self.folder)
        if left:
            self.faults.append(f"left behind: {', '.join(left)}")


def put_foreign(output: Path, rng: random.Random) -> str:
    """Puts a file of somebody else's into an output, or in its place where there is none."""
    content = f"mine {rng.random()}"
    name = rng.choice(["notes.txt", "part-mine.parquet.txt", "_quarantine/mine.xlsx", ".hidden"])
    # The directory may be switched at this very instant.
    for _ in range(10):
        with contextlib.suppress(OSError):
            file = output / name if output.is_dir() else output
            if output.is_dir() and not (output / name).parent.is_dir():
                file = output / "notes.txt"
            file.write_text(content, encoding="utf-8")
            return content
    raise RuntimeError(f"{output}: nothing could be put there")


def find_foreign(output: Path, content: str) -> list[Path]:
    """Where the file is: in the output, beside it, or in what a killed run left to the next one."""
    folder, name = output.parent, output.name
    places = [output, *folder.glob(f"{name}.kept-*"), *folder.glob(f".{name}.retired-*")]
    files = [file for one in places for file in ([one] if one.is_file() else one.rglob("*"))]
    return [
        file
        for file in files
        if file.is_file()
        and file.stat().st_size < 100
        and file.read_text(encoding="utf-8", errors="replace") == content
    ]


def start(command: str, arguments: list[str]) -> subprocess.Popen:
    """A run of the console script in a process group of its own; `said` gives its errors."""
    # A pipe that nobody reads would stop a run that says much.
    errors = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115
    process: subprocess.Popen = subprocess.Popen(
        [*_START, command, *arguments, "--master", "local[2]"],
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
        cwd=ROOT,
    )
    process.stderr = errors
    return process


def said(process: subprocess.Popen) -> str:
    """What a run that ended wrote to its standard error."""
    process.stderr.seek(0)
    return process.stderr.read()


Catalogue = tuple[dict, pd.DataFrame, pd.DataFrame]


def directory(path: Path) -> Catalogue:
    """Manifest, rows and quarantine of a plain directory."""
    if not (path / "_SUCCESS").exists():
        raise ValueError("_SUCCESS is missing")
    manifest = atomic_directory.require_manifest(LocalStorage(), str(path))
    return manifest, pd.read_parquet(path), pd.read_parquet(path / "_quarantine")


def delta_tables(path: Path) -> Catalogue:
    """The same of a Delta table, with the quarantine at the version that its commit names."""
    table = DeltaTable(path)
    commit = next(one for one in table.history() if delta_source.MANIFEST in one)
    version = commit["genre_spark.quarantine_version"]
    quarantine = DeltaTable(f"{path}_quarantine", version=version)
    rows = table.to_pandas()
    rows["scored_at"] = rows["scored_at"].dt.tz_localize(None)
    return json.loads(commit[delta_source.MANIFEST]), rows, quarantine.to_pandas()


def uncommitted(folder: Path) -> list[str]:
    """Folders of runs that no commit names."""
    found = []
    for path in (folder / "labelled", folder / "labelled_quarantine"):
        runs = {f"run-{one[delta_source.RUN_ID]}" for one in delta_source.commits(DeltaTable(path))}
        found += [str(one) for one in path.glob("run-*") if one.name not in runs]
    return found


def whole_catalogue(folder: Path, table_format: str = "parquet") -> str:
    """The run that made the labelled catalogue, once it is known to be whole.

    Raises
    ------
    ValueError
        Where its parts do not belong together.
    """
    read = delta_tables if table_format == "delta" else directory
    manifest, rows, set_aside = read(folder / "labelled")
    tracks = pd.read_parquet(manifest["source"]["path"], columns=["track_id"])
    if set(rows["track_id"]) != set(tracks["track_id"]) or len(rows) != len(tracks):
        raise ValueError(f"{len(rows)} rows are not those of {manifest['source']['path']}")
    if (len(rows), len(set_aside)) != (
        manifest["rows"]["labelled"],
        manifest["rows"]["quarantined"],
    ):
        raise ValueError("rows are not as many as the manifest says")
    made = {at.tz_localize("UTC").isoformat() for at in rows["scored_at"].unique()}
    if made != {run["scored_at"] for run in manifest["runs"]}:
        raise ValueError(f"rows are of {made}, the manifest is of {manifest['runs']}")
    return manifest["run_id"]


def whole_bundle(path: Path) -> str:
    """``absent``, or ``made`` once it is verified; then it makes room for the next."""
    try:
        files.load(path)
    except BundleError:
        if path.exists():
            raise
        return "absent"
    for file in path.iterdir():
        file.unlink()
    path.rmdir()
    return "made"


@contextlib.contextmanager
def room(given: Path | None) -> Iterator[Path]:
    """The folder to work in: a temporary one where none is given."""
    if given:
        given.mkdir(parents=True, exist_ok=True)
        yield given.resolve()
    else:
        with tempfile.TemporaryDirectory() as name:
            yield Path(name)


def main() -> int:
    """Kills, and prints a summary as JSON; 1 where there is a fault."""
    parser = argparse.ArgumentParser(description="Kills runs at random instants.")
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--commands", default="score,cluster,train")
    parser.add_argument("--table-format", default="parquet", choices=["parquet", "delta"])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=600, help="No more kills after so long.")
    parser.add_argument("--folder", type=Path, help="Keeps what slices share; use no other's.")
    given = parser.parse_args()
    rng, commands = random.Random(given.seed), given.commands.split(",")
    end = time.monotonic() + 60 * given.minutes
    with room(given.folder) as folder:
        playground = Playground(folder, given.table_format)
        playground.prepare(commands)
        for i in range(given.kills):
            if time.monotonic() < end:
                playground.kill(commands[i % len(commands)], rng)
        playground.finish(commands)
    found, faults = dict(sorted(playground.found.items())), playground.faults
    put = sum(n for end, n in found.items() if end.startswith(_FOREIGN))
    spared = sum(n for end, n in found.items() if end.endswith((_TOO_LATE, _REFUSED)))
    killed = sum(found.values()) - put - spared
    print(json.dumps({"killed": killed, "foreign": put, "found": found, "faults": faults}))
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main())
