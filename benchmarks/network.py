"""Times what a worker does with a partition of 100,000 tracks, on one thread and without Spark.

    python benchmarks/network.py

Processor time of the reference bundle, for all of a worker's part, with and without explanations. No
artist has labelled tracks.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"
ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks"), str(ROOT / "tests")]

import measuring  # noqa: E402
import numpy as np  # noqa: E402
import pyarrow as pa  # noqa: E402
from support.generated import make_tracks  # noqa: E402

from genre_spark.bundle import files  # noqa: E402
from genre_spark.features import artist_batches as columns  # noqa: E402
from genre_spark.features.track_inputs import lists  # noqa: E402
from genre_spark.schema import ALBUM, ARTIST, TITLE, TRACK_ID  # noqa: E402
from genre_spark.scoring import worker  # noqa: E402

_TRACKS, _ARTISTS = 100_000, 10_000


def main() -> None:
    """Measures, prints and writes the JSON."""
    parser = argparse.ArgumentParser(description="Times a worker's part without Spark.")
    parser.add_argument("--model", default=str(ROOT / "models" / "reference"))
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    opened = files.load(given.model)
    batch = _batch(opened)
    timed: dict[str, Callable[[], Any]] = {
        "groups and their statistics": lambda: list(labeller.batches(iter([batch]))),
        "all of a worker's part": lambda: _label(labeller, batch),
        "the same with explanations": lambda: _label(explaining, batch),
    }
    labeller, explaining = (
        worker.Labeller(opened.manifest.scoring, opened.onnx, explain) for explain in (False, True)
    )
    rows = {name: _milliseconds(run, given.repeats) for name, run in timed.items()}
    micros = {name: round(1000 * took / _TRACKS, 2) for name, took in rows.items()}
    for name, took in micros.items():
        print(f"{name}: {took} microseconds a track")
    content = {"tracks": _TRACKS, "microseconds_a_track": micros}
    measuring.publish("worker", "python " + " ".join(sys.argv), content)


def _label(labeller: worker.Labeller, batch: pa.RecordBatch) -> None:
    for one in labeller.batches(iter([batch])):
        labeller.label(one)


def _batch(opened: files.Bundle) -> pa.RecordBatch:
    """A partition as Spark gives it to a worker."""
    tracks, n = make_tracks(_TRACKS, seed=1, artists=_ARTISTS), _TRACKS
    keys = {name: pa.array(-1 - tracks[name].factorize()[0]) for name in (ARTIST, ALBUM)}
    raw = tracks[list(opened.manifest.scoring.scaler.features)].to_numpy(np.float32)
    found = {
        TRACK_ID: pa.array(tracks[TRACK_ID], pa.string()),
        columns.GROUP: keys[ARTIST],
        columns.ARTIST_KEY: keys[ARTIST],
        columns.ALBUM_KEY: keys[ALBUM],
        columns.FEATURES: lists(raw),
        columns.TITLE_TEXT: pa.array(tracks[TITLE], pa.string()),
        columns.ALBUM_TEXT: pa.array(tracks[ALBUM], pa.string()),
        worker.MISSING: pa.array(np.zeros(n, np.int64)),
        worker.HAS_GENRE: pa.nulls(n, pa.bool_()),
        worker.IS_AMBIGUOUS: pa.nulls(n, pa.bool_()),
        worker.OWN_HASH: pa.array(np.arange(n)),
    }
    return pa.RecordBatch.from_pydict(found)


def _milliseconds(run: Callable[[], Any], repeats: int) -> float:
    """Median, after one run to warm up."""
    run()
    took = []
    for _ in range(repeats):
        began = time.process_time()
        run()
        took.append(time.process_time() - began)
    return 1000 * statistics.median(took)


if __name__ == "__main__":
    main()
