"""Finds out why a text table was read badly: its encoding, or how it escapes quotes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pyspark.sql import SparkSession

from genre_spark.catalog import reader, table_format, text_files
from genre_spark.errors import InputError

if TYPE_CHECKING:
    from genre_spark.catalog.catalogue import Source
    from genre_spark.catalog.rows import GatedRows, ValueCounts


def check(spark: SparkSession, source: "Source", counts: "GatedRows") -> None:
    """Stops where a text table is in another encoding, or escapes quotes in another way.

    Raises
    ------
    InputError
    """
    fmt, path = source.format(spark), source.path
    damaged = any(one.damaged for one in counts.values.values())
    if fmt not in (table_format.CSV, table_format.JSON) or not (damaged or counts.n_malformed):
        return
    files, _ = reader.files_in(spark, path, reader.locate(spark, path))
    check_encoding(spark, path, files, counts.values)
    if fmt == table_format.CSV:
        check_escapes(spark, path, files, counts.n_malformed, source.dataset.options)


def check_encoding(
    spark: SparkSession, path: str, files: Sequence[str], values: "Mapping[str, ValueCounts]"
) -> None:
    """Refuses a text table in another encoding than UTF-8, once values turned out to be damaged.

    Parameters
    ----------
    path : str
        Of the table, for messages.
    files : sequence of str
        Their URIs.

    Raises
    ------
    InputError
        Naming the column, the number of its values, the likely encoding, and two remedies. A file
        that is UTF-8 but for some bytes is not refused.
    """
    damaged = {name: one for name, one in values.items() if one.damaged}
    if not damaged:
        return
    encoding, file = text_files.encoding_of(spark, path, files)
    if encoding.name is None or encoding.damaged:
        return
    listed = ", ".join(f"{one.damaged:,} values of {name}" for name, one in damaged.items())
    example = next(iter(damaged.values())).example
    raise InputError(
        f"{path}: {listed} are not UTF-8, for example {example!r}; {file} looks like"
        f" {encoding.name}: give a dataset file with options: {{encoding: {encoding.name}}}"
        " (genre-spark inspect --output FILE.yaml writes one), or convert it:"
        f" {text_files.convert_command(file, encoding)}"
    )


def check_escapes(
    spark: SparkSession, path: str, files: Sequence[str], n_malformed: int, given: Mapping[str, str]
) -> None:
    """Refuses a CSV table whose malformed rows are due to quotes escaped by a backslash.

    Parameters
    ----------
    n_malformed : int
        Rows that are malformed, or hold other rows.
    given : mapping of str to str
        The user's options of Spark's reader.

    Raises
    ------
    InputError
        Naming the number of rows and the option.
    """
    if not n_malformed or "escape" in given:
        return
    text = text_files.look(spark, files[0], path, given.get("encoding")).text if files else ""
    if text_files.dialect_of(text, given.get("sep") or ",").escape != '"':
        raise InputError(
            f'{path}: {n_malformed:,} rows are malformed: quotes in its texts are written \\", as'
            " Spark writes them; give a dataset file with options: {escape: '\\'} (genre-spark"
            " inspect --output FILE.yaml writes one)"
        )
