"""spark-submit entry: the same as `genre-spark score`."""

from genre_spark.cli import run, score

if __name__ == "__main__":
    run(score)
