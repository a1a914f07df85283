"""A linear model of the words of titles and album names."""

import numpy as np

from genre_spark.classifier.genre_part import WordPart
from genre_spark.classifier.packed_array import PackedArray
from genre_spark.classifier.softmax import log_softmax
from genre_spark.features.track_inputs import TrackInputs
from genre_spark.features.words import Vocabulary

# Inverse strength of the ridge penalty. The fit stops early, which also regularises.
_C = 0.2
_ITERATIONS = 15
_LEAST_SHARE = 1e-6


def fit(
    vocabulary: Vocabulary, inputs: TrackInputs, targets: np.ndarray, weights: np.ndarray
) -> WordPart:
    """Fit a multinomial logistic regression on which words a track has.

    Parameters
    ----------
    vocabulary : Vocabulary
    inputs : TrackInputs
    targets : np.ndarray [shape=(n_tracks, n_classes)]
        Shares of the genres.
    weights : np.ndarray [shape=(n_tracks,)]
        Of the tracks.
    """
    from scipy.optimize import minimize
    from scipy.sparse import csr_matrix
    from threadpoolctl import threadpool_limits

    found = vocabulary.look_up(inputs)
    shape, n_classes = (len(inputs), len(vocabulary)), targets.shape[1]
    x = csr_matrix((np.ones(len(found.words)), (found.tracks, found.words)), shape)
    transposed = x.T.tocsr()
    shares = np.maximum(np.average(targets, axis=0, weights=weights), _LEAST_SHARE)
    bias = np.log(shares / shares.sum())

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = flat.reshape(-1, n_classes)
        logs = log_softmax(x @ kernel + bias)
        gradient = transposed @ ((np.exp(logs) - targets) * weights[:, None])
        value = -(weights[:, None] * targets * logs).sum() + flat @ flat / (2.0 * _C)
        return float(value), (gradient + kernel / _C).ravel()

    start = np.zeros(len(vocabulary) * n_classes)
    # On several threads the small products of each step take longer.
    with threadpool_limits(1):
        fitted = minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS}
        )
    return WordPart(
        titles=tuple(vocabulary.titles),
        albums=tuple(vocabulary.albums),
        weights=PackedArray.of(fitted.x.reshape(-1, n_classes).astype(np.float32), "<f4"),
        bias=tuple(bias.tolist()),
    )


def word_log_probabilities(
    part: WordPart, vocabulary: Vocabulary, inputs: TrackInputs
) -> np.ndarray:
    """Compute log-probabilities from the words of tracks [shape=(n_tracks, n_classes)].

    Parameters
    ----------
    part : WordPart
    vocabulary : Vocabulary
        Of `part`.
    inputs : TrackInputs
    """
    found = vocabulary.look_up(inputs)
    bias = np.array(part.bias, np.float32)
    logits = np.tile(bias, (len(inputs), 1))
    weights = part.weights.array
    for genre in range(len(bias)):
        sums = np.bincount(found.tracks, weights[found.words, genre], minlength=len(inputs))
        logits[:, genre] += sums.astype(np.float32)
    return log_softmax(logits)
