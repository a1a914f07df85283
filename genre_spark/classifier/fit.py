"""The fit of a part of the CNN: how long, how fast, and when it ends."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from genre_spark.classifier.architecture import Branch
from genre_spark.config import NetworkSettings

BATCH = 8192

_LABEL_SMOOTHING = 0.05
# Of the weights' running mean, per step: it spans the last few hundred, or the last few dozen.
_AVERAGING = {True: 0.995, False: 0.97}
# Of the steps that specialists need at least, the share that suffices for the other branches.
_GENERAL_SHARE = 1 / 3
# Steps between two returns to Python.
_STEPS_AT_ONCE = 8
_WARM_UP = 0.05


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


@dataclass(frozen=True)
class Task:
    """What is trained together, on what.

    Attributes
    ----------
    branches : tuple of Branch
        As long as each other.
    train : Labelled
    weights : np.ndarray [shape=(n_tracks, n_members), dtype=float32]
        Of each track for each member of each branch.
    held_out : Labelled, optional
        Tracks by which training is stopped early.
    epochs : int
        At most.
    settings : NetworkSettings
    seed : int
    """

    branches: tuple[Branch, ...]
    train: Labelled
    weights: np.ndarray
    held_out: Labelled | None
    epochs: int
    settings: NetworkSettings
    seed: int

    @property
    def name(self) -> str:
        """What to call it to people."""
        return " and ".join(branch.name for branch in self.branches)


def fit(task: Task, step: Callable[[], None]) -> tuple[list[list[np.ndarray]], int]:
    """Fitted weights.

    Parameters
    ----------
    task : Task
    step : callable
        Called after each epoch.

    Returns
    -------
    weights : list of list of np.ndarray
        Of the layers of each branch.
    epochs : int
        After how many it was done.

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization", ICLR; weights are averaged
    over the last steps as in Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI.
    """
    keras = quiet_keras()
    keras.utils.set_random_seed(task.seed)
    train, settings = task.train, task.settings
    image = keras.Input(train.tensors.shape[1:])
    built = [one.build(*image.shape[1:], train.n_classes) for one in task.branches]
    model = keras.Model(image, keras.ops.concatenate([one(image) for one in built], axis=1))
    _, *shape = model.output_shape
    model.compile(
        optimizer=_optimizer(task),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=_LABEL_SMOOTHING
        ),
        metrics=["accuracy"],
        steps_per_execution=_STEPS_AT_ONCE,
    )
    told = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: step())
    stopping = keras.callbacks.EarlyStopping("val_accuracy", patience=settings.patience)
    held_out = task.held_out
    history = model.fit(
        train.tensors,
        _one_hot(train.labels, shape),
        sample_weight=task.weights,
        validation_data=held_out and (held_out.tensors, _one_hot(held_out.labels, shape)),
        validation_batch_size=BATCH,
        epochs=task.epochs,
        batch_size=settings.batch_size,
        callbacks=[told, stopping] if held_out else [told],
        verbose=0,
    )
    return [one.get_weights() for one in built], len(history.epoch)


def epochs(long: bool, n_tracks: int, settings: NetworkSettings) -> int:
    """As set, or so many that few tracks are seen often enough."""
    steps_each = max(1, n_tracks // settings.batch_size)
    most, share = (settings.epochs, 1) if long else (settings.general_epochs, _GENERAL_SHARE)
    return max(most, math.ceil(settings.min_steps * share / steps_each))


def quiet_keras() -> Any:
    """Keras on TensorFlow, deterministic and without its notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    return keras


def _optimizer(task: Task) -> Any:
    from keras import optimizers

    settings, long = task.settings, task.branches[0].long
    steps = task.epochs * -(-len(task.train.labels) // settings.batch_size)
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
