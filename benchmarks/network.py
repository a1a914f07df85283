"""Times what a worker does with 8,192 tracks, on one thread and without Spark.

    python benchmarks/network.py

Processor time of the reference bundle: the network's opinions in ONNX Runtime, and all that a worker
makes of a batch (context, synthetic genres, opinions, consensus, Arrow columns), with and without
reasons. No artist is known to the model, so that a worker asks what counts for new ones.
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
from genre_spark.scoring.artist_batches import ALBUM_SUM, GATHER  # noqa: E402
from support.generated import make_tracks  # noqa: E402

from genre_spark.bundle import files  # noqa: E402
from genre_spark.classifier.decision import OPINIONS  # noqa: E402
from genre_spark.classifier.onnx_session import Network  # noqa: E402
from genre_spark.schema import ALBUM, ARTIST, TRACK_ID, context_column, key_column  # noqa: E402
from genre_spark.scoring.explanations import Explainer  # noqa: E402
from genre_spark.scoring.worker import Payload, predictor  # noqa: E402

_TRACKS, _ARTISTS = 8192, 800


def main() -> None:
    """Measures, prints and writes the JSON."""
    parser = argparse.ArgumentParser(description="Times a worker's part without Spark.")
    parser.add_argument("--model", default=str(ROOT / "models" / "reference"))
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    opened = files.load(given.model)
    worker, batch = predictor(Payload.of(opened)), _batch(opened)
    tensor = worker.tensor(worker.see(batch))
    network, explainer = Network(opened.onnx), Explainer(worker)
    timed: dict[str, Callable[[], Any]] = {
        f"opinion {name!r}": lambda i=i: network.opinions(tensor, _only(i))
        for i, name in enumerate(OPINIONS)
    }
    timed["all of a worker's part"] = lambda: list(map(worker.label, _cut(worker, batch)))
    timed["the same with reasons"] = lambda: list(map(explainer.label, _cut(explainer, batch)))
    rows = {name: _milliseconds(run, given.repeats) for name, run in timed.items()}
    for name, took in rows.items():
        print(f"{name}: {took:.0f} ms")
    content = {"tracks": _TRACKS, "milliseconds": {k: round(v, 1) for k, v in rows.items()}}
    measuring.publish("worker", "python " + " ".join(sys.argv), content)


def _batch(opened: files.Bundle) -> pa.RecordBatch:
    """Tracks as Spark gives them to a worker; every album is of one artist."""
    tracks = make_tracks(_TRACKS, seed=1, artists=_ARTISTS).sort_values([ARTIST, ALBUM])
    keys = {name: -1 - tracks[name].factorize()[0].astype(np.int64) for name in (ARTIST, ALBUM)}
    n, space = len(tracks), opened.manifest.scoring.space
    columns = {
        TRACK_ID: pa.array(tracks[TRACK_ID]),
        "n_imputed": pa.array(np.zeros(n, np.int32)),
        "input_hash": pa.array(np.arange(n)),
        ALBUM_SUM: pa.nulls(n, pa.int64()),
        GATHER: pa.array(keys[ARTIST]),
        context_column(ALBUM): pa.nulls(n, pa.list_(pa.float64())),
        **{key_column(name): pa.array(key) for name, key in keys.items()},
        **{name: pa.array(tracks[name].to_numpy(float)) for name in space.features},
    }
    batch = pa.RecordBatch.from_pydict(columns)
    order = np.lexsort((keys[ALBUM], keys[ARTIST]))
    return batch.take(pa.array(order))


def _cut(worker: Any, batch: pa.RecordBatch) -> list[pa.RecordBatch]:
    return list(worker.batches(iter([batch])))


def _only(opinion: int) -> np.ndarray:
    wanted = np.zeros((_TRACKS, len(OPINIONS)), dtype=bool)
    wanted[:, opinion] = True
    return wanted


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
