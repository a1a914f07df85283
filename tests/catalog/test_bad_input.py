"""Bad input, really tried: each kind has its outcome, which docs/reliability.md tells users.

None of them hangs, kills a task, or ends in a traceback: rows are taken or quarantined with a reason,
tables are refused in one line.
"""

import gzip
from datetime import date
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from support import edits
from support.edits import FEATURES
from support.generated import make_manifest, make_tracks, write_bundle
from support.tables import GOOD

from genre_spark.catalog.catalogue import Source, open_catalogue
from genre_spark.catalog.reader import SWALLOWED
from genre_spark.config import CatalogSettings, load_settings
from genre_spark.errors import GenreSparkError, InputError
from genre_spark.pipelines import cluster as cluster_pipeline
from genre_spark.pipelines import score as score_pipeline
from genre_spark.schema import TEXT_COLUMNS
from genre_spark.source import Dataset

# Planning takes most of the time of a small table, and more for each column.
COLUMNS = (*TEXT_COLUMNS, "energy", "key", "loudness", "tempo", "valence", "duration_ms")
LENIENT = CatalogSettings(max_imputed=0, max_quarantined=1)
MEGABYTE = 2**20

# One value in an otherwise good row, and why the row is quarantined; None where it is taken.
VALUES = {
    "a text in a number": ({"tempo": "fast"}, "not_a_number:tempo"),
    "a number with its unit": ({"tempo": "120 BPM"}, "not_a_number:tempo"),
    "a decimal comma": ({"tempo": "120,5"}, "not_a_number:tempo"),
    "thousands set apart": ({"duration_ms": "200'000"}, "not_a_number:duration_ms"),
    "a date in a number": ({"tempo": "2020-01-01"}, "not_a_number:tempo"),
    "a time in a duration": ({"duration_ms": "3:20"}, "not_a_number:duration_ms"),
    "a truth value in a number": ({"tempo": "true"}, "not_a_number:tempo"),
    "digits of another script": ({"tempo": "١٢٠"}, "not_a_number:tempo"),
    "a formula in a number": ({"tempo": "=60*2"}, "not_a_number:tempo"),
    "1 MB in a number": ({"tempo": "1" * MEGABYTE}, "out_of_range:tempo"),
    "a number with blanks": ({"tempo": "  120 "}, None),
    "an exponent": ({"tempo": "1.2e2"}, None),
    "more digits than a double has": ({"tempo": "120." + "3" * 400}, None),
    "a NaN": ({"tempo": "NaN"}, None),
    "infinity": ({"tempo": "Infinity"}, "out_of_range:tempo"),
    "negative infinity": ({"loudness": "-Infinity"}, "out_of_range:loudness"),
    "overflow": ({"tempo": "1e999"}, "out_of_range:tempo"),
    "underflow": ({"energy": "1e-999"}, None),
    "an absent number": ({"tempo": ""}, None),
    "NULL as a text": ({"tempo": "NULL"}, None),
    "a share in percent": ({"energy": "50"}, "out_of_range:energy"),
    "a negative share": ({"energy": "-0.1"}, "out_of_range:energy"),
    "a fraction where only whole numbers are": ({"key": "5.5"}, "out_of_range:key"),
    "no tempo found": ({"tempo": "0"}, None),
    "an empty id": ({"track_id": ""}, "missing:track_id"),
    "an id of blanks": ({"track_id": "   "}, "missing:track_id"),
    "an id with a control character": ({"track_id": "a\x07b"}, "unusable:track_id"),
    "an id with a line break": ({"track_id": "a\nb"}, "unusable:track_id"),
    "an id with a null character": ({"track_id": "a\0b"}, "unusable:track_id"),
    "an id of 100 kB": ({"track_id": "x" * 100_000}, "unusable:track_id"),
    "an id of 1,000 characters": ({"track_id": "y" * 1000}, None),
    "an id in another script": ({"track_id": "曲-①"}, None),
    "an id like a path": ({"track_id": "../../etc/passwd"}, None),
    "an id like a query": ({"track_id": "'; DROP TABLE tracks; --"}, None),
    "a title of 1 MB": ({"title": "t" * MEGABYTE}, None),
    "a title that starts with =": ({"title": "=HYPERLINK(A1)"}, None),
    "a title with a line break": ({"title": "one\ntwo, three"}, None),
    "a title with doubled quotes": ({"title": 'say "x"'}, None),
    "a title that ends in a backslash": ({"title": "C:\\"}, None),
    "no artist and no album": ({"artist": "", "album": ""}, None),
    "a genre with markup": ({"genre": "<script>alert(1)</script>"}, None),
    "a genre with terminal codes": ({"genre": "\x1b[2Jrock"}, None),
    "a genre of 100 kB": ({"genre": "g" * 100_000}, None),
}


