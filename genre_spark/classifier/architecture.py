"""The parts of the CNN: what each of them sees of the tensor, and its layers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from genre_spark.classifier.decision import GENERAL, SOUND
from genre_spark.features.tensor import COUNTS, layout
from genre_spark.schema import ARTIST

if TYPE_CHECKING:
    import keras

# So many members share a branch that is to serve artists of whom no label is known.
MEMBERS = 5


@dataclass(frozen=True)
class Branch:
    """A part of the network with a training of its own.

    Two branches serve artists of whom no label is known. *sound* sees a track, its synthetic genre
    and its album, but not how its artist's other tracks sound: an artist's statistics are the same
    for all of the artist's tracks, so that a network learns by them who it is and not what they
    tell. What the other tracks have to say comes in afterwards, as the mean of their opinions.
    *general* sees every scope, through dropout, and serves artists of one or two tracks.
    Both have several members, each of which never sees one part of the artists.

    Specialists see the context alone, one of them the artist's alone, almost undisturbed: they
    learn what each labelled artist sounds like, and gain from long training.

    Attributes
    ----------
    name : str
    channels : tuple of int
        Of the tensor, those that it sees.
    width, hidden : int
        Units of the two dense layers; without the second for 0.
    dropout : tuple of float
        Of the channels, and of the units.
    members : int
        Networks alike that are trained together, each from a start of its own.
    long : bool
        Whether it is trained until held-out tracks gain no more.
    """

    name: str
    channels: tuple[int, ...]
    width: int
    hidden: int
    dropout: tuple[float, float]
    members: int = 1
    long: bool = False
    filters: int = 12

    def build(self, n_axes: int, n_channels: int, n_classes: int) -> "keras.Model":
        """From the whole tensor to the members' logits [shape=(members, n_classes)]."""
        from keras import Model, layers, ops

        image = layers.Input((n_axes, n_channels), name="tensor")
        seen = layers.Dropout(self.dropout[0])(ops.take(image, self.channels, axis=2))
        # First the scopes of each feature, for all members at once; then all features.
        mixed = layers.Conv1D(self.members * self.filters, 1, activation="silu")(seen)
        apart = layers.Reshape((n_axes, self.members, self.filters))(mixed)
        flat = layers.Reshape((self.members, -1))(layers.Permute((2, 1, 3))(apart))
        # A convolution as high as the image is a dense layer, which is faster to train.
        found = layers.Dropout(self.dropout[1])(self._dense(self.width, "silu")(flat))
        if self.hidden:
            found = layers.Dropout(self.dropout[1])(self._dense(self.hidden, "silu")(found))
        return Model(image, self._dense(n_classes)(found), name=self.name)

    def _dense(self, units: int, activation: str | None = None) -> Any:
        """A dense layer of each member's own."""
        from keras.layers import EinsumDense

        shape = (self.members, units)
        return EinsumDense("bmi,mio->bmo", shape, bias_axes="mo", activation=activation)


def branches(groups: Sequence[str], specialists: bool) -> list[Branch]:
    """The branches for a catalogue with these context groups, *sound* first."""
    scopes = _channels(groups)
    everything = tuple(i for channels in scopes.values() for i in channels)
    context = everything[len(scopes["track"]) :]
    of_artist = scopes.get(ARTIST, ())[: -len(COUNTS[ARTIST])]
    heard = tuple(i for i in everything if i not in of_artist)
    found = [Branch(SOUND, heard, 128, 64, (0.05, 0.2), MEMBERS)]
    if of_artist:
        found.append(Branch(GENERAL, everything, 64, 32, (0.1, 0.2), MEMBERS))
    if groups and specialists:
        found.append(Branch("context", context, 256, 0, (0.0, 0.1), long=True))
    if len(groups) > 1 and specialists:
        found.append(Branch(groups[0], scopes[groups[0]], 256, 0, (0.0, 0.1), long=True))
    return found


def _channels(groups: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Places of each scope's channels."""
    found, first = {}, 0
    for scope, names in layout(groups).items():
        found[scope] = tuple(range(first, first + len(names)))
        first += len(names)
    return found
