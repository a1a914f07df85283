"""The only place that builds a SparkSession."""

import logging
import os
import re
import shlex
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from genre_spark.config import conf_dir
from genre_spark.errors import ConfigError, first_line
from genre_spark.platform import signals, warm_server
from genre_spark.platform.java import OLDEST, find_java_home, install_command

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

# Java's second compiler takes a third of a short run's processor time, and pays only in a longer one:
# from about a million tracks on. Without it Java leaves less room for compiled code than a job needs.
_SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m")
# A driver without memory would go on collecting garbage, and the command with it would hang. What
# Java then prints goes to standard error: standard output is the command's own.
_OUT_OF_MEMORY = ("-XX:+ExitOnOutOfMemoryError", "-XX:+DisplayVMOutputToStderr")
# Bytes of a table whose jobs are short.
_SMALL = 32 * 2**20


_NOTICES = re.compile(
    # Spark asks for a module that is not final yet, and says so to every user.
    rb"WARNING: Using incubator modules"
    # There is no native BLAS; Spark's own is used.
    rb"|netlib-\w+: JNI_OnLoad"
    # Newer Javas, of calls that Spark and Hadoop make.
    rb"|WARNING: (A terminally deprecated|A restricted|Use --enable-native-access|Restricted methods)"
    rb"|WARNING: (Please consider reporting this|sun\.misc\.Unsafe|java\.lang\.System::)"
    rb"|Picked up (JAVA_TOOL|JDK_JAVA)_OPTIONS"
)
logger = logging.getLogger(__name__)
# What correctness rests on, wherever the job runs.
_SEMANTICS = {
    # A text in a number is a fault of its row; under ANSI it would kill the task.
    "spark.sql.ansi.enabled": "false",
    # With pruning, which CSV rows count as malformed depends on the columns a query reads.
    "spark.sql.csv.parser.columnPruning.enabled": "false",
    "spark.sql.caseSensitive": "false",
    # Otherwise ${env:NAME} in a column's name reads a variable of the environment into a message.
    "spark.sql.variable.substitute": "false",
    "spark.sql.session.timeZone": "UTC",
    "spark.sql.timestampType": "TIMESTAMP_LTZ",
    # Tables in encodings beyond Unicode's own, which Spark 4 refuses otherwise.
    "spark.sql.legacy.javaCharsets": "true",
    # ICU's cases take seconds to load; Java's differ in letters that Unicode added lately.
    "spark.sql.icu.caseMappings.enabled": "false",
    # Damaged files are an error, never a table with fewer rows.
    "spark.sql.files.ignoreCorruptFiles": "false",
    "spark.sql.files.ignoreMissingFiles": "false",
}
# Java compiles no method of more than 8,000 bytes, and checking a row takes more in one: interpreted,
# it takes several times as long (benchmarks/validation.py). Of such queries Spark then compiles
# smaller parts on their own; see
# https://spark.apache.org/docs/latest/configuration.html (spark.sql.codegen.hugeMethodLimit).
_SETTINGS = {**_SEMANTICS, "spark.sql.codegen.hugeMethodLimit": "8000"}
# Only at the start of a session. Where in the program a column was made is told to Java by six calls
# per operator, for messages that nobody of ours shows.
_STATIC = {"spark.python.sql.dataFrameDebugging.enabled": "false"}
# Variables that send Spark's start somewhere else.
_VARIABLES = ("SPARK_HOME", "PYSPARK_SUBMIT_ARGS", "SPARK_CONF_DIR", "SPARK_DIST_CLASSPATH",
              "SPARK_LOCAL_IP", "SPARK_LOCAL_DIRS", "HADOOP_CONF_DIR", "JAVA_TOOL_OPTIONS",
              "PYTHONPATH")  # fmt: skip
_MASTER = re.compile(r"local(-cluster)?(\[[\d*][\d*,. ]*\])?|yarn|(spark|k8s)://\S+")
_SUBMIT = "PYSPARK_SUBMIT_ARGS"
_BATCH_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
# A server that stays: its ports ask for a secret, and while it rests it gives memory back.
_WARM = {"spark.authenticate": "true"}
_RESTING = (
    "-XX:G1PeriodicGCInterval=20000 -XX:-G1PeriodicGCInvokesConcurrent"
    " -XX:MinHeapFreeRatio=10 -XX:MaxHeapFreeRatio=20"
)


def is_small(path: str, most: int = _SMALL) -> bool:
    """Whether a table lies on this machine and has at most so many bytes, 32 MiB by default."""
    table = Path(path)
    try:
        files = table.rglob("*") if table.is_dir() else [table]
        sizes = [file.stat().st_size for file in files if not file.is_dir()]
    except OSError:
        return False
    return sum(sizes) <= most


