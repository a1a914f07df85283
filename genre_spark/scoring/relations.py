"""What tracks far apart in the catalogue say of each other: shared albums, and very large artists."""

from collections.abc import Mapping
from contextlib import ExitStack

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from genre_spark.catalog.sampling import one_in
from genre_spark.features.catalogue_context import statistics
from genre_spark.features.scaling import FeatureSpace
from genre_spark.schema import ALBUM, ARTIST, key_column
from genre_spark.scoring.artist_batches import ALBUM_SUM, GATHER

# Large artists are looked for among every so many tracks, drawn by the hash of their ids.
_SAMPLED = 64
# At most one in so many tracks can be counted as such an artist of its own: their number, which
# the driver holds, is bounded.
_MOST_CROWDS = 10_000
# Some 50 bytes each in the driver's memory; more are joined by sorting both sides.
_BROADCAST_KEYS = 500_000


def crowds(inputs: DataFrame, n_tracks: int, max_artist: int) -> list[int]:
    """Keys of the artists with more than about `max_artist` tracks.

    Where they are more than 10,000, only those with more tracks than a ten thousandth of all.

    Parameters
    ----------
    inputs : DataFrame
        `TRACK_ID` and the artist's key.
    n_tracks : int
    max_artist : int
    """
    most = max(max_artist, n_tracks // _MOST_CROWDS)
    if n_tracks <= most:
        return []
    own = key_column(ARTIST)
    # A small share of a small number is no number to go by.
    share = min(_SAMPLED, max(1, most // 100))
    drawn = inputs.filter(F.col(own).isNotNull() & one_in(share))
    found = drawn.groupBy(own).count().filter(F.col("count") * share > most)
    return sorted(row[own] for row in found.collect())


def join_shared_albums(
    stack: ExitStack, inputs: DataFrame, space: FeatureSpace, crowded: list[int]
) -> DataFrame:
    """Adds the context, and the sum of the hashes, of albums that one worker does not see whole.

    Null where all tracks of an album are of one artist, who is not `crowded`.

    Parameters
    ----------
    stack : ExitStack
        For as long as the result is used.
    inputs : DataFrame
        With keys, hashes and features.
    space : FeatureSpace
    crowded : list of int
        From `crowds`.
    """
    own = key_column(ALBUM)
    artists = inputs.filter(F.col(own).isNotNull()).groupBy(own)
    spread = artists.agg(F.min(GATHER).alias("_first"), F.max(GATHER).alias("_last"))
    parted = (F.col("_first") != F.col("_last")) | F.col("_first").isin(crowded)
    shared = _keys(stack, spread.filter(parted).select(own))
    # Few of all tracks, read for sums and for artists, then for what these give.
    on_shared = _kept(stack, inputs.join(shared, on=own, how="left_semi"))
    total = F.sum("input_hash").alias(ALBUM_SUM)
    found = _kept(stack, statistics(on_shared, space, ALBUM, total))
    others = inputs.join(shared, on=own, how="left_anti")
    # The sums themselves are never sent to everybody: they may be too many for the driver.
    return on_shared.join(found, on=own).unionByName(others, allowMissingColumns=True)


def join_context(inputs: DataFrame, space: FeatureSpace, group: str) -> DataFrame:
    """Adds the context of few, large groups."""
    return inputs.join(F.broadcast(statistics(inputs, space, group)), on=key_column(group))


def join_sums(inputs: DataFrame, group: str, sums: Mapping[str, str]) -> DataFrame:
    """Adds the sum of columns over each track's group, null where it has none.

    Parameters
    ----------
    inputs : DataFrame
    group : str
    sums : mapping of str to str
        Name of each sum, and the column.
    """
    own = key_column(group)
    named = inputs.filter(F.col(own).isNotNull()).groupBy(own)
    totals = named.agg(*[F.sum(F.coalesce(of, F.lit(0))).alias(to) for to, of in sums.items()])
    return inputs.join(totals, on=own, how="left")


def _keys(stack: ExitStack, keys: DataFrame) -> DataFrame:
    """Keys whose number is known before they are joined: sent to everybody if they are few.

    Spark would otherwise shuffle the other side too before it finds out.
    """
    kept = _kept(stack, keys)
    return F.broadcast(kept) if kept.count() <= _BROADCAST_KEYS else kept


def _kept(stack: ExitStack, table: DataFrame) -> DataFrame:
    kept = table.persist()
    stack.callback(kept.unpersist)
    return kept
