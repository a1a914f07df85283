"""Genres of tracks: network, words, pooling over the artist and label evidence, in numpy and ONNX."""

from dataclasses import dataclass

import numpy as np

from genre_spark.classifier.evidence import EVIDENCE
from genre_spark.classifier.genre_part import GenrePart
from genre_spark.classifier.head import KINDS, LogProbabilities, encoded, kinds_of, stack, terms
from genre_spark.classifier.onnx_network import Network
from genre_spark.classifier.softmax import softmax
from genre_spark.classifier.text_models import document_log_probabilities, word_log_probabilities
from genre_spark.features import documents
from genre_spark.features.group_statistics import Groups
from genre_spark.features.scaling import FeatureScaler
from genre_spark.features.tensor import artist_statistics, build
from genre_spark.features.track_inputs import Keys, TrackInputs

# Evidence that is reported: labelled tracks of the artist, of other artists and of the album.
_REPORTED = EVIDENCE[:3]


@dataclass(frozen=True)
class Predictions:
    """Genres of tracks.

    Attributes
    ----------
    probabilities : np.ndarray [shape=(n_tracks, n_classes), dtype=float32]
        Calibrated.
    known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether anything is known of the track; without, it has no genre.
    precision : np.ndarray [shape=(n_tracks,)]
        Precision that such genres meet with 95 % certainty; NaN where none can be promised.
    accepted : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether it is at least the target.
    evidence : np.ndarray [shape=(n_tracks,), dtype=int64]
        Labelled tracks that were counted: of the artist, of other named artists, of the album.
    """

    probabilities: np.ndarray
    known: np.ndarray
    precision: np.ndarray
    accepted: np.ndarray
    evidence: np.ndarray


def of_features(network: np.ndarray, inputs: TrackInputs) -> np.ndarray:
    """The network's log-probabilities, NaN for tracks without features, of which it knows nothing."""
    has_features = inputs.has_features
    if has_features.all():
        return network
    return np.where(has_features[:, None], network, np.float32(np.nan))


class Combination:
    """Everything behind the network: words, pooling, evidence, calibration, acceptance.

    Parameters
    ----------
    part : GenrePart
    everything : bool
        Whether to compute what has no weight too.
    """

    def __init__(self, part: GenrePart, everything: bool = False):
        part = part if everything else part.trimmed()
        self._evidence = part.evidence()
        self._prior = np.array(part.prior, np.float32)
        self._part, words = part, part.words
        self._words = (words, words.vocabulary) if words else None
        self._document = part.document
        self._similar = part.similar.unpack() if part.similar else None
        self._forest = part.forest.unpack() if part.forest else None
        # [shape=(n_terms, n_kinds, n_classes)]
        heads = [part.heads[kind] for kind in KINDS]
        self._weights = np.stack([head.matrix for head in heads], axis=1)
        self._bias = np.array([head.bias for head in heads], np.float32)
        self._acceptance = part.acceptance

    def predict(
        self,
        networks: Network,
        network: np.ndarray,
        inputs: TrackInputs,
        groups: Groups,
        synthetic: np.ndarray,
        texts: Keys | None = None,
    ) -> Predictions:
        """Predict from the network's log-probabilities.

        Parameters
        ----------
        networks : Network
            Has the artist network.
        network : np.ndarray [shape=(n_tracks, n_classes)]
        inputs, groups, synthetic
            As in `GenrePredictor.predict`.
        texts : Keys, optional
            Documents of the artists, where `inputs` are not all of their tracks.
        """
        logs = self._logs(network, inputs, groups, texts)
        artists = self._of_artists(networks, logs, inputs)
        counts = self._evidence.look_up(inputs, synthetic)
        kinds = kinds_of(counts, inputs.has_features)
        logits = self._bias[kinds]
        found = terms(logs, artists, counts, self._prior)
        for weights, term in zip(self._weights, found, strict=True):
            if term is not None and weights.any():
                logits += weights[kinds] * term
        probabilities = softmax(logits)
        precision = self._acceptance.precision(probabilities, kinds)
        known = self._is_known(inputs, groups, counts)
        precision[~known] = np.nan
        return Predictions(
            probabilities=probabilities,
            known=known,
            precision=precision,
            accepted=precision >= self._acceptance.target,
            evidence=np.rint(counts[:, : len(_REPORTED)].sum(axis=(1, 2))).astype(np.int64),
        )

    def terms(
        self,
        networks: Network,
        network: np.ndarray,
        inputs: TrackInputs,
        groups: Groups,
        synthetic: np.ndarray,
        texts: Keys,
    ) -> np.ndarray:
        """Compute all `TERMS` [shape=(n_terms, n_tracks, n_classes)]; see `predict`."""
        logs = self._logs(network, inputs, groups, texts)
        artists = self._of_artists(networks, logs, inputs)
        found = terms(logs, artists, self._evidence.look_up(inputs, synthetic), self._prior)
        return stack(found, network.shape)

    def _is_known(self, inputs: TrackInputs, groups: Groups, counts: np.ndarray) -> np.ndarray:
        """Whether features, labels or texts of a track, or of its artist's others, tell of its genre."""
        known = inputs.has_features | counts.any(axis=(1, 2))
        if known.all():
            return known
        for text in (inputs.title, inputs.album_name):
            if text is not None and self._part.reads_text:
                known |= text.is_valid().to_numpy(zero_copy_only=False)
        return np.logical_or.reduceat(known, groups.starts)[groups.code]

    def _logs(
        self, network: np.ndarray, inputs: TrackInputs, groups: Groups, texts: Keys | None
    ) -> LogProbabilities:
        words, told, similar = None, None, None
        if self._words:
            words = word_log_probabilities(*self._words, inputs)
        if texts is None and (self._document or self._similar):
            texts = documents.of_artists(inputs, groups)
        if texts and self._document:
            told = document_log_probabilities(self._document, texts)
        if texts and self._similar:
            similar = self._similar.log_probabilities(inputs, groups, texts)
        return LogProbabilities.of(of_features(network, inputs), groups, words, told, similar)

    def _of_artists(
        self, networks: Network, logs: LogProbabilities, inputs: TrackInputs
    ) -> np.ndarray | None:
        """In the order of `ARTIST_TERMS` [shape=(2, n_groups, n_classes)]."""
        if self._forest is None:
            return None
        given = logs.artist_inputs(artist_statistics(inputs, logs.groups))
        network = networks.artist_log_probabilities(encoded(given, len(self._prior)))
        return np.stack([network, self._forest.log_probabilities(given)])


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
        return self._combination.predict(self._network, network, inputs, groups, synthetic)

    def track_log_probabilities(self, inputs: TrackInputs) -> np.ndarray:
        """Compute what the network alone says of each track alone [shape=(n_tracks, n_classes)]."""
        return self._network.log_probabilities(build(inputs, self._edges))
