"""Compares two models on one catalogue: accuracy on new artists, and which labels change and why."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import pyarrow as pa
from pydantic import Field
from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from genre_spark._model import Count, SparseModel, StrictModel
from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest
from genre_spark.bundle.promotions import ComparedAccuracy
from genre_spark.bundle.registry import now
from genre_spark.catalog.catalogue import Source, open_catalogue
from genre_spark.config import Settings
from genre_spark.features.artist_pass import artist_key
from genre_spark.schema import GENRE, TRACK_ID, WHY_GENRE
from genre_spark.scoring import job
from genre_spark.scoring.job import Tracks

# Columns of the table: the catalogue's genre, and the labels of either model.
TRUTH = "truth"
BEFORE, AFTER = "before", "after"
_KEY = "_artist"
# Stands for null in a join.
_NO_GENRE = ""


# Of the flows from label to label, the largest.
_MOST_FLOWS = 50
_STEP = 0.1

_CHANGED = "changed"
_MADE_OF = ("seed", "left_out", "genre_spark_version", "source_revision", "created_at")


# By name: a value of the model before, and one of the model after.
Pairs = dict[str, tuple[Any, Any]]


class NamedModel(StrictModel):
    """A model that is compared."""

    path: str
    model_id: str


class Flow(StrictModel):
    """Tracks whose label, or strongest feature, became another."""

    before: str | None = Field(alias="from")
    after: str | None = Field(alias="to")
    tracks: Count


class ChangedShare(StrictModel):
    """Tracks, and how many of them changed genre."""

    tracks: Count
    changed: Count


class ChangedAcceptance(StrictModel):
    """Tracks whose genre is accepted.

    Attributes
    ----------
    kept, gained, lost : int
        By both models, by the new one alone, by the old one alone.
    changed_though_accepted : int
        Of `kept`, those whose genre changed.
    """

    kept: Count
    gained: Count
    lost: Count
    changed_though_accepted: Count


class KnownGenres(StrictModel):
    """Tracks whose genre the catalogue has, training tracks included."""

    tracks: Count
    right_before: Count
    right_after: Count


class ChangedGenres(StrictModel):
    """How many genres change, where, and how many known ones are met.

    Attributes
    ----------
    changed : int
    flows : tuple of Flow
        The largest ones.
    by_synthetic_genre, by_confidence : dict of str to ChangedShare
        By the old model's label of the track.
    accepted : ChangedAcceptance
    labelled : KnownGenres
    """

    changed: Count
    flows: tuple[Flow, ...]
    by_synthetic_genre: dict[str, ChangedShare]
    by_confidence: dict[str, ChangedShare]
    accepted: ChangedAcceptance
    labelled: KnownGenres


class ChangedSyntheticGenres(StrictModel):
    """How many synthetic genres change; ids mean the same in both models where `same_ids`."""

    same_ids: bool
    changed: Count
    flows: tuple[Flow, ...]


class Reasons(SparseModel):
    """Why labels change.

    Attributes
    ----------
    making : dict of str to pair
        What the models were made of and how they decide, where they differ.
    importance : dict of str to dict of str to pair
        Per protocol, the accuracy that depends on each input and feature.
    artists : dict of str to ChangedShare
        By whether the models have learned from the artist.
    features : tuple of Flow or None
        The strongest feature of labels that changed; with `explain`.
    """

    making: Pairs
    importance: dict[str, dict[str, tuple[float | None, float | None]]]
    artists: dict[str, ChangedShare]
    features: tuple[Flow, ...] | None = None


class Difference(StrictModel):
    """What changes where one model takes another's place.

    Attributes
    ----------
    before, after : NamedModel
    source : str
    tracks : int
        That both models accept.
    only_before, only_after : int
        That one alone accepts.
    genres : ChangedGenres
    new_artists : ComparedAccuracy or None
        Accuracy on labelled tracks of artists that neither has learned from, as `promote` compares
        it; None if a model does not record its artists.
    synthetic_genres : ChangedSyntheticGenres
    why : Reasons
    """

    before: NamedModel
    after: NamedModel
    source: str
    tracks: Count
    only_before: Count
    only_after: Count
    genres: ChangedGenres
    new_artists: ComparedAccuracy | None
    synthetic_genres: ChangedSyntheticGenres
    why: Reasons


def largest(flows: Sequence[Flow], limit: int) -> list[str]:
    """Flows in words, the largest first."""
    return [
        f"{flow.before or 'none'} → {flow.after or 'none'}: {flow.tracks:,}"
        for flow in flows[:limit]
    ]


def compare(
    spark: SparkSession,
    source: Source,
    before: Bundle,
    after: Bundle,
    settings: Settings,
    explain: bool = False,
) -> Difference:
    """Labels a catalogue with two models and compares the labels.

    Parameters
    ----------
    spark : SparkSession
    source : Source
    before, after : Bundle
    settings : Settings
    explain : bool
        Also give the features that supported changed labels most; takes some ten times as long.

    Returns
    -------
    Difference
    """
    with labelled_by_both(spark, source, before, after, settings, explain) as tracks:
        is_both = F.col(BEFORE).isNotNull() & F.col(AFTER).isNotNull()
        both = tracks.filter(is_both).withColumn(_CHANGED, _differs("genre"))
        genres, synthetic = (_flows(both, label) for label in ("genre", "synthetic_genre"))
        return Difference(
            before=_named(before),
            after=_named(after),
            source=source.path,
            **_accepted_by(tracks),
            genres=ChangedGenres(
                changed=_total(genres),
                flows=genres[:_MOST_FLOWS],
                by_synthetic_genre=_share_by(both, F.col(f"{BEFORE}.synthetic_genre")),
                by_confidence=_share_by(both, _confidence()),
                accepted=_acceptance(both),
                labelled=_met(both),
            ),
            new_artists=on_new_artists(tracks, before.manifest, after.manifest)
            if records_artists(before.manifest) and records_artists(after.manifest)
            else None,
            synthetic_genres=ChangedSyntheticGenres(
                same_ids=_same_line(before.manifest, after.manifest),
                changed=_total(synthetic),
                flows=synthetic[:_MOST_FLOWS],
            ),
            why=_why(both, before.manifest, after.manifest, explain),
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

    Parameters
    ----------
    spark : SparkSession
    source : Source
    before, after : Bundle
    settings : Settings
    explain : bool
        Whether both give reasons.

    Yields
    ------
    DataFrame
        One row per track that either accepts: `TRACK_ID`; `TRUTH`, the catalogue's genre if it
        has exactly one; `BEFORE` and `AFTER`, a struct of the labelled columns, ``artist_key`` and
        ``known``, whether the model has learned from the artist (both null for a track without
        one), or null where that model's features are too bad.
    """
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(_labelled(spark, source, bundle, settings, explain, name))
            for name, bundle in ((BEFORE, before), (AFTER, after))
        )
        both = one.join(other, on=[TRACK_ID, TRUTH], how="full")
        kept = both.withColumn(TRUTH, F.nullif(TRUTH, F.lit(_NO_GENRE))).persist()
        stack.callback(kept.unpersist)
        yield kept


