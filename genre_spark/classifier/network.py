"""The CNN: its parts fitted, and put together."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.classifier import fit as fitting
from genre_spark.classifier import splits
from genre_spark.classifier.architecture import MEMBERS, Branch, branches
from genre_spark.classifier.decision import GENERAL, SOUND
from genre_spark.classifier.fit import BATCH, Labelled, Task, quiet_keras
from genre_spark.config import NetworkSettings
from genre_spark.platform import process_pool

if TYPE_CHECKING:
    import keras

# So many passes of a track through a branch take no longer than processes take to load Keras.
_FEW = 100_000

OnEpoch = Callable[[str, int, int], None]


def fit(
    train: Labelled,
    groups: Sequence[str],
    settings: NetworkSettings,
    seed: int,
    held_out: Labelled | None = None,
    epochs: Sequence[int] | None = None,
    on_epoch: OnEpoch = lambda branch, epoch, epochs: None,
    specialists: bool = True,
) -> tuple["keras.Model", list[int], np.ndarray]:
    """A fitted network: log-probabilities [shape=(3, n_classes)] of its opinions on a tensor.

    Parameters
    ----------
    train : Labelled
    groups : sequence of str
        Context groups.
    settings : NetworkSettings
    seed : int
    held_out : Labelled, optional
        Tracks by which the specialists' training is stopped early.
    epochs : sequence of int, optional
        Of the branches for new artists and of the specialists, in place of what the settings say.
    on_epoch : callable
        Told the branches, their epochs done and their epochs at most.
    specialists : bool
        Whether there are any.

    Returns
    -------
    model : keras.Model
        Its opinions are those of *sound*, of *general* and the specialists' mean; the first stands
        for what there is not.
    epochs : list of int
        After how many the branches for new artists were done, and the specialists.
    unseen : np.ndarray [shape=(n_tracks, 3, n_classes)]
        Log-probabilities of each training track, by members that saw no track of its artist; since
        there is no such specialist, the first stands for the third.
    """
    parts = splits.grouped(train.labels, train.artists, MEMBERS, seed)
    most = epochs or [fitting.epochs(long, len(train.labels), settings) for long in (False, True)]
    tasks = [
        Task(
            branches=together,
            train=train,
            weights=_weights(parts, train.artists, together),
            held_out=held_out if together[0].long else None,
            epochs=most[together[0].long],
            settings=settings,
            seed=seed + i,
        )
        for i, together in enumerate(_together(branches(groups, specialists)))
    ]
    fitted = process_pool.run(
        fitting.fit,
        tasks,
        lambda task, done: on_epoch(task.name, done, task.epochs),
        most=1 if sum(task.epochs for task in tasks) * len(parts) < _FEW else None,
    )
    found, done = {}, {}
    for task, (weights, n_epochs) in zip(tasks, fitted, strict=True):
        found |= _filled(task, weights)
        done[task.branches[0].long] = n_epochs
    return _join(found), [done[long] for long in sorted(done)], _unseen(found, train.tensors, parts)


def _together(found: Sequence[Branch]) -> list[tuple[Branch, ...]]:
    """Branches for new artists each by itself, specialists as one: they stop together."""
    alone = [(one,) for one in found if not one.long]
    special = tuple(one for one in found if one.long)
    # The longest work first.
    return [alone[0], special, *alone[1:]] if special else alone


def _filled(task: Task, weights: Sequence[list[np.ndarray]]) -> dict[str, "keras.Model"]:
    """The branches with fitted weights, by name."""
    quiet_keras()
    built = [
        one.build(*task.train.tensors.shape[1:], task.train.n_classes) for one in task.branches
    ]
    for model, values in zip(built, weights, strict=True):
        model.set_weights(values)
    return {model.name: model for model in built}


def _unseen(found: dict[str, "keras.Model"], tensors: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """What members say of tracks whose artists they did not see [shape=(n_tracks, 3, ...)]."""
    rows = np.arange(len(parts))
    sound, general = (
        _log_softmax(model.predict(tensors, batch_size=BATCH, verbose=0)[rows, parts])
        for model in (found[SOUND], found.get(GENERAL, found[SOUND]))
    )
    return np.stack([sound, general, sound], axis=1)


def _weights(parts: np.ndarray, artists: np.ndarray, together: Sequence[Branch]) -> np.ndarray:
    """Of each track for each member [shape=(n_tracks, n_members), dtype=float32].

    A specialist has one member, to which all tracks are the same. Of the other branches, each
    member never sees one part of the artists; and since tracks of one artist repeat each other, an
    artist counts as the root of their number.
    """
    if together[0].long:
        return np.ones((len(parts), len(together)), dtype=np.float32)
    _, code, n_tracks = np.unique(artists, return_inverse=True, return_counts=True)
    weights = n_tracks[code] ** -0.5
    sees = np.arange(MEMBERS) != parts[:, None]
    return (sees * (weights / weights.mean())[:, None]).astype(np.float32)


def _join(found: dict[str, "keras.Model"]) -> "keras.Model":
    """All branches on one tensor."""
    from keras import Input, Model, ops

    image = Input(found[SOUND].input_shape[1:], name="tensor")
    said = {
        name: ops.log_softmax(ops.mean(ops.log_softmax(model(image)), axis=1))
        for name, model in found.items()
    }
    sound = said.pop(SOUND)
    general = said.pop(GENERAL, sound)
    special = ops.mean(ops.stack(list(said.values()) or [sound], axis=1), axis=1)
    return Model(image, ops.stack([sound, general, ops.log_softmax(special)], axis=1))


def log_probabilities(model: "keras.Model", tensors: np.ndarray) -> np.ndarray:
    """The opinions on tracks [shape=(n_tracks, 3, n_classes), dtype=float32]."""
    return model.predict(tensors, batch_size=BATCH, verbose=0)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
