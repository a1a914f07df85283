"""Incremental scoring gives what a full run gives, whatever was edited, and scores no more."""

import json
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet as pq
from support import edits
from support.contract import violations
from support.edits import (
    ARTISTS,
    BY_STEPS,
    FEATURES,
    assert_equal,
    labels,
    play,
    score,
    sequence,
    start,
)

from genre_spark.config import load_settings
from genre_spark.platform.atomic_directory import read_manifest
from genre_spark.platform.storage import LocalStorage
from genre_spark.publishing import writer
from genre_spark.publishing.labels import reusable
from genre_spark.publishing.manifest import find
from genre_spark.schema import LABELLED_COLUMNS, WHY_COLUMNS, labelled_columns
from genre_spark.versions import scoring_software


@pytest.fixture(scope="module")
def whole(spark, models, tmp_path_factory):
    """A catalogue published by a full run; not to be changed."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    score(spark, start(), models["model"], folder)
    return folder


@pytest.fixture
def published(whole, tmp_path):
    shutil.copytree(whole, tmp_path / "out")
    return tmp_path / "out"


def scored_anew(spark, tracks, model, folder):
    """The tracks that an incremental run scored, and its manifest."""
    found = score(spark, tracks, model, folder, incremental=True)
    rows = pd.read_parquet(folder)
    return set(rows["track_id"][rows["scored_at"] == rows["scored_at"].max()]), found


def test_steps_give_what_one_full_run_gives(spark, models, whole, tmp_path):
    """One of many that ``benchmarks/incremental.py`` plays, with an interruption and a new model."""
    shutil.copytree(whole, tmp_path / BY_STEPS)
    play(spark, sequence(1), models, tmp_path)


def test_nothing_is_scored_where_no_label_can_change_and_rows_keep_their_run(
    spark, models, published
):
    before = pd.read_parquet(published).sort_values("track_id")
    first = json.loads((published / "_manifest.json").read_text())
    tracks = start().assign(genre="another")
    found = score(spark, tracks, models["model"], published, incremental=True)
    after = pd.read_parquet(published).sort_values("track_id")
    pd.testing.assert_frame_equal(
        after.reset_index(drop=True), before.reset_index(drop=True), check_exact=True
    )
    assert found["run_id"] != first["run_id"]
    assert found["runs"] == first["runs"]
    assert found["runs"][0]["run_id"] == first["run_id"]
    assert found["rows"]["labelled"] == found["runs"][0]["tracks"]


def test_all_tracks_of_an_artist_with_a_change_are_scored_and_no_others(
    spark, models, whole, published
):
    tracks = start()
    first = tracks.index[tracks["artist"] == ARTISTS[1]][0]
    tracks.loc[first, "energy"] = 0.777
    # Two tracks change places: all sums of the artist stay as they were.
    swapped = tracks[tracks["artist"] == ARTISTS[0]]
    assert swapped["album"].nunique() == 1
    one, other, *others = swapped.index
    assert others
    columns = list(FEATURES)
    tracks.loc[[one, other], columns] = tracks.loc[[other, one], columns].to_numpy()
    # An artist is renamed; nothing else about its tracks changes.
    tracks["artist"] = tracks["artist"].replace({ARTISTS[7]: "somebody"})
    changed = tracks["artist"].isin([*ARTISTS[:2], "somebody"])
    anew, found = scored_anew(spark, tracks, models["model"], published)
    assert anew == set(tracks["track_id"][changed])
    assert [run["tracks"] for run in found["runs"]] == [changed.sum(), (~changed).sum()]
    # What the comparisons of this file rest on.
    assert not labels(published)["genre_confidence"].equals(labels(whole)["genre_confidence"])


def test_reasons_are_carried_over_with_the_labels(spark, models, tmp_path, monkeypatch):
    explaining = load_settings(overrides=("max_quarantined=1", "max_imputed=1", "explain=true"))
    monkeypatch.setattr(edits, "SETTINGS", explaining)
    changed = start()
    changed.loc[0, "energy"] = 0.777
    score(spark, start(), models["model"], tmp_path / "by steps")
    anew, found = scored_anew(spark, changed, models["model"], tmp_path / "by steps")
    assert found["incremental"]["in_full_because"] is None
    assert 0 < len(anew) < len(changed)
    whole = score(spark, changed, models["model"], tmp_path / "at once")
    assert set(WHY_COLUMNS) <= set(labels(tmp_path / "by steps"))
    assert_equal(tmp_path / "by steps", tmp_path / "at once")
    assert found["labels"] == whole["labels"]
    assert any(whole["labels"]["reasons"]["synthetic_genre"].values())
    assert violations("manifest", read_manifest(LocalStorage(), str(tmp_path / "by steps"))) == []


def found_in(spark, folder, columns=LABELLED_COLUMNS):
    """What of a published catalogue can be reused, or why nothing."""
    old = find(LocalStorage(), str(folder))
    read = partial(writer.read, spark, str(folder), columns)
    return reusable(read, old, scoring_software(), columns)


def test_another_model_scores_everything(spark, models, published):
    """Even one that differs in nothing but the artists that it knows."""
    anew, found = scored_anew(spark, start(), models["other artists known"], published)
    assert anew == set(start()["track_id"])
    assert found["incremental"] == {"asked": True, "in_full_because": None}


def tamper(folder, change):
    """Changes a file of published rows, as no run of genre-spark would."""
    part = next(path for path in folder.glob("part-*.parquet") if len(pd.read_parquet(path)))
    change(part)
    # Hadoop's own checksum would tell; whoever forges deletes it.
    (folder / f".{part.name}.crc").unlink()


def swap_a_label(part):
    rows = pd.read_parquet(part)
    rows.loc[0, "genre"] = "forged"
    types = pq.read_schema(part)
    forged = pa.Table.from_pandas(rows, types, preserve_index=False)
    # Timestamps as Spark writes them.
    pq.write_table(forged, part, use_deprecated_int96_timestamps=True)


def cut(part):
    part.write_bytes(part.read_bytes()[:-100])


def state(folder, key, value):
    """Lets the manifest state something else; None takes the key away."""
    manifest = json.loads((folder / "_manifest.json").read_text()) | {key: value}
    manifest = {name: one for name, one in manifest.items() if one is not None}
    (folder / "_manifest.json").write_text(json.dumps(manifest))


SPOILED = {
    "forged": (lambda folder: tamper(folder, swap_a_label), "is not what its manifest says"),
    "cut off": (lambda folder: tamper(folder, cut), "cannot be read"),
    "lost": (lambda folder: tamper(folder, Path.unlink), "cannot be read"),
    "of other software": (lambda folder: state(folder, "software", {}), "other versions of the"),
    "of another format": (lambda folder: state(folder, "drift", None), "other versions of the"),
    "absent": (shutil.rmtree, "there is no catalogue yet"),
}


def test_what_was_published_is_reused_as_far_as_it_has_the_columns_that_are_wanted(spark, whole):
    assert found_in(spark, whole, labelled_columns(False)).count() == len(start())
    told = found_in(spark, whole, labelled_columns(True))
    assert told == "the published catalogue has other columns"


@pytest.mark.parametrize(("spoil", "told"), SPOILED.values(), ids=SPOILED)
def test_what_cannot_be_relied_on_is_not_reused(spark, published, spoil, told):
    spoil(published)
    assert told in found_in(spark, published)


def test_what_is_not_reused_is_scored_in_full(spark, models, whole, published):
    manifest = published / "_manifest.json"
    manifest.write_text(re.sub(r'(?<="checksum": )"\w+"', f'"{"0" * 16}"', manifest.read_text()))
    found = score(spark, start(), models["model"], published, incremental=True)
    assert "is not what its manifest says" in found["incremental"]["in_full_because"]
    assert_equal(published, whole)


def test_edits_of_every_kind_in_one_night_give_what_a_full_run_gives(
    spark, models, published, tmp_path
):
    is_left_alone = start()["artist"].isin(ARTISTS[5:])
    tracks = start()[~is_left_alone].reset_index(drop=True)
    for seed, name in enumerate(sorted(edits.EDITS)):
        tracks = edits.EDITS[name](tracks, np.random.default_rng(seed))
    tracks = pd.concat([tracks, start()[is_left_alone]], ignore_index=True)
    found = score(spark, tracks, models["model"], published, incremental=True)
    assert found["incremental"]["in_full_because"] is None
    kept, anew = [run["tracks"] for run in found["runs"]]
    assert kept > 0
    assert anew > 0
    score(spark, tracks, models["model"], tmp_path / "at once")
    assert_equal(published, tmp_path / "at once")