@contextmanager
def stderr_without() -> Iterator[int]:
    """A file descriptor for a new process's standard error: it reaches ours without the notices."""
    read, write = os.pipe()
    reader = threading.Thread(target=_pass_on, args=(read, 2), daemon=True)
    reader.start()
    try:
        yield write
    except BaseException:
        os.close(write)
        # What a process says that dies at once is the most important of all.
        reader.join(timeout=5)
        raise
    os.close(write)


def _pass_on(read: int, to: int) -> None:
    with os.fdopen(read, "rb") as lines:
        for line in lines:
            if not _NOTICES.match(line):
                os.write(to, line)


def get_session(
    master: str | None = None,
    batch_rows: int = 8192,
    with_notices: bool = True,
    small: bool = False,
) -> "SparkSession":
    """A session under spark-submit's settings, or in local mode where started otherwise.

    Raises `ConfigError` if no Java is found, or Spark does not start.

    `master`: Spark's master URL. Without it spark-submit decides, and ``local[*]`` elsewhere.
    `batch_rows`: Rows per Arrow batch that Python workers get.
    `with_notices`: Whether the screen shows what Java says at every start. Under spark-submit it
        does: Java was there first.
    `small`: Whether the session is for a short job; see `is_small`.
    """
    from pyspark.sql import SparkSession

    settings = {**_SETTINGS, **_STATIC, _BATCH_ROWS: str(batch_rows)}
    if under_spark_submit():
        settings |= {"spark.master": master} if master else {}
    else:
        _prepare_environment()
        settings |= {"spark.master": master or "local[*]", **local_properties(small)}
    builder = SparkSession.builder.appName("genre-spark").config(map=dict(settings))
    _check_master(master)
    try:
        with signals.ending_children():
            _start_java(settings, with_notices)
            session = builder.getOrCreate()
    except Exception as err:  # py4j and pyspark raise many kinds here, all fatal
        # Variables that may be the reason; their values may hold passwords.
        given = ", ".join(filter(os.environ.get, _VARIABLES))
        hint = f"; the environment sets {given}: try without" if given else ""
        raise ConfigError(f"Spark does not start: {first_line(err)}{hint}") from err
    _suit_one_machine(session)
    return session


@contextmanager
def on_connect(
    remote: str | None, master: str | None, batch_rows: int = 8192
) -> Iterator["SparkSession"]:
    """A session of Spark Connect for the time of the block.

    Raises `ConfigError` if there is no server, or its libraries are not installed.

    `remote`: ``sc://HOST:PORT``; None for the warm server of this machine, which is started if need
        be.
    `master`: ``local[...]``, of the warm server.
    `batch_rows`: Rows per Arrow batch that Python workers get.
    """
    try:
        from pyspark.sql.connect import local_server  # noqa: F401
    except ImportError as err:  # pyspark's own kind too
        raise ConfigError(
            "--warm and --remote need pyspark 4.3 with the libraries of Spark Connect: type:"
            " pip install 'genre-spark[connect]'"
        ) from err
    with ExitStack() as stack:
        url = remote or stack.enter_context(_warm_server(master))
        settings = {**_SETTINGS, _BATCH_ROWS: str(batch_rows)}
        # What Spark's functions are made for, from here on.
        os.environ["SPARK_CONNECT_MODE_ENABLED"] = "1"
        session = _connected(url, warm=remote is None, settings=settings)
        stack.callback(session.stop)
        yield session


def _warm_server(master: str | None) -> AbstractContextManager[str]:
    if master and not master.startswith("local"):
        raise ConfigError(f"--warm runs on this machine, --master {master} elsewhere: give one")
    _prepare_environment()
    properties = {**_STATIC, **_WARM, **local_properties()}
    properties["spark.driver.extraJavaOptions"] += f" {_RESTING}"
    return warm_server.serving(master or "local[*]", properties)


def _connected(url: str, warm: bool, settings: Mapping[str, str]) -> "SparkSession":
    from pyspark.sql.connect.session import SparkSession as ConnectSession

    builder = ConnectSession.builder
    builder = builder.channelBuilder(warm_server.channel(url)) if warm else builder.remote(url)
    try:
        session = builder.config(map=dict(settings)).create()
    except Exception as err:  # grpc and pyspark raise many kinds here, all fatal
        raise ConfigError(f"{url}: no session of Spark Connect: {first_line(err)}") from err
    return cast("SparkSession", session)


@contextmanager
def borrowed(spark: "SparkSession") -> Iterator[None]:
    """Gives somebody else's session, for the time of the block, what correctness rests on.

    What the block makes of DataFrames keeps that meaning when it is run later; the session itself
    has its own settings back. On Spark Connect, which looks at a plan only when it is run, nothing
    is set: labelling means the same under any setting.
    """
    with setting(spark, _SETTINGS) if is_classic(spark) else nullcontext():
        yield


