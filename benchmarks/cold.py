"""Times `genre-spark score` of a few tracks, cold and warm, beside bare pyspark, in processes of their own.

    python benchmarks/cold.py --repeats 5

Bare pyspark reads the same table, writes it and counts what it wrote, with its own defaults.
"""

import argparse
import subprocess
import sys
from functools import partial
from pathlib import Path

import measuring

ROOT = Path(__file__).resolve().parents[1]
BARE = "bare pyspark: read, write, count"
COMMAND = "genre-spark score"
_BARE = """
import sys
from pyspark.sql import SparkSession
spark = SparkSession.builder.master("local[*]").getOrCreate()
spark.read.parquet(sys.argv[1]).write.mode("overwrite").parquet(sys.argv[2])
print(spark.read.parquet(sys.argv[2]).count())
"""


def main() -> None:
    """Measures, prints the table, and writes the JSON."""
    parser = argparse.ArgumentParser(description="Times a cold score beside bare pyspark.")
    parser.add_argument("--tracks", type=int, default=1200)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--folder", default="/tmp/genre-spark-bench", help="Catalogue, outputs.")
    given = parser.parse_args()
    folder = Path(given.folder)
    table = folder / f"catalogue-{given.tracks}"
    if not table.exists():
        make = [sys.executable, str(ROOT / "benchmarks" / "catalogues.py")]
        _run([*make, "--tracks", str(given.tracks), "--output", str(table)])
    score = [sys.executable, "-m", "genre_spark.cli", "score", "--quiet", "--catalog", str(table)]
    score += ["--set", "stop_psi=99", "--set", "stop_ks=1"]  # so few tracks differ by chance
    score += ["--model", str(ROOT / "models" / "reference"), "--output", str(folder / "out cold")]
    candidates = {
        BARE: partial(_run, [sys.executable, "-c", _BARE, str(table), str(folder / "out bare")]),
        COMMAND: partial(_run, score),
        f"{COMMAND} --warm": partial(_run, [*score, "--warm"]),
    }
    _run([*score, "--warm"])  # starts the server
    name = f"cold-{given.tracks}"
    state = measuring.RESULTS / f"{name}.taken"
    seconds = measuring.alternate(candidates, given.repeats, state, 600, float("inf"))
    _run([sys.executable, "-m", "genre_spark.cli", "warm", "stop"])
    rows = measuring.compare(seconds, BARE)
    for row in rows:
        # Java ends after those that started it, and its processor time is lost with it.
        row |= {"cpu": [0.0] * row["runs"], "cpu_median": 0.0, "cpu_ratio": 0.0}
    print(measuring.table(rows, BARE))
    content = {"tracks": given.tracks, "reference": BARE, "rows": rows}
    measuring.publish(name, "python " + " ".join(sys.argv), content)


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
