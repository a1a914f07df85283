"""How many synthetic genres there are, and how firm that is."""

import numpy as np
import pytest

from genre_spark.clustering import model_selection
from genre_spark.clustering.results import Candidate
from genre_spark.config import load_settings
from genre_spark.errors import InputError

SETTINGS = load_settings(
    overrides=("k_min=11", "k_max=14", "restarts=4", "sample_size=300")
).clustering


def groups(k, n=20, noise=0.05):
    """Points in `k` well separate groups, in random order."""
    rng = np.random.default_rng(0)
    points = np.repeat(4 * np.eye(k), n, axis=0)
    return rng.permutation(points + noise * rng.standard_normal(points.shape))


def candidate(k, stability=0.9, silhouette=0.2, smallest=0.02, largest=0.2):
    return Candidate(
        k=k, silhouette=silhouette, davies_bouldin=1, stability=stability,
        smallest=smallest, largest=largest,
    )  # fmt: skip


def test_every_number_of_the_range_is_tried_and_all_are_more_than_ten_by_default():
    assert load_settings().clustering.k_min > 10
    tried = model_selection.try_each_k(groups(13), SETTINGS, seed=1)
    assert [one.k for one in tried] == [11, 12, 13, 14]


def test_well_separate_groups_are_counted_right_and_judged_firm():
    tried = model_selection.try_each_k(groups(13), SETTINGS, seed=1)
    assert model_selection.choose(tried) == 13
    best = next(one for one in tried if one.k == 13)
    assert best.stability == 1
    assert best.silhouette > 0.9
    assert best.davies_bouldin == min(one.davies_bouldin for one in tried)
    assert best.smallest == best.largest == pytest.approx(1 / 13, abs=1e-4)


def test_a_crowd_without_gaps_is_judged_less_firm_than_groups():
    crowd = np.random.default_rng(1).normal(size=(300, 6))
    _, loose = model_selection.settle(crowd, 12, SETTINGS, seed=1)
    _, firm = model_selection.settle(groups(12), 12, SETTINGS, seed=1)
    assert firm.summary() == {"seeds": (1, 0), "bootstraps": (1, 0)}
    assert loose.summary()["bootstraps"][0] < 0.8


def test_stability_is_of_five_seeds_and_five_bootstraps():
    centers, found = model_selection.settle(groups(12), 12, SETTINGS, seed=1)
    assert centers.shape == (12, 12)
    assert (len(found.seeds), len(found.bootstraps), found.tracks) == (10, 5, 240)


def test_the_same_sample_and_seed_give_the_same_candidates():
    points = np.random.default_rng(2).normal(size=(120, 3))
    once, again = (model_selection.try_each_k(points, SETTINGS, seed=2) for _ in range(2))
    assert once == again


def test_the_most_stable_number_wins_and_of_equally_stable_ones_the_most_separate():
    tried = [candidate(11, 0.8, 0.9), candidate(12, 0.98, 0.3), candidate(13, 0.99, 0.2)]
    assert model_selection.choose(tried) == 12


def test_a_number_with_a_tiny_or_huge_synthetic_genre_loses():
    tried = [candidate(11, 1, smallest=0.005), candidate(12, 1, largest=0.4), candidate(13, 0.5)]
    assert model_selection.choose(tried) == 13
    assert model_selection.choose(tried[:2]) in (11, 12)


def test_the_earlier_number_is_kept_where_it_is_as_stable():
    tried = [candidate(11, 0.99, 0.1), candidate(12, 0.98, 0.3), candidate(13, 0.7, 0.9)]
    assert model_selection.choose(tried, previous_k=11) == 11
    assert model_selection.choose(tried, previous_k=13) == 12


@pytest.mark.parametrize("distinct", [1, 11])
def test_too_few_distinct_tracks_are_refused(distinct):
    sample = np.repeat(np.arange(float(distinct))[:, None], 30, axis=0)
    with pytest.raises(InputError) as refused:
        model_selection.try_each_k(sample, SETTINGS, seed=1)
    assert refused.value.exit_code == 3
    assert str(refused.value) == (
        f"the catalogue has {distinct} distinct tracks, k_min=11 synthetic genres need more;"
        " give more tracks or --set k_min=K"
    )


def test_no_more_groups_are_tried_than_there_are_distinct_tracks():
    sample = np.repeat(np.random.default_rng(0).standard_normal((13, 4)), 5, axis=0)
    assert [one.k for one in model_selection.try_each_k(sample, SETTINGS, seed=1)] == [11, 12]
