"""Options for the Java that local mode starts: a short start for small tables."""

from pathlib import Path

from genre_spark.config import conf_dir

# Java's second compiler takes a third of a short run's processor time, and pays only in a longer one:
# from about a million tracks on. Without it Java leaves less room for compiled code than a job needs.
_SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m")
# Bytes of a table whose jobs are short.
_SMALL = 32 * 2**20


def java_options(small: bool = False) -> str:
    """Options in one text, as ``spark.driver.extraJavaOptions`` has them.

    Parameters
    ----------
    small : bool
        Whether the job is a short one; see `is_small`.
    """
    logs = Path(str(conf_dir() / "log4j2.properties")).as_uri()
    return " ".join([f"-Dlog4j2.configurationFile={logs}", *(_SHORT_RUN if small else ())])


def is_small(path: str) -> bool:
    """Whether a table lies on this machine and is of at most 32 MiB."""
    table = Path(path)
    try:
        files = table.rglob("*") if table.is_dir() else [table]
        sizes = [file.stat().st_size for file in files if not file.is_dir()]
    except OSError:
        return False
    return sum(sizes) <= _SMALL