def quoted(value):
    return '"' + value.replace('"', '""') + '"'


def line(track_id="id", **changes):
    row = {"track_id": track_id, **GOOD, **changes}
    return ",".join(quoted(row[name]) for name in COLUMNS) + "\n"


HEADER = ",".join(COLUMNS) + "\n"


@pytest.fixture(scope="module")
def fates(spark, tmp_path_factory):
    """What became of each row of a table of all bad values, by the kind, kept in the album."""
    path = tmp_path_factory.mktemp("values") / "tracks.csv"
    rows = [line(**{"track_id": f"id {i}", "album": kind, **changes})
            for i, (kind, (changes, _)) in enumerate(VALUES.items())]  # fmt: skip
    text = HEADER + "".join(rows)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with open_catalogue(spark, Source(str(path), Dataset()), LENIENT) as catalogue:
        assert catalogue.counts.read == len(VALUES)
        quarantined = {row["album"]: row["_reasons"] for row in catalogue.quarantined.collect()}
        taken = [row["album"] for row in catalogue.tracks.select("album").collect()]
    return {kind: quarantined.get(kind, []) for kind in (*taken, *quarantined)}


@pytest.mark.parametrize("kind", VALUES)
def test_a_row_with_a_bad_value_is_taken_or_quarantined_with_its_reason(fates, kind):
    reason = VALUES[kind][1]
    found = fates[None if VALUES[kind][0].get("album") == "" else kind]
    assert [one for one in found if one != "too_many_imputed"] == ([reason] if reason else [])


# Tables


def rows_of(n, **changes):
    return "".join(line(f"id {i}", **changes) for i in range(n))


def table(n=3, **changes):
    """A table of good tracks as pyarrow has it; a change of None drops a column."""
    tracks = make_tracks(n, seed=1)
    columns = {name: pa.array(tracks[name]) for name in COLUMNS}
    columns.update(
        {name: pa.array(values) for name, values in changes.items() if values is not None}
    )
    dropped = [name for name, values in changes.items() if values is None]
    return pa.table({name: c for name, c in columns.items() if name not in dropped})


def csv(path, text, name="tracks.csv", encoding="utf-8"):
    (path / name).write_bytes(text if isinstance(text, bytes) else text.encode(encoding))
    return path / name


def parquet(path, *tables):
    for i, one in enumerate(tables):
        pq.write_table(one, path / f"part-{i}.parquet")
    return path


def cut(path, share):
    file = path / "tracks.parquet"
    pq.write_table(table(2000), file)
    file.write_bytes(file.read_bytes()[: int(file.stat().st_size * share)])
    return file


