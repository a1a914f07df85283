"""The only place that builds a SparkSession."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from genre_spark.config import conf_dir
from genre_spark.errors import ConfigError
from genre_spark.platform import stderr_filter
from genre_spark.platform.java import OLDEST, find_java_home, install_command

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# What correctness rests on, wherever the job runs.
_SEMANTICS = {
    # A text in a number is a fault of its row; under ANSI it would kill the task.
    "spark.sql.ansi.enabled": "false",
    # With pruning, which CSV rows count as malformed depends on the columns a query reads.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.caseSensitive": "false",
    "spark.sql.session.timeZone": "UTC",
}


def get_session(
    master: str | None = None, batch_rows: int = 8192, with_notices: bool = True
) -> "SparkSession":
    """A session under spark-submit's settings, or in local mode where started otherwise.

    Parameters
    ----------
    master : str, optional
        Spark's master URL. Without it spark-submit decides, and ``local[*]`` elsewhere.
    batch_rows : int
        Rows per Arrow batch that Python workers get.
    with_notices : bool
        Whether the screen shows what Java says at every start. Under spark-submit it does: Java
        was there first.

    Raises
    ------
    ConfigError
        Where no Java is found, or Spark does not start.
    """
    from pyspark.sql import SparkSession

    settings = {**_SEMANTICS, "spark.sql.execution.arrow.maxRecordsPerBatch": str(batch_rows)}
    if under_spark_submit():
        settings |= {"spark.master": master} if master else {}
    else:
        _prepare_environment()
        settings |= {"spark.master": master or "local[*]", **local_properties()}
    builder = SparkSession.builder.appName("genre-spark").config(map=dict(settings))
    try:
        if not with_notices:
            _start_java(settings)
        session = builder.getOrCreate()
    except Exception as err:  # py4j and pyspark raise many kinds here, all fatal
        raise ConfigError(f"Spark does not start: {str(err).splitlines()[0]}") from err
    _suit_one_machine(session)
    return session


@contextmanager
def borrowed(spark: "SparkSession") -> Iterator[None]:
    """Gives somebody else's session, for the time of the block, what correctness rests on.

    What the block makes of DataFrames keeps that meaning when it is run later; the session itself
    has its own settings back.

    Raises
    ------
    ConfigError
        For a session of Spark Connect, which has no way to MLlib's KMeans nor to broadcasts.
    """
    if not hasattr(spark, "_jvm"):
        raise ConfigError(
            "a session of Spark Connect cannot serve: genre-spark broadcasts models and calls MLlib"
            " in Spark's driver. Make a classic one: SparkSession.builder.master(...)"
        )
    before = {key: str(spark.conf.get(key)) for key in _SEMANTICS}
    try:
        _set_all(spark, _SEMANTICS)
        yield
    finally:
        _set_all(spark, before)


def _set_all(spark: "SparkSession", settings: Mapping[str, str]) -> None:
    for key, value in settings.items():
        spark.conf.set(key, value)


def under_spark_submit() -> bool:
    """Whether spark-submit started this process and holds its configuration."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def local_properties(path: Path | None = None) -> dict[str, str]:
    """Settings of local mode: the lines of ``conf/spark/local.conf``, and quiet logs."""
    lines = (path or conf_dir() / "spark" / "local.conf").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
    properties = {key: value.strip() for key, value in pairs}
    logs = Path(str(conf_dir() / "log4j2.properties")).as_uri()
    return {"spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={logs}", **properties}


def _start_java(settings: dict[str, str]) -> None:
    """Starts Spark's Java here, where its standard error can be led through a filter."""
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway

    if under_spark_submit() or SparkContext._gateway:
        return
    conf = SparkConf().setAppName("genre-spark").setAll(list(settings.items()))
    with stderr_filter.stderr_without() as stderr:
        gateway = launch_gateway(conf, {"stderr": stderr})
    SparkContext(conf=conf, gateway=gateway)


def _suit_one_machine(session: "SparkSession") -> None:
    """In local mode under spark-submit too, what is left to Spark's defaults is for one machine."""
    context = session.sparkContext
    if context.master.startswith("local"):
        for key, value in local_properties().items():
            if key.startswith("spark.sql.") and context.getConf().get(key) is None:
                session.conf.set(key, value)


def _prepare_environment() -> None:
    home = find_java_home()
    if home is None:
        raise ConfigError(f"no Java {OLDEST} or newer found, Spark needs it: {install_command()}")
    os.environ["JAVA_HOME"] = str(home)
    # Otherwise the workers run whichever python3 is first on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
