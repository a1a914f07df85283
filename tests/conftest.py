"""What all tests share: one Spark session, started by the first test that asks for it."""

import logging
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
REAL_TABLES = ROOT.parent / "shared" / "data"

# Java's second compiler costs more than what it speeds up in runs of some rows: a third of the
# processor time of a command. Without it Java leaves too little room for a long run's code, and
# compiles nothing more once that is full. Collecting garbage beside the work pays on idle cores alone.
# For every Spark that a test starts, in whatever process.
os.environ.setdefault(
    "SPARK_SUBMIT_OPTS",
    "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=240m -XX:+UseSerialGC",
)

# Two processes test at once, with a core each: threads of more would wait for each other.
for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
    os.environ.setdefault(threads, "1")

# The same examples in every run: a failure is a change of the code, never of the weather.
settings.register_profile(
    "suite",
    derandomize=True,
    deadline=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("suite")
settings.register_profile("new", settings.get_profile("suite"), derandomize=False)


# For tables of some rows: two tasks, no code compiled for each query, and no second plan once sizes are
# known, which takes a quarter of the processor time. Sessions that a test makes by `newSession`, and
# processes of their own, have what genre-spark itself asks for.
SMALL_PLANS = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.adaptive.enabled": "false",
}

# Minutes each: at the end one of two processes would wait for them alone.
LONGEST = (
    "test_api.py", "test_connect.py", "test_few_labels.py", "test_end_to_end.py",
    "test_command_lines.py",
)  # fmt: skip


def pytest_collection_modifyitems(items):
    """Marks the tests that start Java, and begins with the longest files."""
    with_shell = {item.path for item in items if "shell" in item.fixturenames}
    for item in items:
        if {"spark", "shell"} & set(item.fixturenames):
            item.add_marker("spark")
    items.sort(key=lambda item: item.path not in with_shell and item.path.name not in LONGEST)


@pytest.fixture(scope="session")
def spark(tmp_path_factory):
    """The one session; its files lie in a temporary folder."""
    from genre_spark.platform.session import get_session

    folder = tmp_path_factory.mktemp("spark")
    wanted = {
        "spark.sql.warehouse.dir": folder / "warehouse",
        "spark.local.dir": folder / "local",
        # Two such sessions run at once.
        "spark.driver.memory": "2g",
    }
    arguments = " ".join(f"--conf {key}={value}" for key, value in wanted.items())
    with pytest.MonkeyPatch.context() as patch:
        # The only way to settings that must stand before the JVM does.
        patch.setenv("PYSPARK_SUBMIT_ARGS", f"{arguments} pyspark-shell")
        session = get_session(master="local[2]", batch_rows=1000)
    session.sparkContext.setLogLevel("OFF")
    for key, value in SMALL_PLANS.items():
        session.conf.set(key, value)
    yield session
    session.stop()


@pytest.fixture(params=["local", pytest.param("hadoop", marks=pytest.mark.spark)])
def storage(request):
    """The local disk, reached directly and as Hadoop reaches any file system."""
    from genre_spark.platform.storage import LocalStorage

    if request.param == "local":
        return LocalStorage()
    from genre_spark.platform.hadoop import HadoopStorage

    return HadoopStorage(request.getfixturevalue("spark"), "file:///")


@pytest.fixture(scope="session")
def models(spark, tmp_path_factory):
    """Bundles by hand, which no test may change; see `edits.make_models`."""
    from support.edits import make_models

    return make_models(spark, tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def model(models):
    return models["model"]


@pytest.fixture(scope="session")
def command(spark):
    """Runs a `genre-spark` command; see `commands.Commands`."""
    from support.commands import Commands

    return Commands(spark)


@pytest.fixture(scope="session")
def shell(tmp_path_factory):
    """Runs `genre-spark` commands; see `commands.Shell`."""
    from support.commands import Shell

    opened = Shell(tmp_path_factory.mktemp("shell"))
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def _nothing_stays_cached(request):
    """What a test persisted must not serve, or slow, the next one."""
    yield
    if "spark" in request.fixturenames:
        request.getfixturevalue("spark").catalog.clearCache()


@pytest.fixture(autouse=True)
def _logging_as_before():
    """A command that runs in this process sets what is logged, how, and where."""
    root, ours = logging.getLogger(), logging.getLogger("genre_spark")
    handlers, level = root.handlers[:], root.level
    yield
    logging.disable(logging.NOTSET)
    ours.setLevel(logging.NOTSET)
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture(scope="session")
def real_tables():
    """The folder of real tables, which is no part of the project."""
    if not REAL_TABLES.is_dir():
        pytest.skip(f"the real tables are absent: no {REAL_TABLES}")
    return REAL_TABLES


@pytest.fixture(scope="module")
def eagerly():
    """Fits small networks step by step: for a few steps, drawing up a graph takes the most time."""
    from genre_spark.classifier import network

    network.quiet_keras()
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)
