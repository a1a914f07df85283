"""Rows, good and bad: each has one fate, told by its reasons, whatever the order they come in."""

import random
from collections import Counter, defaultdict
from types import SimpleNamespace

import pytest
from support import tables

from genre_spark.catalog import reader, row_counts, validation
from genre_spark.catalog.catalogue import Source, open_catalogue
from genre_spark.catalog.reader import CORRUPT, map_columns
from genre_spark.catalog.rows import RowCounts
from genre_spark.catalog.validation import AMBIGUOUS, N_IMPUTED, REASONS, VIOLATIONS
from genre_spark.config import CatalogSettings
from genre_spark.errors import GateError, InputError
from genre_spark.schema import ARTISTS, FEATURE_NAMES, GENRES, TEXT_COLUMNS
from genre_spark.source import Dataset

EXTRAS = ("year", "time_signature", "popularity")
NAMES = (*FEATURE_NAMES, *EXTRAS)
COLUMNS = (*TEXT_COLUMNS, *NAMES, "playlist")
GOOD = tables.GOOD | {"year": "1999", "time_signature": "4", "popularity": "7", "playlist": "p"}

# One value in an otherwise good row, and the kind of fault that it is; None for none.
VALUES = {
    ("tempo", "fast"): "not_a_number",
    ("tempo", "120 BPM"): "not_a_number",
    ("tempo", "1,5"): "not_a_number",
    ("tempo", "NaN"): "missing",
    ("tempo", "Infinity"): "out_of_range",
    ("tempo", "-Infinity"): "out_of_range",
    ("tempo", "1e400"): "out_of_range",
    ("tempo", None): "missing",
    ("tempo", "0"): "missing",
    ("tempo", "-120"): "out_of_range",
    ("tempo", "350"): None,
    ("tempo", "350.1"): "out_of_range",
    ("tempo", " 1.2E2 "): None,
    ("key", "5.5"): "out_of_range",
    ("key", "-1"): "missing",
    ("key", "12"): "out_of_range",
    ("key", "0"): None,
    ("key", "11.0"): None,
    ("mode", "0.5"): "out_of_range",
    ("mode", "2"): "out_of_range",
    ("energy", "0"): None,
    ("energy", "1"): None,
    ("energy", "1.0000001"): "out_of_range",
    ("energy", "-0.0000001"): "out_of_range",
    ("energy", "-0.0"): None,
    ("danceability", "0"): "missing",
    ("loudness", "12"): None,
    ("loudness", "-70.1"): "out_of_range",
    ("duration_ms", "4000"): None,
    ("duration_ms", "999"): "out_of_range",
    ("year", "1999.5"): "out_of_range",
    ("year", "0"): "missing",
    ("time_signature", "0"): "missing",
    ("popularity", "-1e200"): None,
    ("popularity", "NaN"): "missing",
    ("popularity", "Infinity"): "out_of_range",
}


def track(track_id, **changes):
    return {"track_id": track_id, **GOOD, **changes}


def mapped_of(spark, rows, columns=COLUMNS, partitions=2):
    """Rows as a table of texts, as CSV gives them."""
    values = [[row.get(name) for name in columns] for row in rows]
    table = spark.createDataFrame(values, ", ".join(f"{name} string" for name in columns))
    dataset = Dataset(extra_features=EXTRAS)
    return map_columns(table.repartition(partitions), dataset, "memory")


def validated_of(spark, rows, max_imputed=0, names=NAMES, **options):
    return validation.validate(mapped_of(spark, rows, **options), names, max_imputed).persist()


# One row


@pytest.fixture(scope="module")
def validated_values(spark):
    rows = [track(str(i), **{name: value}) for i, (name, value) in enumerate(VALUES)]
    rows = {row["track_id"]: row.asDict() for row in validated_of(spark, rows, 3).collect()}
    return {case: rows[str(i)] for i, case in enumerate(VALUES)}


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_a_value_is_taken_or_is_a_violation_with_its_kind_and_then_null(
    validated_values, name, value
):
    kind, row = VALUES[name, value], validated_values[name, value]
    assert row[VIOLATIONS] == ([f"{kind}:{name}"] if kind else [])
    assert row[name] == (None if kind else float(value))
    assert row[REASONS] == []
    assert [row[other] for other in NAMES if other != name] == [
        float(GOOD[other]) for other in NAMES if other != name
    ]


