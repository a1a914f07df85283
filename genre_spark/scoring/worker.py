"""From Arrow batches of tracks to Arrow batches of labels: what runs in a Python worker.

A module of its own, without Spark: workers import it by name, so that its cache of opened models
lives as long as the worker and not only as long as a task, and tests call it directly.

An artist's tracks inform each other. `Predictor.label` takes batches of whole artists. The tracks of
an artist who has too many for one worker are labelled in two steps: `Predictor.judge` gives the
opinions on each track alone, and once Spark has averaged them, `Predictor.decide` gives the labels.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from genre_spark.bundle.manifest import ScoringPart
from genre_spark.classifier.calibration import softmax
from genre_spark.classifier.decision import blend, logits, pick
from genre_spark.classifier.genre_part import GenrePart
from genre_spark.classifier.onnx_session import Network
from genre_spark.features.tensor import Context, build, unpack
from genre_spark.schema import (
    ARTIST,
    TRACK_ID,
    context_column,
    key_column,
)
from genre_spark.scoring.artist_batches import ALBUM_SUM, GATHER, SUMS, Gathered, whole
from genre_spark.scoring.columns import genre_columns, labels, lists, no_genres, numbers

if TYPE_CHECKING:
    from genre_spark.bundle.files import Bundle

ARTIST_KEY = key_column(ARTIST)
# Columns between the two steps.
KNOWN = "_known"
OPINION = "_opinion"
CONSENSUS = "_consensus"

# Opinions are summed as whole numbers, for the same reason as in `context`.
OPINION_UNIT = 2.0**24
# Tracks whose tensors, 1.2 kB each, stay in a core's own cache on their way through the network.
_AT_ONCE = 512
_OPENED: dict[str, "Predictor"] = {}


@dataclass(frozen=True)
class Payload:
    """A bundle's scoring part as it travels to the workers."""

    model_id: str
    scoring_json: str
    onnx: bytes | None

    @classmethod
    def of(cls, bundle: "Bundle") -> "Payload":
        """What scoring needs of a bundle."""
        manifest = bundle.manifest
        return cls(manifest.model_id, manifest.scoring.model_dump_json(), bundle.onnx)


def predictor(payload: Payload) -> "Predictor":
    """The predictor of a model, opened once in each worker."""
    if payload.model_id not in _OPENED:
        # Workers outlive jobs; a model of an earlier job need not stay in their memory.
        _OPENED.clear()
        scoring = ScoringPart.model_validate_json(payload.scoring_json)
        _OPENED[payload.model_id] = Predictor(scoring, payload.onnx)
    return _OPENED[payload.model_id]


@dataclass(frozen=True)
class Seen:
    """What the models see of tracks.

    Attributes
    ----------
    axes : np.ndarray [shape=(n_tracks, n_axes)]
    nearest : np.ndarray [shape=(n_tracks,), dtype=int64]
        Row of the nearest center.
    distances : np.ndarray [shape=(n_tracks,)]
        From its center, in the units of `SyntheticPart.compared`.
    centroids : np.ndarray [shape=(n_tracks, n_axes)]
        The nearest ones.
    contexts : dict of str to Context
        By group, those that the network reads.
    known : np.ndarray [shape=(n_tracks,), dtype=bool]
        Whether the artist is of the labelled sample.
    """

    axes: np.ndarray
    nearest: np.ndarray
    distances: np.ndarray
    centroids: np.ndarray
    contexts: dict[str, Context]
    known: np.ndarray

    def __len__(self) -> int:
        return len(self.axes)

    def parts(self, size: int) -> Iterator["Seen"]:
        """The same, so many tracks at a time."""
        for first in range(0, len(self), size):
            rows = slice(first, first + size)
            contexts = {group: context.take(rows) for group, context in self.contexts.items()}
            own = (self.axes, self.nearest, self.distances, self.centroids)
            yield Seen(*[values[rows] for values in own], contexts, self.known[rows])


