"""spark-submit entry: the same as `genre-spark train`."""

from genre_spark.cli import run, train

if __name__ == "__main__":
    run(train)
