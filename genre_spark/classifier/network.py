"""The networks: small members beside each other, each of which holds out one part of the artists."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.classifier.softmax import log_softmax
from genre_spark.config import NetworkSettings

if TYPE_CHECKING:
    import keras

# Each member never learns from one part of the artists.
MEMBERS = 5
FILTERS = 8
UNITS = (64, 32)
# Of the artist network.
ARTIST_UNITS = (36, 32)
_DROPOUT = (0.05, 0.2)

_BATCH = 8192
_LABEL_SMOOTHING = 0.05
# Of the weights' running mean, per step.
_AVERAGING = 0.97
_STEPS_AT_ONCE = 16
_STEPS_PER_EPOCH, _MIN_BATCH = 20, 32
# The learning rate is that of a batch of so many tracks.
_BATCH_OF_RATE, _MAX_RATE = 256, 0.01
_WARM_UP = 0.05
_WEIGHT_DECAY = 0.02

OnEpoch = Callable[[int, int], None]


@dataclass(frozen=True)
class Examples:
    """Labelled tracks, or artists, as a network reads them.

    Attributes
    ----------
    inputs : np.ndarray [shape=(n, ...), dtype=float32]
        Tensors of tracks, or statistics of artists.
    targets : np.ndarray [shape=(n, n_classes), dtype=float32]
        Shares of the genres; they sum to 1.
    weights : np.ndarray [shape=(n,)]
    """

    inputs: np.ndarray
    targets: np.ndarray
    weights: np.ndarray


def build_track(n_scaled: int, n_channels: int, n_classes: int) -> "keras.Model":
    """Build the network from the tensor to the members' logits [shape=(MEMBERS, n_classes)].

    A 1 × 1 convolution mixes the channels of each feature, alike for all features. A convolution as
    high as the image, written as the dense layer that it is, then weighs all features.
    """
    from keras import Model, layers

    image = layers.Input((n_scaled, n_channels), name="tensor")
    mixed = layers.Conv1D(MEMBERS * FILTERS, 1, activation="silu")(
        layers.Dropout(_DROPOUT[0])(image)
    )
    apart = layers.Reshape((n_scaled, MEMBERS, FILTERS))(mixed)
    found = layers.Reshape((MEMBERS, -1))(layers.Permute((2, 1, 3))(apart))
    for units in UNITS:
        found = layers.Dropout(_DROPOUT[1])(_dense(units, "silu")(found))
    return Model(image, _dense(n_classes)(found), name="cnn")


def build_artist(n_inputs: int, n_classes: int) -> "keras.Model":
    """Build the network from what is known of an artist to logits [shape=(MEMBERS, n_classes)]."""
    from keras import Model, layers

    given = layers.Input((n_inputs,), name="artists")
    found = layers.Dropout(_DROPOUT[0])(given)
    for units, inputs in zip(ARTIST_UNITS, ("bi", "bmi"), strict=True):
        found = layers.Dropout(_DROPOUT[1])(_dense(units, "silu", inputs)(found))
    return Model(given, _dense(n_classes)(found), name="artist")


def _dense(units: int, activation: str | None = None, inputs: str = "bmi") -> Any:
    """A dense layer of each member's own, on inputs of its own or (`bi`) on those of all."""
    from keras.layers import EinsumDense

    shape = (MEMBERS, units)
    return EinsumDense(f"{inputs},mio->bmo", shape, bias_axes="mo", activation=activation)


def fit(
    examples: Examples,
    fold: np.ndarray,
    settings: NetworkSettings,
    seed: int,
    on_epoch: OnEpoch = lambda epoch, epochs: None,
    build: Callable[..., "keras.Model"] = build_track,
) -> "keras.Model":
    """Fit the members' weights.

    Parameters
    ----------
    examples : Examples
    fold : np.ndarray [shape=(n_tracks,), dtype=int64]
        The member that does not learn from a track; equal for tracks of one artist.
    settings : NetworkSettings
    seed : int
    on_epoch : callable
        Receives the number of epochs done and their total.
    build : callable
        Makes the model from the shape of one input and the number of genres.

    Returns
    -------
    keras.Model
        From tensors to the members' logits [shape=(n_tracks, MEMBERS, n_classes)].

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization", ICLR; weights are averaged
    over the last steps as in Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI.
    """
    keras = quiet_keras()
    keras.utils.set_random_seed(seed)
    n, n_classes = examples.targets.shape
    model = build(*examples.inputs.shape[1:], n_classes)
    batch, epochs = _schedule(n, settings)
    # Larger batches have steadier gradients, which bear longer steps.
    rate = min(_MAX_RATE, settings.learning_rate * (batch / _BATCH_OF_RATE) ** 0.5)
    model.compile(
        optimizer=_optimizer(epochs * -(-n // batch), rate),
        loss=keras.losses.CategoricalCrossentropy(
            from_logits=True, label_smoothing=_LABEL_SMOOTHING
        ),
        steps_per_execution=_STEPS_AT_ONCE,
    )
    model.fit(
        examples.inputs,
        np.repeat(examples.targets[:, None], MEMBERS, axis=1),
        sample_weight=_weights(fold, examples.weights),
        epochs=epochs,
        batch_size=batch,
        callbacks=[
            keras.callbacks.LambdaCallback(
                on_epoch_end=lambda epoch, logs: on_epoch(epoch + 1, epochs)
            )
        ],
        verbose=0,
    )
    return model


def member_log_probabilities(model: "keras.Model", inputs: np.ndarray) -> np.ndarray:
    """Log-probabilities of each member [shape=(n, MEMBERS, n_classes), dtype=float32]."""
    return log_softmax(model.predict(inputs, batch_size=_BATCH, verbose=0))


def mean_log_probabilities(members: np.ndarray) -> np.ndarray:
    """Combine members to log-probabilities [shape=(n_tracks, n_classes)]: their geometric mean."""
    return log_softmax(members.mean(axis=1))


def quiet_keras() -> Any:
    """Keras on TensorFlow, deterministic and without its notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    return keras


def _schedule(n_tracks: int, settings: NetworkSettings) -> tuple[int, int]:
    """Batch size and epochs: about as many steps for few tracks as for many."""
    batch = int(np.clip(n_tracks // _STEPS_PER_EPOCH, _MIN_BATCH, settings.batch_size))
    steps = -(-n_tracks // batch)
    return batch, max(settings.epochs, -(-settings.min_steps // steps))


def _weights(fold: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Of each example for each member [shape=(n, MEMBERS), dtype=float32]."""
    learns = np.arange(MEMBERS) != fold[:, None]
    return (learns * (weights / weights.mean())[:, None]).astype(np.float32)


def _optimizer(steps: int, learning_rate: float) -> Any:
    from keras import optimizers

    warm_up = int(steps * _WARM_UP)
    schedule = optimizers.schedules.CosineDecay(
        learning_rate * 0.05,
        steps - warm_up,
        alpha=0.01,
        warmup_target=learning_rate,
        warmup_steps=warm_up,
    )
    return optimizers.AdamW(
        schedule,
        weight_decay=_WEIGHT_DECAY,
        use_ema=True,
        ema_momentum=_AVERAGING,
    )
