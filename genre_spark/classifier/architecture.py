"""The layers of the CNN: small members beside each other, each with weights of its own."""

import itertools
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import keras

# Each member never learns from one part of the artists.
MEMBERS = 5
FILTERS = 8
UNITS = (64, 32)
# Of the artist network.
ARTIST_UNITS = (56, 32)
_DROPOUT = (0.05, 0.2)


def build(n_scaled: int, n_channels: int, n_classes: int) -> "keras.Model":
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
    found = layers.RepeatVector(MEMBERS)(layers.Dropout(_DROPOUT[0])(given))
    for units in ARTIST_UNITS:
        found = layers.Dropout(_DROPOUT[1])(_dense(units, "silu")(found))
    return Model(given, _dense(n_classes)(found), name="artist")


def flops(n_scaled: int, n_channels: int, n_classes: int) -> int:
    """Count multiplications and additions of one track, without those of its artist."""
    mixed = n_scaled * n_channels * FILTERS
    return 2 * MEMBERS * (mixed + _products(n_scaled * FILTERS, *UNITS, n_classes))


def artist_flops(n_inputs: int, n_classes: int) -> int:
    """Count multiplications and additions of one artist."""
    return 2 * MEMBERS * _products(n_inputs, *ARTIST_UNITS, n_classes)


def _products(*sizes: int) -> int:
    return sum(a * b for a, b in itertools.pairwise(sizes))


def _dense(units: int, activation: str | None = None) -> Any:
    """A dense layer of each member's own."""
    from keras.layers import EinsumDense

    shape = (MEMBERS, units)
    return EinsumDense("bmi,mio->bmo", shape, bias_axes="mo", activation=activation)
