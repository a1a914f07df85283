"""The CNN: its layers, its fit, its export. The only module that knows Keras."""

import logging
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark.bundle import KERAS, ONNX
from genre_spark.config import NetworkSettings
from genre_spark.errors import GenreSparkError
from genre_spark.tensor import layout

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

# ONNX and Keras may differ by this much, and never in the winner.
PARITY = 1e-5
_LABEL_SMOOTHING = 0.05
# Of the weights' running mean, per step: it spans the last few hundred.
_AVERAGING = 0.995
_WARM_UP = 0.05
_BATCH = 8192

OnEpoch = Callable[[int, int], None]


def build(n_axes: int, groups: Sequence[str], n_classes: int) -> "keras.Model":
    """The network, from the tensor to the logits of each of its branches.

    A generalist sees every scope through strong dropout: it has to reason from what tracks sound
    like, and serves artists of whom no label is known. Specialists see the context alone, one of
    them the artist's alone, almost undisturbed: they learn what each labelled artist sounds like.

    Parameters
    ----------
    n_axes : int
    groups : sequence of str
        Context groups; without any there is only the generalist.
    n_classes : int

    Returns
    -------
    keras.Model
        From [shape=(n_axes, n_channels)] to a list of logits [shape=(n_classes,)].
    """
    keras = quiet_keras()
    scopes = {scope: len(names) for scope, names in layout(groups).items()}
    image = keras.layers.Input((n_axes, sum(scopes.values())), name="tensor")
    outputs = [_generalist(image, n_classes)]
    if groups:
        context = image[:, :, scopes["track"] :]
        outputs.append(_specialist(context, n_classes, "context"))
    if len(groups) > 1:
        first = image[:, :, scopes["track"] : scopes["track"] + scopes[groups[0]]]
        outputs.append(_specialist(first, n_classes, groups[0]))
    return keras.Model(image, outputs)


def _generalist(image: Any, n_classes: int) -> Any:
    from keras import layers

    seen = layers.Dropout(0.1)(image)
    # A kernel as high as the image weighs all features and scopes at once.
    whole = layers.Flatten()(layers.Conv1D(128, image.shape[1], activation="silu")(seen))
    hidden = layers.Dense(64, activation="silu")(layers.Dropout(0.3)(whole))
    return layers.Dense(n_classes, name="general")(layers.Dropout(0.3)(hidden))


def _specialist(image: Any, n_classes: int, name: str) -> Any:
    from keras import layers

    # First the scopes of each feature, then all features at once.
    mixed = layers.Conv1D(12, 1, activation="silu")(image)
    whole = layers.Flatten()(layers.Conv1D(256, image.shape[1], activation="silu")(mixed))
    return layers.Dense(n_classes, name=f"special_{name}")(layers.Dropout(0.1)(whole))


def for_scoring(model: "keras.Model") -> "keras.Model":
    """The network as it is shipped: log-probabilities [shape=(2, n_classes)] of both opinions.

    The first is the generalist's, the second the specialists' mean, or the generalist's again
    where there are no specialists.
    """
    from keras import Model, ops

    outputs = model.outputs
    general = ops.log_softmax(outputs[0])
    special = ops.mean(ops.stack(outputs[1:] or outputs, axis=1), axis=1)
    if len(outputs) > 2:
        opinions = [ops.log_softmax(output) for output in outputs[1:]]
        special = ops.mean(ops.stack(opinions, axis=1), axis=1)
    return Model(model.input, ops.stack([general, ops.log_softmax(special)], axis=1))