@contextmanager
def _labelled(
    spark: SparkSession,
    source: Source,
    bundle: Bundle,
    settings: Settings,
    explain: bool,
    name: str,
) -> Iterator[DataFrame]:
    needed = bundle.manifest.scoring.scaler.features
    with open_catalogue(spark, source, settings.catalog, needed) as catalogue:
        truth = F.coalesce(F.col(GENRE), F.lit(_NO_GENRE)).alias(TRUTH)
        tracks = catalogue.tracks.select(TRACK_ID, truth, artist_key().alias(_KEY))
        n, largest = catalogue.counts.accepted, settings.scoring.max_group
        shared_out = Tracks.of(catalogue.tracks, n, largest, bundle.manifest.scoring.owner)
        labels = job.labelled(shared_out, bundle, now(), explain).drop(*job.PASSED)
        known = _known(spark, bundle.manifest)
        joined = labels.join(tracks, on=TRACK_ID).join(known, on=_KEY, how="left")
        is_known = F.when(F.col(_KEY).isNotNull(), F.col("_known").isNotNull())
        columns: list[Column] = [F.col(column) for column in labels.columns]
        of_model = F.struct(*columns, F.col(_KEY).alias("artist_key"), is_known.alias("known"))
        yield joined.select(TRACK_ID, TRUTH, of_model.alias(name))


