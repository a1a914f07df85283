import numpy as np

from genre_spark.evaluation import label_errors


def test_exchanged_labels_come_first_and_hard_tracks_are_left_alone():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 4, 2000)
    logits = rng.normal(size=(2000, 4)) + 4 * np.eye(4)[truth]
    # Half of one genre is hard to tell from another; its labels are right.
    hard = np.flatnonzero(truth == 3)[::2]
    logits[hard, 2] = logits[hard, 3]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    exchanged = rng.choice(2000, 100, replace=False)
    labels = truth.copy()
    labels[exchanged] = (truth[exchanged] + 1) % 4
    found = label_errors.find(p, labels)
    assert np.isin(found.rows[:50], exchanged).mean() >= 0.95
    assert (found.likely[:50] == truth[found.rows[:50]]).mean() >= 0.95
    assert np.isin(found.rows, hard).sum() < 0.1 * len(hard)
    np.testing.assert_allclose(found.confidence, p[found.rows, found.likely])


def test_tracks_without_a_prediction_and_genres_without_labels_are_left_out():
    p = np.array([[0.2, 0.8, 0.0], [np.nan] * 3, [0.9, 0.1, 0.0], [0.1, 0.2, 0.7], [0.3, 0.7, 0]])
    found = label_errors.find(p, np.array([0, 0, 0, 0, 1]))
    assert found.rows.tolist() == [0]
    assert found.likely.tolist() == [1]
