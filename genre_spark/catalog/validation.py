"""Judges rows: which are tracks, which go to quarantine, and why."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from genre_spark.catalog.columns import (
    REPLACED,
    by_name,
    literal,
    no_id_sql,
    placeholder_sql,
    sql_name,
)
from genre_spark.catalog.csv_files import CORRUPT, SWALLOWED
from genre_spark.catalog.reader import REASONS as QUARANTINE_REASONS
from genre_spark.catalog.reader import SOURCE, Mapped, named, odd_name
from genre_spark.catalog.rows import MALFORMED, UNCLOSED
from genre_spark.platform.session import is_classic
from genre_spark.schema import (
    ARTISTS,
    FEATURE_SOURCE,
    GENRE,
    GENRES,
    TEXT_COLUMNS,
    TRACK_ID,
    feature,
    unknown,
)

VIOLATIONS = "violations"
N_IMPUTED = "n_imputed"
WITHOUT_FEATURES = "without_features"
USABLE = "usable"
REPEATED = "repeated"
REASONS = "reasons"
AMBIGUOUS = "ambiguous"
# Values of the row that were not taken, as structs of column, kind and text.
NOT_TAKEN = "not_taken"
PLACEHOLDER, BLANK, DAMAGED = "placeholder", "blank", "damaged"
NOT_UNDERSTOOD = "not_understood"
_STRUCTS = "array<struct<column: string, kind: string, text: string>>"
_ID_KEY, _KEY_OF_ID = "_id", f"IF({TRACK_ID} IS NOT NULL, xxhash64({TRACK_ID}), NULL)"
DUPLICATE = "duplicate_track_id"
TOO_MANY = "too_many_imputed"


@dataclass(frozen=True)
class RepeatedIds:
    """Ids that several rows have: few, as a rule."""

    n_rows: int  # Rows of the source.
    n_keys: int  # Such ids.
    keys: DataFrame  # `_ID_KEY` of each, persisted.
    # Values of the aggregates that were asked for, by name.
    facts: Mapping[str, Any] = field(default_factory=dict)


def repeated_ids(mapped: Mapped, *facts: str) -> RepeatedIds:
    """Counts the rows of each id, in one aggregation over hashes of the ids.

    `facts` are SQL for aggregates over all rows, of the same pass: extremes, which a task that runs twice
    leaves as they are.
    """
    rows, of_rows = Observation(), Observation()
    seen = mapped.rows.observe(of_rows, *map(F.expr, facts)) if facts else mapped.rows
    counted = seen.groupBy(F.expr(_KEY_OF_ID).alias(_ID_KEY)).count()
    observed = counted.observe(rows, F.sum("count").alias("n_rows"))
    # As one condition: Spark would move one on the key in front of the count, and drop a count of nothing.
    several = observed.filter(f"IF(count > 1, {_ID_KEY} IS NOT NULL, NULL)")
    keys = several.select(_ID_KEY)
    if is_classic(keys.sparkSession):
        keys = keys.persist()
        n_keys = keys.count()
    else:  # serverless Spark persists nothing; ids that come twice are few
        table = keys.toArrow()
        n_keys = table.num_rows
        keys = keys.sparkSession.createDataFrame(table) if n_keys else keys
    n_rows = rows.get["n_rows"] or 0
    return RepeatedIds(n_rows, n_keys, keys, of_rows.get if facts and n_rows else {})


def validate(
    mapped: Mapped,
    features: tuple[str, ...],
    max_imputed: int,
    repeated: RepeatedIds | None = None,
    keep: Callable[[DataFrame], DataFrame] | None = None,
) -> DataFrame:
    """Each row with its violations, and the reasons for which it is quarantined.

    One of the model's `features` that the catalogue lacks counts as missing in each row. `max_imputed` is the
    most features of a row that may be impossible or unreadable; any number may be missing. Without `repeated`,
    from `repeated_ids`, all rows are compared, which is quicker where they are few. `keep` persists rows; it
    is given where the result is read several times.

    Returns the text columns; the features as double, null where missing or impossible; `VIOLATIONS` and
    `REASONS` as array<string>; `GENRES`; `N_IMPUTED`, how many violations there are; `WITHOUT_FEATURES`,
    whether there is one for each feature; `USABLE`, whether there is no reason; `REPEATED`, whether another
    row is kept instead; `AMBIGUOUS`; `SOURCE`, null for accepted rows; `NOT_TAKEN`.
    """
    rows = _each(mapped, features, max_imputed)
    keep = keep or (lambda rows: rows)
    # Only rows that have to be compared are brought together; where there are none, nothing is.
    no_genres = F.expr("cast(NULL AS array<string>)")
    alone = {AMBIGUOUS: F.lit(False), REPEATED: F.lit(False), GENRES: no_genres}
    if repeated is None:
        validated = _resolve_repetitions(rows, features)
    elif not repeated.n_keys:
        validated = rows.withColumns(alone)
    else:
        keyed = keep(rows.withColumn(_ID_KEY, F.expr(_KEY_OF_ID)))
        once = keyed.join(repeated.keys, on=_ID_KEY, how="left_anti").withColumns(alone)
        several = keyed.join(repeated.keys, on=_ID_KEY, how="left_semi")
        validated = once.unionByName(_resolve_repetitions(several, features)).drop(_ID_KEY)
    return keep(validated.withColumn(SOURCE, F.expr(f"IF(NOT {USABLE}, {SOURCE}, NULL)")))


def accepted(validated: DataFrame) -> DataFrame:
    """The rows that are tracks."""
    return validated.filter(USABLE).drop(
        USABLE, REPEATED, REASONS, SOURCE, WITHOUT_FEATURES, NOT_TAKEN
    )


def with_features(tracks: DataFrame, features: Sequence[str]) -> DataFrame:
    """The tracks that have any of the features."""
    return tracks.filter(F.coalesce(*map(by_name, features)).isNotNull())


def quarantined(validated: DataFrame) -> DataFrame:
    """The quarantined rows: their original columns and `REASONS`."""
    refused = validated.filter(f"NOT {USABLE}")
    return refused.selectExpr(f"{SOURCE}.*", f"{REASONS} AS {QUARANTINE_REASONS}")


def has_values(name: str) -> str:
    """SQL, an aggregate: whether any row has a value in a feature that is possible, or not understood."""
    understood = f"({_possible(name)} OR NOT {_unknown(name)})"
    found = f"IF({sql_name(name)} IS NOT NULL, {understood}, ({_unread(name)}))"
    return f"coalesce(bool_or({found}), false) AS {sql_name(name)}"


def _each(mapped: Mapped, features: tuple[str, ...], max_imputed: int) -> DataFrame:
    """Each row validated by itself: impossible values become null, and each null a violation.

    Expressions are SQL texts: a text is one call to Java, where columns that are put together in
    Python take a call for each operator, thousands for a catalogue and seconds of a cold start.
    """
    in_source = [name for name in features if name in mapped.features]
    possible = {name: _possible(name) if name in mapped.features else "false" for name in features}
    n_imputed = " + ".join(f"int(NOT {one})" for one in possible.values())
    violations = _listed(
        {_violation(name, name in mapped.features): f"NOT {possible[name]}" for name in features}
    )
    of_row = {
        literal(MALFORMED): f"{sql_name(CORRUPT)} IS NOT NULL",
        literal(UNCLOSED): sql_name(SWALLOWED),
        literal(f"missing:{TRACK_ID}"): f"{TRACK_ID} IS NULL",
        literal(f"unusable:{TRACK_ID}"): f"coalesce({no_id_sql(TRACK_ID)}, false)",
    }
    # A value which is impossible or unreadable, and not just missing.
    damaged = " + ".join(
        f"int(NOT {possible[name]} AND IF({sql_name(name)} IS NULL, {_unread(name)}, NOT {_unknown(name)}))"
        for name in in_source
    )
    too_many = f"({damaged or 0} > {max_imputed})"
    unusable = f"({' OR '.join([*of_row.values(), too_many])})"
    of_features = f"IF({too_many}, array_append({violations}, {literal(TOO_MANY)}), {_NONE})"
    reasons = f"concat({_listed(of_row)}, {of_features})"
    validated = {
        **{odd_name(name): _odd(name, possible[name]) for name in in_source},
        N_IMPUTED: n_imputed,
        WITHOUT_FEATURES: f"({n_imputed}) = {len(features)}",
        VIOLATIONS: f"IF({n_imputed} > 0, {violations}, {_NONE})",
        USABLE: f"NOT {unusable}",
        REASONS: f"IF({unusable}, {reasons}, {_NONE})",
        **{
            name: f"double(IF({possible[name]}, {sql_name(name) if name in in_source else 'NULL'}, NULL))"
            for name in features
        },
    }
    of_texts = [name for name in TEXT_COLUMNS if name in mapped.columns and name != TRACK_ID]
    odd = [*map(odd_name, of_texts), *map(odd_name, in_source)]
    kept = [*TEXT_COLUMNS, ARTISTS, *map(odd_name, of_texts), SOURCE]
    kept += [FEATURE_SOURCE] if FEATURE_SOURCE in mapped.columns else []
    rows = mapped.rows.selectExpr(*map(sql_name, kept), *named(validated))
    each = ", ".join(map(_not_taken, (*of_texts, *in_source)))
    return rows.withColumn(
        NOT_TAKEN, F.expr(f"cast(array_compact(array({each})) AS {_STRUCTS})")
    ).drop(*odd)


def _not_taken(name: str) -> str:
    """SQL: a value that was not taken, with its kind."""
    odd = sql_name(odd_name(name))
    text = f"make_valid_utf8({odd})"
    kind = (
        # Blanks are among the words that mean nothing.
        f"CASE WHEN {placeholder_sql(odd, name)}"
        f" THEN IF(trim({odd}) != '', {literal(PLACEHOLDER)}, {literal(BLANK)})"
        f" WHEN contains({text}, {literal(REPLACED)}) THEN {literal(DAMAGED)}"
        f" ELSE {literal(NOT_UNDERSTOOD)} END"
    )
    one = f"named_struct('column', {literal(name)}, 'kind', {kind}, 'text', {text})"
    return f"IF({odd} IS NULL, NULL, {one})"


_NONE = "cast(array() AS array<string>)"


def _possible(name: str) -> str:
    """SQL: whether there is a value, and one that can be."""
    limits, value = feature(name), sql_name(name)
    # Spark orders NaN above all numbers, so NaN and infinity fall out of the range too.
    possible = f"{value} BETWEEN {float(limits.low)!r}D AND {float(limits.high)!r}D"
    if limits.integer:
        possible = f"({possible} AND {value} = rint({value}))"
    return f"coalesce({possible}, false)"


def _unknown(name: str) -> str:
    """SQL: whether a number means that the analysis found nothing: 0 or -1 where impossible."""
    return f"{sql_name(name)} IN ({', '.join(f'{value!r}D' for value in unknown(name))})"


def _unread(name: str) -> str:
    """SQL: whether a value that is no number means something all the same."""
    odd = sql_name(odd_name(name))
    return f"{odd} IS NOT NULL AND NOT {placeholder_sql(odd, name)}"


def _odd(name: str, possible: str) -> str:
    """SQL: a feature's value as the source has it, where it is not taken."""
    value = sql_name(name)
    impossible = f"{value} IS NOT NULL AND NOT {possible} AND NOT {_unknown(name)}"
    return f"IF({impossible}, string({value}), {sql_name(odd_name(name))})"