def _known(spark: SparkSession, manifest: Manifest) -> DataFrame:
    """Keys of the artists of a model's labelled sample."""
    part = manifest.scoring.genres
    keys = pa.array(part.artist_keys if part else [], pa.int64())
    return spark.createDataFrame(pa.table({_KEY: keys})).withColumn("_known", F.lit(True))


def records_artists(manifest: Manifest) -> bool:
    """Whether a model records the artists that it has learned from."""
    return manifest.scoring.genres is not None and manifest.scoring.genres.has_artists


def on_new_artists(tracks: DataFrame, before: Manifest, after: Manifest) -> ComparedAccuracy:
    """Accuracies of two models on labelled tracks of artists that neither has learned from.

    A genre of only one of the models counts against the other; tracks of a genre of neither are
    left out. Of no tracks, both accuracies are 0.

    Parameters
    ----------
    tracks : DataFrame
        From `labelled_by_both`.
    before, after : Manifest
        Both record their artists.
    """
    parts = (before.scoring.genres, after.scoring.genres)
    genres = {name for part in parts if part for name in part.classes}
    is_usable = F.col(TRUTH).isin(*genres) & F.col(BEFORE).isNotNull() & F.col(AFTER).isNotNull()
    unseen = ~F.col(f"{BEFORE}.known") & ~F.col(f"{AFTER}.known")
    was, is_now = _right()
    (found,) = (
        tracks.filter(is_usable)
        .agg(
            F.count(F.lit(1)).alias("labelled"),
            F.count_if(unseen).alias("tracks"),
            F.count_distinct(F.when(unseen, F.col(f"{AFTER}.artist_key"))).alias("artists"),
            F.count_if(unseen & was).alias("champion"),
            F.count_if(unseen & is_now).alias("candidate"),
            F.count_if(unseen & was & ~is_now).alias("lost"),
            F.count_if(unseen & ~was & is_now).alias("won"),
        )
        .collect()
    )
    counts = found.asDict()
    shares = {
        name: round(counts.pop(name) / max(1, counts["tracks"]), 6)
        for name in ("champion", "candidate")
    }
    return ComparedAccuracy(**shares, **counts)


def _right() -> tuple[Column, Column]:
    """Whether each model's genre is the catalogue's."""
    was, is_now = (F.col(f"{side}.genre") == F.col(TRUTH) for side in (BEFORE, AFTER))
    return was, is_now


def making(before: Manifest, after: Manifest) -> Pairs:
    """What the models were made of and how they decide, where they differ."""
    one, other = _properties(before), _properties(after)
    pairs = {name: (one.get(name), other.get(name)) for name in dict.fromkeys((*one, *other))}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def importance(
    before: Manifest, after: Manifest
) -> dict[str, dict[str, tuple[float | None, float | None]]]:
    """Per protocol, the accuracy that depends on each input and feature."""
    one, other = _importance(before), _importance(after)
    return {
        protocol: {
            name: (one.get(protocol, {}).get(name), other.get(protocol, {}).get(name))
            for name in dict.fromkeys((*one.get(protocol, {}), *other.get(protocol, {})))
        }
        for protocol in dict.fromkeys((*one, *other))
    }


def _named(one: Bundle) -> NamedModel:
    return NamedModel(path=str(one.path), model_id=one.manifest.model_id)


def _differs(label: str) -> Column:
    return ~F.col(f"{BEFORE}.{label}").eqNullSafe(F.col(f"{AFTER}.{label}"))


def _accepted_by(tracks: DataFrame) -> dict[str, int]:
    was, is_now = F.col(BEFORE).isNotNull(), F.col(AFTER).isNotNull()
    return _counts(tracks, tracks=was & is_now, only_before=was & ~is_now, only_after=~was & is_now)


