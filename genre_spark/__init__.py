"""genre_spark: labels whole music catalogues with synthetic and real genres, on Spark."""

__version__ = "0.1.0"
