"""The real genres as the bundle holds them, beside the network.

Arrays are little-endian bytes, compressed, in base64.
"""

import base64
import math
import zlib
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from genre_spark._model import Finite, SparseModel, StrictModel
from genre_spark.classifier.calibration import Acceptance
from genre_spark.classifier.evidence import CountTable, Evidence
from genre_spark.classifier.forest import MAX_DEPTH, MAX_TREES, Forest
from genre_spark.classifier.head import (
    ARTIST_TERMS,
    DOCUMENT_TERMS,
    KINDS,
    NETWORK_MEAN_TERMS,
    SIMILAR_TERMS,
    WORD_TERMS,
    Head,
)
from genre_spark.classifier.representation import N_GRAMS
from genre_spark.classifier.similar_artists import SimilarArtists
from genre_spark.features.documents import BITS
from genre_spark.features.words import MAX_WORDS, Vocabulary

DType = Literal["<i8", "<i4", "<i2", "<f4"]

# Far more than 200,000 labelled tracks need.
_MAX_BYTES = 64 * 2**20


class PackedArray(StrictModel):
    """An array as a bundle holds it.

    Attributes
    ----------
    dtype : {'<i8', '<i4', '<i2', '<f4'}
    shape : tuple of int
    data : str
    """

    dtype: DType
    shape: tuple[int, ...]
    data: str

    @classmethod
    def of(cls, array: np.ndarray, dtype: DType) -> "PackedArray":
        """Pack an array."""
        data = zlib.compress(array.astype(dtype).tobytes(), 6)
        return cls(dtype=dtype, shape=array.shape, data=base64.b64encode(data).decode("ascii"))

    @property
    def array(self) -> np.ndarray:
        """The array [dtype=`dtype`], read-only."""
        return np.frombuffer(self._content(), self.dtype).reshape(self.shape)

    @model_validator(mode="after")
    def _shape_fits(self) -> "PackedArray":
        expected = math.prod(self.shape) * np.dtype(self.dtype).itemsize
        if min(self.shape, default=0) < 0 or expected > _MAX_BYTES:
            raise ValueError(f"shape {self.shape} has more than {_MAX_BYTES:,} bytes")
        if len(self._content()) != expected:
            raise ValueError(f"the data do not have the shape {self.shape}")
        return self

    def _content(self) -> bytes:
        try:
            packed = base64.b64decode(self.data, validate=True)
            unpacker = zlib.decompressobj()
            content = unpacker.decompress(packed, _MAX_BYTES + 1)
        except (ValueError, zlib.error) as err:
            raise ValueError("not a packed array") from err
        if unpacker.unconsumed_tail or not unpacker.eof:
            raise ValueError(f"unpacks to more than {_MAX_BYTES:,} bytes, or is cut off")
        return content


class PackedCounts(StrictModel):
    """A `CountTable`: hashed keys with sparse counts per genre."""

    keys: PackedArray
    offsets: PackedArray
    genres: PackedArray
    counts: PackedArray

    @classmethod
    def of(cls, table: CountTable) -> "PackedCounts":
        """Pack a table."""
        return cls(
            keys=PackedArray.of(table.keys, "<i8"),
            offsets=PackedArray.of(table.offsets, "<i4"),
            genres=PackedArray.of(table.genres, "<i4"),
            counts=PackedArray.of(table.counts, "<f4"),
        )

    def unpack(self, n_genres: int) -> CountTable:
        """The table."""
        offsets, genres = (one.array.astype(np.int64) for one in (self.offsets, self.genres))
        return CountTable(self.keys.array, offsets, genres, self.counts.array, n_genres)

    def check(self, n_genres: int) -> None:
        """Refuse what a lookup could read outside of.

        Raises
        ------
        ValueError
        """
        keys, offsets = self.keys.array, self.offsets.array
        genres, counts = self.genres.array, self.counts.array
        fits = (
            {one.ndim for one in (keys, offsets, genres, counts)} == {1}
            and len(offsets) == len(keys) + 1
            and len(genres) == len(counts) == offsets[-1]
            and offsets[0] == 0
            # A difference of two keys may be more than int64 holds.
            and bool((np.diff(offsets) >= 0).all() and (keys[1:] > keys[:-1]).all())
            and bool(((genres >= 0) & (genres < n_genres)).all())
            and bool((np.isfinite(counts) & (counts >= 0)).all())
        )
        if not fits:
            raise ValueError("label evidence is not a table of sorted keys with counts per genre")


