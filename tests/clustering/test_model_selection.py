"""How many synthetic genres there are, and how firm that is."""

import numpy as np
import pytest

from genre_spark.clustering import model_selection
from genre_spark.clustering.results import Candidate, Stability
from genre_spark.config import load_settings
from genre_spark.errors import InputError

SETTINGS = load_settings(
    overrides=("k_min=11", "k_max=14", "restarts=4", "sample_size=300")
).clustering


def groups(k, n=20, noise=0.05):
    rng = np.random.default_rng(0)
    points = np.repeat(4 * np.eye(k), n, axis=0)
    return rng.permutation(points + noise * rng.standard_normal(points.shape))


def candidate(k, stability=0.9, agreement=0.8, smallest=0.02, largest=0.2, silhouette=0.2):
    return Candidate(
        k=k, artist_agreement=agreement, silhouette=silhouette, stability=stability,
        smallest=smallest, largest=largest,
    )  # fmt: skip


def tried_each(points, settings=SETTINGS, seed=1):
    return model_selection.try_each_k(points, np.arange(len(points)), settings, seed)


def test_well_separate_groups_are_counted_right_and_found_firm():
    tried = tried_each(groups(13), seed=1)
    assert [one.k for one in tried] == [11, 12, 13, 14]
    assert model_selection.choose(tried) == 13
    best = next(one for one in tried if one.k == 13)
    assert best.stability == 1
    assert best.silhouette > 0.9
    assert best.smallest == best.largest == pytest.approx(1 / 13, abs=1e-4)


def test_stability_of_five_seeds_and_bootstraps_is_higher_for_groups_than_for_a_cloud():
    crowd = np.random.default_rng(1).normal(size=(300, 6))
    _, loose = model_selection.fit_best(crowd, 12, SETTINGS, seed=1)
    centers, firm = model_selection.fit_best(groups(12), 12, SETTINGS, seed=1)
    assert centers.shape == (12, 12)
    assert (len(firm.seeds), len(firm.bootstraps), firm.tracks) == (10, 5, 240)
    assert firm.summary() == {"seeds": (1, 0), "bootstraps": (1, 0)}
    assert loose.summary()["bootstraps"][0] < 0.8


def test_agreement_of_artists_is_0_by_chance_and_1_where_artists_never_part():
    artists = np.repeat(np.arange(60), 10)
    agreement = model_selection.kappa
    assert agreement(artists % 5, artists, 5) == pytest.approx(1)
    scattered = np.random.default_rng(1).integers(5, size=600)
    assert agreement(scattered, artists, 5) == pytest.approx(0, abs=0.03)
    assert agreement(artists[::10] % 5, artists[::10], 5) is None
    # Of five tracks 4 of 8 ordered pairs of an artist agree, (2/5)² + (3/5)² would by chance.
    rows, artists = np.array([0, 0, 1, 1, 1]), np.array([0, 0, 0, 1, 1])
    assert agreement(rows, artists, 2) == pytest.approx((4 / 8 - 0.52) / (1 - 0.52))


def test_earlier_groups_are_kept_where_they_are_about_as_tight():
    points = groups(12)
    centers, _ = model_selection.fit_best(points, 12, SETTINGS, seed=1)
    earlier = np.roll(np.arange(12), 5)[model_selection.nearest(points, centers)[0]]
    assert model_selection.still_fit(points, earlier, centers)
    scattered = np.random.default_rng(0).integers(12, size=len(points))
    assert not model_selection.still_fit(points, scattered, centers)


@pytest.mark.parametrize(
    ("earlier", "kept"),
    [
        (candidate(13, 0.70, 0.1), True),
        (candidate(13, 0.69, 0.9), False),
        (candidate(13, 0.70, smallest=0.005, largest=0.35), True),
        (candidate(13, 0.99, smallest=0.004), False),
        (candidate(13, 0.99, largest=0.36), False),
    ],
)
def test_the_earlier_number_is_kept_unless_it_clearly_fails_the_limits(earlier, kept):
    tried = [candidate(12, 0.98, 0.3), earlier]
    assert (model_selection.choose(tried, previous_k=13) == 13) == kept
    assert model_selection.choose(tried, previous_k=20) == model_selection.choose(tried)


