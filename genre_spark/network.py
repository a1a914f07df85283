"""The CNN: its layers, its fit, its export. The only module that knows Keras."""

import functools
import logging
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
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

OnEpoch = Callable[[str, int, int], None]
Labelled = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class _Branch:
    """A part of the network with a training of its own.

    A generalist sees every scope through strong dropout: it has to reason from what tracks sound
    like, and serves artists of whom no label is known; trained for long it would learn tracks by
    heart. Specialists see the context alone, one of them the artist's alone, almost undisturbed:
    they learn what each labelled artist sounds like, and gain from long training.
    """

    name: str
    channels: slice
    filters: int
    width: int
    hidden: int
    dropout: tuple[float, float]
    long: bool

    def build(self, n_axes: int, n_channels: int, n_classes: int) -> "keras.Model":
        """From the whole tensor to this branch's logits [shape=(n_classes,)]."""
        from keras import Model, layers

        image = layers.Input((n_axes, n_channels), name="tensor")
        seen = layers.Dropout(self.dropout[0])(image[:, :, self.channels])
        # First the scopes of each feature, then all features at once.
        mixed = layers.Conv1D(self.filters, 1, activation="silu")(seen)
        whole = layers.Conv1D(self.width, n_axes, activation="silu")(mixed)
        found = layers.Dropout(self.dropout[1])(layers.Flatten()(whole))
        if self.hidden:
            found = layers.Dense(self.hidden, activation="silu")(found)
            found = layers.Dropout(self.dropout[1])(found)
        return Model(image, layers.Dense(n_classes)(found), name=self.name)


def _branches(groups: Sequence[str]) -> list[_Branch]:
    n_channels = {scope: len(names) for scope, names in layout(groups).items()}
    own = n_channels["track"]
    found = [_Branch("general", slice(None), 16, 128, 64, (0.1, 0.3), long=False)]
    if groups:
        found.append(_Branch("context", slice(own, None), 12, 256, 0, (0.0, 0.1), long=True))
    if len(groups) > 1:
        first = slice(own, own + n_channels[groups[0]])
        found.append(_Branch(groups[0], first, 12, 256, 0, (0.0, 0.1), long=True))
    return found


def fit(
    train: Labelled,
    groups: Sequence[str],
    n_classes: int,
    settings: NetworkSettings,
    seed: int,
    held_out: Labelled | None = None,
    epochs: Sequence[int] | None = None,
    on_epoch: OnEpoch = lambda branch, epoch, epochs: None,
) -> tuple["keras.Model", list[int]]:
    """A fitted network: log-probabilities [shape=(2, n_classes)] of both opinions on a tensor.

    Parameters
    ----------
    train : tuple of np.ndarray
        Tensors [shape=(n_tracks, n_axes, n_channels), dtype=float32] and labels
        [shape=(n_tracks,), dtype=int64].
    groups : sequence of str
        Context groups; without any there is only the generalist.
    n_classes : int
    settings : NetworkSettings
    seed : int
    held_out : tuple of np.ndarray, optional
        The same of tracks by which training is stopped early.
    epochs : sequence of int, optional
        For each branch, in place of what the settings say.
    on_epoch : callable
        Told the branch, its epochs done and its epochs at most.

    Returns
    -------
    model : keras.Model
        Its first opinion is the generalist's, its second the specialists' mean, or the
        generalist's again where there are none.
    epochs : list of int
        After how many each branch was done.

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization", ICLR; weights are averaged
    over the last steps as in Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI.
    """
    keras = quiet_keras()
    keras.utils.set_random_seed(seed)
    models, done = [], []
    for i, branch in enumerate(_branches(groups)):
        most = epochs[i] if epochs else _epochs(branch, len(train[0]), settings)
        model = branch.build(*train[0].shape[1:], n_classes)
        tell = functools.partial(on_epoch, branch.name)
        done.append(_fit_branch(model, train, held_out, n_classes, settings, most, tell))
        models.append(model)
    return _join(models), done


def _fit_branch(
    model: "keras.Model",
    train: Labelled,
    held_out: Labelled | None,
    n_classes: int,
    settings: NetworkSettings,
    epochs: int,
    tell: Callable[[int, int], None],
) -> int:
    from keras import callbacks, losses

    model.compile(
        optimizer=_optimizer(len(train[0]), epochs, settings),
        loss=losses.CategoricalCrossentropy(from_logits=True, label_smoothing=_LABEL_SMOOTHING),
        metrics=["accuracy"],
    )
    told = callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: tell(epoch + 1, epochs))
    stopping = callbacks.EarlyStopping("val_accuracy", patience=settings.patience)
    history = model.fit(
        train[0],
        _one_hot(train[1], n_classes),
        validation_data=held_out and (held_out[0], _one_hot(held_out[1], n_classes)),
        epochs=epochs,
        batch_size=settings.batch_size,
        callbacks=[told, stopping] if held_out else [told],
        verbose=0,
    )
    return len(history.epoch)


def _join(models: list["keras.Model"]) -> "keras.Model":
    """All branches on one tensor."""
    from keras import Input, Model, ops

    image = Input(models[0].input_shape[1:], name="tensor")
    general, *special = [ops.log_softmax(model(image)) for model in models]
    mean = ops.mean(ops.stack(special or [general], axis=1), axis=1)
    return Model(image, ops.stack([general, ops.log_softmax(mean)], axis=1))


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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras asks numpy for what it left behind
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


def _epochs(branch: _Branch, n_tracks: int, settings: NetworkSettings) -> int:
    """As set, but so many that few tracks are seen often enough."""
    steps = max(1, n_tracks // settings.batch_size)
    few = -(-settings.min_steps // steps)
    return max(settings.epochs, few) if branch.long else max(settings.epochs, few) // 2


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


def _one_hot(labels: np.ndarray, n_classes: int) -> np.ndarray:
    return np.eye(n_classes, dtype=np.float32)[labels]