def fit(
    train: tuple[np.ndarray, np.ndarray],
    groups: Sequence[str],
    n_classes: int,
    settings: NetworkSettings,
    seed: int,
    held_out: tuple[np.ndarray, np.ndarray] | None = None,
    on_epoch: OnEpoch = lambda epoch, epochs: None,
) -> tuple["keras.Model", int]:
    """A fitted network, as `for_scoring` has it, and after how many epochs it was done.

    Parameters
    ----------
    train : tuple of np.ndarray
        Tensors [shape=(n_tracks, n_axes, n_channels), dtype=float32] and labels
        [shape=(n_tracks,), dtype=int64].
    groups : sequence of str
    n_classes : int
    settings : NetworkSettings
    seed : int
    held_out : tuple of np.ndarray, optional
        The same of tracks by which training is stopped early; without them all epochs are run.
    on_epoch : callable
        Told the epochs done and the epochs at most.

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization", ICLR; weights are averaged
    over the last steps as in Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI.
    """
    keras = quiet_keras()
    keras.utils.set_random_seed(seed)
    model = build(train[0].shape[1], groups, n_classes)
    epochs = _epochs(len(train[0]), settings)
    model.compile(
        optimizer=_optimizer(len(train[0]), epochs, settings),
        loss=[_loss() for _ in model.outputs],
        metrics=[["accuracy"] for _ in model.outputs],
    )
    history = model.fit(
        train[0],
        _targets(train[1], n_classes, model),
        validation_data=held_out and (held_out[0], _targets(held_out[1], n_classes, model)),
        epochs=epochs,
        batch_size=settings.batch_size,
        callbacks=_callbacks(epochs, settings, bool(held_out), on_epoch),
        verbose=0,
    )
    return for_scoring(model), len(history.epoch)


def log_probabilities(model: "keras.Model", tensors: np.ndarray) -> np.ndarray:
    """Both opinions on tracks [shape=(n_tracks, 2, n_classes), dtype=float32]."""
    return model.predict(tensors, batch_size=_BATCH, verbose=0)


def export(model: "keras.Model", folder: Path, probe: np.ndarray) -> None:
    """Writes the network for Keras and for ONNX Runtime, once it is known that they agree.

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
    model.save(folder / KERAS)
    # Keras exports only what was called.
    model(probe[:1])
    model.export(folder / ONNX, format="onnx", verbose=False)
    check_parity(log_probabilities(model, probe), folder / ONNX, probe)


def check_parity(expected: np.ndarray, onnx: Path, probe: np.ndarray) -> None:
    """The parity gate between Keras and ONNX, on probabilities [shape=(n_tracks, 2, n_classes)]."""
    from genre_spark.predict import open_session

    session = open_session(onnx.read_bytes())
    (found,) = session.run(None, {session.get_inputs()[0].name: probe})
    difference = float(np.abs(np.exp(found) - np.exp(expected)).max())
    if difference > PARITY or (found.argmax(axis=2) != expected.argmax(axis=2)).any():
        raise GenreSparkError(
            f"the exported network differs from Keras by {difference:.1e} on {len(probe)} tracks,"
            f" the limit is {PARITY:.0e}; nothing was written"
        )


def quiet_keras() -> Any:
    """Keras on TensorFlow, deterministic and without its notices."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import keras
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    return keras


def _epochs(n_tracks: int, settings: NetworkSettings) -> int:
    """As set, but so many that few tracks are seen often enough."""
    steps = max(1, n_tracks // settings.batch_size)
    return max(settings.epochs, -(-settings.min_steps // steps))


def _optimizer(n_tracks: int, epochs: int, settings: NetworkSettings) -> Any:
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
        schedule, weight_decay=0.02, clipnorm=1.0, use_ema=True, ema_momentum=_AVERAGING
    )


def _loss() -> Any:
    from keras import losses

    return losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_LABEL_SMOOTHING)


def _targets(labels: np.ndarray, n_classes: int, model: "keras.Model") -> list[np.ndarray]:
    """Each branch learns for itself."""
    one_hot = np.eye(n_classes, dtype=np.float32)[labels]
    return [one_hot] * len(model.outputs)


def _callbacks(
    epochs: int, settings: NetworkSettings, held_out: bool, on_epoch: OnEpoch
) -> list[Any]:
    from keras import callbacks

    def tell(epoch: int, logs: dict[str, float]) -> None:
        # A branch that has learned all it can must not stop the one that has not.
        found = [value for name, value in logs.items() if name.startswith("val_") and "acc" in name]
        logs["best_accuracy"] = max(found, default=0.0)
        on_epoch(epoch + 1, epochs)

    told = callbacks.LambdaCallback(on_epoch_end=tell)
    if not held_out:
        return [told]
    stopping = callbacks.EarlyStopping("best_accuracy", patience=settings.patience, mode="max")
    return [told, stopping]
