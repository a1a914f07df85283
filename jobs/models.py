"""spark-submit entry: the same as `genre-spark models`."""

from genre_spark.cli import models, run

if __name__ == "__main__":
    run(models)
