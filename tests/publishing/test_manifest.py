"""What readers may rely on: the published JSON Schemas, and what they let pass."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from support.contract import SCHEMAS, violations

from genre_spark.schema import LABELLED_COLUMNS, WHY_COLUMNS, WHY_GENRE, WHY_SYNTHETIC

ROOT = Path(__file__).resolve().parents[2]
ROW = {
    "track_id": "a",
    "synthetic_genre_id": 3,
    "synthetic_genre": "slow calm",
    "synthetic_genre_distance": 0.5,
    "genre": "rock",
    "genre_confidence": 0.9,
    "genre_precision": 0.93,
    "genre_accepted": True,
    "genre_top3": [{"genre": "rock", "probability": 0.9}],
    "n_imputed": 0,
    "model_id": "0123456789abcdef",
    "input_hash": -(2**63),
    "scored_at": "2024-01-01T00:00:00+00:00",
}


@pytest.mark.parametrize("part", SCHEMAS)
def test_the_published_schemas_are_those_of_the_code(part):
    Draft202012Validator.check_schema(SCHEMAS[part])
    published = ROOT / "docs" / f"{part}.schema.json"
    # Made anew by: genre-spark schema PART > docs/PART.schema.json
    assert json.loads(published.read_text(encoding="utf-8")) == SCHEMAS[part]


def test_all_columns_are_promised_and_none_besides():
    assert list(SCHEMAS["labels"]["properties"]) == [*LABELLED_COLUMNS, *WHY_COLUMNS]
    assert SCHEMAS["labels"]["required"] == list(ROW) == list(LABELLED_COLUMNS)
    assert violations("labels", {**ROW, "year": 1999}) == ["$"]
    assert violations("labels", {k: v for k, v in ROW.items() if k != "genre"}) == ["$"]


@pytest.mark.parametrize(
    "row",
    [
        ROW,
        {name: None if name.startswith("genre") else value for name, value in ROW.items()},
        {
            **ROW,
            **{name: [{"feature": "tempo", "effect": 0.1}] for name in (WHY_SYNTHETIC, WHY_GENRE)},
            "genre_evidence": 3,
        },
        {**ROW, "synthetic_genre_why": [], "genre_why": None},
    ],
    ids=["full", "of a clusters bundle", "with reasons", "without any reason"],
)
def test_rows_of_every_kind_pass(row):
    assert violations("labels", row) == []


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("track_id", ""),
        ("track_id", None),
        ("synthetic_genre_id", -1),
        ("synthetic_genre_id", 2.5),
        ("genre_confidence", 1.5),
        ("genre_precision", 93),
        ("genre_accepted", "yes"),
        ("genre_top3", [{"genre": "rock"}]),
        ("model_id", "champion"),
        ("input_hash", 2**63),
    ],
)
def test_a_row_that_breaks_the_contract_does_not_pass(column, value):
    assert violations("labels", {**ROW, column: value})[0].startswith(f"$.{column}")