def _violation(name: str, in_source: bool) -> str:
    """SQL: what is wrong with a value that is not possible."""
    missing, odd = literal(f"missing:{name}"), sql_name(odd_name(name))
    if not in_source:
        return missing
    return (
        f"CASE WHEN {_unknown(name)} THEN {missing}"
        f" WHEN {sql_name(name)} IS NOT NULL THEN {literal(f'out_of_range:{name}')}"
        f" WHEN {odd} IS NULL OR {placeholder_sql(odd, name)} THEN {missing}"
        f" ELSE {literal(f'not_a_number:{name}')} END"
    )


def _listed(words: Mapping[str, str]) -> str:
    """SQL: an array of the words whose conditions hold."""
    return f"array_compact(array({', '.join(f'IF({so}, {word}, NULL)' for word, so in words.items())}))"


def _resolve_repetitions(rows: DataFrame, features: tuple[str, ...]) -> DataFrame:
    """Keeps one row of each id: a usable one, with the fewest violations, then by content."""
    per_id = f"PARTITION BY {TRACK_ID}"
    columns = map(sql_name, (*TEXT_COLUMNS, *features))
    # With where there is no value, which the hash leaves out.
    content = ", ".join(f"{one} IS NULL, {one}" for one in columns)
    # As text: Spark hashes no maps.
    order = f"NOT {USABLE}, {N_IMPUTED}, xxhash64({content}), xxhash64(string({SOURCE}))"
    repeated = f"({USABLE} AND row_number() OVER ({per_id} ORDER BY {order}) > 1)"
    first, last = (f"{end}(lower({GENRE})) OVER ({per_id})" for end in ("min", "max"))
    resolved = {
        USABLE: f"{USABLE} AND NOT {repeated}",
        REPEATED: repeated,
        REASONS: f"IF({repeated}, array({literal(DUPLICATE)}), {REASONS})",
        AMBIGUOUS: f"coalesce({first} != {last}, false)",
        GENRES: f"IF({first} != {last}, sort_array(collect_list({GENRE}) OVER ({per_id})), NULL)",
        GENRE: f"IF({first} = {last}, min({GENRE}) OVER ({per_id}), NULL)",
    }
    return rows.withColumns({name: F.expr(sql) for name, sql in resolved.items()})
