"""spark-submit entry: the same as `genre-spark cluster`."""

from genre_spark.cli import cluster, run

if __name__ == "__main__":
    run(cluster)
