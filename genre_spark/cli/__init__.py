"""The command line."""

from genre_spark.cli.commands import cli, cluster, evaluate, report, score, suggest, train
from genre_spark.cli.entry_point import main, run
from genre_spark.cli.models_commands import models

__all__ = [
    "cli",
    "cluster",
    "evaluate",
    "main",
    "models",
    "report",
    "run",
    "score",
    "suggest",
    "train",
]