@contextmanager
def setting(spark: "SparkSession", settings: Mapping[str, str]) -> Iterator[None]:
    """Gives a session some settings for the time of the block."""
    before = {key: str(spark.conf.get(key)) for key in settings}
    try:
        for key, value in settings.items():
            spark.conf.set(key, value)
        yield
    finally:
        for key, value in before.items():
            spark.conf.set(key, value)


def is_classic(spark: "SparkSession") -> bool:
    """Whether the driver's JVM is at hand: not so on Spark Connect."""
    return hasattr(spark, "_jvm")


def require_classic(spark: "SparkSession", work: str) -> None:
    """Refuses a session of Spark Connect.

    Raises `ConfigError`.
    """
    if not is_classic(spark):
        raise ConfigError(
            f"{work} needs a classic session, and this is one of Spark Connect, on which score and"
            " quarantine work. Make one with SparkSession.builder.master(...), or run the command"
        )


def under_spark_submit() -> bool:
    """Whether spark-submit started this process and holds its configuration."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def local_properties(small: bool = False) -> dict[str, str]:
    """Settings of local mode: the lines of ``conf/spark/local.conf``, and options for Java."""
    lines = (conf_dir() / "spark" / "local.conf").read_text(encoding="utf-8").splitlines()
    pairs = (line.split(None, 1) for line in lines if line.strip() and not line.startswith("#"))
    properties = {key: value.strip() for key, value in pairs}
    logs = Path(str(conf_dir() / "log4j2.properties")).as_uri()
    java = [f"-Dlog4j2.configurationFile={logs}", *_OUT_OF_MEMORY, *(_SHORT_RUN if small else ())]
    return {"spark.driver.extraJavaOptions": " ".join(java), **properties}


def _check_master(master: str | None) -> None:
    """Refuses what is no master before Java starts, which would say so in fifty lines."""
    if master and not _MASTER.fullmatch(master):
        raise ConfigError(
            f"--master {master}: no such master; there are local[N], local[*], spark://HOST:PORT, yarn and"
            " k8s://URL"
        )


def _start_java(settings: dict[str, str], with_notices: bool) -> None:
    """Starts Spark's Java here, where its standard error can be led through a filter.

    In a process group of its own no key of the terminal reaches it: it ends with this process.
    """
    from pyspark import SparkConf, SparkContext
    from pyspark.core import context
    from pyspark.java_gateway import launch_gateway

    # pyspark's own handler of Ctrl-C calls Java within the call that is interrupted, and says so.
    unheard = SimpleNamespace(SIGINT=signal.SIGINT, signal=lambda *_: None)
    setattr(context, "signal", unheard)  # noqa: B010 - not an attribute for mypy
    if under_spark_submit() or SparkContext._gateway:
        return
    conf = SparkConf().setAppName("genre-spark").setAll(list(settings.items()))
    quiet = nullcontext() if with_notices else stderr_without()
    with quiet as stderr, signals.ending_children():
        options = {"start_new_session": True, **({"stderr": stderr} if stderr is not None else {})}
        gateway = launch_gateway(conf, options)  # type: ignore[no-untyped-call]
    SparkContext(conf=conf, gateway=gateway)


def _suit_one_machine(session: "SparkSession") -> None:
    """In local mode under spark-submit too, what is left to Spark's defaults is for one machine."""
    context = session.sparkContext
    if (context.master or "").startswith("local"):
        for key, value in local_properties().items():
            if key.startswith("spark.sql.") and context.getConf().get(key) is None:
                session.conf.set(key, value)


def _drop_submit_master() -> None:
    """Takes the master out of PYSPARK_SUBMIT_ARGS, where it would win over --master and the default."""
    words = shlex.split(os.environ.get(_SUBMIT, ""))
    kept, skip = [], False
    for word in words:
        option = word.split("=")[0] in ("--master", "--deploy-mode")
        if not skip and not option:
            kept.append(word)
        elif option:
            logger.warning("%s: %s is ignored; give --master to genre-spark", _SUBMIT, word)
        skip = option and "=" not in word
    if kept != words:
        os.environ[_SUBMIT] = shlex.join(kept)


def _prepare_environment() -> None:
    import pyspark

    home = find_java_home()
    if home is None:
        raise ConfigError(f"no Java {OLDEST} or newer found, Spark needs it: {install_command()}")
    os.environ["JAVA_HOME"] = str(home)
    # The Spark of the installed pyspark, whatever SPARK_HOME names: versions must agree.
    own = Path(pyspark.__file__).parent
    if (own / "jars").is_dir() and os.environ.get("SPARK_HOME"):
        os.environ["SPARK_HOME"] = str(own)
    _drop_submit_master()
    # Otherwise the workers run whichever python3 is first on the PATH.
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
