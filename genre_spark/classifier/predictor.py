"""Genres of tracks: network, words, pooling over the artist and label evidence, in numpy and ONNX."""

from dataclasses import dataclass

import numpy as np

from genre_spark.classifier.evidence import EVIDENCE
from genre_spark.classifier.genre_part import GenrePart
from genre_spark.classifier.head import KINDS, kinds_of, stack, terms
from genre_spark.classifier.onnx_session import Network
from genre_spark.classifier.softmax import softmax
from genre_spark.classifier.word_model import word_log_probabilities
from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.tensor import build
from genre_spark.features.track_inputs import TrackInputs

# Evidence that is reported: labelled tracks of the artist, of other artists and of the album.
_REPORTED = EVIDENCE[:3]


@dataclass(frozen=True)
class Predictions:
    """Genres of tracks.

    Attributes
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
        Calibrated.
    precision : np.ndarray [shape=(n_tracks,)]
        Precision that such genres meet with 95 % certainty; NaN where none can be promised.
    accepted : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether it is at least the target.
    evidence : np.ndarray [shape=(n_tracks,), dtype=int64]
        Labelled tracks that were counted: of the artist, of other named artists, of the album.
    """

    probabilities: np.ndarray
    precision: np.ndarray
    accepted: np.ndarray
    evidence: np.ndarray


class Combination:
    """Everything behind the network: words, pooling, evidence, calibration, acceptance.

    Parameters
    ----------
    part : GenrePart
    """

    def __init__(self, part: GenrePart):
        self._evidence = part.evidence()
        self._prior = np.array(part.prior, np.float32)
        self._words = part.words
        self._vocabulary = part.words.vocabulary if part.words else None
        self._reads_text = part.reads_text
        # [shape=(n_terms, n_kinds)]
        self._weights = np.stack([part.heads[kind].vector for kind in KINDS], axis=1)
        self._acceptance = part.acceptance

    def predict(
        self, network: np.ndarray, inputs: TrackInputs, groups: Groups, synthetic: np.ndarray
    ) -> Predictions:
        """Predict from the network's log-probabilities [shape=(n_tracks, n_classes)].

        Parameters are otherwise those of `GenrePredictor.predict`.
        """
        counts = self._evidence.look_up(inputs, synthetic)
        kinds = kinds_of(counts)
        logits = np.zeros_like(network)
        words = self._word_logs(inputs) if self._reads_text else None
        found = terms(network, words, counts, self._prior, groups)
        for weights, term in zip(self._weights, found, strict=True):
            if term is not None and weights.any():
                logits += weights[kinds, None] * term
        probabilities = softmax(logits)
        precision = self._acceptance.precision(probabilities.max(axis=1), kinds)
        return Predictions(
            probabilities=probabilities,
            precision=precision,
            accepted=precision >= self._acceptance.target,
            evidence=np.rint(counts[:, : len(_REPORTED)].sum(axis=(1, 2))).astype(np.int64),
        )

    def terms(
        self, network: np.ndarray, inputs: TrackInputs, groups: Groups, synthetic: np.ndarray
    ) -> np.ndarray:
        """Compute all `TERMS` [shape=(n_terms, n_tracks, n_classes)]; see `predict`."""
        counts = self._evidence.look_up(inputs, synthetic)
        found = terms(network, self._word_logs(inputs), counts, self._prior, groups)
        return stack(found, network.shape)

    def _word_logs(self, inputs: TrackInputs) -> np.ndarray | None:
        if self._words is None or self._vocabulary is None:
            return None
        return word_log_probabilities(self._words, self._vocabulary, inputs)


class GenrePredictor:
    """A fitted classifier, opened once per worker.

    Parameters
    ----------
    part : GenrePart
    scaler : FeatureScaler
    onnx : bytes
        The network.
    """

    def __init__(self, part: GenrePart, scaler: FeatureScaler, onnx: bytes):
        self._combination = Combination(part)
        self._edges = scaler.bin_edges
        self._network = Network(onnx)

    def predict(self, inputs: TrackInputs, groups: Groups, synthetic: np.ndarray) -> Predictions:
        """Predict the genres of tracks.

        Parameters
        ----------
        inputs : TrackInputs
            Complete artist groups.
        groups : Groups
            Consecutive tracks of one artist, over which log-probabilities are pooled.
        synthetic : np.ndarray [shape=(n_tracks,), dtype=int64]
            Row of each track's synthetic genre.
        """
        network = self.track_log_probabilities(inputs)
        return self._combination.predict(network, inputs, groups, synthetic)

    def track_log_probabilities(
        self, inputs: TrackInputs, synthetic: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute what the network alone says of each track alone.

        Parameters
        ----------
        inputs : TrackInputs
        synthetic : np.ndarray, optional
            Not read by this network.

        Returns
        -------
        np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
        """
        return self._network.log_probabilities(build(inputs, self._edges))
