"""Labels every track of a catalogue with a bundle, in vectorised passes.

An artist's tracks are brought together once, and one Python worker makes their context, opinions,
consensus and labels. Few artists have too many tracks for that; Spark adds up theirs from parts. A
model to which every track stands for itself labels them where they are read.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

import pyarrow as pa
from pyspark import Broadcast
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle
from genre_spark.catalog.validation import N_IMPUTED
from genre_spark.classifier.genre_part import GenrePart
from genre_spark.features.catalogue_context import key
from genre_spark.schema import (
    ALBUM,
    ARTIST,
    GROUPS,
    LABELLED_COLUMNS,
    RUN_COLUMNS,
    TRACK_ID,
    WHY_COLUMNS,
    key_column,
    labelled_columns,
)
from genre_spark.scoring import relations
from genre_spark.scoring.artist_batches import ALBUM_SUM, ARTIST_ALBUM_SUM, ARTIST_SUM, GATHER, SUMS
from genre_spark.scoring.worker import (
    ARTIST_KEY,
    CONSENSUS,
    KNOWN,
    OPINION,
    OPINION_UNIT,
    Payload,
)

_GENRE_COLUMNS = ("genre", "genre_confidence", "genre_accepted", "genre_top3")
# What the workers of each step give back; Spark takes their columns by position.
_LABELS = {name: kind for name, kind in LABELLED_COLUMNS.items() if name not in RUN_COLUMNS}
_JUDGED = {
    **{name: kind for name, kind in _LABELS.items() if name not in _GENRE_COLUMNS},
    ARTIST_KEY: "bigint",
    ALBUM_SUM: "bigint",
    KNOWN: "boolean",
    OPINION: "array<float>",
}
_SUMS = dict.fromkeys(SUMS, "bigint")
_TRACKS_PER_TASK = 100_000


@contextmanager
def labelling(
    spark: SparkSession,
    tracks: DataFrame,
    n_tracks: int,
    bundle: Bundle,
    scored_at: str,
    max_artist: int,
    explain: bool = False,
    only: DataFrame | None = None,
) -> Iterator[DataFrame]:
    """The labelled catalogue, for as long as the block lasts.

    Parameters
    ----------
    spark : SparkSession
    tracks : DataFrame
        Accepted tracks, validated for the bundle's features.
    n_tracks : int
        How many these are.
    bundle : Bundle
        Verified; a clusters bundle leaves the genre columns null.
    scored_at : str
        Time of the run, ISO 8601.
    max_artist : int
        Tracks of an artist, about, that one worker takes at once.
    explain : bool
        Whether to say why.
    only : DataFrame, optional
        `TRACK_ID` of the tracks to label. All tracks of an artist, or none, where an artist's
        tracks inform each other; `input_hashes` differ for all of them where they do for one.

    Yields
    ------
    DataFrame
        One row per track, with the columns of `labelled_columns`.
    """
    payload = spark.sparkContext.broadcast(Payload.of(bundle))
    with ExitStack() as stack:
        stack.callback(payload.unpersist)
        work = _Work(payload, bundle, explain)
        labelled = _labelled(stack, work, tracks, n_tracks, max_artist, only)
        same = {
            "model_id": F.lit(bundle.manifest.model_id),
            "scored_at": F.lit(scored_at).cast("timestamp"),
        }
        yield labelled.withColumns(same).select(*labelled_columns(explain))


def input_hashes(tracks: DataFrame, bundle: Bundle) -> DataFrame:
    """`TRACK_ID` and ``input_hash`` of each track, as `labelling` gives them, without labelling."""
    part = bundle.manifest.scoring.genres
    inputs = _inputs(tracks, bundle).select(TRACK_ID, *map(key_column, GROUPS), "input_hash")
    if part is None:
        return inputs.select(TRACK_ID, "input_hash")
    if ALBUM in part.groups:
        inputs = relations.join_sums(inputs, ALBUM, {ALBUM_SUM: "input_hash"})
    else:
        inputs = inputs.withColumn(ALBUM_SUM, F.lit(0))
    if part.relates_artists:
        sums = {ARTIST_SUM: "input_hash", ARTIST_ALBUM_SUM: ALBUM_SUM}
        inputs = relations.join_sums(inputs, ARTIST, sums)
    else:
        inputs = inputs.withColumns({ARTIST_SUM: F.lit(0), ARTIST_ALBUM_SUM: F.lit(0)})
    return inputs.select(TRACK_ID, _whole_hash().alias("input_hash"))


class _Work:
    """What the workers do, as functions of tables."""

    def __init__(self, payload: Broadcast, bundle: Bundle, explain: bool):
        self._payload, self._explain = payload, explain
        self.bundle = bundle
        self._why = WHY_COLUMNS if explain else {}

    def label(self, rows: DataFrame) -> DataFrame:
        """Labels of whole artists."""
        if self.bundle.manifest.scoring.genres is None:
            return self._map(rows, "label", _LABELS | self._why)
        labelled = self._map(rows, "label", _LABELS | _SUMS | self._why)
        return labelled.withColumn("input_hash", _whole_hash()).drop(*SUMS)

    def judge(self, rows: DataFrame) -> DataFrame:
        """Opinions on tracks one by one."""
        scoring = self.bundle.manifest.scoring
        kinds = {
            name: "double" if name in scoring.space.features else "array<double>"
            for name in scoring.inputs
        }
        return self._map(rows, "judge", _JUDGED | (kinds if self._explain else {}))

    def decide(self, judged: DataFrame) -> DataFrame:
        """Labels of judged tracks."""
        return self._map(judged, "decide", _LABELS | self._why)

    def _map(
        self, rows: DataFrame, step: Literal["label", "judge", "decide"], columns: dict[str, str]
    ) -> DataFrame:
        schema = ", ".join(f"`{name}` {kind}" for name, kind in columns.items())
        return rows.mapInArrow(_worker(self._payload, self._explain, step), schema)


def _labelled(
    stack: ExitStack,
    work: _Work,
    tracks: DataFrame,
    n_tracks: int,
    max_artist: int,
    only: DataFrame | None,
) -> DataFrame:
    part, space = work.bundle.manifest.scoring.genres, work.bundle.manifest.scoring.space
    inputs = _inputs(tracks, work.bundle)
    if part is None or not part.relates_tracks:
        # Nothing to bring together.
        return work.label(_chosen(inputs, only).drop(GATHER))
    crowds = relations.crowds(inputs, n_tracks, max_artist)
    if ALBUM in part.groups:
        inputs = relations.join_shared_albums(stack, inputs, space, crowds)
    else:
        inputs = inputs.withColumn(ALBUM_SUM, F.lit(0))
    inputs = _chosen(inputs, only)
    is_crowd = F.coalesce(F.col(ARTIST_KEY).isin(crowds), F.lit(False))
    tasks = max(inputs.sparkSession.sparkContext.defaultParallelism, n_tracks // _TRACKS_PER_TASK)
    gathered = inputs.filter(~is_crowd).repartition(tasks, GATHER)
    labelled = work.label(gathered.sortWithinPartitions(GATHER, key_column(ALBUM)))
    if not crowds:
        return labelled
    crowd = inputs.filter(is_crowd).drop(GATHER)
    return labelled.unionByName(_of_crowds(stack, work, crowd))


def _of_crowds(stack: ExitStack, work: _Work, inputs: DataFrame) -> DataFrame:
    """Labels of artists with very many tracks: opinions, their means, decisions."""
    part, space = work.bundle.manifest.scoring.genres, work.bundle.manifest.scoring.space
    if ARTIST in part.groups:
        # Few of all tracks, read for their statistics, then with them.
        inputs = inputs.persist()
        stack.callback(inputs.unpersist)
        inputs = relations.join_context(inputs, space, ARTIST)
    # Opinions are read twice, for the artists' means and for the labels.
    judged = work.judge(inputs).persist()
    stack.callback(judged.unpersist)
    totals = judged.groupBy(ARTIST_KEY).agg(
        _mean_opinion(part).alias(CONSENSUS),
        F.sum("input_hash").alias(ARTIST_SUM),
        F.sum(F.coalesce(ALBUM_SUM, F.lit(0))).alias(ARTIST_ALBUM_SUM),
    )
    whole = judged.join(F.broadcast(totals), on=ARTIST_KEY)
    if not part.relates_artists:
        whole = whole.withColumns({ARTIST_SUM: F.lit(0), ARTIST_ALBUM_SUM: F.lit(0)})
    return work.decide(whole.withColumn("input_hash", _whole_hash()))


def _inputs(tracks: DataFrame, bundle: Bundle) -> DataFrame:
    """All that the model reads of each track itself."""
    scoring = bundle.manifest.scoring
    groups = scoring.genres.groups if scoring.genres else ()
    features = [column.alias(name) for name, column in scoring.space.imputed().items()]
    n_imputed, keys = F.col(N_IMPUTED), {group: key(group) for group in GROUPS}
    # The artist by its key too: whether it is a known one decides which opinions count. The id,
    # since two tracks may change places: then both are judged anew, which takes all tracks.
    hashed = [keys[group] for group in GROUPS if group == ARTIST or group in groups]
    return tracks.select(
        TRACK_ID,
        n_imputed.alias("n_imputed"),
        F.xxhash64(TRACK_ID, n_imputed, *hashed, *features).alias("input_hash"),
        *[column.alias(key_column(group)) for group, column in keys.items()],
        F.coalesce(keys[ARTIST], F.xxhash64(TRACK_ID)).alias(GATHER),
        *features,
    )


def _chosen(inputs: DataFrame, only: DataFrame | None) -> DataFrame:
    return inputs if only is None else inputs.join(only, on=TRACK_ID, how="left_semi")


def _whole_hash() -> Column:
    """Hash of a track and of all that inform it.

    Of sums and not of exclusive ors, under which two equal tracks would be as good as none.
    """
    return F.xxhash64("input_hash", *[F.coalesce(name, F.lit(0).cast("bigint")) for name in SUMS])


def _mean_opinion(part: GenrePart) -> Column:
    count = F.count(F.lit(1))
    sums = [
        F.sum(F.rint(F.col(OPINION)[i].cast("double") * OPINION_UNIT).cast("bigint"))
        for i in range(len(part.classes))
    ]
    return F.array(*[(total / count / OPINION_UNIT).cast("float") for total in sums])


def _worker(
    payload: Broadcast, explain: bool, step: str
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Imported where it runs: a function sent by value would bring its own, empty cache.
        from genre_spark.scoring.worker import predictor

        judge = predictor(payload.value)
        if explain:
            from genre_spark.scoring.explanations import Explainer

            judge = Explainer(judge)
        do = getattr(judge, step)
        for batch in judge.batches(batches):
            yield do(batch)

    return work
