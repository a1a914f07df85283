"""Fits the whole classifier on labelled tracks: network, words, evidence, weights, thresholds."""

import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from genre_spark.classifier import (
    evidence,
    forest,
    head,
    network,
    onnx_network,
    similar_artists,
    splits,
    text_models,
)
from genre_spark.classifier.calibration import Acceptance
from genre_spark.classifier.evidence import Evidence
from genre_spark.classifier.genre_part import (
    DocumentPart,
    ForestPart,
    GenrePart,
    PackedCounts,
    SimilarPart,
    WordPart,
)
from genre_spark.classifier.head import (
    KINDS,
    KNOWN,
    KNOWN_WITHOUT,
    LADDER,
    NEW,
    NEW_WITHOUT,
    SIMILAR_TERMS,
    Head,
    LogProbabilities,
    encoded,
    kinds_of,
)
from genre_spark.classifier.network import MEMBERS
from genre_spark.classifier.onnx_network import Network
from genre_spark.classifier.predictor import Combination, Predictions, of_features
from genre_spark.classifier.similar_artists import SimilarArtists
from genre_spark.classifier.softmax import softmax
from genre_spark.classifier.term_weights import HeldOutTerms
from genre_spark.classifier.training_set import LabelledTracks
from genre_spark.config import NetworkSettings
from genre_spark.features.group_statistics import Groups
from genre_spark.features.tensor import artist_statistics, build
from genre_spark.features.track_inputs import Keys, TrackInputs
from genre_spark.features.words import Vocabulary
from genre_spark.platform.progress import ReportProgress

if TYPE_CHECKING:
    import keras

_Model = TypeVar("_Model")
# Whose labels are left out while weights and thresholds of each kind of track are fitted.
_LEFT_OUT: dict[str, Callable[[LabelledTracks], np.ndarray]] = {
    NEW: lambda tracks: tracks.artists,
    KNOWN: lambda tracks: tracks.recordings,
}
# Of the tracks with features, the share that is learned from again with gaps.
_WITH_GAPS = 0.25
# Epochs of the artist network for each one of the network of tracks: artists are fewer.
_ARTIST_EPOCHS = 3
# Held-out tracks that weights of a kind's own need; below, those of another kind serve.
_FEWEST_OF_KIND = 50
_INSTEAD = {KNOWN: NEW, NEW_WITHOUT: NEW, KNOWN_WITHOUT: NEW_WITHOUT}
# Most numbers of a term, tracks times genres, on which weights and thresholds are fitted; and the fewest
# tracks that are taken where genres are many.
_MOST_OF_TERM, _FEWEST_OF_MANY = 1_000_000, 5000


