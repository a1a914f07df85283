"""However a run is killed, labels and quarantine of a Delta table belong together."""

import multiprocessing
import random
from pathlib import Path

import pytest

deltalake = pytest.importorskip("deltalake", reason="deltalake is absent: the extra `delta`")

from support.delta_runs import publish, publish_forever  # noqa: E402

_FOREIGN = "run-ffffffffffff/part-00000-01234567-89ab-cdef-0123-456789abcdef.parquet"


def generations(path, version=None):
    return (
        deltalake.DeltaTable(str(path), version=version)
        .to_pyarrow_table()["generation"]
        .to_pylist()
    )


def check(out):
    """The rows of labels and those of the quarantine that they name are of one run."""
    if not (out / "_delta_log").exists():
        return None
    commit = deltalake.DeltaTable(str(out)).history(1)[0]
    generation = int(commit["genre_spark.run_id"], 16)
    assert generations(out) == [generation] * 3
    named = generations(f"{out}_quarantine", int(commit["genre_spark.quarantine_version"]))
    assert named == [generation] * commit["genre_spark.rows.quarantined"]
    return generation


@pytest.mark.parametrize("kills", [10, pytest.param(50, marks=pytest.mark.long)])
def test_labels_and_quarantine_belong_together_after_each_kill(tmp_path, kills):
    out, rng = tmp_path / "out", random.Random(7)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["support.delta_runs"])
    published, generation = set(), 1
    (out / _FOREIGN).parent.mkdir(parents=True)
    (out / _FOREIGN).write_text("mine")
    for _ in range(kills):
        ready = context.Event()
        process = context.Process(target=publish_forever, args=(str(out), generation, ready))
        process.start()
        assert ready.wait(60)
        process.join(rng.uniform(0.0, 0.1))
        assert process.exitcode is None
        process.kill()
        process.join()
        published.add(check(out))
        generation += 1000
    publish(str(out), generation)
    assert check(out) == generation
    # Whoever reads the newest version of both finds one run's too, from the next run on.
    assert set(generations(f"{out}_quarantine")) == {generation}
    assert len(published) == kills
    assert (out / _FOREIGN).read_text() == "mine"
    tried = {int(path.name.removeprefix("run-"), 16) for path in out.glob("run-0*")}
    logged = deltalake.DeltaTable(str(out)).history()
    assert tried == {int(one["genre_spark.run_id"], 16) for one in logged}
    assert [path.name for path in Path(out, "_genre_spark").glob("started-*")] == []
