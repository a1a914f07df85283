"""Tracks drawn by chance, the same ones however a catalogue is partitioned or ordered."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from genre_spark.schema import TRACK_ID

# A share that is 5 % of so many is off by less than 0.1 %, whatever the catalogue's size.
ENOUGH = 100_000


def one_in(share: int) -> Column:
    """Whether a track is among one in so many, by the hash of its id."""
    return F.pmod(F.xxhash64(TRACK_ID), F.lit(share)) == 0


def enough(n_tracks: int, size: int = ENOUGH) -> Column:
    """Whether a track is among about `size` to twice as many of so many; always, of fewer."""
    return one_in(max(1, n_tracks // size))


def bounded(tracks: DataFrame, n_tracks: int) -> DataFrame:
    """As many of so many tracks as tell what all are like."""
    return tracks.filter(enough(n_tracks))
