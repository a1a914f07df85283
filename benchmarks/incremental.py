"""Plays random edits of a catalogue, and holds incremental scoring to a full run.

    python benchmarks/incremental.py --sequences 200

Sequences are numbered, so that the work can be done in slices: `--first 50 --sequences 50`, or as
many as fit into `--minutes`. Each sequence is of two or three steps; each step edits the catalogue,
may change the model or interrupt a run, and scores incrementally. In the end a full run has to give
the same rows, labels and quarantine, to the last bit. `tests/edits.py` has the edits,
`tests/test_incremental.py` plays a few of them in every test run.
"""

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path

from pyspark.sql import SparkSession

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.edits import make_models, play, sequence  # noqa: E402

from genre_spark.platform.session import get_session  # noqa: E402


def main() -> int:
    """Plays, and prints a summary as JSON; 1 where a sequence did not hold."""
    parser = argparse.ArgumentParser(description="Holds incremental scoring to full runs.")
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="Number of the first sequence.")
    parser.add_argument("--minutes", type=float, default=600, help="Stop after so long.")
    given = parser.parse_args()
    spark = _session()
    end, held, failed = time.monotonic() + 60 * given.minutes, 0, []
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(spark, Path(folder))
        for number in range(given.first, given.first + given.sequences):
            if time.monotonic() > end:
                break
            with tempfile.TemporaryDirectory() as room:
                try:
                    play(spark, sequence(number), models, Path(room))
                    held += 1
                except Exception:
                    failed.append(number)
                    print(f"sequence {number}:\n{traceback.format_exc()}", flush=True)
            spark.catalog.clearCache()
    after = given.first + held + len(failed)
    print(json.dumps({"first": given.first, "next": after, "equal": held, "not equal": failed}))
    return bool(failed)


def _session() -> SparkSession:
    """For some tracks at a time: what compiles code for each query would cost more than it gives."""
    os.environ["SPARK_SUBMIT_OPTS"] = "-XX:TieredStopAtLevel=1"
    spark = get_session("local[2]")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    spark.conf.set("spark.sql.codegen.wholeStage", "false")
    spark.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    return spark


if __name__ == "__main__":
    sys.exit(main())