class WordPart(StrictModel):
    """A linear model of words.

    Attributes
    ----------
    titles, albums : tuple of str
        Words of titles and of album names.
    weights : PackedArray [shape=(n_words, n_classes)]
        Added per word to the logits of the genres; titles first.
    bias : tuple of float
        Logits of a track without known words.
    """

    titles: tuple[str, ...]
    albums: tuple[str, ...]
    weights: PackedArray
    bias: tuple[Finite, ...]

    @model_validator(mode="after")
    def _lengths_agree(self) -> "WordPart":
        n = len(self.titles) + len(self.albums)
        if self.weights.shape != (n, len(self.bias)) or n > MAX_WORDS:
            raise ValueError(f"{n} words have weights of the shape {self.weights.shape}")
        if not np.isfinite(self.weights.array).all():
            raise ValueError("weights of words are not finite")
        return self

    @property
    def vocabulary(self) -> Vocabulary:
        """The words, ready to be looked up."""
        return Vocabulary(list(self.titles), list(self.albums))


class DocumentPart(StrictModel):
    """A linear model of artists' documents.

    Attributes
    ----------
    weights : PackedArray [shape=(n_classes, 2 ** BITS)]
        Of the hashed n-grams, as whole multiples of `unit`.
    unit : float
    bias : tuple of float
        Logits of an artist without a title.
    """

    weights: PackedArray
    unit: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    bias: tuple[Finite, ...]

    @model_validator(mode="after")
    def _shape_fits(self) -> "DocumentPart":
        if self.weights.dtype != "<i2" or self.weights.shape != (len(self.bias), 2**BITS):
            raise ValueError(f"weights of documents have the shape {self.weights.shape}")
        return self


# Whole numbers keep their type; all else is packed as 32-bit floats.
_WHOLE: dict[str, DType] = {"<i2": "<i2", "<i4": "<i4"}


class _Arrays(StrictModel):
    """A dataclass of arrays as the bundle holds it."""

    @classmethod
    def of(cls, model: Any) -> Self:
        """Pack it."""
        packed = {
            name: PackedArray.of(one, _WHOLE.get(one.dtype.str, "<f4"))
            for name, one in vars(model).items()
        }
        return cls(**packed)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """By name."""
        return {name: one.array for name, one in dict(self).items()}