@dataclass(frozen=True)
class FittedClassifier:
    """A classifier and what it was chosen by.

    Attributes
    ----------
    models : tuple of keras.Model
        The network of tracks, and that of artists.
    onnx : bytes
        Both.
    part : GenrePart
    held_out : dict of str to HeldOutTerms
        By kind of track, of the tracks that it learned from.
    """

    models: tuple["keras.Model", "keras.Model"]
    onnx: bytes
    part: GenrePart
    held_out: Mapping[str, HeldOutTerms]

    @functools.cached_property
    def ladder(self) -> Mapping[str, Mapping[str, Head]]:
        """Weights by what is used, then by kind of track; the last ones are what is shipped."""
        *steps, shipped = LADDER
        found = {
            step: {kind: one.fit(LADDER[step]) for kind, one in self.held_out.items()}
            for step in steps
        }
        return found | {shipped: self.part.heads}

    def track_log_probabilities(self, tracks: LabelledTracks) -> np.ndarray:
        """Compute what the network says of each track alone [shape=(n_tracks, n_classes)]."""
        return self._network.log_probabilities(build(tracks.inputs, tracks.bin_edges))

    def predict(self, tracks: LabelledTracks) -> Predictions:
        """Predict genres of complete artists."""
        return self._combination.predict(self._network, *self._given(tracks))

    def terms(self, tracks: LabelledTracks) -> np.ndarray:
        """Compute the terms of complete artists [shape=(n_terms, n_tracks, n_classes)]."""
        return self._combination.terms(self._network, *self._given(tracks))

    def _given(
        self, tracks: LabelledTracks
    ) -> tuple[np.ndarray, TrackInputs, Groups, np.ndarray, Keys]:
        network = self.track_log_probabilities(tracks)
        return network, tracks.inputs, tracks.groups, tracks.synthetic, tracks.artist_documents

    def check_export(self, tracks: LabelledTracks) -> None:
        """Compare ONNX with Keras on real tracks and their artists; see `onnx_network.check_parity`."""
        network = of_features(self.track_log_probabilities(tracks), tracks.inputs)
        logs = LogProbabilities.of(network, tracks.groups)
        given = logs.artist_inputs(artist_statistics(tracks.inputs, tracks.groups))
        probes = build(tracks.inputs, tracks.bin_edges), encoded(given, len(tracks.classes))
        onnx_network.check_parity(self.onnx, self.models, probes)

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
            logits = np.zeros(terms.shape[1:], np.float32)
            for code, kind in enumerate(KINDS):
                logits[kinds == code] = heads[kind].logits(terms[:, kinds == code])
            found[name] = softmax(logits)
        return found

    def kinds(self, tracks: LabelledTracks) -> np.ndarray:
        """Look up the kind of each track, as its place in `head.KINDS` [dtype=int64]."""
        counts = self._evidence.look_up(tracks.inputs, tracks.synthetic)
        return kinds_of(counts, tracks.inputs.has_features)

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
        return Combination(self.part, everything=True)


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
    groups = tracks.groups
    by_artist = fold[groups.starts]
    shares, weights = groups.means(tracks.targets), groups.sizes**0.5
    # As the tracks are, and with a third of them without features.
    versions = (tracks, tracks.without_features(seed))
    # What does not wait for the network is fitted beside it: its small steps keep one core busy.
    with ThreadPoolExecutor(1) as beside:
        by_words = beside.submit(_fit_words, tracks, fold, seed)
        by_document = beside.submit(
            _fit_documents, tracks.artist_documents, shares, weights, by_artist
        )
        by_similar = beside.submit(_fit_similar, tracks, versions, fold)
        model = _fit_network(tracks, fold, settings, seed, report_progress)
    report_progress("words, documents, artists, evidence and weights")
    words, of_words = by_words.result()
    document, told = by_document.result()
    similar, of_similar = by_similar.result()
    # To the network a known artist's tracks are as a new one's: it does not see the artist.
    unseen = [
        of_features(_of_own_member(model, build(own.inputs, own.bin_edges), fold), own.inputs)
        for own in versions
    ]
    given = [
        LogProbabilities.of(one, groups, of_words.get(NEW), told).artist_inputs(
            artist_statistics(own.inputs, groups)
        )
        for own, one in zip(versions, unseen, strict=True)
    ]
    artist_model, trees, artists = _fit_artists(given, shares, weights, by_artist, settings, seed)
    prior = (tracks.targets.sum(axis=0) + 0.5) / (len(tracks) + 0.5 * len(tracks.classes))
    held_out: dict[str, HeldOutTerms] = {}
    for i, kind in enumerate(KINDS):
        at, like = divmod(i, len(_LEFT_OUT))
        words_of_kind = of_words.get(KINDS[like])
        logs = LogProbabilities.of(unseen[at], groups, words_of_kind, told, of_similar[at])
        one = _held_out(versions[at], logs, artists[at], prior, kind)
        is_enough = kind == NEW or len(one.rows) >= _FEWEST_OF_KIND
        held_out[kind] = one if is_enough else held_out[_INSTEAD[kind]]
    parts = {"words": words, "document": document, "similar": similar, "forest": trees}
    return _assemble((model, artist_model), tracks, parts, prior, held_out, target)


def _fit_network(
    tracks: LabelledTracks,
    fold: np.ndarray,
    settings: NetworkSettings,
    seed: int,
    report_progress: ReportProgress,
) -> "keras.Model":
    """The network of tracks."""
    examples, of = _track_examples(tracks, seed)

    def report(done: int, epochs: int) -> None:
        report_progress(f"network, epoch {done} of {epochs}")

    return network.fit(examples, fold[of], settings, seed, report)


