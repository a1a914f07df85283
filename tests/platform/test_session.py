"""The session that every job runs in."""

import pytest
from pyspark import SparkContext
from pyspark.sql import SparkSession

from genre_spark.errors import ConfigError
from genre_spark.platform import session


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
