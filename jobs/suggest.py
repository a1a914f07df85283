"""spark-submit entry: the same as `genre-spark suggest`."""

from genre_spark.cli import run, suggest

if __name__ == "__main__":
    run(suggest)
