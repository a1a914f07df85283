"""The generated catalogue is what tests that rest on it take it for."""

import numpy as np
import pandas as pd
import pytest
from support.generated import GENRES, make_scaler, make_tracks

from genre_spark.schema import AUDIO_FEATURES, FEATURE_NAMES, TEXT_COLUMNS


@pytest.fixture(scope="module")
def tracks():
    return make_tracks(900, seed=3, artists=60, albums=150)


def test_the_same_seed_gives_the_same_tracks_and_another_seed_others():
    pd.testing.assert_frame_equal(make_tracks(50, seed=1), make_tracks(50, seed=1))
    assert not make_tracks(50, seed=1)["energy"].equals(make_tracks(50, seed=2)["energy"])


def test_every_canonical_column_is_there_and_every_value_possible(tracks):
    assert tuple(tracks.columns) == (*TEXT_COLUMNS, *FEATURE_NAMES)
    assert tracks["track_id"].is_unique
    for declared in AUDIO_FEATURES:
        values = tracks[declared.name]
        assert values.between(declared.low, declared.high).all(), declared.name
        assert values.nunique() > 1, declared.name
        assert not declared.integer or (values == values.round()).all(), declared.name


def test_artists_have_several_tracks_and_one_home_genre_and_albums_one_artist(tracks):
    assert tracks["artist"].nunique() == 60
    assert tracks["album"].nunique() == 150
    assert tracks.groupby("artist").size().min() > 1
    assert (tracks.groupby("artist")["genre"].nunique() == 1).all()
    assert (tracks.groupby("album")["artist"].nunique() == 1).all()
    assert set(tracks["genre"]) == set(GENRES)


def test_genres_are_learnable_from_features_also_in_a_catalogue_of_other_artists(tracks):
    scaler = make_scaler(tracks)
    means = _scaled(scaler, tracks).groupby(tracks["genre"]).mean()
    others = make_tracks(600, seed=4)
    points = _scaled(scaler, others).to_numpy()
    distances = ((points[:, None, :] - means.to_numpy()) ** 2).sum(axis=2)
    guessed = means.index.to_numpy()[distances.argmin(axis=1)]
    assert 0.7 < (guessed == others["genre"]).mean() < 1.0


def _scaled(scaler, tracks):
    return pd.DataFrame(scaler.to_numpy(tracks[list(FEATURE_NAMES)].to_numpy(np.float64)))
