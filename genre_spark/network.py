"""The CNN: its layers, its fit, its export. The only module that knows Keras."""

import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from genre_spark.config import NetworkSettings
from genre_spark.errors import GenreSparkError

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

# ONNX and Keras may differ by this much in a logit, and never in the winner.
PARITY = 1e-5
_LABEL_SMOOTHING = 0.05

Progress = Callable[[int, int], None]


def build(n_axes: int, n_channels: int, n_classes: int) -> "keras.Model":
    """The network, from the tensor [shape=(n_axes, n_channels)] to logits [shape=(n_classes,)].

    Parameters
    ----------
    n_axes, n_channels, n_classes : int
        At least 1, 1 and 2.
    """
    from keras import Model, layers

    image = layers.Input((n_axes, n_channels), name="tensor")
    # Scopes of one feature, then neighbouring features.
    scopes = layers.Conv1D(32, 1, activation="silu")(image)
    neighbours = layers.Conv1D(32, 3, padding="same", activation="silu")(scopes)
    features = layers.Concatenate()([scopes, neighbours])
    whole = layers.Flatten()(layers.Conv1D(192, n_axes, activation="silu")(features))
    hidden = layers.Dense(96, activation="silu")(layers.Dropout(0.3)(whole))
    logits = layers.Dense(n_classes, name="logits")(layers.Dropout(0.3)(hidden))
    return Model(image, logits)


def fit(
    train: tuple[np.ndarray, np.ndarray],
    held_out: tuple[np.ndarray, np.ndarray] | None,
    n_classes: int,
    settings: NetworkSettings,
    seed: int,
    on_epoch: Progress = lambda epoch, epochs: None,
) -> tuple["keras.Model", int]:
    """A fitted network, and after how many epochs it was best.

    Parameters
    ----------
    train : tuple of np.ndarray
        Tensors [shape=(n_tracks, n_axes, n_channels), dtype=float32] and labels
        [shape=(n_tracks,), dtype=int64].
    held_out : tuple of np.ndarray, optional
        The same of tracks on which training is stopped early; without them all epochs are run.
    n_classes : int
    settings : NetworkSettings
    seed : int
    on_epoch : callable
        Told the epochs done and the epochs at most.
    """
    keras = quiet_keras()
    keras.utils.set_random_seed(seed)
    model = build(*train[0].shape[1:], n_classes)
    steps = settings.epochs * max(1, len(train[0]) // settings.batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(settings.learning_rate, steps)
    model.compile(
        optimizer=keras.optimizers.AdamW(schedule, weight_decay=0.01),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=_LABEL_SMOOTHING
        ),
        metrics=["accuracy"],
    )
    stopping = keras.callbacks.EarlyStopping(
        "val_accuracy", patience=settings.patience, restore_best_weights=True
    )
    telling = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, settings.epochs)
    )
    history = model.fit(
        train[0],
        keras.utils.to_categorical(train[1], n_classes),
        validation_data=held_out
        and (held_out[0], keras.utils.to_categorical(held_out[1], n_classes)),
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        callbacks=[telling, stopping] if held_out else [telling],
        verbose=0,
    )
    seen = history.history.get("val_accuracy")
    return model, int(np.argmax(seen)) + 1 if seen else settings.epochs


def logits(model: "keras.Model", tensors: np.ndarray) -> np.ndarray:
    """The network's outputs [shape=(n_tracks, n_classes), dtype=float32]."""
    return model.predict(tensors, batch_size=4096, verbose=0)


def export(model: "keras.Model", folder: Path, probe: np.ndarray) -> None:
    """Writes ``cnn.keras`` and ``cnn.onnx``, once it is known that they agree.

    Parameters
    ----------
    model : keras.Model
    folder : Path
        Existing directory.
    probe : np.ndarray [shape=(n_tracks, n_axes, n_channels), dtype=float32]
        Real tracks on which the two are compared.

    Raises
    ------
    GenreSparkError
        Where they do not agree.
    """
    model.save(folder / "cnn.keras")
    model(probe[:1])
    model.export(folder / "cnn.onnx", format="onnx", verbose=False)
    check_parity(logits(model, probe), folder / "cnn.onnx", probe)


def check_parity(expected: np.ndarray, onnx: Path, probe: np.ndarray) -> None:
    """The parity gate between Keras and ONNX."""
    from genre_spark.predict import open_session

    session = open_session(onnx.read_bytes())
    (found,) = session.run(None, {session.get_inputs()[0].name: probe})
    scale = max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(found - expected).max()) / scale
    if difference > PARITY or (found.argmax(axis=1) != expected.argmax(axis=1)).any():
        raise GenreSparkError(
            f"the exported network differs from Keras by {difference:.1e} on {len(probe)} tracks,"
            f" the limit is {PARITY:.0e}; nothing was written"
        )


def quiet_keras():
    """Keras on TensorFlow, deterministic and without its notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    return keras
