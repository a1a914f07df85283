"""The forest of artists: as scikit-learn grew it, and refused where its nodes could mislead."""

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.ensemble import ExtraTreesClassifier

from genre_spark.classifier import forest
from genre_spark.classifier.forest import MAX_DEPTH, Forest
from genre_spark.classifier.genre_part import ForestPart, PackedArray


def artists(n=400, n_inputs=5, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, n_inputs)).astype(np.float32)
    shares = rng.dirichlet(np.exp(2 * inputs[:, :n_classes].mean(axis=0)), n)
    return inputs, np.roll(shares, 1, axis=1), rng.uniform(0.5, 2, n)


def test_a_forest_predicts_as_scikit_learn_does_and_nothing_of_a_genre_that_no_artist_has():
    inputs, shares, weights = artists()
    labels = 2 * (shares[:, 0] > shares[:, 1])
    fitted = forest.fit(inputs, np.eye(4)[labels], weights, seed=3)
    found = fitted.log_probabilities(inputs)
    grown = ExtraTreesClassifier(
        64, max_leaf_nodes=512, max_depth=12, min_samples_leaf=3, max_features=0.6, random_state=3
    ).fit(inputs, labels, weights)
    expected = np.zeros((len(inputs), 4))
    expected[:, [0, 2]] = grown.predict_proba(inputs)
    np.testing.assert_allclose(np.exp(found), expected + 1e-3, atol=1e-4)
    # Whoever stands beside an artist.
    np.testing.assert_array_equal(fitted.log_probabilities(inputs[7:8]), found[7:8])


def test_an_artist_of_several_genres_counts_as_one_of_each_by_their_shares():
    inputs, shares, weights = artists()
    found = forest.fit(inputs, shares, weights, seed=3)
    rows, genres = np.nonzero(shares)
    apart = forest.fit(inputs[rows], np.eye(3)[genres], weights[rows] * shares[rows, genres], 3)
    np.testing.assert_array_equal(found.log_probabilities(inputs), apart.log_probabilities(inputs))


def test_trees_of_one_leaf_give_the_mean_share():
    inputs, _, weights = artists(n=3)
    shares = np.eye(3)
    found = forest.fit(inputs, shares, weights, seed=0).log_probabilities(inputs)
    mean = np.average(shares, axis=0, weights=weights)
    np.testing.assert_allclose(np.exp(found), [mean + 1e-3] * 3, atol=1e-4)


def test_an_input_that_equals_a_threshold_goes_where_it_went_in_training():
    near = np.float64(0.1)  # no float32: the nearest one is larger
    tree = forest._rounded_down(np.array([near]))
    assert np.float32(near) > near >= tree[0]


def chain(depth):
    """A tree whose deepest leaf takes so many steps."""
    children = [[i + 1, depth] for i in range(depth)]
    return Forest(
        roots=np.zeros(1, np.int32),
        inputs=np.zeros(depth, np.int16),
        thresholds=np.zeros(depth, np.float32),
        children=np.array(children, np.int32),
        shares=np.full((1, 2), 100, np.int16),
    )


def test_a_packed_forest_is_the_same_forest_and_one_of_deeper_trees_is_refused():
    model = chain(MAX_DEPTH)
    with pytest.raises(ValidationError, match="depth 12 at most"):
        ForestPart.of(chain(MAX_DEPTH + 1))
    for name, array in vars(ForestPart.of(model).unpack()).items():
        np.testing.assert_array_equal(array, getattr(model, name))


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("roots", np.array([-1])),
        ("roots", np.array([99])),
        ("roots", np.zeros(0)),
        ("roots", np.zeros(1, np.float32)),
        ("roots", np.array(0)),
        ("roots", np.zeros(10**6)),
        ("inputs", np.array([0, -1, 0])),
        ("inputs", np.zeros((3, 1))),
        ("thresholds", np.array([0, np.nan, 0])),
        ("thresholds", np.zeros(2)),
        ("children", np.array([[1, 3], [0, 3], [3, 3]])),  # in a circle
        ("children", np.array([[1, 3], [2, 3], [3, 4]])),
        ("children", np.array([[1, 3], [2, 3]])),
        ("shares", np.array([[-1, 1]])),
        ("shares", np.array([1, 1])),
    ],
)
def test_a_forest_with_other_nodes_is_refused(name, array):
    given = ForestPart.of(chain(3)).model_dump()
    dtype = "<f4" if array.dtype == np.float32 else given[name]["dtype"]
    given[name] = PackedArray.of(array, dtype).model_dump()
    with pytest.raises(ValidationError, match="the forest"):
        ForestPart.model_validate(given)


@pytest.mark.parametrize(("n_inputs", "n_classes"), [(0, 2), (1, 3)])
def test_a_forest_of_other_inputs_or_genres_is_refused(n_inputs, n_classes):
    with pytest.raises(ValueError, match="the forest is not of"):
        ForestPart.of(chain(3)).check(n_inputs, n_classes)