class SimilarPart(_Arrays):
    """A `SimilarArtists` as the bundle holds it."""

    center: PackedArray
    directions: PackedArray
    ratios: PackedArray
    grams: PackedArray
    units: PackedArray
    offset: PackedArray
    anchors: PackedArray
    weights: PackedArray
    bias: PackedArray
    shares: PackedArray

    def unpack(self) -> SimilarArtists:
        """The model."""
        return SimilarArtists(**self.arrays)

    @model_validator(mode="after")
    def _shapes_fit(self) -> "SimilarPart":
        arrays = self.arrays
        n_scaled, n_directions, n_latent, n_classes = (
            arrays[name].size for name in ("center", "ratios", "offset", "bias")
        )
        n_points = n_directions + n_latent
        n_anchors = max(1, arrays["anchors"].size // max(1, n_points))
        expected = {
            "center": (n_scaled,),
            "directions": (n_scaled, n_directions),
            "ratios": (n_directions,),
            "grams": (N_GRAMS, n_latent + 1),
            "units": (n_latent + 1,),
            "offset": (n_latent,),
            "anchors": (n_anchors, n_points),
            "weights": (n_points + n_directions, n_classes),
            "bias": (n_classes,),
            "shares": (n_anchors, n_classes),
        }
        for name, shape in expected.items():
            if arrays[name].shape != shape or not np.isfinite(arrays[name]).all():
                raise ValueError(f"similar artists: {name} is not finite or not of shape {shape}")
        if min(arrays["shares"].min(), arrays["ratios"].min()) <= 0:
            raise ValueError("similar artists: shares and ratios are not positive")
        return self


# Type and number of dimensions of each array of a `Forest`.
_FOREST: dict[str, tuple[DType, int]] = {
    "roots": ("<i4", 1),
    "inputs": ("<i2", 1),
    "thresholds": ("<f4", 1),
    "children": ("<i4", 2),
    "shares": ("<i2", 2),
}


class ForestPart(_Arrays):
    """A `Forest` as the bundle holds it."""

    roots: PackedArray
    inputs: PackedArray
    thresholds: PackedArray
    children: PackedArray
    shares: PackedArray

    def unpack(self) -> Forest:
        """The forest."""
        return Forest(**self.arrays)

    @model_validator(mode="after")
    def _is_of_trees(self) -> "ForestPart":
        kinds = {name: (one.dtype, len(one.shape)) for name, one in dict(self).items()}
        if kinds != _FOREST or not self._leads_to_leaves():
            raise ValueError(f"the forest does not consist of trees of depth {MAX_DEPTH} at most")
        return self

    def _leads_to_leaves(self) -> bool:
        """Whether every path from a root ends in a leaf in time, with numbers to compare on the way."""
        one = self.unpack()
        n_inner, n_nodes = len(one.inputs), len(one.inputs) + len(one.shares)
        fits = (
            0 < len(one.roots) <= MAX_TREES
            and one.thresholds.shape == (n_inner,)
            and one.children.shape == (n_inner, 2)
            and bool((one.roots >= 0).all() and (one.inputs >= 0).all())
            and bool((one.children > np.arange(n_inner)[:, None]).all())
            and max(one.roots.max(), one.children.max(initial=0)) < n_nodes
            and bool(np.isfinite(one.thresholds).all() and (one.shares >= 0).all())
        )
        node = one.roots
        for _ in range(MAX_DEPTH if fits else 0):
            node = np.unique(one.children[node[node < n_inner]])
        return fits and not (node < n_inner).any()

    def check(self, n_inputs: int, n_classes: int) -> None:
        """Refuse a forest that compares other inputs, or knows other genres.

        Raises
        ------
        ValueError
        """
        if self.inputs.array.max(initial=0) >= n_inputs or self.shares.shape[1] != n_classes:
            raise ValueError(f"the forest is not of {n_inputs} inputs and {n_classes} genres")


class GenrePart(SparseModel):
    """What scoring needs of the real genres beside the network.

    Attributes
    ----------
    classes : tuple of str
        Genres in the order of the network's outputs.
    prior : tuple of float
        Share of each genre among the labelled tracks.
    words : WordPart, optional
    document : DocumentPart, optional
    similar : SimilarPart, optional
    forest : ForestPart, optional
        Of artists. With it the ONNX file has the artist network too.
    artist, named, album, synthetic : PackedCounts
        See `evidence.Evidence`.
    heads : dict of str to Head
        By kind of track.
    has_artists : bool
        Whether the labelled tracks name artists.
    acceptance : Acceptance
        By kind of track too.
    """

    classes: Annotated[tuple[str, ...], Field(min_length=2)]
    prior: tuple[Annotated[float, Field(gt=0, le=1)], ...]
    words: WordPart | None
    document: DocumentPart | None
    artist: PackedCounts
    named: PackedCounts
    album: PackedCounts
    synthetic: PackedCounts
    heads: dict[str, Head]
    has_artists: bool
    acceptance: Acceptance
    similar: SimilarPart | None = None
    forest: ForestPart | None = None

    @model_validator(mode="after")
    def _parts_fit(self) -> "GenrePart":
        n = len(self.classes)
        linear = [one.bias for one in (self.words, self.document) if one]
        biases = [head.bias for head in self.heads.values()]
        shapes: list[tuple[int, ...]] = [(len(one),) for one in (self.prior, *linear, *biases)]
        shapes += [self.similar.bias.shape] if self.similar else []
        if any(shape != (n,) for shape in shapes):
            raise ValueError(
                f"prior, words, documents, similar artists or heads are not of {n} genres"
            )
        for table in (self.artist, self.named, self.album, self.synthetic):
            table.check(n)
        if set(self.heads) != set(KINDS):
            raise ValueError(f"heads are not of the kinds {', '.join(KINDS)}")
        return self

    @property
    def reads_text(self) -> bool:
        """Whether titles and album names are needed."""
        return any((self.words, self.document, self.similar))

    @property
    def relates_artists(self) -> bool:
        """Whether a label depends on the other tracks of its artist."""
        return self.has_artists or self._uses(NETWORK_MEAN_TERMS)

    def trimmed(self) -> "GenrePart":
        """The same without models of which no term counts: it labels alike."""
        terms = {
            "words": (*WORD_TERMS, *ARTIST_TERMS),
            "document": (*DOCUMENT_TERMS, *ARTIST_TERMS),
            "similar": SIMILAR_TERMS,
            "forest": ARTIST_TERMS,
        }
        unused = {name: None for name, used in terms.items() if not self._uses(used)}
        return self.model_copy(update=unused)

    @property
    def artist_keys(self) -> np.ndarray:
        """Artists with labelled tracks [dtype=int64], in order."""
        return self.artist.keys.array

    def _uses(self, terms: tuple[str, ...]) -> bool:
        return any(head.uses(terms) for head in self.heads.values())

    def evidence(self) -> Evidence:
        """Unpack the counts of labelled tracks."""
        n = len(self.classes)
        tables = (self.artist, self.named, self.album, self.synthetic)
        return Evidence(*[table.unpack(n) for table in tables])