def test_a_feature_that_the_catalogue_lacks_is_missing_in_every_row(spark):
    columns = tuple(name for name in COLUMNS if name != "tempo")
    rows = [track("1", playlist="a"), track("2", playlist="b", key="12")]
    validated = validated_of(spark, rows, max_imputed=1, columns=columns)
    assert {row["track_id"]: row[VIOLATIONS] for row in validated.collect()} == {
        "1": ["missing:tempo"],
        "2": ["out_of_range:key", "missing:tempo"],
    }
    counts = row_counts.count(validated)
    assert (counts.accepted, counts.imputed, counts.without_features) == (2, 2, 0)
    assert counts.missing == {"key": 1, "tempo": 2}
    assert counts.reasons == {}


def test_a_quarantined_row_keeps_its_original_columns_and_an_accepted_one_drops_them(spark):
    # Of a quarantine, as it is validated again.
    rows = [track("1", playlist="kept"), track("2", tempo="fast", _reasons="of last time")]
    validated = validated_of(spark, rows, columns=(*COLUMNS, "_reasons"))
    (bad,) = validation.quarantined(validated).collect()
    assert {name: bad[name] for name in COLUMNS} == {name: rows[1][name] for name in COLUMNS}
    names = [name.lower() for name in bad.asDict()]
    assert sorted(set(names)) == sorted(names)
    assert set(validation.accepted(validated).columns) == {
        *TEXT_COLUMNS, ARTISTS, GENRES, *NAMES, VIOLATIONS, N_IMPUTED, AMBIGUOUS
    }  # fmt: skip


def test_a_malformed_csv_line_goes_to_quarantine_whole(spark, tmp_path):
    path = tmp_path / "tracks.csv"
    good = ",".join(track("1")[name] for name in COLUMNS)
    bad = ["2,short", f"{good[1:]},one,more", f"3{good},last", f'4{good[1:]},"open']
    path.write_text("\n".join([",".join(COLUMNS), good, *bad, ""]))
    dataset = Dataset(extra_features=EXTRAS)
    mapped = map_columns(reader.read(spark, str(path), dataset), dataset, str(path))
    validated = validation.validate(mapped, NAMES, max_imputed=3)
    found = {row["track_id"]: row.asDict() for row in validation.quarantined(validated).collect()}
    assert set(found) == {"2", None, "31", "4"}
    assert "malformed_row" in found["2"]["_reasons"]
    assert "malformed_row" in found[None]["_reasons"]
    assert found["31"]["_reasons"] == ["malformed_row"]
    assert {str(row.get(CORRUPT)).strip() for row in found.values()} == set(bad)
    assert row_counts.count(validated).accepted == 1


# Several rows, of one track and of several

FEW = ("energy", "key", "mode", "tempo")
# Three violations are one too many; missing values are none.
BAD = {"tempo": "fast", "key": "12", "mode": "2"}
BAD_REASONS = ["not_a_number:tempo", "out_of_range:key", "out_of_range:mode", "too_many_imputed"]
ROWS = [
    track("good", playlist="good"),
    track(None, playlist="no id"),
    track("   ", playlist="blank id"),
    track("two", playlist="two", tempo="fast", key="12"),
    track("three", playlist="three", **BAD, energy=None),
    track("nothing", playlist="nothing", **dict.fromkeys(FEW)),
    track(None, playlist="all", **BAD),
    # Twins.
    *[track("four times", playlist=f"twin {i}") for i in range(4)],
    *[track(one, playlist=one) for one in ("a", "A", " a")],
    *[track(None, playlist="same")] * 3,
    # Of genres.
    track("several", genre="rock"),
    track("several", genre="pop"),
    track("same", genre="rock", playlist="1"),
    track("same", genre="rock", playlist="2"),
    track("half", genre=None),
    track("half", genre="rock"),
    track("none", genre=None),
]


