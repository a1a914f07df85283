import pytest

from genre_spark.features.scaling import ENCODINGS
from genre_spark.schema import (
    AUDIO_FEATURES,
    FEATURE_NAMES,
    KNOWN_EXTRAS,
    LABELLED_COLUMNS,
    TEXT_COLUMNS,
    WHY_COLUMNS,
    feature,
    labelled_columns,
)

DECLARED = AUDIO_FEATURES + KNOWN_EXTRAS


def test_the_twelve_audio_features_are_those_of_the_design_in_its_order():
    assert " ".join(FEATURE_NAMES) == (
        "danceability energy key loudness mode speechiness acousticness instrumentalness liveness"
        " valence tempo duration_ms"
    )


def test_no_name_is_declared_twice_and_an_undeclared_one_may_take_every_finite_value():
    extra = feature("popularity")
    assert extra.name == "popularity"
    assert extra.low < -1e299 < 1e299 < extra.high < float("inf")
    names = [*TEXT_COLUMNS, *(declared.name for declared in DECLARED)]
    assert len(set(names)) == len(names)
    assert [name for name in names if name != name.lower()] == []


@pytest.mark.parametrize("declared", DECLARED, ids=lambda declared: declared.name)
def test_a_feature_has_a_range_and_an_encoding_that_exists(declared):
    assert declared.low < declared.high
    assert declared.encoding in ENCODINGS
    assert declared.per_unit > 0
    assert feature(declared.name) is declared


# What the analysis writes where it found nothing; and zeros that mean something.
@pytest.mark.parametrize(
    ("name", "value", "is_in_range"),
    [
        ("tempo", 0.0, False),
        ("danceability", 0.0, False),
        ("key", -1.0, False),
        ("time_signature", 0.0, False),
        *[(name, 0.0, True) for name in ("energy", "loudness", "instrumentalness", "mode")],
    ],
)
def test_values_for_nothing_are_out_of_range(name, value, is_in_range):
    assert (feature(name).low <= value <= feature(name).high) == is_in_range


def test_the_labelled_catalogue_is_the_contract_of_the_design():
    assert LABELLED_COLUMNS == {
        "track_id": "string",
        "synthetic_genre_id": "int",
        "synthetic_genre": "string",
        "synthetic_genre_distance": "float",
        "genre": "string",
        "genre_confidence": "float",
        "genre_precision": "double",
        "genre_accepted": "boolean",
        "genre_top3": "array<struct<genre:string,probability:float>>",
        "n_imputed": "int",
        "model_id": "string",
        "input_hash": "bigint",
        "scored_at": "timestamp",
    }
    assert labelled_columns(explain=False) == LABELLED_COLUMNS
    assert list(labelled_columns(explain=True)) == [*LABELLED_COLUMNS, *WHY_COLUMNS]
