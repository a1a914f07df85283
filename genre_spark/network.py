"""The fit of the CNN."""

import functools
import logging
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark import folds
from genre_spark.branches import GENERAL, MEMBERS, SOUND, Branch, branches
from genre_spark.config import NetworkSettings

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

_LABEL_SMOOTHING = 0.05
# Of the weights' running mean, per step: it spans the last few hundred, or the last few dozen.
_AVERAGING = {True: 0.995, False: 0.97}
# Of the steps that specialists need at least, the share that suffices for the other branches.
_GENERAL_SHARE = 1 / 3
# Steps between two returns to Python.
_STEPS_AT_ONCE = 8
_WARM_UP = 0.05
_BATCH = 8192

OnEpoch = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Labelled:
    """Tracks to learn from, or to stop by.

    Attributes
    ----------
    tensors : np.ndarray [shape=(n_tracks, n_axes, n_channels), dtype=float32]
    labels : np.ndarray [shape=(n_tracks,), dtype=int64]
    artists : np.ndarray [shape=(n_tracks,), dtype=int64]
        Equal for tracks of one artist.
    n_classes : int
    """

    tensors: np.ndarray
    labels: np.ndarray
    artists: np.ndarray
    n_classes: int


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

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization", ICLR; weights are averaged
    over the last steps as in Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI.
    """
    keras = quiet_keras()
    keras.utils.set_random_seed(seed)
    parts = folds.grouped(train.labels, train.artists, MEMBERS, seed)
    weights = _weights(parts, train.artists)
    found: dict[str, keras.Model] = {}
    done = []
    for i, stage in enumerate(_stages(branches(groups, specialists))):
        long = stage[0].long
        most = epochs[i] if epochs else _epochs(long, len(train.labels), settings)
        seen = np.ones((len(parts), len(stage))) if long else np.tile(weights, len(stage))
        tell = functools.partial(on_epoch, " and ".join(one.name for one in stage))
        watched = held_out if long else None
        models, n_epochs = _fit_together(stage, train, seen, watched, settings, most, tell)
        done.append(n_epochs)
        found |= models
    return _join(found), done, _unseen(found, train.tensors, parts)


def _stages(found: Sequence[Branch]) -> list[list[Branch]]:
    """Branches that are trained for as long as each other, on a core each."""
    stages = [[one for one in found if one.long == long] for long in (False, True)]
    return [stage for stage in stages if stage]


def _unseen(found: dict[str, "keras.Model"], tensors: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """What members say of tracks whose artists they did not see [shape=(n_tracks, 3, ...)]."""
    rows = np.arange(len(parts))
    sound, general = (
        _log_softmax(model.predict(tensors, batch_size=_BATCH, verbose=0)[rows, parts])
        for model in (found[SOUND], found.get(GENERAL, found[SOUND]))
    )
    return np.stack([sound, general, sound], axis=1)


def _weights(parts: np.ndarray, artists: np.ndarray) -> np.ndarray:
    """Of each track for each member [shape=(n_tracks, MEMBERS)].

    Tracks of one artist repeat each other: an artist counts as the root of their number.
    """
    _, code, n_tracks = np.unique(artists, return_inverse=True, return_counts=True)
    weights = n_tracks[code] ** -0.5
    sees = np.arange(MEMBERS) != parts[:, None]
    return sees * (weights / weights.mean())[:, None]


def _fit_together(
    stage: Sequence[Branch],
    train: Labelled,
    weights: np.ndarray,
    held_out: Labelled | None,
    settings: NetworkSettings,
    epochs: int,
    tell: Callable[[int, int], None],
) -> tuple[dict[str, "keras.Model"], int]:
    from keras import Input, Model, callbacks, losses, ops

    image = Input(train.tensors.shape[1:])
    built = {one.name: one.build(*image.shape[1:], train.n_classes) for one in stage}
    model = Model(image, ops.concatenate([one(image) for one in built.values()], axis=1))
    _, *shape = model.output_shape
    model.compile(
        optimizer=_optimizer(len(train.labels), epochs, settings, stage[0].long),
        loss=losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_LABEL_SMOOTHING),
        metrics=["accuracy"],
        steps_per_execution=_STEPS_AT_ONCE,
    )
    told = callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: tell(epoch + 1, epochs))
    stopping = callbacks.EarlyStopping("val_accuracy", patience=settings.patience)
    history = model.fit(
        train.tensors,
        _one_hot(train.labels, shape),
        sample_weight=weights.astype(np.float32),
        validation_data=held_out and (held_out.tensors, _one_hot(held_out.labels, shape)),
        validation_batch_size=_BATCH,
        epochs=epochs,
        batch_size=settings.batch_size,
        callbacks=[told, stopping] if held_out else [told],
        verbose=0,
    )
    return built, len(history.epoch)


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
    return model.predict(tensors, batch_size=_BATCH, verbose=0)


def quiet_keras() -> Any:
    """Keras on TensorFlow, deterministic and without its notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    return keras


def _epochs(long: bool, n_tracks: int, settings: NetworkSettings) -> int:
    """As set, or so many that few tracks are seen often enough."""
    steps_each = max(1, n_tracks // settings.batch_size)
    most, share = (settings.epochs, 1) if long else (settings.general_epochs, _GENERAL_SHARE)
    return max(most, math.ceil(settings.min_steps * share / steps_each))


def _optimizer(n_tracks: int, epochs: int, settings: NetworkSettings, long: bool) -> Any:
    from keras import optimizers

    steps = epochs * -(-n_tracks // settings.batch_size)
    warm_up = int(steps * _WARM_UP)
    schedule = optimizers.schedules.CosineDecay(
        settings.learning_rate * 0.05,
        steps - warm_up,
        alpha=0.01,
        warmup_target=settings.learning_rate,
        warmup_steps=warm_up,
    )
    return optimizers.AdamW(
        schedule, weight_decay=0.02, clipnorm=1.0, use_ema=True, ema_momentum=_AVERAGING[long]
    )


def _one_hot(labels: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    members, n_classes = shape
    return np.repeat(np.eye(n_classes, dtype=np.float32)[labels][:, None], members, axis=1)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
