"""Plays random edits of a catalogue, and holds incremental scoring to a full run.

    python benchmarks/incremental.py --sequences 200

Each sequence is of two or three steps; each step edits the catalogue, may change the model or
interrupt a run, and scores incrementally. In the end a full run has to give the same rows, labels
and quarantine, to the last bit. `tests/edits.py` has the edits, `tests/test_incremental.py` plays
a few of them in every test run.
"""

import argparse
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from edits import EDITS, KNOWN, MOMENTS, make_models, play  # noqa: E402

from genre_spark.session import get_session  # noqa: E402

EVENTS = ("", "", *KNOWN, *MOMENTS)


def sequence(rng: random.Random) -> list[tuple[str, str, int]]:
    """Steps by chance: an edit, an event, and the seed of the edit."""
    return [
        (rng.choice(sorted(EDITS)), rng.choice(EVENTS), rng.randrange(10_000))
        for _ in range(rng.randint(2, 3))
    ]


def main() -> int:
    """Plays, and prints how many sequences held; 1 where one did not."""
    parser = argparse.ArgumentParser(description="Holds incremental scoring to full runs.")
    parser.add_argument("--sequences", type=int, default=200)
    parser.add_argument("--first", type=int, default=0, help="Number of the first sequence.")
    parser.add_argument("--minutes", type=float, default=600, help="Stop after so long.")
    given = parser.parse_args()
    spark = get_session("local[2]")
    spark.conf.set("spark.sql.shuffle.partitions", "2")
    end, held, failed = time.monotonic() + 60 * given.minutes, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        models = make_models(spark, Path(folder))
        for number in range(given.first, given.first + given.sequences):
            if time.monotonic() > end:
                break
            steps = sequence(random.Random(number))
            with tempfile.TemporaryDirectory() as room:
                try:
                    play(spark, steps, models, Path(room))
                    held += 1
                except Exception:
                    failed += 1
                    print(f"sequence {number}, {steps}:\n{traceback.format_exc()}", flush=True)
            spark.catalog.clearCache()
    print(
        f"sequences {given.first} to {given.first + held + failed - 1}: {held} equal, {failed} not"
    )
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
