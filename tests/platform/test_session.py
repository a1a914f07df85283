"""The session that every job runs in, and the Java that it starts."""

import os
import subprocess
import sys

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from genre_spark.errors import ConfigError
from genre_spark.platform import session
from genre_spark.platform.session import is_small, local_properties


def test_no_generated_method_is_larger_than_what_java_compiles(spark):
    assert spark.conf.get("spark.sql.codegen.hugeMethodLimit") == "8000"


def test_where_spark_does_not_start_variables_are_named_without_their_values(
    monkeypatch, tmp_path, capfd
):
    monkeypatch.setenv("PYSPARK_SUBMIT_ARGS", "--conf spark.x=hunter2 pyspark-shell")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dpassword=hunter2")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))  # so that the old one comes back
    monkeypatch.setattr(session, "find_java_home", lambda: tmp_path)  # where no Java is
    monkeypatch.setattr(SparkContext, "_gateway", None)
    monkeypatch.setattr(SparkContext, "_active_spark_context", None)
    monkeypatch.setattr(SparkSession, "_instantiatedSession", None)
    with pytest.raises(ConfigError) as caught:
        session.get_session("local[1]")
    told = str(caught.value)
    assert "the environment sets PYSPARK_SUBMIT_ARGS, JAVA_TOOL_OPTIONS" in told
    assert "hunter2" not in told + capfd.readouterr().err


@pytest.mark.parametrize("master", ["foo://x", "lokal", "spark://", "local[x]"])
def test_what_is_no_master_is_refused_before_java_starts(master, monkeypatch):
    monkeypatch.setattr(session, "_start_java", None)
    with pytest.raises(ConfigError, match="no such master"):
        session.get_session(master)


# What Java is started with, by the size of the table

LIMIT = 32 * 2**20


@pytest.fixture
def of_size(tmp_path):
    """A file of so many bytes, none of which is written."""

    def make(name, size):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.truncate(path, size)
        return str(path)

    return make


def test_a_table_of_up_to_32_mib_is_small_all_files_of_a_folder_together(of_size, tmp_path):
    assert is_small(of_size("a.csv", LIMIT))
    assert not is_small(of_size("b.csv", LIMIT + 1))
    of_size("t/a.parquet", LIMIT - 10)
    assert is_small(str(tmp_path / "t"))
    of_size("t/b.parquet", 20)
    assert not is_small(str(tmp_path / "t"))


@pytest.mark.parametrize("path", ["s3a://bucket/t.parquet", "absent.csv", "t/*.csv"])
def test_a_table_whose_size_is_not_known_is_not_small(path):
    assert not is_small(path)


@pytest.mark.parametrize("small", [False, True])
def test_java_is_started_for_the_size_of_the_table(small):
    given = local_properties(small=small)["spark.driver.extraJavaOptions"].split()
    # Without its second compiler, which costs a small table more than it gains.
    assert ("-XX:TieredStopAtLevel=1" in given) == small
    # Without memory it ends, and standard output is the command's.
    assert {"-XX:+ExitOnOutOfMemoryError", "-XX:+DisplayVMOutputToStderr"} <= set(given)


# What Java says at every start stays off the screen; whatever else it says does not

NOTICES = [
    "WARNING: Using incubator modules: jdk.incubator.vector",
    "netlib-blas: JNI_OnLoad: dlopen(libblas.so.3) failed: libblas.so.3: no such file",
    "WARNING: sun.misc.Unsafe::arrayBaseOffset has been called by x",
    "Picked up JAVA_TOOL_OPTIONS: -Xmx1g",
]
WORDS = [
    "12:00:00 ERROR TaskScheduler: lost executor",
    "WARNING: disk is full",
    "java.lang.OutOfMemoryError: Java heap space",
]


def test_known_notices_are_dropped_and_all_else_is_passed_on(tmp_path):
    said = "\n".join([*NOTICES[:2], *WORDS, *NOTICES[2:], "the end, without a line break"])
    (tmp_path / "said").write_text(said)
    with (tmp_path / "screen").open("wb") as screen:
        session._pass_on(os.open(tmp_path / "said", os.O_RDONLY), screen.fileno())
    told = (tmp_path / "screen").read_text().splitlines()
    assert told == [*WORDS, "the end, without a line break"]


def test_the_last_words_of_a_process_that_dies_at_once_are_reported_before_its_error(capfd):
    code = "import sys; print(*sys.argv[1:], sep='\\n', file=sys.stderr); sys.exit(1)"
    command = [sys.executable, "-c", code, *WORDS, NOTICES[0]]
    with pytest.raises(subprocess.CalledProcessError), session.stderr_without() as stderr:
        subprocess.run(command, stderr=stderr, check=True)
    assert capfd.readouterr().err.splitlines() == WORDS
