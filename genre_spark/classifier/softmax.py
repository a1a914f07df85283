"""Softmax, and regression with it, in numpy."""

from typing import Any

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis."""
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))


def to_log_probabilities(logits: np.ndarray, axis: int = -1) -> np.ndarray:
    """Turn logits into log-probabilities in place, and return the probabilities.

    By one pass of exponentials: each step of a fit needs both.
    """
    logits -= logits.max(axis=axis, keepdims=True)
    probabilities = np.exp(logits)
    total = probabilities.sum(axis=axis, keepdims=True)
    logits -= np.log(total)
    probabilities /= total
    return probabilities


def fit_kernel(
    examples: tuple[Any, np.ndarray, np.ndarray], bias: np.ndarray, c: float, iterations: int
) -> np.ndarray:
    """Fit a multinomial logistic regression with given biases.

    Parameters
    ----------
    examples : tuple of (np.ndarray or csr_matrix, np.ndarray, np.ndarray)
        Inputs [shape=(n, n_columns)], shares of the classes [shape=(n, n_classes)] and weights
        [shape=(n,)].
    bias : np.ndarray [shape=(n_classes,)]
    c : float
        Inverse strength of the ridge penalty.
    iterations : int
        At most; stopping early also regularises.

    Returns
    -------
    np.ndarray [shape=(n_columns, n_classes)]
    """
    from scipy.optimize import minimize
    from threadpoolctl import threadpool_limits

    x, targets, weights = examples[0], examples[1], examples[2][:, None]
    transposed, weighted = x.T, weights * targets

    def loss(flat: np.ndarray) -> tuple[float, np.ndarray]:
        kernel = flat.reshape(-1, bias.size)
        logs = x @ kernel + bias
        wrong = to_log_probabilities(logs)
        wrong *= weights
        wrong -= weighted
        value = flat @ flat / (2.0 * c) - np.vdot(weighted, logs)
        return float(value), (transposed @ wrong + kernel / c).ravel()

    options: Any = {"maxiter": iterations}
    start = np.zeros(bias.size * x.shape[1])
    # On several threads the small products of each step take longer.
    with threadpool_limits(1):
        fitted = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
    return fitted.x.reshape(-1, bias.size)
