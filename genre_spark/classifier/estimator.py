"""Fits the whole classifier on labelled tracks: network, words, evidence, weights, thresholds."""

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier import evidence, head, network, onnx_graph, splits, word_model
from genre_spark.classifier.architecture import MEMBERS
from genre_spark.classifier.calibration import Acceptance, Confidences
from genre_spark.classifier.evidence import Evidence
from genre_spark.classifier.genre_part import GenrePart, PackedCounts, WordPart
from genre_spark.classifier.head import KINDS, KNOWN, LADDER, NEW, TERMS, Head, kinds_of
from genre_spark.classifier.onnx_session import Network
from genre_spark.classifier.predictor import Combination, Predictions
from genre_spark.classifier.softmax import softmax
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.classifier.word_model import word_log_probabilities
from genre_spark.config import NetworkSettings
from genre_spark.features.tensor import build
from genre_spark.features.words import Vocabulary
from genre_spark.platform.progress import ReportProgress

if TYPE_CHECKING:
    import keras

# Whose labels are left out while weights and thresholds of each kind of track are fitted.
_LEFT_OUT: dict[str, Callable[[LabelledTracks], np.ndarray]] = {
    NEW: lambda tracks: tracks.artists,
    KNOWN: lambda tracks: tracks.recordings,
}
# Held-out tracks that weights of a kind's own need; below, those of new artists serve.
_FEWEST_OF_KIND = 50


@dataclass(frozen=True)
class HeldOutTerms:
    """Terms of labelled tracks that nothing in them was fitted to.

    Attributes
    ----------
    terms : np.ndarray [shape=(n_terms, n_tracks, n_classes)]
    targets : np.ndarray [shape=(n_tracks, n_classes)]
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
    rows : np.ndarray [shape=(n_tracks,), dtype=int64]
        Place of each among the tracks that were learned from.
    """

    terms: np.ndarray
    targets: np.ndarray
    artists: np.ndarray
    rows: np.ndarray

    def fit(self, used: tuple[str, ...] = TERMS) -> Head:
        """Fit weights."""
        return Head(weights=head.fit(self.terms, self.targets, used))

    def confidences(self, fitted: Head) -> Confidences:
        """Predict with weights, and compare with the labels of tracks under one genre."""
        found = softmax(np.tensordot(fitted.vector, self.terms, 1))
        correct = found.argmax(axis=1) == self.targets.argmax(axis=1)
        certain = self.targets.max(axis=1) == 1.0
        confidence = found.max(axis=1)
        return Confidences(confidence[certain], correct[certain], self.artists[certain])


@dataclass(frozen=True)
class FittedClassifier:
    """A classifier and what it was chosen by.

    Attributes
    ----------
    model : keras.Model
    onnx : bytes
        The same network.
    part : GenrePart
    held_out : dict of str to HeldOutTerms
        By kind of track, of the tracks that it learned from.
    ladder : dict of str to dict of str to Head
        By what is used, then by kind of track.
    """

    model: "keras.Model"
    onnx: bytes
    part: GenrePart
    held_out: Mapping[str, HeldOutTerms]
    ladder: Mapping[str, Mapping[str, Head]]

    def track_log_probabilities(self, tracks: LabelledTracks) -> np.ndarray:
        """Compute what the network says of each track alone [shape=(n_tracks, n_classes)]."""
        return self._network.log_probabilities(build(tracks.inputs, tracks.bin_edges))

    def predict(self, tracks: LabelledTracks) -> Predictions:
        """Predict genres of complete artists."""
        logs = self.track_log_probabilities(tracks)
        return self._combination.predict(logs, tracks.inputs, tracks.groups, tracks.synthetic)

    def terms(self, tracks: LabelledTracks) -> np.ndarray:
        """Compute the terms of complete artists [shape=(n_terms, n_tracks, n_classes)]."""
        logs = self.track_log_probabilities(tracks)
        return self._combination.terms(logs, tracks.inputs, tracks.groups, tracks.synthetic)

    def climb(self, terms: np.ndarray, kinds: np.ndarray) -> dict[str, np.ndarray]:
        """Predict with each step of the ladder.

        Parameters
        ----------
        terms : np.ndarray
            From `terms`.
        kinds : np.ndarray [shape=(n_tracks,), dtype=int64]
            From `kinds`.

        Returns
        -------
        dict of str to np.ndarray [shape=(n_tracks, n_classes)]
            Probabilities by the name of the step.
        """
        found = {}
        for name, heads in self.ladder.items():
            weights = np.stack([heads[kind].vector for kind in KINDS], axis=1)
            found[name] = softmax(np.einsum("fn,fnk->nk", weights[:, kinds], terms))
        return found

    def kinds(self, tracks: LabelledTracks) -> np.ndarray:
        """Look up the kind of each track, as its place in `head.KINDS` [dtype=int64]."""
        return kinds_of(self._evidence.look_up(tracks.inputs, tracks.synthetic))

    def is_linked(self, tracks: LabelledTracks) -> np.ndarray:
        """Whether other artists or albums of an artist have labelled tracks [dtype=bool].

        A track is linked where any track of its artist is.
        """
        counts = self._evidence.look_up(tracks.inputs, tracks.synthetic)
        linked, groups = counts[:, 1:3].sum(axis=(1, 2)) > 0, tracks.groups
        return np.logical_or.reduceat(linked, groups.starts)[groups.code]

    @functools.cached_property
    def _network(self) -> Network:
        return Network(self.onnx)

    @functools.cached_property
    def _evidence(self) -> Evidence:
        return self.part.evidence()

    @functools.cached_property
    def _combination(self) -> Combination:
        return Combination(self.part)


