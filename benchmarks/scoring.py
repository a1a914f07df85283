"""Times labelling, beside floors and beside other ways to label with the same CNN.

    python benchmarks/scoring.py --tracks 4000000               # floors
    python benchmarks/scoring.py --tracks 1000000 --alternatives # other ways
    python benchmarks/tables.py                                 # the tables of README.md

All take turns in one session, so that whatever else the machine does hits all alike. Each measure is
kept as it is taken: the same command goes on where it was stopped, or where `--minutes` ended it,
on the same catalogue. Delete its file in `results` to take all measures anew.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

ROOT = Path(__file__).resolve().parent.parent
# Spark's workers import the alternatives by name.
os.environ["PYTHONPATH"] = os.pathsep.join(
    [str(ROOT), str(ROOT / "benchmarks"), os.environ.get("PYTHONPATH", "")]
)
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

import alternatives  # noqa: E402
import catalogues  # noqa: E402
import measuring  # noqa: E402
import workers  # noqa: E402

from genre_spark.bundle import files  # noqa: E402
from genre_spark.bundle.files import Bundle  # noqa: E402
from genre_spark.catalog.catalogue import Source  # noqa: E402
from genre_spark.catalog.validation import AMBIGUOUS, N_IMPUTED  # noqa: E402
from genre_spark.config import load_settings  # noqa: E402
from genre_spark.pipelines import cluster as cluster_pipeline  # noqa: E402
from genre_spark.pipelines import demo  # noqa: E402
from genre_spark.pipelines import score as score_pipeline  # noqa: E402
from genre_spark.pipelines import train as train_pipeline  # noqa: E402
from genre_spark.pipelines.bundles import Request  # noqa: E402
from genre_spark.platform.session import get_session  # noqa: E402
from genre_spark.publishing.labels import LabelRequest  # noqa: E402
from genre_spark.schema import ALBUM, ARTISTS, GENRE, GROUPS, TITLE  # noqa: E402
from genre_spark.scoring import job as scoring  # noqa: E402
from genre_spark.scoring.job import Tracks  # noqa: E402
from genre_spark.source import Dataset, load_dataset  # noqa: E402

# The gates have nothing to do with time.
_SETTINGS = load_settings(overrides=("stop_psi=99", "stop_ks=1"))
_QUICK = load_settings(overrides=("restarts=1",))
_FEW = 20_000
JOB, COPY = "genre-spark score, the whole job", "copy of the same columns"
IDENTITY, LABELS = "identity mapInArrow", "genre-spark's labels alone"
ONE_PROCESS = "one process, one core: Polars and ONNX Runtime"
TRACKS_ALONE = "the same by a model that reads no artists and albums"


def main() -> None:
    """Measures, prints the table, and writes the JSON."""
    given = _parse()
    name = f"{'alternatives' if given.alternatives else 'floors'}-{given.tracks}"
    folder = Path(given.folder)
    spark = get_session(batch_rows=_SETTINGS.scoring.batch_rows)
    opened, catalog = files.load(given.model), str(folder / f"catalogue-{given.tracks}")
    catalogues.make_once(spark, given.tracks, catalog)
    tracks = alternatives.prepare(spark, catalog, opened)
    # Before anything else: workers that have done nothing yet.
    few = partial(_labels, tracks.limit(_FEW), _FEW, opened, str(folder / "out few"))
    cold = workers.cold_start(few, _fresh(folder / "cold start"))
    ends = time.monotonic() + given.minutes * 60
    candidates = _candidates(spark, tracks, opened, catalog, given, folder)
    state = measuring.RESULTS / f"{name}.taken"
    seconds = measuring.alternate(candidates, given.repeats, state, given.longest, ends)
    # What others do too, beside what others do; the job also validates, counts and verifies.
    reference = LABELS if given.alternatives else COPY
    if reference not in seconds:
        sys.exit(f"{name}: {reference} was not reached; the same command goes on from here")
    rows = measuring.compare(seconds, reference)
    print(measuring.table(rows, reference))
    content = {"tracks": given.tracks, "reference": reference, "rows": rows, "cold_start": cold}
    content["peak_mib"] = measuring.peaks()
    if JOB in candidates:
        content["plans"] = _plans(spark, candidates[JOB])
    measuring.publish(name, "python " + " ".join(sys.argv), content)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Times labelling and its alternatives.")
    parser.add_argument("--tracks", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--alternatives", action="store_true")
    parser.add_argument("--job", action="store_true", help="The whole job and the copy alone.")
    parser.add_argument("--folder", default="/tmp/genre-spark-bench", help="Catalogues, outputs.")
    parser.add_argument("--model", default=str(ROOT / "models" / "reference"))
    parser.add_argument("--minutes", type=float, default=60, help="Begin nothing new after that.")
    parser.add_argument(
        "--longest", type=float, default=600, help="Seconds; what takes longer runs only once."
    )
    return parser.parse_args()


def _candidates(
    spark: SparkSession,
    tracks: DataFrame,
    opened: Bundle,
    catalog: str,
    given: argparse.Namespace,
    folder: Path,
) -> dict[str, Callable[[], Any]]:
    def out(name: str) -> str:
        return str(folder / f"out {name}")

    source = Source(catalog, Dataset(), "parquet")
    job = partial(score_pipeline.run, spark, LabelRequest(source, opened, out("job"), _SETTINGS))
    copy = {COPY: partial(alternatives.copy, tracks, out("copy"))}
    if given.job:
        one = partial(_one_process, catalog, given.model, out("one.parquet"))
        return {**copy, ONE_PROCESS: one, JOB: job}
    if not given.alternatives:
        alone = _reads_tracks_alone(spark, folder)
        return {
            **copy,
            IDENTITY: partial(alternatives.identity, tracks, out("identity")),
            TRACKS_ALONE: partial(_labels, tracks, given.tracks, alone, out("alone")),
            LABELS: partial(_labels, tracks, given.tracks, opened, out("labels")),
            ONE_PROCESS: partial(_one_process, catalog, given.model, out("one.parquet")),
            JOB: job,
        }
    network = alternatives.save_network(opened, folder / "keras")
    by_spark: dict[str, Callable[..., Any]] = {
        "predict_batch_udf, Keras": alternatives.batch_udf,
        "pandas UDF, Keras": alternatives.pandas_udf,
        "mlflow spark_udf, Keras": partial(alternatives.mlflow_udf, spark),
    }
    return {
        JOB: job,
        LABELS: partial(_labels, tracks, given.tracks, opened, out("labels")),
        **{
            name: partial(run, tracks, opened, network, out(name)) for name, run in by_spark.items()
        },
        "one process, pandas and Keras": partial(
            alternatives.single_process, catalog, opened, network, out("single")
        ),
    }


def _one_process(catalog: str, model: str, output: str) -> None:
    """In a process of its own, which ends: what it took counts as a child's."""
    command = [sys.executable, str(ROOT / "benchmarks" / "one_process.py")]
    arguments = ["--catalog", catalog, "--model", model, "--output", output]
    threads = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
    one = {**os.environ, **dict.fromkeys(threads, "1")}
    subprocess.run([*command, *arguments], check=True, env=one)


