"""The Python API: loaded tables, in sessions that somebody else has made."""

import re

import pandas as pd
import pytest
from pyspark.sql import functions as F
from support.edits import FEATURES, start
from support.generated import make_tracks

import genre_spark
from genre_spark import api
from genre_spark.errors import BundleError, ConfigError, GateError
from genre_spark.schema import labelled_columns
from genre_spark.source import Dataset

# None of these is what genre-spark itself would ask for.
ODD = {
    "spark.sql.ansi.enabled": "true",
    "spark.sql.caseSensitive": "true",
    "spark.sql.session.timeZone": "Asia/Kathmandu",
    "spark.sql.shuffle.partitions": "3",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "7",
    "spark.sql.execution.arrow.useLargeVarTypes": "true",
}
LENIENT = {"max_quarantined": 1, "max_imputed": 1}
QUICK = {"k_max": 11, "restarts": 1, "sample_size": 200, "max_iterations": 4}


@pytest.fixture(scope="module")
def odd(spark):
    session = spark.newSession()
    for key, value in ODD.items():
        session.conf.set(key, value)
    return session


def dirty():
    """Tracks with texts in numbers or without features, rows that no model can use, ids that come twice."""
    tracks = start().astype(dict.fromkeys(FEATURES, str))
    tracks.loc[40:49, list(FEATURES)] = ""
    tracks.loc[50:54, "key"] = ""
    tracks.loc[:9, "tempo"] = "fast"
    tracks.loc[10, list(FEATURES)] = "x"
    return pd.concat([tracks, tracks.iloc[20:23]])


def rows(labelled, *dropped):
    found = labelled.drop(*dropped).toPandas()
    return found.sort_values(found.columns[0]).reset_index(drop=True)


def test_labels_do_not_depend_on_the_session(spark, odd, model):
    found = []
    for session in (spark, odd):
        tracks = session.createDataFrame(dirty())
        labelled = api.score(session, tracks, model, explain=True, settings=LENIENT)
        assert labelled.columns == list(labelled_columns(explain=True))
        labelled = labelled.withColumn("seconds", F.unix_timestamp("scored_at"))
        found.append(rows(labelled, "scored_at"))
    now = pd.Timestamp.now("UTC").timestamp()
    assert all((one.pop("seconds") - now).abs().max() < 600 for one in found)
    pd.testing.assert_frame_equal(*found, check_exact=True)
    assert len(found[0]) == 59
    assert found[0]["n_imputed"].value_counts().to_dict() == {0: 34, 1: 15, len(FEATURES): 10}


def test_quarantined_rows_do_not_depend_on_the_session(spark, odd, model):
    found = [
        rows(api.quarantine(session, session.createDataFrame(dirty()), model, settings=LENIENT))
        for session in (spark, odd)
    ]
    pd.testing.assert_frame_equal(*found)
    assert found[0]["_reasons"].map(list).map(len).gt(0).all()
    assert len(found[0]) == 4


def test_synthetic_genres_do_not_depend_on_the_session(spark, odd, tmp_path):
    tracks = make_tracks(250, seed=3)
    ids = {
        api.cluster(
            session, session.createDataFrame(tracks), str(tmp_path / name), settings=QUICK
        ).manifest.model_id
        for name, session in {"usual": spark, "odd": odd}.items()
    }
    assert len(ids) == 1


def test_a_session_has_its_own_settings_back_even_after_an_error(odd, model):
    with pytest.raises(GateError):
        api.score(odd, odd.createDataFrame(dirty()), model, settings={"max_imputed": 0})
    assert {key: odd.conf.get(key) for key in ODD} == ODD


def test_columns_with_other_names_are_mapped(spark, model):
    tracks = start().rename(columns={"track_id": "id", "tempo": "bpm"})
    mapping = Dataset(columns={"track_id": "id", "tempo": "bpm"})
    table = spark.createDataFrame(tracks.astype(dict.fromkeys(tracks.columns, str)))
    labelled = api.score(spark, table, model, dataset=mapping)
    assert labelled.count() == 60


def test_a_model_that_is_not_there_and_a_setting_that_is_none_are_refused(spark, model):
    with pytest.raises(BundleError, match="no such bundle"):
        api.open_model(spark, "nowhere")
    with pytest.raises(ConfigError, match="speed: unknown key"):
        api.open_model(spark, model, settings={"speed": 9})


def test_a_bundle_says_in_few_words_what_it_is(spark, model):
    assert re.fullmatch(
        r"<full bundle [0-9a-f]{16} of .*model>", repr(api.open_model(spark, model))
    )


def test_the_package_offers_the_api_and_nothing_that_is_not_there():
    assert genre_spark.score is api.score
    assert {"cluster", "train", "score", "quarantine", "open_model", "suggest"} <= set(
        dir(genre_spark)
    )
    with pytest.raises(AttributeError, match="no attribute 'sing'"):
        getattr(genre_spark, "sing")  # noqa: B009
