"""spark-submit entry: the same as `genre-spark report`."""

from genre_spark.cli import report, run

if __name__ == "__main__":
    run(report)