class Predictor:
    """Labels batches of tracks.

    Parameters
    ----------
    scoring : ScoringPart
        Transform, centroids, names, classes, decisions.
    onnx : bytes or None
        The network; None labels with synthetic genres only.
    """

    def __init__(self, scoring: ScoringPart, onnx: bytes | None):
        self.scoring = scoring
        self._centroids = scoring.centroids
        self._edges = scoring.space.edges
        self._ids = pa.array(scoring.synthetic.ids, pa.int32())
        self._names = pa.array(scoring.synthetic.names, pa.string())
        self._network = Network(onnx) if onnx else None

    def batches(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """What `label` takes, of batches in the order of `GATHER`; any batches where it is not there."""
        for batch in batches:
            if GATHER in batch.schema.names:
                yield from whole(itertools.chain([batch], batches))
            else:
                yield batch

    def label(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The labels of a batch of whole artists, or of any tracks that do not inform each other.

        Parameters
        ----------
        batch : pa.RecordBatch
            What `judge` takes without the artist's context, and `GATHER`, in whose order it is;
            within it in that of the album's key. The album's context and `ALBUM_SUM` are null where
            all of its tracks are the artist's. Without `GATHER` each track stands for itself.

        Returns
        -------
        pa.RecordBatch
            The columns of `decide`, and `SUMS`.
        """
        seen, part = self.see(batch), self.scoring.genres
        synthetic = self._synthetic(batch, seen)
        if part is None:
            return labels({**synthetic, **no_genres(batch.num_rows)})
        own = means = self._judged(seen)
        sums = dict.fromkeys(SUMS, pa.array(np.zeros(batch.num_rows, np.int64)))
        if GATHER in batch.schema.names:
            gathered = Gathered(batch)
            means = gathered.means(own, OPINION_UNIT)
            sums = gathered.sums(part.groups, part.relates_artists)
        return labels({**synthetic, **self._calibrated(own, means, seen.known)}, sums)

    def judge(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Synthetic genres of a batch of tracks, and the network's opinions on them.

        Parameters
        ----------
        batch : pa.RecordBatch
            `TRACK_ID`, ``n_imputed``, ``input_hash``, `ARTIST_KEY`, the model's features as
            double, and the context columns of its groups.

        Returns
        -------
        pa.RecordBatch
            The synthetic-genre columns, `KNOWN`, and `OPINION` as list<float> of one number per
            class, null with a clusters bundle.
        """
        seen = self.see(batch)
        kept = {name: batch[name] for name in (ARTIST_KEY, ALBUM_SUM)}
        opinions = {KNOWN: pa.array(seen.known), OPINION: lists(self._judged(seen))}
        return pa.RecordBatch.from_pydict({**self._synthetic(batch, seen), **kept, **opinions})

    def decide(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """The labels of a batch of judged tracks.

        Parameters
        ----------
        batch : pa.RecordBatch
            What `judge` gave, and `CONSENSUS`: the artist's mean opinion, null where there is no
            artist.

        Returns
        -------
        pa.RecordBatch
            The labelled columns but ``model_id`` and ``scored_at``, which are the same for all.
        """
        classes = len(self.scoring.genres.classes)
        known = batch[KNOWN].to_numpy(zero_copy_only=False)
        own = numbers(batch[OPINION], classes)
        genres = self._calibrated(own, numbers(batch[CONSENSUS], classes), known)
        return labels({name: batch[name] for name in batch.schema.names} | genres)

    def _calibrated(
        self, own: np.ndarray, consensus: np.ndarray, known: np.ndarray
    ) -> dict[str, pa.Array]:
        part = self.scoring.genres
        weight, temperature, threshold = (
            pick(known, part.decisions, what) for what in ("consensus", "temperature", "threshold")
        )
        # What Spark carries between the two steps are single-precision numbers.
        means = consensus.astype(np.float32).astype(np.float64)
        probabilities = softmax(logits(own.astype(np.float64), means, weight, temperature))
        return genre_columns(probabilities, part.classes, threshold[:, 0])

    def _synthetic(self, batch: pa.RecordBatch, seen: Seen) -> dict[str, pa.Array]:
        rows = pa.array(seen.nearest)
        return {
            TRACK_ID: batch[TRACK_ID],
            "synthetic_genre_id": self._ids.take(rows),
            "synthetic_genre": self._names.take(rows),
            "synthetic_genre_distance": pa.array(seen.distances.astype(np.float32)),
            "n_imputed": batch["n_imputed"],
            "input_hash": batch["input_hash"],
        }

    def see(self, batch: pa.RecordBatch) -> Seen:
        """What the models see of a batch that `judge` takes."""
        space, part = self.scoring.space, self.scoring.genres
        raw = [batch[name].to_numpy(zero_copy_only=False) for name in space.features]
        axes = space.to_numpy(np.stack(raw, axis=1).astype(np.float64))
        nearest, distances = self.scoring.synthetic.nearest(axes)
        known = _known(part, batch[ARTIST_KEY]) if part else np.zeros(len(axes), dtype=bool)
        contexts = self._contexts(batch, axes, known) if part else {}
        return Seen(axes, nearest, distances, self._centroids[nearest], contexts, known)

    def _contexts(
        self, batch: pa.RecordBatch, axes: np.ndarray, known: np.ndarray
    ) -> dict[str, Context]:
        groups = self.scoring.genres.groups
        if GATHER in batch.schema.names:
            heard = self.scoring.genres.hears_artists(known)
            return Gathered(batch).contexts(groups, axes, self._edges, heard)
        return {
            group: unpack(group, batch[context_column(group)], axes, self._edges)
            for group in groups
        }

    def tensor(self, seen: Seen) -> np.ndarray:
        """The network's input; see `tensor.build`."""
        return build(seen.axes, seen.centroids, self._edges, seen.contexts)

    def opinions(self, seen: Seen, tensor: np.ndarray) -> np.ndarray:
        """The network's opinions [shape=(n_tracks, n_classes), dtype=float32] on their tensor."""
        weights = pick(seen.known, self.scoring.genres.decisions, "weights")
        found = self._network.opinions(tensor, weights > 0)
        return blend(found, weights).astype(np.float32)

    def _judged(self, seen: Seen) -> np.ndarray:
        """The network's opinions on all of them [shape=(n_tracks, n_classes), dtype=float32]."""
        none = np.empty((0, len(self.scoring.genres.classes)), np.float32)
        parts = [self.opinions(part, self.tensor(part)) for part in seen.parts(_AT_ONCE)]
        return np.concatenate([none, *parts])


def _known(part: GenrePart, artists: pa.Array) -> np.ndarray:
    named = artists.is_valid().to_numpy(zero_copy_only=False)
    keys = artists.fill_null(0).to_numpy(zero_copy_only=False)
    return named & part.knows(keys)
