"""Labelling on Spark: models of catalogues that name artists, albums, or neither."""

import numpy as np
import pytest
from pyspark.sql import functions as F
from support.generated import make_manifest, make_profile, make_tracks
from support.networks import make_network

from genre_spark.bundle.files import Bundle
from genre_spark.schema import FEATURE_NAMES, labelled_columns
from genre_spark.scoring import job
from genre_spark.scoring.job import Tracks

MAX_GROUP = 20
# What a catalogue names, and the column whose tracks its model relates.
NAMED = {"artists": "artist", "albums": "album", "neither": None}


def bundle_of(named, tmp_path):
    network, owner = make_network(), NAMED[named]
    manifest = make_manifest(network, groups=("artist", "album") if owner else ())
    synthetic = manifest.scoring.synthetic.model_copy(update={"owner": owner})
    scoring = manifest.scoring.model_copy(update={"synthetic": synthetic})
    return Bundle(
        tmp_path, manifest.model_copy(update={"scoring": scoring}), network, make_profile()
    )


def catalogue(named):
    """120 tracks, of which half are of one artist, or on one album, with more than the limit."""
    tracks = make_tracks(120, seed=5, artists=10)
    for column in ("artist", "album"):
        large = np.where(np.arange(120) < 60, "Various", tracks[column])
        tracks[column] = large if column == NAMED[named] else None
    return tracks


def as_validated(spark, tracks):
    schema = ", ".join(
        f"{name} {'double' if name in FEATURE_NAMES else 'string'}" for name in tracks
    )
    table = spark.createDataFrame(tracks, schema)
    none = F.lit(None).cast("array<string>")
    return table.withColumns({"n_imputed": F.lit(0), "ambiguous": F.lit(False), "artists": none})


def hashes(tracks, bundle):
    return {
        row["track_id"]: row["input_hash"] for row in job.input_hashes(tracks, bundle).collect()
    }


@pytest.mark.parametrize("named", NAMED)
def test_a_model_labels_a_catalogue_that_names_what_it_was_made_of(spark, tmp_path, named):
    bundle, tracks = bundle_of(named, tmp_path), catalogue(named)
    owner = bundle.manifest.scoring.owner
    given = Tracks.of(as_validated(spark, tracks), 120, MAX_GROUP, owner)
    assert list(given.oversized.values()) == ([3] if NAMED[named] else [])
    labelled = job.labelled(given, bundle, "2024-01-01T00:00:00+00:00")
    types = {field.name: field.dataType.simpleString() for field in labelled.schema}
    assert types == labelled_columns(False) | job.PASSED
    rows = labelled.collect()
    assert sorted(row["track_id"] for row in rows) == sorted(tracks["track_id"])
    assert all(row["genre"] and row["synthetic_genre"] for row in rows)
    before = hashes(given, bundle)
    assert before == {row["track_id"]: row["input_hash"] for row in rows}

    changed = tracks.copy()
    changed.loc[[0, 119], "energy"] = 0.123
    now = hashes(Tracks(as_validated(spark, changed), 120, given.oversized), bundle)
    touched = tracks["track_id"].map(lambda one: before[one] != now[one])
    if NAMED[named]:
        # All tracks of the small one, and of the large one those in the same part.
        small = tracks[owner] == tracks[owner][119]
        assert touched[small].all()
        assert not touched[~small & (tracks[owner] != "Various")].any()
        assert 1 < touched[:60].sum() < 60
    else:
        assert touched[touched].index.tolist() == [0, 119]


def test_a_track_without_an_artist_is_hashed_alone_even_if_its_id_is_an_artists_name(
    spark, tmp_path
):
    bundle, tracks = bundle_of("artists", tmp_path), catalogue("artists").tail(6)
    tracks["artist"] = ["17", "17", "17", None, None, "18"]
    tracks["track_id"] = ["a", "b", "c", "17", "d", "18"]
    before = hashes(Tracks(as_validated(spark, tracks), 6), bundle)
    tracks.loc[tracks["track_id"] == "17", "energy"] = 0.123
    now = hashes(Tracks(as_validated(spark, tracks), 6), bundle)
    assert {one for one in before if before[one] != now[one]} == {"17"}
