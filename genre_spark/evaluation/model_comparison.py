"""Compares two models on one catalogue: accuracy on new artists, and which labels change and why."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from genre_spark._model import Count, SparseModel, StrictModel, now
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest
from genre_spark.bundle.registry import ComparedAccuracy
from genre_spark.catalog.catalogue import Catalogue, Source, open_catalogue
from genre_spark.config import Settings
from genre_spark.features.artist_pass import artist_key
from genre_spark.schema import GENRE, TRACK_ID, WHY_GENRE
from genre_spark.scoring import job
from genre_spark.scoring.job import Tracks

# Columns of the table: the catalogue's genre, and the labels of either model.
TRUTH = "truth"
BEFORE, AFTER = "before", "after"
_KEY, _MODEL, _CHANGED = "_artist", "_model", "changed"
# Stands for null in a join.
_NO_GENRE = ""
# Flows from label to label that are listed, the largest first.
_MOST_FLOWS = 50
_STEP = 0.1
_MADE_OF = ("seed", "left_out", "genre_spark_version", "source_revision", "created_at")

# By name: a value of the model before, and one of the model after.
Pairs = dict[str, tuple[Any, Any]]


class Flow(StrictModel):
    """Tracks whose label, or strongest feature, became another."""

    before: str | None = Field(alias="from")
    after: str | None = Field(alias="to")
    tracks: Count


class ChangedShare(StrictModel):
    """Tracks, and how many of them changed genre."""

    tracks: Count
    changed: Count


class ChangedGenres(StrictModel):
    """Genres that change, and those that agree with the catalogue.

    `flows`: The largest ones.
    `by_synthetic_genre`, `by_confidence`: By the old model's label of the track.
    `accepted`: Tracks whose genre is accepted: ``kept`` by both models, ``gained`` by the new one
        alone, ``lost`` by the old one alone; ``changed_though_accepted``: of `kept`, those that
        changed.
    `labelled`: ``tracks`` that have a genre in the catalogue, training tracks included, and those
        that are ``right_before`` and ``right_after``.
    """

    changed: Count
    flows: tuple[Flow, ...]
    by_synthetic_genre: dict[str, ChangedShare]
    by_confidence: dict[str, ChangedShare]
    accepted: dict[str, Count]
    labelled: dict[str, Count]


class ChangedSyntheticGenres(StrictModel):
    """Synthetic genres that change; with `same_ids`, ids mean the same in both models."""

    same_ids: bool
    changed: Count
    flows: tuple[Flow, ...]


class Reasons(SparseModel):
    """Why labels change.

    `making`: Differences of the models' data, software, weights and thresholds.
    `importance`: Per protocol, the accuracy that depends on each input and feature.
    `artists`: By whether each model has learned from the artist.
    `features`: The strongest feature of labels that changed; with `explain`.
    """

    making: Pairs
    importance: dict[str, Pairs]
    artists: dict[str, ChangedShare]
    features: tuple[Flow, ...] | None = None


class Difference(StrictModel):
    """What changes if one model replaces another.

    `before`, `after`: ``path`` and ``model_id``.
    `tracks`: That both models accept.
    `only_before`, `only_after`: That one alone accepts.
    `new_artists`: Accuracy on labelled tracks of artists that neither has learned from, as
        `promote` compares it; None if a model does not record its artists.
    """

    before: dict[str, str]
    after: dict[str, str]
    source: str
    tracks: Count
    only_before: Count
    only_after: Count
    genres: ChangedGenres
    new_artists: ComparedAccuracy | None
    synthetic_genres: ChangedSyntheticGenres
    why: Reasons


def compare(
    spark: SparkSession,
    source: Source,
    before: Bundle,
    after: Bundle,
    settings: Settings,
    explain: bool = False,
) -> Difference:
    """Labels a catalogue with two models and compares the labels.

    With `explain`, also the features that supported changed labels most: some ten times as slow.
    """
    old, new = before.manifest, after.manifest
    records = records_artists(old) and records_artists(new)
    change = new.clusters.change
    followed = change is not None and change.previous == old.model_id
    with labelled_by_both(spark, source, before, after, settings, explain) as tracks:
        was, is_now = F.col(BEFORE).isNotNull(), F.col(AFTER).isNotNull()
        both = tracks.filter(was & is_now).withColumn(_CHANGED, _differs("genre"))
        synthetic = _flows(both.filter(_differs("synthetic_genre")), "{}.synthetic_genre")
        return Difference(
            **{
                side: {"path": str(one.path), "model_id": one.manifest.model_id}
                for side, one in ((BEFORE, before), (AFTER, after))
            },
            source=source.path,
            **_counts(
                tracks, tracks=was & is_now, only_before=was & ~is_now, only_after=~was & is_now
            ),
            genres=_changed_genres(both),
            new_artists=on_new_artists(tracks, old, new) if records else None,
            synthetic_genres=ChangedSyntheticGenres(
                same_ids=followed or old.scoring.synthetic == new.scoring.synthetic,
                changed=sum(flow.tracks for flow in synthetic),
                flows=synthetic[:_MOST_FLOWS],
            ),
            why=_why(both, old, new, explain),
        )


@contextmanager
def labelled_by_both(
    spark: SparkSession,
    source: Source,
    before: Bundle,
    after: Bundle,
    settings: Settings,
    explain: bool = False,
) -> Iterator[DataFrame]:
    """A catalogue with the labels of two models, cached for as long as the block lasts.

    Yields
    ------
    DataFrame
        One row per track that either accepts: `TRACK_ID`; `TRUTH`, the catalogue's genre if it
        has exactly one; `BEFORE` and `AFTER`, a struct of the labelled columns, ``artist_key`` and
        ``known``, whether the model has learned from the artist (both null for a track without
        one), or null where that model's features are too bad.
    """
    with ExitStack() as stack:
        sides = []
        for name, bundle in ((BEFORE, before), (AFTER, after)):
            scaler = bundle.manifest.scoring.scaler
            catalogue = stack.enter_context(open_catalogue(spark, source, settings.catalog, scaler))
            label = _labels(catalogue, bundle, settings, explain)
            sides.append(label.withColumnRenamed(_MODEL, name))
        both = sides[0].join(sides[1], on=[TRACK_ID, TRUTH], how="full")
        kept = both.withColumn(TRUTH, F.nullif(TRUTH, F.lit(_NO_GENRE))).persist()
        stack.callback(kept.unpersist)
        yield kept


def _labels(catalogue: Catalogue, bundle: Bundle, settings: Settings, explain: bool) -> DataFrame:
    """`TRACK_ID`, `TRUTH` and the struct of one model's labels, `_MODEL`."""
    scoring = bundle.manifest.scoring
    truth = F.coalesce(F.col(GENRE), F.lit(_NO_GENRE)).alias(TRUTH)
    tracks = catalogue.tracks.select(TRACK_ID, truth, artist_key().alias(_KEY))
    n, largest = catalogue.counts.accepted, settings.scoring.max_group
    shared_out = Tracks.of(catalogue.tracks, n, largest, scoring.owner)
    labels = job.labelled(shared_out, bundle, now(), explain).drop(*job.PASSED)
    part = scoring.genres
    keys = pa.table({_KEY: pa.array(part.artist_keys if part else [], pa.int64())})
    known = labels.sparkSession.createDataFrame(keys).withColumn("_known", F.lit(True))
    joined = labels.join(tracks, on=TRACK_ID).join(known, on=_KEY, how="left")
    is_known = F.when(F.col(_KEY).isNotNull(), F.col("_known").isNotNull())
    columns: list[Column] = [F.col(column) for column in labels.columns]
    of_model = F.struct(*columns, F.col(_KEY).alias("artist_key"), is_known.alias("known"))
    return joined.select(TRACK_ID, TRUTH, of_model.alias(_MODEL))


