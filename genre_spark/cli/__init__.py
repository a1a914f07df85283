"""The command line."""

from genre_spark.cli.commands import cli, cluster, evaluate, main, models, report, run, score, train

__all__ = ["cli", "cluster", "evaluate", "main", "models", "report", "run", "score", "train"]
