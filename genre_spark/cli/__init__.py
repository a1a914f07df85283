"""The command line."""

from genre_spark.cli.main import cli, main, run

__all__ = ["cli", "main", "run"]