def records_artists(manifest: Manifest) -> bool:
    """Whether a model records the artists that it has learned from."""
    return manifest.scoring.genres is not None and manifest.scoring.genres.has_artists


def on_new_artists(tracks: DataFrame, before: Manifest, after: Manifest) -> ComparedAccuracy:
    """Accuracies of two models on labelled tracks of artists that neither has learned from.

    A genre of only one of the models counts against the other; tracks of a genre of neither are
    left out. Of no tracks, both accuracies are 0.

    `tracks`: From `labelled_by_both`.
    `before`, `after`: Both record their artists.
    """
    parts = (before.scoring.genres, after.scoring.genres)
    genres = {name for part in parts if part for name in part.classes}
    is_usable = F.col(TRUTH).isin(*genres) & F.col(BEFORE).isNotNull() & F.col(AFTER).isNotNull()
    unseen = ~F.col(f"{BEFORE}.known") & ~F.col(f"{AFTER}.known")
    was, is_now = _right()
    artists = F.count_distinct(F.when(unseen, F.col(f"{AFTER}.artist_key")))
    counts = _counts(
        tracks.filter(is_usable),
        artists.alias("artists"),
        labelled=F.lit(True),
        tracks=unseen,
        champion=unseen & was,
        candidate=unseen & is_now,
        lost=unseen & was & ~is_now,
        won=unseen & ~was & is_now,
    )
    shares = {
        name: round(counts.pop(name) / max(1, counts["tracks"]), 6)
        for name in ("champion", "candidate")
    }
    return ComparedAccuracy(**shares, **counts)


def making(before: Manifest, after: Manifest) -> Pairs:
    """Differences of the models' data, software, weights and thresholds."""
    pairs = _pairs(_properties(before), _properties(after))
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _pairs(one: Mapping[str, Any], other: Mapping[str, Any]) -> Pairs:
    return {name: (one.get(name), other.get(name)) for name in dict.fromkeys((*one, *other))}


