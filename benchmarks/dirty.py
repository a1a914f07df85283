"""Labels a catalogue of which a tenth of the rows is dirty, and the same without the dirty rows.

    python benchmarks/dirty.py --tracks 1000000 --folder /tmp/dirty

Every dirty row has to be in quarantine with the reason that it was given, and every clean row has
to be labelled as if the dirty ones were not there, to the last bit. A run that is stopped goes on
with the step at which it was, given the same --folder.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from kills import room  # noqa: E402
from support.generated import make_tracks  # noqa: E402

from genre_spark.bundle import files  # noqa: E402
from genre_spark.catalog.catalogue import Source  # noqa: E402
from genre_spark.config import load_settings  # noqa: E402
from genre_spark.pipelines import score as score_pipeline  # noqa: E402
from genre_spark.platform.session import get_session  # noqa: E402
from genre_spark.publishing import writer  # noqa: E402
from genre_spark.publishing.labels import LabelRequest  # noqa: E402
from genre_spark.schema import FEATURE_NAMES  # noqa: E402
from genre_spark.source import Dataset  # noqa: E402

# What is done to a good row, and the reason that it is to be quarantined for.
_FOUR = list(FEATURE_NAMES[:4])
SPOILED = {
    "missing:track_id": ("track_id", None),
    "unusable:track_id": ("track_id", "a\x07b"),
    "duplicate_track_id": ("title", "repeated"),
    "missing:danceability": (_FOUR, None),
    "not_a_number:danceability": (_FOUR, "fast"),
    "missing:energy": (_FOUR, "NaN"),
    "out_of_range:danceability": (_FOUR, "99"),
    "out_of_range:energy": (_FOUR, "-Infinity"),
    "too_many_imputed": (_FOUR, "1e999"),
}
_CHUNK = 100_000
_SETTINGS = load_settings(overrides=("max_quarantined=0.2", "stop_psi=99", "stop_ks=1"))


def write(folder: Path, n: int) -> None:
    """Parquet files of clean rows, and of dirty ones, one ninth as many, each with its reason."""
    (folder / "clean").mkdir(exist_ok=True)
    (folder / "dirty").mkdir(exist_ok=True)
    for number, first in enumerate(range(0, n, _CHUNK)):
        tracks = make_tracks(min(_CHUNK, n - first), seed=number)
        # A column of nothing but nulls would have no type to share with the dirty rows'.
        tracks = tracks.assign(reason=pd.NA).astype(
            dict.fromkeys((*FEATURE_NAMES, "reason"), "string")
        )
        tracks.to_parquet(folder / "clean" / f"{number}.parquet")
        spoil(tracks, number).to_parquet(folder / "dirty" / f"{number}.parquet", index=False)


def spoil(tracks: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Copies of some rows, spoiled in turns."""
    rng = np.random.default_rng(seed)
    rows = tracks.iloc[rng.choice(len(tracks), len(tracks) // 9, replace=False)].copy()
    # A row that is quarantined for itself must not look like another one's twin.
    ids = rows["track_id"].to_numpy()
    rows["track_id"] = [f"dirty {track_id}" for track_id in ids]
    reasons = np.array(list(SPOILED))[np.arange(len(rows)) % len(SPOILED)]
    for reason, (columns, value) in SPOILED.items():
        rows.loc[reasons == reason, columns] = value
    twins = reasons == "duplicate_track_id"
    rows.loc[twins, "track_id"] = ids[twins]
    # Of twins the one with the fewest faults is kept.
    rows.loc[twins, "key"] = None
    return rows.assign(reason=reasons)


def _report_progress(message: str, tracks: int = 0) -> None:
    print(message)


def score(spark: SparkSession, folder: Path, what: str, output: Path) -> None:
    """Labels the files of a pattern."""
    source = Source(f"{folder}/{what}/*.parquet", Dataset(), "parquet")
    model = files.load(ROOT / "models" / "reference")
    score_pipeline.run(spark, LabelRequest(source, model, str(output), _SETTINGS), _report_progress)


def compare(spark: SparkSession, folder: Path) -> dict:
    """How many rows of each kind there are, and what is not as it should be."""
    clean, both = (
        writer.count(spark.read.parquet(str(folder / name)).drop("scored_at"))
        for name in ("labels of clean", "labels of both")
    )
    quarantined = spark.read.parquet(str(folder / "labels of both" / "_quarantine"))
    dirty = spark.read.parquet(str(folder / "dirty")).count()
    right = quarantined.filter("array_contains(_reasons, reason)").count()
    faults = []
    if clean != both:
        faults.append(f"labels differ: {clean} without, {both} with dirty rows")
    if not quarantined.count() == dirty == right:
        faults.append(
            f"{dirty} dirty rows, {quarantined.count()} quarantined, {right} with the reason"
        )
    reasons = {
        row["reason"]: row["count"] for row in quarantined.groupBy("reason").count().collect()
    }
    return {"clean": clean.rows, "dirty": dirty, "quarantined": reasons, "faults": faults}


def measure(spark: SparkSession, folder: Path, n: int) -> dict:
    """All steps that are not done yet, and `compare`."""
    written = folder / "written"
    if not written.exists():
        write(folder, n * 9 // 10)
        written.touch()
    for what, pattern in (("clean", "clean"), ("both", "{clean,dirty}")):
        output, began = folder / f"labels of {what}", time.monotonic()
        # It is there as a whole or not at all.
        if not output.exists():
            score(spark, folder, pattern, output)
            print(f"labelled {what} in {time.monotonic() - began:.0f} s", flush=True)
    return compare(spark, folder)


def main() -> int:
    """Compares, and prints a summary as JSON; 1 where anything differs."""
    parser = argparse.ArgumentParser(description="Labels a catalogue with and without dirty rows.")
    parser.add_argument("--tracks", type=int, default=1_000_000, help="Clean and dirty rows.")
    parser.add_argument("--folder", type=Path, help="Keeps what was made, so that a run can go on.")
    given = parser.parse_args()
    with room(given.folder) as folder:
        found = measure(get_session(), folder, given.tracks)
    print(json.dumps(found))
    return bool(found["faults"])


if __name__ == "__main__":
    sys.exit(main())
