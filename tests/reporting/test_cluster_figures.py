"""The map of synthetic genres: badges that do not cover each other, colours that bear white text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_page import luminance

from genre_spark.reporting import cluster_figures as pictures


@given(st.integers(0, 2**32 - 1), st.integers(1, 24), st.sampled_from([0.02, 0.1, 0.3]))
def test_badges_that_lie_together_are_moved_apart(seed, n, spread):
    middles = 0.5 + spread * np.random.default_rng(seed).normal(size=(n, 2))
    places = pictures._apart(middles) * pictures._MAP
    between = np.linalg.norm(places[:, None] - places, axis=2)[~np.eye(n, dtype=bool)]
    assert between.min(initial=np.inf) >= 1.5 * pictures._BADGE


def test_badges_at_one_place_are_distinguished_and_others_stay():
    places = pictures._apart(np.array([[0.5, 0.5], [0.5, 0.5], [0.1, 0.9]]))
    assert np.linalg.norm((places[0] - places[1]) * pictures._MAP) > pictures._BADGE
    np.testing.assert_allclose(places[2], [0.1, 0.9])


@pytest.mark.parametrize("n", [1, 2, 12, 24, 60])
def test_each_genre_has_a_colour_of_its_own_that_bears_white_text(n):
    colours = pictures._colours(n)
    assert len(np.unique(colours.round(6), axis=0)) == n
    for colour in colours:
        digits = "#" + "".join(f"{round(255 * share):02x}" for share in colour)
        assert 1.05 / (luminance(digits) + 0.05) >= 4.5
