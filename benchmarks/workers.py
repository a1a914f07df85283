"""What a scoring worker holds, and how long its first labels take, inside Spark."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
from measuring import peak_mib

from genre_spark.scoring import job
from genre_spark.scoring.worker import Payload


def cold_start(label: Callable[[], Any], folder: Path) -> list[dict[str, Any]]:
    """Of workers that have done nothing before.

    Parameters
    ----------
    label : callable
        Labels some tracks, in a session whose workers have not labelled yet.
    folder : Path
        Empty; workers leave their figures there.

    Returns
    -------
    list of dict
        Per worker ``seconds`` from its first line of this project's code to its first labels, the
        wait for its first tracks left out, and ``mib``, the most that it held until then.
    """
    original = job.labelling
    job.labelling = _timed(original, str(folder))
    try:
        label()
    finally:
        job.labelling = original
    return [json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))]


def _timed(original: Callable, folder: str) -> Callable:
    def timed(payload: Payload) -> Callable:
        inner = original(payload)

        def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            waited = 0.0

            def given() -> Iterator[pa.RecordBatch]:
                nonlocal waited
                began = time.perf_counter()
                for batch in batches:
                    waited += time.perf_counter() - began
                    yield batch
                    began = time.perf_counter()

            file, began = Path(folder) / f"{os.getpid()}.json", time.perf_counter()
            for labels in inner(given()):
                if not file.exists():
                    took = time.perf_counter() - began - waited
                    figures = {"rows": labels.num_rows, "seconds": took, "mib": peak_mib()}
                    file.write_text(json.dumps(figures))
                yield labels

        return work

    return timed
