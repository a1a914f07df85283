"""`python -m genre_spark.cli`: the console script where it is not on the PATH."""

from genre_spark.cli.entry_point import main

if __name__ == "__main__":
    main()
