"""Linear models of texts: the words of a track, and the document of an artist."""

from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier.genre_part import DocumentPart, PackedArray, WordPart
from genre_spark.classifier.softmax import fit_kernel, log_softmax
from genre_spark.features import documents
from genre_spark.features.track_inputs import Keys, TrackInputs
from genre_spark.features.words import Vocabulary

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

# Inverse strength of the ridge penalty. The fits stop early, which also regularises.
_WORD_C, _WORD_ITERATIONS = 0.2, 15
_DOCUMENT_C, _DOCUMENT_ITERATIONS = 3.0, 20
_LEAST_SHARE = 1e-6
# Largest weight of a bucket as a 16-bit number.
_LARGEST = 2**15 - 1


def fit_words(
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
    from scipy.sparse import csr_matrix

    found = vocabulary.look_up(inputs)
    shape = (len(inputs), len(vocabulary))
    x = csr_matrix((np.ones(len(found.words)), (found.tracks, found.words)), shape)
    kernel, bias = _fit(x, targets, weights, _WORD_C, _WORD_ITERATIONS)
    return WordPart(
        titles=tuple(vocabulary.titles),
        albums=tuple(vocabulary.albums),
        weights=PackedArray.of(kernel.astype(np.float32), "<f4"),
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


def fit_documents(texts: Keys, targets: np.ndarray, weights: np.ndarray) -> DocumentPart:
    """Fit a multinomial logistic regression on the n-grams of artists.

    Parameters
    ----------
    texts : Keys
        One document per artist; see `documents.of_artists`.
    targets : np.ndarray [shape=(n_artists, n_classes)]
        Mean shares of the genres.
    weights : np.ndarray [shape=(n_artists,)]
    """
    from scipy.sparse import csr_matrix

    lengths = np.diff(texts.offsets)
    values = np.repeat(np.maximum(lengths, 1) ** -0.5, lengths)
    shape = (len(lengths), 2**documents.BITS)
    x = csr_matrix((values, texts.values, texts.offsets), shape)
    # The order of an artist's tracks must not change the last digits.
    x.sort_indices()
    # What one artist alone has says nothing of others.
    shared = np.flatnonzero(np.bincount(texts.values, minlength=shape[1]) > 1)
    own, bias = _fit(x[:, shared], targets, weights, _DOCUMENT_C, _DOCUMENT_ITERATIONS)
    kernel = np.zeros((shape[1], targets.shape[1]))
    kernel[shared] = own
    unit = float(np.abs(kernel).max()) / _LARGEST or 1.0
    return DocumentPart(
        weights=PackedArray.of(np.rint(kernel.T / unit), "<i2"),
        unit=unit,
        bias=tuple(bias.tolist()),
    )


def document_log_probabilities(part: DocumentPart, texts: Keys) -> np.ndarray:
    """Compute log-probabilities from artists' documents [shape=(n_artists, n_classes)]."""
    scale = part.unit * np.maximum(np.diff(texts.offsets), 1) ** -0.5
    sums = documents.sums(texts, part.weights.array)
    logits = sums * scale[:, None] + np.array(part.bias)
    return log_softmax(logits.astype(np.float32))


def _fit(
    x: "csr_matrix", targets: np.ndarray, weights: np.ndarray, c: float, iterations: int
) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the columns [shape=(n_columns, n_classes)], and the logarithms of the shares."""
    shares = np.maximum(np.average(targets, axis=0, weights=weights), _LEAST_SHARE)
    bias = np.log(shares / shares.sum())
    return fit_kernel((x, targets, weights), bias, c, iterations), bias
