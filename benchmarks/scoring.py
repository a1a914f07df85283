"""Times labelling, beside floors and beside other ways to label with the same CNN.

    python benchmarks/scoring.py --tracks 4000000               # floors
    python benchmarks/scoring.py --tracks 200000 --alternatives # other ways

All take turns in one session, so that whatever else the machine does hits all alike.
"""

import argparse
import os
import shutil
import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Spark's workers import the alternatives by name.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
)
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import alternatives  # noqa: E402
import catalogues  # noqa: E402
import measuring  # noqa: E402

from genre_spark import bundle, demo, pipeline  # noqa: E402
from genre_spark.config import Dataset, load_settings  # noqa: E402
from genre_spark.intake import Source  # noqa: E402
from genre_spark.session import get_session  # noqa: E402

# The gates have nothing to do with time.
_SETTINGS = load_settings(overrides=("stop_psi=99", "stop_ks=1"))
_JOB, _COPY = "genre-spark score, the whole job", "copy of the same columns"


def main() -> None:
    """Measures, prints the table, and writes the JSON."""
    parser = argparse.ArgumentParser(description="Times labelling and its alternatives.")
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alternatives", action="store_true")
    parser.add_argument("--catalog", help="A catalogue of `catalogues.py`, if there is one.")
    parser.add_argument("--model", default=str(ROOT / "models" / "reference"))
    given = parser.parse_args()
    spark = get_session(batch_rows=_SETTINGS.scoring.batch_rows)
    folder = Path(tempfile.mkdtemp(prefix="genre-spark-bench-"))
    try:
        catalog = given.catalog or str(folder / "catalogue")
        if not given.catalog:
            catalogues.write(spark, given.tracks, catalog, None, demo.PACKAGE)
        opened = bundle.load(given.model)
        tracks = alternatives.prepare(spark, catalog, opened)
        out = [str(folder / f"out {i}") for i in range(6)]
        source = Source(catalog, Dataset(), "parquet")
        job = partial(pipeline.score, spark, source, given.model, out[2], _SETTINGS, lambda _: None)
        candidates = {_COPY: partial(alternatives.copy, tracks, out[0])}
        if given.alternatives:
            candidates |= {
                "predict_batch_udf, Keras": partial(alternatives.batch_udf, tracks, opened, out[3]),
                "pandas UDF, Keras": partial(alternatives.pandas_udf, tracks, opened, out[4]),
                "one process, pandas and Keras": partial(
                    alternatives.single_process, catalog, opened, out[5]
                ),
            }
        else:
            candidates["identity mapInArrow"] = partial(alternatives.identity, tracks, out[1])
        candidates[_JOB] = job
        reference = _JOB if given.alternatives else _COPY
        seconds = measuring.alternate(candidates, given.repeats)
        rows = measuring.compare(seconds, reference)
        print(measuring.table(rows, reference))
        name = f"{'alternatives' if given.alternatives else 'floors'}-{given.tracks}"
        content = {"tracks": given.tracks, "reference": reference, "rows": rows}
        measuring.publish(name, "python " + " ".join(sys.argv), content)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