def _right() -> tuple[Column, Column]:
    """Whether each model's genre is the catalogue's."""
    was, is_now = (F.col(f"{side}.genre") == F.col(TRUTH) for side in (BEFORE, AFTER))
    return was, is_now


def _differs(label: str) -> Column:
    return ~F.col(f"{BEFORE}.{label}").eqNullSafe(F.col(f"{AFTER}.{label}"))


def _counts(table: DataFrame, *others: Column, **conditions: Column) -> dict[str, int]:
    """Rows on which each condition holds, and other aggregates, in one job."""
    counted = [F.count_if(condition).alias(name) for name, condition in conditions.items()]
    (found,) = table.agg(*counted, *others).collect()
    return found.asDict()


def _flows(changed: DataFrame, value: str) -> tuple[Flow, ...]:
    """All flows between values of both models, the largest first; ``{}`` is the model's column."""
    names = [F.expr(value.format(side)).alias(side) for side in (BEFORE, AFTER)]
    rows = changed.groupBy(*names).count().orderBy(F.desc("count"), BEFORE, AFTER).collect()
    return tuple(Flow(**{"from": old, "to": new, "tracks": n}) for old, new, n in rows)


def _share_by(both: DataFrame, what: Column) -> dict[str, ChangedShare]:
    """By a column of the old model's labels: tracks, and how many of them changed genre."""
    counted = both.groupBy(what.cast("string").alias("at")).agg(
        F.count(F.lit(1)).alias("tracks"), F.count_if(_CHANGED).alias(_CHANGED)
    )
    rows = counted.filter(F.col("at").isNotNull()).orderBy("at").collect()
    return {row["at"]: ChangedShare(tracks=row["tracks"], changed=row[_CHANGED]) for row in rows}


def _changed_genres(both: DataFrame) -> ChangedGenres:
    flows = _flows(both.filter(_CHANGED), "{}.genre")
    tenth = F.least(F.floor(F.col(f"{BEFORE}.genre_confidence") / _STEP), F.lit(9))
    old, new = (F.col(f"{side}.genre_accepted") for side in (BEFORE, AFTER))
    was, is_now = _right()
    return ChangedGenres(
        changed=sum(flow.tracks for flow in flows),
        flows=flows[:_MOST_FLOWS],
        by_synthetic_genre=_share_by(both, F.col(f"{BEFORE}.synthetic_genre")),
        by_confidence=_share_by(both, F.format_number(tenth * _STEP, 1)),
        accepted=_counts(
            both,
            kept=old & new,
            gained=~old & new,
            lost=old & ~new,
            changed_though_accepted=old & new & F.col(_CHANGED),
        ),
        labelled=_counts(
            both, tracks=F.col(TRUTH).isNotNull(), right_before=was, right_after=is_now
        ),
    )


def _why(both: DataFrame, before: Manifest, after: Manifest, explain: bool) -> Reasons:
    was, is_now = (
        F.when(F.coalesce(F.col(f"{side}.known"), F.lit(False)), "known").otherwise("new")
        for side in (BEFORE, AFTER)
    )
    measured = _pairs(_importance(before), _importance(after))
    explained: dict[str, Any] = {}
    if explain:
        flows = _flows(both.filter(_CHANGED), f"get({{}}.{WHY_GENRE}, 0).feature")
        explained = {"features": flows[:_MOST_FLOWS]}
    return Reasons(
        making=making(before, after),
        importance={
            name: _pairs(one or {}, other or {}) for name, (one, other) in measured.items()
        },
        artists=_share_by(both, F.concat(was, F.lit(" → "), is_now)),
        **explained,
    )


def _properties(manifest: Manifest) -> dict[str, Any]:
    """Data, software, weights and thresholds of a model, by name."""
    part, scaler = manifest.scoring.genres, manifest.scoring.scaler
    rows = manifest.data.rows
    found = {
        "kind": manifest.kind,
        **{name: getattr(manifest, name) for name in _MADE_OF},
        **{f"library {name}": version for name, version in manifest.libraries.items()},
        "catalogue": manifest.data.source,
        **{name: getattr(rows, name) for name in ("accepted", "with_genre", "fingerprint")},
        "features": list(scaler.features),
        "synthetic genres": list(manifest.scoring.synthetic.names),
    }
    if part:
        found |= {"genres": list(part.classes), "reads words": part.reads_text}
        found |= {"target precision": part.acceptance.target}
        found |= {"known artists": len(part.artist_keys)}
        for kind, head in part.heads.items():
            found |= {f"{kind} artists: mean weights": head.mean_weights}
            found |= {f"{kind} artists: threshold": part.acceptance.accepting[kind]}
    return found


def _importance(manifest: Manifest) -> dict[str, dict[str, float]]:
    measured = manifest.genres.protocols if manifest.genres else {}
    return {
        protocol: {
            **{f"input: {n}": lost.accuracy.mean for n, lost in of.importance.inputs.items()},
            **{n: lost.all.accuracy.mean for n, lost in of.importance.features.items()},
        }
        for protocol, of in measured.items()
        if of.importance
    }
