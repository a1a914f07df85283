import subprocess
import sys

import pytest
from pyspark.sql import functions as F

from genre_spark.catalog.source_files import reading
from genre_spark.errors import ConfigError, InputError
from genre_spark.platform import spark_errors


def failing(spark, code):
    """Runs code in a Python worker."""

    def work(batches):
        exec(code)
        yield from batches

    spark.range(1).mapInArrow(work, "id long").collect()


def caught(run):
    with pytest.raises(Exception) as raised:
        run()
    return raised.value


def test_a_package_that_workers_lack_is_the_environments_error_and_is_named(spark, monkeypatch):
    monkeypatch.setenv("PYSPARK_PYTHON", "/opt/python")
    with pytest.raises(ConfigError) as told, reading("t.csv: cannot be read any more"):
        failing(spark, "import package_that_is_not_there")
    assert told.value.exit_code == 2
    assert "Spark's Python workers run /opt/python" in str(told.value)
    assert "lacks 'package_that_is_not_there'" in str(told.value)
    assert "set PYSPARK_PYTHON" in str(told.value)


def test_any_other_failure_of_a_worker_carries_the_last_line_of_its_traceback(spark):
    err = caught(lambda: failing(spark, "raise ValueError('7 is odd')"))
    assert spark_errors.cause(err) == "ValueError: 7 is odd"
    assert spark_errors.explained(err) is None
    with (
        pytest.raises(InputError, match=r"^t.csv: cannot be read: ValueError: 7 is odd$"),
        reading("t.csv: cannot be read"),
    ):
        raise err


def test_a_file_that_cannot_be_read_is_the_inputs_error_wherever_it_is_found(spark, tmp_path):
    spark.range(10).write.parquet(str(tmp_path / "t"))
    table = spark.read.parquet(str(tmp_path / "t"))
    for file in (tmp_path / "t").glob("*.parquet"):
        file.write_bytes(file.read_bytes()[:20])
    err = caught(lambda: table.agg(F.sum("id")).collect())
    found = spark_errors.explained(err)
    assert isinstance(found, InputError)
    assert "\n" not in str(found)


def test_errors_of_others_are_none_of_sparks():
    assert spark_errors.explained(ValueError("x")) is None
    assert not spark_errors.is_of_spark(ValueError("x"))


_JAVA_ENDS = """
import click
from pyspark import SparkContext
from genre_spark.cli.entry_point import run
from genre_spark.monitoring import json_logs
from genre_spark.platform.session import get_session

@click.command()
def command():
    json_logs.configure("text", False, "run", "score")
    spark = get_session("local[1]", with_notices=False)
    SparkContext._gateway.proc.kill()
    spark.range(9).count()

run(command)
"""


def test_a_java_that_ended_is_said_so_in_one_line():
    done = subprocess.run([sys.executable, "-c", _JAVA_ENDS], capture_output=True, text=True)
    assert done.returncode == InputError.exit_code
    assert done.stderr == (
        "genre-spark: Java ended, probably out of memory: give it more (spark.driver.memory), or look"
        " for a huge value in the table (-v shows more)\n"
    )