def _plans(spark: SparkSession, run: Callable[[], Any]) -> dict[str, int]:
    """SQL executions, jobs, and characters of the physical plans of a run."""
    store = spark._jsparkSession.sharedState().statusStore()
    before = store.executionsCount()
    run()
    listed = store.executionsList()
    made = [listed.apply(i) for i in range(before, listed.size())]
    return {
        "executions": len(made),
        "jobs": sum(one.jobs().size() for one in made),
        "plan_characters": sum(len(one.physicalPlanDescription()) for one in made),
        "largest_plan": max(len(one.physicalPlanDescription()) for one in made),
    }


def _labels(tracks: DataFrame, n: int, opened: Bundle, output: str) -> None:
    """What workers and shuffle take, without counts, drift and a verified switch."""
    absent = [name for name in (TITLE, ALBUM) if name not in tracks.columns]
    nulls = [f"cast(null as string) as {name}" for name in (*absent, GENRE)]
    nulls.append(f"cast(null as array<string>) as {ARTISTS}")
    rows = tracks.selectExpr("*", f"0 as {N_IMPUTED}", f"false as {AMBIGUOUS}", *nulls)
    shared_out = Tracks.of(rows, n, _SETTINGS.scoring.max_group, opened.manifest.scoring.owner)
    labelled = scoring.labelled(shared_out, opened, "2026-01-01T00:00:00+00:00")
    labelled.drop(*scoring.PASSED).write.mode("overwrite").parquet(output)


def _reads_tracks_alone(spark: SparkSession, folder: Path) -> Bundle:
    """A model as large as any, to be timed and not to be asked how right it is."""
    clusters, model = (folder / "alone" / name for name in ("clusters", "model"))
    if not model.exists():
        _fresh(folder / "alone")
        known = load_dataset(demo.PACKAGE)
        columns = {name: own for name, own in known.columns.items() if name not in GROUPS}
        source = Source(str(demo.table()), known.model_copy(update={"columns": columns}))
        cluster_pipeline.run(spark, cluster_pipeline.ClusterRequest(source, str(clusters), _QUICK))
        train_pipeline.run(spark, Request(source, files.load(clusters), str(model), _QUICK))
    return files.load(model)


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


if __name__ == "__main__":
    main()