def _flows(both: DataFrame, label: str) -> tuple[Flow, ...]:
    """All flows from label to label, the largest first."""
    names = [F.col(f"{side}.{label}").alias(side) for side in (BEFORE, AFTER)]
    moved = both.filter(_differs(label)).groupBy(*names).count()
    rows = moved.orderBy(F.desc("count"), BEFORE, AFTER).collect()
    return tuple(map(_flow, rows))


def _flow(row: Row) -> Flow:
    return Flow.model_validate({"from": row[BEFORE], "to": row[AFTER], "tracks": row["count"]})


def _total(flows: Sequence[Flow]) -> int:
    return sum(flow.tracks for flow in flows)


def _share_by(both: DataFrame, what: Column) -> dict[str, ChangedShare]:
    """By a column of the old model's labels: tracks, and how many of them changed genre."""
    counted = both.groupBy(what.cast("string").alias("at")).agg(
        F.count(F.lit(1)).alias("tracks"), F.count_if(_CHANGED).alias(_CHANGED)
    )
    rows = counted.filter(F.col("at").isNotNull()).orderBy("at").collect()
    return {row["at"]: ChangedShare(tracks=row["tracks"], changed=row[_CHANGED]) for row in rows}


def _confidence() -> Column:
    """The lower end of the tenth in which the old model's confidence lies."""
    steps = F.floor(F.col(f"{BEFORE}.genre_confidence") / _STEP)
    return F.format_number(F.least(steps, F.lit(9)) * _STEP, 1)


def _acceptance(both: DataFrame) -> ChangedAcceptance:
    was, is_now = (F.col(f"{side}.genre_accepted") for side in (BEFORE, AFTER))
    counts = _counts(
        both,
        kept=was & is_now,
        gained=~was & is_now,
        lost=was & ~is_now,
        changed_though_accepted=was & is_now & F.col(_CHANGED),
    )
    return ChangedAcceptance(**counts)


def _met(both: DataFrame) -> KnownGenres:
    was, is_now = _right()
    counts = _counts(both, tracks=F.col(TRUTH).isNotNull(), right_before=was, right_after=is_now)
    return KnownGenres(**counts)


def _why(both: DataFrame, before: Manifest, after: Manifest, explain: bool) -> Reasons:
    was, is_now = (
        F.when(F.coalesce(F.col(f"{side}.known"), F.lit(False)), "known").otherwise("new")
        for side in (BEFORE, AFTER)
    )
    return Reasons(
        making=making(before, after),
        importance=importance(before, after),
        artists=_share_by(both, F.concat(was, F.lit(" → "), is_now)),
        **({"features": _features(both)} if explain else {}),
    )


def _features(both: DataFrame) -> tuple[Flow, ...]:
    """Which feature supported changed labels most, under either model."""
    first = [
        F.get(F.col(f"{side}.{WHY_GENRE}"), F.lit(0))["feature"].alias(side)
        for side in (BEFORE, AFTER)
    ]
    counted = both.filter(_CHANGED).groupBy(*first).count()
    rows = counted.orderBy(F.desc("count"), BEFORE, AFTER).limit(_MOST_FLOWS).collect()
    return tuple(map(_flow, rows))


def _counts(table: DataFrame, **conditions: Column) -> dict[str, int]:
    counted = [F.count_if(condition).alias(name) for name, condition in conditions.items()]
    (found,) = table.agg(*counted).collect()
    return found.asDict()


def _same_line(before: Manifest, after: Manifest) -> bool:
    """Whether a synthetic genre's id means the same in both."""
    change = after.clusters.change
    followed = change is not None and change.previous == before.model_id
    return followed or before.scoring.synthetic == after.scoring.synthetic


def _properties(manifest: Manifest) -> dict[str, Any]:
    """What a model was made of, and how it decides, by name."""
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
            found |= {f"{kind} artists: weights": head.weights}
            found |= {f"{kind} artists: threshold": part.acceptance.threshold(kind)}
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
