"""What changes where one model takes another's place: how many labels, where, and why."""

from collections.abc import Sequence
from typing import Any

from pyspark.sql import Column, DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from genre_spark.bundle.files import Bundle
from genre_spark.bundle.manifest import Manifest
from genre_spark.catalog.catalogue import Source
from genre_spark.config import Settings
from genre_spark.evaluation.difference import (
    ChangedAcceptance,
    ChangedGenres,
    ChangedShare,
    ChangedSyntheticGenres,
    Difference,
    Flow,
    KnownGenres,
    NamedModel,
    Pairs,
    Reasons,
)
from genre_spark.evaluation.side_by_side import AFTER, BEFORE, TRUTH, labelled_by_both
from genre_spark.schema import WHY_GENRE

# Of the flows from label to label, the largest.
_MOST_FLOWS = 50
_STEP = 0.1

_CHANGED = "changed"
_MADE_OF = ("seed", "left_out", "genre_spark_version", "source_revision", "created_at")


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
            synthetic_genres=ChangedSyntheticGenres(
                same_ids=_same_line(before.manifest, after.manifest),
                changed=_total(synthetic),
                flows=synthetic[:_MOST_FLOWS],
            ),
            why=_why(both, before.manifest, after.manifest, explain),
        )


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
    was, is_now = (F.col(f"{side}.genre") == F.col(TRUTH) for side in (BEFORE, AFTER))
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