@pytest.fixture(scope="module")
def judged(spark):
    """Tracks by their ids, reasons of quarantined rows by their playlists, and the counts."""
    columns = (*TEXT_COLUMNS, *FEW, "playlist")
    validated = validated_of(spark, ROWS, max_imputed=2, names=FEW, columns=columns)
    tracks = {row["track_id"]: row for row in validation.accepted(validated).collect()}
    reasons = defaultdict(list)
    for row in validation.quarantined(validated).collect():
        reasons[row["playlist"]].append(sorted(row["_reasons"]))
    return tracks, reasons, row_counts.count(validated)


def test_a_row_goes_to_quarantine_with_every_reason(judged):
    tracks, reasons, _ = judged
    assert {"good", "two", "nothing"} <= set(tracks)
    assert reasons["no id"] == reasons["blank id"] == [["missing:track_id"]]
    assert reasons["three"] == [sorted(["missing:energy", *BAD_REASONS])]
    assert reasons["all"] == [sorted(["missing:track_id", *BAD_REASONS])]


def test_of_rows_with_one_id_one_is_kept_and_the_others_are_duplicates(judged):
    tracks, reasons, _ = judged
    twins = [reasons[f"twin {i}"] for i in range(4)]
    assert sorted(twins) == [[], *[[["duplicate_track_id"]]] * 3]
    assert {"four times", "a", "A", " a"} <= set(tracks)
    # Rows without an id are not twins of each other.
    assert reasons["same"] == [["missing:track_id"]] * 3


def test_a_track_under_several_genres_is_ambiguous_scored_once_and_has_no_label(judged):
    tracks, _, counts = judged
    found = {one: (tracks[one]["genre"], tracks[one][AMBIGUOUS]) for one in GENRES_OF}
    assert found == GENRES_OF
    assert counts.ambiguous == 1
    assert counts.with_genre == len(tracks) - 2


GENRES_OF = {
    "several": (None, True), "same": ("rock", False), "half": ("rock", False), "none": (None, False)
}  # fmt: skip


# Any table

VALUES_OF = {
    "track_id": [*map(str, range(25)), None],
    "genre": ["rock", "pop", None],
    "energy": ["0.1", "0.2", "2", "loud", None],
    "key": ["1", "2", "1.5", "x", None],
    "tempo": ["100", "110", "0", "NaN", None],
}
NARROW = ("energy", "key", "tempo")
USUAL = {"energy": {"0.1", "0.2"}, "key": {"1", "2"}, "tempo": {"100", "110"}}
MAX_IMPUTED = 1


def expected(rows):
    """The same validation in plain Python: counts, and per kept id its number of faults.

    Missing values are faults of which there may be any number.
    """
    groups, reasons = defaultdict(list), Counter()
    for row in rows:
        faults = [
            ("missing" if row[n] in (None, "NaN") else "not_a_number" if row[n] in ("x", "loud")
             else "missing" if row[n] == "0" else "out_of_range") + f":{n}"
            for n in NARROW if row[n] not in USUAL[n]
        ]  # fmt: skip
        damaged = [one for one in faults if not one.startswith("missing:")]
        told = [*faults, "too_many_imputed"] if len(damaged) > MAX_IMPUTED else []
        told += ["missing:track_id"] if row["track_id"] is None else []
        reasons.update(told)
        if row["track_id"] is not None:
            groups[row["track_id"]].append((bool(told), len(faults), row["genre"]))
    kept = {key: min(n for bad, n, _ in group if not bad)
            for key, group in groups.items() if not all(bad for bad, _, _ in group)}  # fmt: skip
    repeated = sum(not bad for group in groups.values() for bad, _, _ in group) - len(kept)
    reasons.update({"duplicate_track_id": repeated} if repeated else {})
    genres = {key: {g for _, _, g in groups[key]} - {None} for key in kept}
    return kept, genres, repeated, dict(reasons)