@pytest.mark.parametrize("distinct", [1, 11])
def test_too_few_distinct_tracks_are_refused(distinct):
    sample = np.repeat(np.arange(float(distinct))[:, None], 30, axis=0)
    with pytest.raises(InputError) as refused:
        tried_each(sample, seed=1)
    assert refused.value.exit_code == 3
    assert str(refused.value) == (
        f"the catalogue has {distinct} distinct tracks, k_min=11 synthetic genres need more;"
        " give more tracks or --set k_min=K"
    )


def test_no_more_groups_are_tried_than_there_are_distinct_tracks():
    sample = np.repeat(np.random.default_rng(0).standard_normal((13, 4)), 5, axis=0)
    assert [one.k for one in tried_each(sample, seed=1)] == [11, 12]


def test_the_tightest_of_five_fits_is_kept():
    from sklearn.cluster import KMeans

    points = np.random.default_rng(3).normal(size=(150, 5))
    once = SETTINGS.model_copy(update={"restarts": 1})
    centers, _ = model_selection.fit_best(points, 12, once, seed=4)
    squares = (model_selection.nearest(points, centers)[1] ** 2).sum()
    fits = [KMeans(12, n_init=1, random_state=4 + i).fit(points).inertia_ for i in range(5)]
    assert min(fits) < max(fits)
    assert squares == pytest.approx(min(fits))


def test_the_stability_that_is_reported_is_the_mean_and_the_spread_of_the_fits():
    found = Stability(tracks=9, seeds=(0.5, 1.0), bootstraps=(0.25, 0.5, 0.75))
    assert found.summary() == {
        "seeds": (0.75, 0.25), "bootstraps": (0.5, pytest.approx((0.125 / 3) ** 0.5)),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("tried", "chosen"),
    [
        # Of stable numbers that in which artists agree most; without artists, the most separate one.
        ([candidate(11, 0.95, 0.8), candidate(12, 0.81, 0.9), candidate(13, 0.79, 0.99)], 12),
        ([candidate(11, agreement=None), candidate(12, agreement=None, silhouette=0.3)], 12),
        # If none is stable, the most stable one.
        ([candidate(11, 0.7, 0.9), candidate(12, 0.75, 0.5)], 12),
        ([candidate(12, 0.98, 0.3), candidate(13, 0.79, 0.9)], 12),
        # A tiny or huge synthetic genre loses, unless each number has one.
        ([candidate(11, 1, smallest=0.005), candidate(12, 1, largest=0.4), candidate(13, 0.5)], 13),
        ([candidate(11, 1, smallest=0.005), candidate(12, 0.9, largest=0.4)], 11),
        # Exactly at a limit a number still counts.
        ([candidate(11, 0.80, 0.9), candidate(12, 0.95, 0.8)], 11),
        ([candidate(11, 0.79, 0.9), candidate(12, 0.95, 0.8)], 12),
        ([candidate(11, 0.9, 0.9, smallest=0.01), candidate(12, 0.9, 0.8)], 11),
        ([candidate(11, 0.9, 0.9, smallest=0.009), candidate(12, 0.9, 0.8)], 12),
        ([candidate(11, 0.9, 0.9, largest=0.30), candidate(12, 0.9, 0.8)], 11),
        ([candidate(11, 0.9, 0.9, largest=0.31), candidate(12, 0.9, 0.8)], 12),
    ],
)
def test_the_most_useful_of_the_stable_numbers_within_the_limits_is_chosen(tried, chosen):
    assert model_selection.choose(tried) == chosen