def _fit_artists(
    given: Sequence[np.ndarray],
    shares: np.ndarray,
    weights: np.ndarray,
    fold: np.ndarray,
    settings: NetworkSettings,
    seed: int,
) -> tuple["keras.Model", ForestPart, list[np.ndarray]]:
    """Network and forest of artists, and held-out log-probabilities of each version of the artists.

    The latter in the order of `ARTIST_TERMS` [shape=(2, n_groups, n_classes)].
    """
    n, n_classes = len(given), shares.shape[1]
    read = [encoded(one, n_classes) for one in given]
    examples = network.Examples(np.concatenate(read), np.tile(shares, (n, 1)), np.tile(weights, n))

    def fit(rows: np.ndarray) -> forest.Forest:
        again = np.tile(rows, n)
        artists = np.concatenate([one[rows] for one in given])
        return forest.fit(artists, shares[again], weights[again], seed)

    def predict(grown: forest.Forest, rows: np.ndarray) -> np.ndarray:
        return np.stack([grown.log_probabilities(one[rows]) for one in given])

    with ThreadPoolExecutor(1) as beside:
        held_out = beside.submit(_cross_fit, fold, (n, *shares.shape), fit, predict)
        grown = beside.submit(fit, np.arange(len(fold)))
        model = network.fit(
            examples,
            np.tile(fold, n),
            settings.model_copy(update={"epochs": _ARTIST_EPOCHS * settings.epochs}),
            seed,
            build=network.build_artist,
        )
    of_model = [_of_own_member(model, one, fold) for one in read]
    found = [np.stack(pair) for pair in zip(of_model, held_out.result(), strict=True)]
    return model, ForestPart.of(grown.result()), found


def _track_examples(tracks: LabelledTracks, seed: int) -> tuple[network.Examples, np.ndarray]:
    """Tracks with features, and some of them again with gaps; and the row that each example is of.

    Of each of the latter a share of the features is missing, on the track alone or with all tracks
    of its artist, as sources leave gaps.
    """
    rng, has_features = np.random.default_rng(seed), tracks.inputs.has_features
    heard = np.flatnonzero(has_features if has_features.any() else ~has_features)
    again = np.sort(rng.permutation(heard)[: int(_WITH_GAPS * len(heard))])
    names = np.unique(tracks.features, return_inverse=True)[1]
    n, n_features = len(again), names.max() + 1
    gaps = (rng.random((n, n_features)) < rng.random((n, 1)))[:, names]
    inputs = tracks.inputs.take(again).without_columns(gaps, gaps & (rng.random((n, 1)) < 0.5))
    of = np.concatenate([heard, again])
    examples = network.Examples(
        np.concatenate(
            [build(one, tracks.bin_edges) for one in (tracks.inputs.take(heard), inputs)]
        ),
        tracks.targets[of],
        (tracks.groups.sizes**-0.5)[tracks.groups.code[of]],
    )
    return examples, of


