"""The CNN: its layers and its fit. The only module that knows Keras."""

import functools
import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from genre_spark import folds
from genre_spark.config import NetworkSettings
from genre_spark.tensor import layout

if TYPE_CHECKING:
    import keras

logger = logging.getLogger(__name__)

_LABEL_SMOOTHING = 0.05
# Of the weights' running mean, per step: it spans the last few hundred, or the last few dozen.
_AVERAGING = {True: 0.995, False: 0.97}
_MEMBERS = 5
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


@dataclass(frozen=True)
class _Branch:
    """A part of the network with a training of its own.

    A generalist sees every scope through strong dropout: it has to reason from what tracks sound
    like, and serves artists of whom no label is known; trained for long it would learn artists by
    heart. It has several members, each of which never sees one part of the artists. Specialists
    see the context alone, one of them the artist's alone, almost undisturbed: they learn what each
    labelled artist sounds like, and gain from long training.
    """

    name: str
    channels: slice
    filters: int
    width: int
    hidden: int
    dropout: tuple[float, float]
    long: bool
    members: int = 1

    def build(self, n_axes: int, n_channels: int, n_classes: int) -> "keras.Model":
        """From the whole tensor to the members' logits [shape=(members, n_classes)]."""
        from keras import Model, layers, ops

        image = layers.Input((n_axes, n_channels), name="tensor")
        found = [self._member(image, n_classes) for _ in range(self.members)]
        return Model(image, ops.stack(found, axis=1), name=self.name)

    def _member(self, image: Any, n_classes: int) -> Any:
        from keras import layers

        seen = layers.Dropout(self.dropout[0])(image[:, :, self.channels])
        # First the scopes of each feature, then all features at once.
        mixed = layers.Conv1D(self.filters, 1, activation="silu")(seen)
        # A convolution as high as the image is a dense layer, which is faster to train.
        whole = layers.Dense(self.width, activation="silu")(layers.Flatten()(mixed))
        found = layers.Dropout(self.dropout[1])(whole)
        if self.hidden:
            found = layers.Dense(self.hidden, activation="silu")(found)
            found = layers.Dropout(self.dropout[1])(found)
        return layers.Dense(n_classes)(found)


def _branches(groups: Sequence[str]) -> list[_Branch]:
    n_channels = {scope: len(names) for scope, names in layout(groups).items()}
    own = n_channels["track"]
    found = [_Branch("general", slice(None), 12, 64, 32, (0.2, 0.3), False, _MEMBERS)]
    if groups:
        found.append(_Branch("context", slice(own, None), 12, 256, 0, (0.0, 0.1), long=True))
    if len(groups) > 1:
        first = slice(own, own + n_channels[groups[0]])
        found.append(_Branch(groups[0], first, 12, 256, 0, (0.0, 0.1), long=True))
    return found


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
    """A fitted network: log-probabilities [shape=(2, n_classes)] of both opinions on a tensor.

    Parameters
    ----------
    train : Labelled
    groups : sequence of str
        Context groups; without any there is only the generalist.
    settings : NetworkSettings
    seed : int
    held_out : Labelled, optional
        Tracks by which the specialists' training is stopped early.
    epochs : sequence of int, optional
        For each branch, in place of what the settings say.
    on_epoch : callable
        Told the branch, its epochs done and its epochs at most.
    specialists : bool
        Whether there are any.

    Returns
    -------
    model : keras.Model
        Its first opinion is the generalist's, its second the specialists' mean, or the
        generalist's again where there are none.
    epochs : list of int
        After how many each branch was done.
    unseen : np.ndarray [shape=(n_tracks, n_classes)]
        Log-probabilities of each training track, by the generalist's member that saw no track of
        its artist.

    References
    ----------
    Loshchilov & Hutter (2019), "Decoupled Weight Decay Regularization", ICLR; weights are averaged
    over the last steps as in Izmailov et al. (2018), "Averaging Weights Leads to Wider Optima and
    Better Generalization", UAI.
    """
    keras = quiet_keras()
    keras.utils.set_random_seed(seed)
    parts = _parts(train.labels, train.artists, seed)
    models, done = [], []
    for i, branch in enumerate(_branches(groups if specialists else ())):
        most = epochs[i] if epochs else _epochs(branch, len(train.labels), settings)
        model = branch.build(*train.tensors.shape[1:], train.n_classes)
        tell = functools.partial(on_epoch, branch.name)
        weights = np.ones((len(parts), 1)) if branch.long else _weights(parts, train.artists)
        watched = held_out if branch.long else None
        done.append(_fit_branch(model, train, weights, watched, settings, most, tell))
        models.append(model)
    members = models[0].predict(train.tensors, batch_size=_BATCH, verbose=0)
    return _join(models), done, _log_softmax(members[np.arange(len(parts)), parts])


def _parts(labels: np.ndarray, artists: np.ndarray, seed: int) -> np.ndarray:
    """For each track the member that does not see its artist [shape=(n_tracks,)]."""
    return folds.grouped(labels, artists, _MEMBERS, seed)


def _weights(parts: np.ndarray, artists: np.ndarray) -> np.ndarray:
    """Of each track for each member [shape=(n_tracks, _MEMBERS)].

    Tracks of one artist repeat each other: an artist counts as the root of their number.
    """
    _, code, n_tracks = np.unique(artists, return_inverse=True, return_counts=True)
    weights = n_tracks[code] ** -0.5
    sees = np.arange(_MEMBERS) != parts[:, None]
    return sees * (weights / weights.mean())[:, None]


def _fit_branch(
    model: "keras.Model",
    train: Labelled,
    weights: np.ndarray,
    held_out: Labelled | None,
    settings: NetworkSettings,
    epochs: int,
    tell: Callable[[int, int], None],
) -> int:
    from keras import callbacks, losses

    _, *shape = model.output_shape
    model.compile(
        optimizer=_optimizer(len(train.labels), epochs, settings, weights.shape[1] == 1),
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
    return len(history.epoch)


def _join(models: list["keras.Model"]) -> "keras.Model":
    """All branches on one tensor, without what only their training needed."""
    from keras import Input, Model, ops

    models = [_without_optimizer(model) for model in models]
    image = Input(models[0].input_shape[1:], name="tensor")
    general, *special = [
        ops.log_softmax(ops.mean(ops.log_softmax(model(image)), axis=1)) for model in models
    ]
    mean = ops.mean(ops.stack(special or [general], axis=1), axis=1)
    return Model(image, ops.stack([general, ops.log_softmax(mean)], axis=1))


def _without_optimizer(model: "keras.Model") -> "keras.Model":
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


def log_probabilities(model: "keras.Model", tensors: np.ndarray) -> np.ndarray:
    """Both opinions on tracks [shape=(n_tracks, 2, n_classes), dtype=float32]."""
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


def _epochs(branch: _Branch, n_tracks: int, settings: NetworkSettings) -> int:
    """As set; of specialists so many that few tracks are seen often enough."""
    if not branch.long:
        return settings.general_epochs
    steps = max(1, n_tracks // settings.batch_size)
    few = -(-settings.min_steps // steps)
    return max(settings.epochs, few)


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