@pytest.mark.parametrize("seed", [1, pytest.param(None, marks=pytest.mark.long)])
def test_rows_read_are_rows_accepted_and_rows_quarantined_for_any_table(spark, seed):
    seed = random.SystemRandom().randrange(2**32) if seed is None else seed
    drawn = random.Random(seed)
    rows = [
        {**{name: drawn.choice(of) for name, of in VALUES_OF.items()}, "playlist": str(i)}
        for i in range(70)
    ]
    columns = ("track_id", "genre", *NARROW, "playlist")
    kept, genres, repeated, reasons = expected(rows)
    validated = validated_of(spark, rows, MAX_IMPUTED, NARROW, columns=columns)
    counts = row_counts.count(validated)
    accepted = validation.accepted(validated).collect()
    quarantined = validation.quarantined(validated).collect()

    assert counts.read == len(rows) == len(accepted) + len(quarantined)
    assert (counts.accepted, counts.n_quarantined) == (len(accepted), len(quarantined))
    assert counts.refused_share == (len(quarantined) - repeated) / len(rows)
    assert {row["track_id"]: len(row[VIOLATIONS]) for row in accepted} == kept
    assert len({row["playlist"] for row in quarantined}) == len(quarantined)
    assert (counts.duplicates, counts.reasons) == (repeated, reasons)
    assert counts.with_genre == sum(len(found) == 1 for found in genres.values())
    assert counts.ambiguous == sum(len(found) > 1 for found in genres.values())
    assert counts.imputed == sum(n > 0 for n in kept.values())

    again = random.Random(0).sample(rows, len(rows))
    validated = validated_of(spark, again, MAX_IMPUTED, NARROW, columns=columns, partitions=7)
    assert row_counts.count(validated) == counts
    assert sorted(map(str, validation.accepted(validated).collect())) == sorted(map(str, accepted))
    assert {row["playlist"]: row for row in validation.quarantined(validated).collect()} == {
        row["playlist"]: row for row in quarantined
    }


def test_the_fingerprint_is_of_all_that_a_model_can_read_of_the_accepted_tracks(spark):
    columns = ("track_id", "artist", "album", "genre", *NARROW, "playlist")

    def fingerprint(*rows):
        validated = validated_of(spark, rows, names=NARROW, columns=columns)
        return row_counts.count(validated).fingerprint

    whole = fingerprint(track("1"), track("2", energy="0.7"))
    bad = track("3", tempo="fast")
    assert fingerprint(track("2", energy="0.7", genre="pop"), track("1"), bad) == whole
    others = [
        fingerprint(track("1"), track("2", energy="0.8")),
        fingerprint(track("1"), track("3", energy="0.7")),
        fingerprint(track("1")),
        # Spark's xxhash64 leaves absent values out, whichever column they are in.
        fingerprint(track("1", artist="X", album="")),
        fingerprint(track("1", artist="", album="X")),
    ]
    assert len({whole, *others}) == 6


# Gates


def counted(read, accepted, duplicates=0, **reasons):
    return RowCounts(
        read=read, accepted=accepted, duplicates=duplicates, ambiguous=0, with_genre=0, imputed=0,
        without_features=0, missing={}, fingerprint="", reasons=reasons, values={},
    )  # fmt: skip