def _of_own_member(model: "keras.Model", inputs: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Log-probabilities of the member that did not learn from each row."""
    return network.member_log_probabilities(model, inputs)[np.arange(len(inputs)), fold]


def _assemble(
    models: tuple["keras.Model", "keras.Model"],
    tracks: LabelledTracks,
    parts: Mapping[str, Any],
    prior: np.ndarray,
    held_out: Mapping[str, HeldOutTerms],
    target: float,
) -> FittedClassifier:
    heads = {kind: one.fit() for kind, one in held_out.items()}
    sure = {kind: one.predicted(heads[kind]) for kind, one in held_out.items()}
    found = Evidence.of(tracks.inputs, tracks.synthetic, tracks.targets)
    part = GenrePart(
        classes=tracks.classes,
        prior=tuple(prior.tolist()),
        artist=PackedCounts.of(found.artist),
        named=PackedCounts.of(found.named),
        album=PackedCounts.of(found.album),
        synthetic=PackedCounts.of(found.synthetic),
        heads=heads,
        has_artists=tracks.has_artists,
        acceptance=Acceptance.fit(sure, target),
        **parts,
    )
    return FittedClassifier(models, onnx_network.to_onnx(*models), part, held_out)


def _fit_documents(
    texts: Keys, shares: np.ndarray, weights: np.ndarray, fold: np.ndarray
) -> tuple[DocumentPart | None, np.ndarray | None]:
    """A model of artists' documents, and their held-out log-probabilities."""
    if not len(texts.values):
        return None, None
    weights = weights / weights.mean()

    def fit(rows: np.ndarray) -> DocumentPart:
        return text_models.fit_documents(texts.take(rows), shares[rows], weights[rows])

    def predict(part: DocumentPart, rows: np.ndarray) -> np.ndarray:
        return text_models.document_log_probabilities(part, texts.take(rows))

    return fit(np.arange(len(fold))), _cross_fit(fold, shares.shape, fit, predict)


def _fit_words(
    tracks: LabelledTracks, fold: np.ndarray, seed: int
) -> tuple[WordPart | None, dict[str, np.ndarray]]:
    """A model of words, and held-out log-probabilities by kind of track."""
    vocabulary = Vocabulary.of(tracks.inputs, tracks.artists)
    if not len(vocabulary):
        return None, {}
    weights = (tracks.groups.sizes**-0.5)[tracks.groups.code]
    weights /= weights.mean()

    def fit(rows: np.ndarray) -> WordPart:
        inputs = tracks.inputs.take(rows)
        return text_models.fit_words(vocabulary, inputs, tracks.targets[rows], weights[rows])

    def predict(part: WordPart, rows: np.ndarray) -> np.ndarray:
        return text_models.word_log_probabilities(part, vocabulary, tracks.inputs.take(rows))

    folds = {NEW: fold, KNOWN: splits.grouped(tracks.labels, tracks.recordings, MEMBERS, seed)}
    shape = tracks.targets.shape
    held_out = {kind: _cross_fit(own, shape, fit, predict) for kind, own in folds.items()}
    return fit(np.arange(len(tracks))), held_out


def _fit_similar(
    tracks: LabelledTracks, versions: Sequence[LabelledTracks], fold: np.ndarray
) -> tuple[SimilarPart | None, list[np.ndarray | None]]:
    """A model of similar artists, and its held-out log-probabilities of each version of the tracks."""
    space = tracks.space
    if space is None:
        return None, [None] * len(versions)

    def fit(rows: np.ndarray) -> SimilarArtists:
        own = tracks.take(rows)
        points = space.representation.of_inputs(own.inputs, own.groups, own.artist_documents)
        return similar_artists.fit(space, points, own.inputs.scaled, own.targets, own.groups)

    def predict(model: SimilarArtists, rows: np.ndarray) -> np.ndarray:
        artists = [version.take(rows) for version in versions]
        return np.stack(
            [
                model.log_probabilities(one.inputs, one.groups, one.artist_documents)
                for one in artists
            ]
        )

    shape = (len(versions), len(SIMILAR_TERMS), *tracks.targets.shape)
    held_out = _cross_fit(fold, shape, fit, predict)
    return SimilarPart.of(fit(np.arange(len(tracks)))), list(held_out)


def _cross_fit(
    fold: np.ndarray,
    shape: tuple[int, ...],
    fit: Callable[[np.ndarray], _Model],
    predict: Callable[[_Model, np.ndarray], np.ndarray],
) -> np.ndarray:
    """Log-probabilities of rows [shape=(..., n_rows, n_classes)] by models of the other folds.

    0 where the other folds are empty.
    """
    logs = np.zeros(shape, np.float32)
    for number in np.unique(fold):
        train, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        if len(train):
            logs[..., test, :] = predict(fit(train), test)
    return logs


def _held_out(
    tracks: LabelledTracks,
    logs: LogProbabilities,
    artists: np.ndarray,
    prior: np.ndarray,
    kind: str,
) -> HeldOutTerms:
    code = KINDS.index(kind)
    together = _LEFT_OUT[KINDS[code % len(_LEFT_OUT)]](tracks)
    counts = evidence.left_out(tracks.inputs, tracks.synthetic, tracks.targets, together)
    found = head.terms(logs, artists, counts, prior.astype(np.float32))
    rows = np.flatnonzero(kinds_of(counts, tracks.inputs.has_features) == code)
    most = max(_MOST_OF_TERM // len(tracks.classes), _FEWEST_OF_MANY)
    rows = np.sort(np.random.default_rng(code).permutation(rows)[:most])
    # Each by itself: all tracks of all terms would not fit into memory where genres are many.
    kept = (None if one is None else one[rows] for one in found)
    return HeldOutTerms(head.stack(kept, (len(rows), len(tracks.classes))), rows, tracks)
