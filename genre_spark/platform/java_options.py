"""Options for the Java that local mode starts: a short start for small tables, classes kept ready."""

import sys
from pathlib import Path

from genre_spark.config import conf_dir

# Java's second compiler takes a third of a short run's processor time, and pays only in a longer one:
# from about a million tracks on. Without it Java leaves less room for compiled code than a job needs.
_SHORT_RUN = ("-XX:TieredStopAtLevel=1", "-XX:ReservedCodeCacheSize=240m")
# Bytes of a table whose jobs are short.
_SMALL = 32 * 2**20


def java_options(small: bool = False, archive: Path | None = None) -> str:
    """Options in one text, as ``spark.driver.extraJavaOptions`` has them.

    Parameters
    ----------
    small : bool
        Whether the job is a short one; see `is_small`.
    archive : Path, optional
        From `class_archive`; used if it is there. Java itself leaves out one that was not made by
        the same Java for the same libraries.
    """
    logs = Path(str(conf_dir() / "log4j2.properties")).as_uri()
    options = [f"-Dlog4j2.configurationFile={logs}", *(_SHORT_RUN if small else ())]
    if archive and archive.is_file():
        options += [f'"-XX:SharedArchiveFile={archive}"', "-Xlog:cds*=off"]
    return " ".join(options)


def class_archive() -> Path:
    """Where this Python environment keeps the classes that Spark loads.

    `pipelines.class_archive` makes it.
    """
    return Path(sys.prefix) / "share" / "genre-spark" / "spark-classes.jsa"


def is_small(path: str) -> bool:
    """Whether a table lies on this machine and is of at most 32 MiB."""
    table = Path(path)
    try:
        files = table.rglob("*") if table.is_dir() else [table]
        sizes = [file.stat().st_size for file in files if not file.is_dir()]
    except OSError:
        return False
    return sum(sizes) <= _SMALL
