"""Values that were not taken: counted by Spark over all rows, and on the driver over a sample."""

from itertools import product
from types import SimpleNamespace

import pytest
from support.generated import make_tracks

from genre_spark.catalog import columns, reader, row_counts, validation
from genre_spark.catalog.catalogue import Source, scan_catalogue
from genre_spark.catalog.row_counts import NotTaken, summed
from genre_spark.config import CatalogSettings
from genre_spark.source import Dataset

AROUND = ("{}", " {} ", "[{}]", "('{}')", '"{}', "\t{}", "{}x")
WORDS = sorted({one for name in ("artist", "genre", "tempo") for one in columns.placeholders(name)})
TEXTS = [around.format(word) for around, word in product(AROUND, WORDS)]
TEXTS += [text.upper() for text in TEXTS]
TEXTS += [
    "fast",
    "\ufffd",
    "Bj\ufffdrk",
    "na\ufffd",
    "İ",
    "N/A",
    "ＮＡ",
    " ",
    "",
    "\u00a0",
    "1,5",
    "😀",
]


@pytest.fixture(scope="module")
def validated(spark):
    """Each of the texts as an artist, a genre and a tempo."""
    rows = [(str(i), text, text, text, 0.5) for i, text in enumerate(TEXTS)]
    names = "track_id string, artist string, genre string, tempo string, energy double"
    mapped = reader.map_columns(spark.createDataFrame(rows, names), Dataset(), "memory")
    return validation.validate(mapped, ("energy", "tempo"), 3).persist()


@pytest.fixture(scope="module")
def kinds(validated):
    rows = validated.selectExpr(f"inline({validation.NOT_TAKEN})").collect()
    return {(row["column"], row["text"]): row["kind"] for row in rows}


def test_a_sample_of_all_rows_has_the_counts_of_all_rows(validated):
    counted = row_counts.count(validated).values
    assert row_counts.collect(validated, len(TEXTS), ("energy", "tempo")).values == counted
    assert set(counted) == {"artist", "genre", "tempo"}
    assert counted["tempo"].not_understood > 100
    assert counted["tempo"].placeholder > 100
    assert counted["artist"].damaged == 3


def test_the_first_text_that_was_not_understood_is_the_example_before_damaged_ones():
    found = [
        NotTaken("tempo", "not_understood", "", 2, "fast"),
        NotTaken("tempo", "damaged", "", 1, "Allegr\ufffd"),
        NotTaken("tempo", "placeholder", "-", 3, "-"),
        NotTaken("tempo", "blank", "", 4, ""),
        NotTaken("artist", "blank", "", 1, " "),
    ]
    values = summed({"artist": 9, "tempo": 5, "energy": 10}, found)
    assert {name: one.model_dump() for name, one in values.items()} == {
        "tempo": {
            "understood": 5, "not_understood": 2, "placeholder": 3, "damaged": 1,
            "example": "fast",
        }
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [
        ("tempo", "fast", "not_understood"),
        ("tempo", "[n/a]", "placeholder"),
        ("tempo", "unknown", "placeholder"),
        ("artist", "unknown", "placeholder"),
        ("artist", " ", "blank"),
        ("artist", "[]", "placeholder"),
        ("artist", "Bj\ufffdrk", "damaged"),
    ],
)
def test_a_text_means_nothing_is_damaged_or_is_not_understood(kinds, name, text, kind):
    assert kinds[name, text] == kind


def test_a_small_packed_file_of_many_rows_is_sampled(spark, tmp_path, monkeypatch):
    monkeypatch.setattr(row_counts, "ENOUGH", 100)
    monkeypatch.setattr(row_counts, "MOST", 200)
    for n in (199, 400):
        make_tracks(n, seed=1).to_parquet(tmp_path / f"{n}.parquet")
        source = Source(str(tmp_path / f"{n}.parquet"), Dataset())
        scaler = SimpleNamespace(features=("energy", "tempo"), sources=None)
        settings = CatalogSettings(max_imputed=3, max_quarantined=0.5)
        with scan_catalogue(spark, source, settings, scaler) as one:
            found = (one.n_rows, one.sample.share, one.sample.rows.num_rows)
        assert found == (199, 1, 199) if n == 199 else found[:2] == (400, 4) and found[2] < 150
