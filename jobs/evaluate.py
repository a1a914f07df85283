"""spark-submit entry: the same as `genre-spark evaluate`."""

from genre_spark.cli import evaluate, run

if __name__ == "__main__":
    run(evaluate)