def fit(
    tracks: LabelledTracks,
    settings: NetworkSettings,
    target: float,
    seed: int,
    report_progress: ReportProgress,
) -> FittedClassifier:
    """Fit a classifier on labelled tracks alone.

    Parameters
    ----------
    tracks : LabelledTracks
    settings : NetworkSettings
    target : float
        Precision of accepted genres.
    seed : int
    report_progress : callable
        Receives progress as one line.
    """
    fold = splits.grouped(tracks.labels, tracks.artists, MEMBERS, seed)
    tensor = build(tracks.inputs, tracks.bin_edges)
    examples = network.Examples(tensor, tracks.targets, tracks.artists)
    model = network.fit(
        examples,
        fold,
        settings,
        seed,
        lambda done, of: report_progress(f"network, epoch {done} of {of}"),
    )
    members = network.member_log_probabilities(model, tensor)
    report_progress("words, evidence and weights")
    prior = (tracks.targets.sum(axis=0) + 0.5) / (len(tracks) + 0.5 * len(tracks.classes))
    # To the network a known artist's tracks are as a new one's: it does not see the artist.
    unseen = members[np.arange(len(tracks)), fold]
    by_recording = splits.grouped(tracks.labels, tracks.recordings, MEMBERS, seed)
    words, *held_out_words = _fit_words(tracks, (fold, by_recording))
    held_out = {
        kind: _held_out(tracks, unseen, own, prior, kind)
        for kind, own in zip(_LEFT_OUT, held_out_words, strict=True)
    }
    enough = {
        kind: one if len(one.rows) >= _FEWEST_OF_KIND else held_out[NEW]
        for kind, one in held_out.items()
    }
    return _assemble(model, tracks, words, prior, enough, target)


def _assemble(
    model: "keras.Model",
    tracks: LabelledTracks,
    words: WordPart | None,
    prior: np.ndarray,
    held_out: Mapping[str, HeldOutTerms],
    target: float,
) -> FittedClassifier:
    ladder = {
        name: {kind: one.fit(used) for kind, one in held_out.items()}
        for name, used in LADDER.items()
    }
    heads = list(ladder.values())[-1]
    sure = {kind: one.confidences(heads[kind]) for kind, one in held_out.items()}
    found = Evidence.of(tracks.inputs, tracks.synthetic, tracks.targets)
    part = GenrePart(
        classes=tracks.classes,
        prior=tuple(prior.tolist()),
        words=words,
        artist=PackedCounts.of(found.artist),
        named=PackedCounts.of(found.named),
        album=PackedCounts.of(found.album),
        synthetic=PackedCounts.of(found.synthetic),
        heads=heads,
        has_artists=tracks.has_artists,
        acceptance=Acceptance.fit(sure, target),
    )
    _, n_scaled, n_channels = model.input_shape
    onnx = onnx_graph.write(model.get_weights(), n_scaled, n_channels, len(prior))
    return FittedClassifier(model, onnx.SerializeToString(), part, held_out, ladder)


def _fit_words(
    tracks: LabelledTracks, folds: tuple[np.ndarray, np.ndarray]
) -> tuple[WordPart | None, np.ndarray | None, np.ndarray | None]:
    """A model of words, and held-out log-probabilities by artist and by recording."""
    vocabulary = Vocabulary.of(tracks.inputs, tracks.artists)
    if not len(vocabulary):
        return None, None, None
    _, code, n_tracks = np.unique(tracks.artists, return_inverse=True, return_counts=True)
    weights = n_tracks[code] ** -0.5
    weights /= weights.mean()
    held_out = []
    for fold in folds:
        logs = np.zeros(tracks.targets.shape, np.float32)
        for member in np.unique(fold):
            train, test = np.flatnonzero(fold != member), np.flatnonzero(fold == member)
            if not len(train):
                continue
            own = word_model.fit(
                vocabulary, tracks.inputs.take(train), tracks.targets[train], weights[train]
            )
            logs[test] = word_log_probabilities(own, vocabulary, tracks.inputs.take(test))
        held_out.append(logs)
    by_artist, by_recording = held_out
    fitted = word_model.fit(vocabulary, tracks.inputs, tracks.targets, weights)
    return fitted, by_artist, by_recording


def _held_out(
    tracks: LabelledTracks,
    unseen: np.ndarray,
    words: np.ndarray | None,
    prior: np.ndarray,
    kind: str,
) -> HeldOutTerms:
    together = _LEFT_OUT[kind](tracks)
    counts = evidence.left_out(tracks.inputs, tracks.synthetic, tracks.targets, together)
    found = head.terms(unseen, words, counts, prior.astype(np.float32), tracks.groups)
    rows = np.flatnonzero(kinds_of(counts) == KINDS.index(kind))
    stacked = head.stack(found, unseen.shape)[:, rows]
    return HeldOutTerms(stacked, tracks.targets[rows], tracks.artists[rows], rows)