# What was counted, the share of rows that may be bad, and how the table is refused, if it is.
GATE = {
    "more bad rows than allowed": (
        counted(200, 189, too_many_imputed=9, malformed_row=2), 0.05, GateError,
        "5.5% of 200 rows would be quarantined, the limit is 5.0%; most are too_many_imputed (9),"
        " malformed_row (2). Mend them, or allow more with --set max_quarantined=SHARE",
    ),
    "as many bad rows as allowed": (counted(200, 190, too_many_imputed=10), 0.05, None, ""),
    "repeated rows": (counted(200, 10, 190, duplicate_track_id=190), 0.0, None, ""),
    "one bad row beside repeated ones": (
        counted(200, 10, 189, duplicate_track_id=189), 0.0, GateError, "0.5% of 200 rows would be"
    ),
    "no row": (counted(0, 0), 1.0, InputError, "has no rows"),
    "no good row where all may be bad": (
        counted(3, 0, malformed_row=3), 1.0, InputError, "none of its 3 rows can be used; malformed_row (3)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", GATE)
def test_a_table_is_refused_for_its_bad_rows_as_far_as_they_are_not_allowed(kind):
    counts, limit, error, told = GATE[kind]
    if error is None:
        row_counts.check_gate(counts, limit, "a.csv")
    else:
        with pytest.raises(error) as refused:
            row_counts.check_gate(counts, limit, "a.csv")
        assert refused.value.exit_code == {GateError: 5, InputError: 3}[error]
        assert str(refused.value).startswith(f"a.csv: {told}")


# The way in

CATALOG = CatalogSettings(max_imputed=1, max_quarantined=0.5)


@pytest.fixture
def source(tmp_path):
    def write(*lines, name="tracks.csv"):
        path = tmp_path / name
        path.write_text("".join(f"{line}\n" for line in lines))
        return Source(str(path), Dataset())

    return write


def refusal(spark, source, error=InputError, needed=None, allowed=CATALOG):
    with pytest.raises(error) as refused, open_catalogue(spark, source, allowed, needed):
        pass
    return str(refused.value).removeprefix(source.path)


def test_a_table_with_too_many_bad_rows_meets_the_gate(spark, source):
    told = refusal(spark, source("track_id,energy,tempo", "1,0.1,100", ",,", ",0,9"), GateError)
    assert told.startswith(": 66.7% of 3 rows would be quarantined, the limit is 50.0%; most are ")


def scaler(*features):
    return SimpleNamespace(features=features, sources=None)


def test_a_table_that_lacks_too_much_of_what_the_model_reads_is_refused(spark, source):
    source = source("track_id,energy", "1,0.5")
    assert refusal(spark, source, needed=scaler("energy", "tempo", "key")) == (
        ": lacks tempo, key, which the model reads; at most 1 may be absent. Map them in a"
        " dataset file, or allow more with --set max_imputed=N"
    )


def test_a_table_without_any_of_the_features_has_tracks_that_lack_all_of_them(spark, source):
    source = source("track_id,artist", "1,A", "2,B")
    with open_catalogue(spark, source, CATALOG, scaler("energy", "tempo", "key")) as catalogue:
        counts = catalogue.counts
    assert (counts.accepted, counts.imputed, counts.without_features) == (2, 2, 2)
    assert counts.missing == {"energy": 2, "tempo": 2, "key": 2}


def test_a_column_without_a_number_is_left_out_for_all_instead_of_missed_in_each_row(spark, source):
    rows = ("1,0.5,100,,", "2,0.6,110,none,")
    source = source("track_id,energy,tempo,key,mode", *rows)
    allowed = CatalogSettings(max_imputed=0, max_quarantined=0)
    with open_catalogue(spark, source, allowed) as catalogue:
        assert catalogue.features == ("energy", "tempo")
        assert {"key", "mode"} <= set(catalogue.left_out)
        assert "energy" not in catalogue.left_out
        assert catalogue.groups == ()
        assert catalogue.counts.accepted == catalogue.tracks.count() == 2


@pytest.mark.parametrize("fmt", ["csv", "parquet"])
def test_a_small_catalogue_is_read_once_and_nothing_of_it_is_kept_afterwards(spark, tmp_path, fmt):
    rows = [("1", 0.5, 100.0), ("2", 0.6, 110.0), ("2", 0.6, 110.0)]
    table = spark.createDataFrame(rows, "track_id string, energy double, tempo double")
    path = str(tmp_path / "tracks")
    table.write.format(fmt).option("header", True).save(path)
    spark.catalog.clearCache()
    kept = spark._jsparkSession.sharedState().cacheManager()
    settings = CatalogSettings(max_imputed=0, max_quarantined=0.5)
    with open_catalogue(spark, Source(path, Dataset(), fmt), settings) as catalogue:
        for file in (tmp_path / "tracks").iterdir():
            file.unlink()
        assert catalogue.tracks.count() == 2
        assert not kept.isEmpty()
    assert kept.isEmpty()


def test_a_file_that_turns_out_damaged_while_it_is_read_is_refused(spark, tmp_path):
    import gzip

    path = tmp_path / "tracks.csv.gz"
    rows = "".join(f"{i},0.{i},100\n" for i in range(20_000))
    packed = gzip.compress(f"track_id,energy,tempo\n{rows}".encode())
    path.write_bytes(packed[: len(packed) // 2])
    told = refusal(spark, Source(str(path), Dataset()))
    assert told.startswith(": cannot be read")