def spoiled_page(path):
    file = path / "tracks.parquet"
    pq.write_table(table(5000), file, compression="snappy")
    content = bytearray(file.read_bytes())
    content[1000 : len(content) // 2] = bytes(len(content) // 2 - 1000)
    file.write_bytes(content)
    return file


def packed(path, share):
    file = path / "tracks.csv.gz"
    content = gzip.compress((HEADER + rows_of(3000)).encode())
    file.write_bytes(content[: int(len(content) * share)])
    return file


def swap(text, one, other):
    """A CSV header with two names exchanged."""
    return text.replace(one, "?").replace(other, one).replace("?", other)


# How a table is made, and what becomes of it: what is said in refusing it, or rows read and taken.
TABLES = {
    "unclosed quote in the last column": (
        lambda p: csv(p, HEADER + line("a") + line("b")[:-2] + "\n" + rows_of(3).replace('"', "")),
        "a quote is never closed: 1 rows contain others within a value, one has the track_id 'b'",
    ),
    "unclosed quote in the first column": (
        lambda p: csv(p, HEADER + line("a") + '"b,' + rows_of(3).replace('"', "")),
        "a quote is never closed: 1 rows contain others within a value",
    ),
    "unclosed quote in the middle of a table that quotes everything": (
        lambda p: csv(p, HEADER + line("a") + line("b").replace('"C"', '"C') + rows_of(3)),
        (5, 4),
    ),
    "a byte-order mark": (lambda p: csv(p, "\ufeff" + HEADER + rows_of(3)), (3, 3)),
    "UTF-16 with its mark": (
        lambda p: csv(p, HEADER + rows_of(3), encoding="utf-16"), "is not UTF-8; name its encoding"
    ),
    "UTF-16 without its mark": (
        lambda p: csv(p, HEADER + rows_of(3), encoding="utf-16-le"), "is not UTF-8; name its encoding"
    ),
    "Parquet that is called CSV": (
        lambda p: csv(p, make_tracks(3, seed=1).to_parquet()), "is Parquet: rename it to .parquet"
    ),
    "a header in Latin-1": (
        lambda p: csv(p, HEADER.replace("title", "título") + rows_of(3), encoding="latin-1"),
        "is not UTF-8; name its encoding",
    ),
    "line breaks of Windows": (
        lambda p: csv(p, (HEADER + rows_of(3)).replace("\n", "\r\n")), (3, 3)
    ),
    "blank lines": (lambda p: csv(p, HEADER + "\n\n" + rows_of(3) + "\n"), (3, 3)),
    "a line that is too short": (lambda p: csv(p, HEADER + rows_of(3) + '"b","A"\n'), (4, 3)),
    "a line that is too long": (
        lambda p: csv(p, HEADER + rows_of(3) + line("b")[:-1] + ",more\n"), (4, 3)
    ),
    "null characters between lines": (
        lambda p: csv(p, HEADER + rows_of(3) + "\0\0\0\n"), (4, 3)
    ),
    "no byte": (lambda p: csv(p, ""), "is empty: no header and no rows"),
    "a header and no rows": (lambda p: csv(p, HEADER), "has no rows"),
    "no header": (lambda p: csv(p, rows_of(3)), "its first line has values"),
    "a column that appears twice": (
        lambda p: csv(p, HEADER.replace("title", "tempo") + rows_of(3)),
        "column tempo appears more than once",
    ),
    "a column that appears twice but for its case": (
        lambda p: csv(p, HEADER.replace("title", "TEMPO") + rows_of(3)),
        "column tempo appears more than once",
    ),
    "a column with a name of genre-spark's own": (
        lambda p: csv(p, HEADER.replace("title", "_Genre_Spark_artists") + rows_of(3)),
        "names that begin with _genre_spark_ are genre-spark's own: rename it",
    ),
    "names in other case": (lambda p: csv(p, HEADER.upper() + rows_of(3)), (3, 3)),
    "a column without a name": (lambda p: csv(p, "," + HEADER + "".join(
        f"{i},{line(f'id {i}')}" for i in range(3))), (3, 3)),
    "no id": (
        lambda p: csv(p, HEADER.replace("track_id", "uri") + rows_of(3)), "no column 'track_id'"
    ),
    "no audio feature": (
        lambda p: csv(p, "track_id,title\n1,a\n"), "has none of the audio features"
    ),
    "files with other orders of columns": (
        lambda p: (csv(p, HEADER + rows_of(3), "a.csv"),
                   csv(p, swap(HEADER, "energy", "valence") + rows_of(3), "b.csv"), p / "*.csv")[2],
        (6, 3),
    ),
    "files with other numbers of columns": (
        lambda p: (csv(p, HEADER + rows_of(3), "a.csv"), csv(p, "track_id\nx\n", "b.csv"), p / "*.csv")[2],
        (4, 3),
    ),
    "a packed table that is cut off": (lambda p: packed(p, 0.6), "cannot be read"),
    "a packed table that is not packed": (
        lambda p: csv(p, HEADER + rows_of(3), "tracks.csv.gz"), "is not gzip, as its name says"
    ),
    "Parquet without its end": (lambda p: cut(p, 0.9), "breaks off, its end is missing"),
    "Parquet of which almost nothing is left": (lambda p: cut(p, 0.001), "breaks off, its end is missing"),
    "Parquet with damaged data": (spoiled_page, "cannot be read"),
    "Parquet that is text": (
        lambda p: csv(p, HEADER + rows_of(3), "tracks.parquet"), "is no PARQUET"
    ),
    "Parquet of no rows": (lambda p: parquet(p, table(3).slice(0, 0)), "has no rows"),
    "Parquet whose files have other columns": (
        lambda p: parquet(p, table(3), table(2, tempo=None, track_id=["x", "y"])), (5, 5)
    ),
    "Parquet whose files have other types": (
        lambda p: parquet(p, table(3), table(2, tempo=["fast", "slow"], track_id=["x", "y"])), (5, 3)
    ),
    "Parquet whose files have other cases": (
        lambda p: parquet(p, table(3), table(2, tempo=None, TEMPO=[100.0, 110.0], track_id=["x", "y"])), (5, 5)
    ),
    "Parquet with numbers as text": (
        lambda p: parquet(p, table(3, tempo=["120", "fast", None])), (3, 2)
    ),
    "Parquet with NaN and infinities": (
        lambda p: parquet(p, table(3, tempo=[float("nan"), float("inf"), 120.0])), (3, 2)
    ),
    "Parquet with nulls": (lambda p: parquet(p, table(3, tempo=[None, None, 120.0])), (3, 3)),
    "Parquet with nested numbers": (
        lambda p: parquet(p, table(3, tempo=[{"bpm": 120.0}] * 3)), "column tempo is struct<bpm:double>"
    ),
    "Parquet with lists of artists": (
        lambda p: parquet(p, table(3, artist=[["A", "B"]] * 3)), "column artist is array<string>"
    ),
    "Parquet with dates as numbers": (
        lambda p: parquet(p, table(3, tempo=[date(2020, 1, 1)] * 3)), "column tempo is date"
    ),
    "Parquet with bytes as ids": (
        lambda p: parquet(p, table(3, track_id=[b"\xff", b"\x00", b"a"])), (3, 1)
    ),
    "Parquet with whole numbers as ids": (lambda p: parquet(p, table(3, track_id=[1, 2, 3])), (3, 3)),
    "a format that is none": (lambda p: csv(p, "x", "tracks.avro2"), "has none of the known endings"),
    "a folder of nothing": (lambda p: p, "cannot be read as parquet"),
    "a table that is not there": (lambda p: p / "none.csv", "no such file or directory"),
}  # fmt: skip


# Much like another kind here: `make test-long` has them.
ALIKE = {
    "unclosed quote in the first column", "a byte-order mark", "UTF-16 without its mark",
    "line breaks of Windows", "blank lines", "null characters between lines",
    "a column that appears twice but for its case", "names in other case",
    "files with other numbers of columns", "a packed table that is not packed",
    "Parquet of which almost nothing is left", "Parquet that is text", "Parquet with nulls",
    "Parquet with numbers as text", "Parquet whose files have other cases",
    "Parquet with dates as numbers",
}  # fmt: skip


@pytest.mark.parametrize(
    "kind", [pytest.param(one, marks=pytest.mark.long) if one in ALIKE else one for one in TABLES]
)
def test_a_bad_table_is_read_for_what_it_is_or_refused_in_one_line(spark, tmp_path, kind):
    make, outcome = TABLES[kind]
    source = Source(str(make(tmp_path)), Dataset())
    if isinstance(outcome, str):
        with pytest.raises(InputError) as refused, open_catalogue(spark, source, LENIENT):
            pass
        told = str(refused.value)
        assert told.startswith(source.path)
        assert outcome in told
        assert "\n" not in told
    else:
        with open_catalogue(spark, source, LENIENT) as catalogue:
            assert (catalogue.counts.read, catalogue.counts.accepted) == outcome
            if catalogue.counts.n_quarantined:
                assert catalogue.quarantined.count() == catalogue.counts.n_quarantined
            assert SWALLOWED not in catalogue.quarantined.columns


# Catalogues that are whole but odd


@pytest.fixture(scope="module")
def clusters(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / "clusters"
    return str(write_bundle(folder, make_manifest(features=FEATURES)))


ODD = {
    "one row": lambda t: t.head(1),
    "one track per artist": lambda t: t.assign(artist=[f"artist {i}" for i in range(len(t))]),
    "one artist": lambda t: t.assign(artist="one", album="one"),
    "all tracks alike": lambda t: t.assign(**t.iloc[0].drop("track_id").to_dict()),
    "no artist, album, title or genre": lambda t: t[["track_id", *FEATURES]],
    "hostile names": lambda t: t.assign(
        artist="=cmd|' /C calc'!A0", album="\x1b]0;x\x07", genre="<script>", title="${jndi:ldap://x}"
    ),
    "columns named as genre-spark names its own": lambda t: t.assign(
        _reasons="x", _corrupt_record=None, _source="z", _artist="q", violations="f", reasons="r",
        input_hash=1, model_id="m", _known=True, n_imputed=3, ambiguous=False,
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_catalogue_is_labelled_to_the_last_row(spark, clusters, tmp_path, kind):
    tracks = ODD[kind](make_tracks(40, seed=2)[[*TEXT_COLUMNS, *FEATURES]])
    tracks.to_parquet(tmp_path / "tracks.parquet")
    source = Source(str(tmp_path / "tracks.parquet"), Dataset())
    out = tmp_path / "out"
    found = score_pipeline.run(spark, edits.request(source, clusters, out, load_settings()))
    rows = pd.read_parquet(out)
    assert len(rows) == found.manifest.rows.labelled == len(tracks)
    assert set(rows["track_id"]) == set(tracks["track_id"])
    assert rows["synthetic_genre"].notna().all()


FEW = {
    "k larger than the number of distinct rows": (
        lambda t: pd.concat([t.head(8)] * 5).assign(track_id=[str(i) for i in range(40)]),
        "has 8 distinct tracks, k_min=11 synthetic genres need more; give more tracks or --set k_min=K",
    ),
    "nothing that varies": (
        lambda t: t.assign(**t.iloc[0].drop("track_id").to_dict()),
        "only 0 audio features vary over the catalogue (none), at least 3 are needed",
    ),
    "one row": (lambda t: t.head(1), "only 0 audio features vary"),
}


@pytest.mark.parametrize("kind", FEW)
def test_a_catalogue_without_enough_to_discover_is_refused(spark, tmp_path, kind):
    make, told = FEW[kind]
    make(make_tracks(40, seed=2)[[*COLUMNS]]).to_parquet(tmp_path / "tracks.parquet")
    source = Source(str(tmp_path / "tracks.parquet"), Dataset())
    with pytest.raises(GenreSparkError) as refused:
        cluster_pipeline.run(
            spark, cluster_pipeline.ClusterRequest(source, str(tmp_path / "model"), load_settings())
        )
    assert refused.value.exit_code == 3
    assert told in str(refused.value)
    assert not (tmp_path / "model").exists()


def page_rows():
    for kind, (_, reason) in VALUES.items():
        yield kind, f"quarantined: `{reason}`" if reason else "taken", "…with_a_bad_value…"
    for kind, (_, outcome) in TABLES.items():
        if isinstance(outcome, str):
            yield kind, f"refused: “{outcome}”", "…a_bad_table…"
        else:
            read, taken = outcome
            said = "taken" if read == taken else f"{read - taken} of {read} rows quarantined"
            yield kind, said, "…a_bad_table…"
    for kind in ODD:
        yield kind, "labelled to the last row", "…an_odd_catalogue…"
    for kind, (_, told) in FEW.items():
        yield kind, f"`cluster` refuses: “{told}”", "…without_enough_to_discover…"


def test_there_are_sixty_kinds_and_the_page_for_users_reports_the_outcome_of_each():
    rows = [f"| {kind} | {outcome} | `{test}` |" for kind, outcome, test in page_rows()]
    assert len(rows) >= 60
    page = (Path(__file__).parents[2] / "docs" / "reliability.md").read_text(encoding="utf-8")
    assert [row for row in rows if row not in page.splitlines()] == []
