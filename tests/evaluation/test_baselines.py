"""Baselines: what they learn, and that they judge every genre."""

import numpy as np
import pytest
from support.samples import make_sample

from genre_spark.evaluation import baselines, metrics


@pytest.fixture(scope="module")
def sides():
    sample = make_sample(600)
    train, test = metrics.split(sample, "known", 0.2, 3)
    return sample.take(train), sample.take(test)


def test_each_learns_what_there_is_to_learn_and_the_majority_does_not(sides):
    train, test = sides
    found = dict(baselines.judge(train, test, seed=3))
    assert len(found) == 1 + 3 * 2
    right = {name: (p.argmax(axis=1) == test.labels).mean() for name, p in found.items()}
    majority = right.pop(baselines.MAJORITY)
    assert majority == pytest.approx(1 / 6, abs=0.05)
    assert min(right.values()) > majority + 0.3
    for probabilities in found.values():
        np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, rtol=1e-6)


def test_a_genre_that_was_not_learned_is_given_no_probability(sides):
    train, test = sides
    fewer = train.take(train.labels != 2)
    for _, probabilities in baselines.judge(fewer, test, seed=3):
        assert probabilities.shape == (len(test), 6)
        assert (probabilities[:, 2] == 0).all()


def test_only_those_asked_for_are_fitted_and_the_seed_decides(sides):
    train, test = sides
    one, same, other = (
        dict(baselines.judge(train, test, seed, [baselines.FOREST])) for seed in (1, 1, 2)
    )
    assert set(one) == {baselines.MAJORITY, "random forest, track", "random forest, context"}
    for name, probabilities in one.items():
        np.testing.assert_array_equal(probabilities, same[name])
    assert not np.array_equal(one["random forest, track"], other["random forest, track"])
