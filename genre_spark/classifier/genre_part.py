"""The real genres as the bundle holds them, beside the network."""

from typing import Annotated

import numpy as np
from pydantic import Field, model_validator

from genre_spark._model import Finite, StrictModel
from genre_spark.classifier.calibration import Acceptance
from genre_spark.classifier.evidence import CountTable, Evidence
from genre_spark.classifier.head import (
    ARTIST_TERMS,
    DOCUMENT_TERMS,
    KINDS,
    NETWORK_MEAN_TERMS,
    WORD_TERMS,
    Head,
)
from genre_spark.classifier.packed_array import PackedArray
from genre_spark.features.documents import BITS
from genre_spark.features.words import MAX_WORDS, Vocabulary


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
            and bool((np.diff(offsets) >= 0).all() and (np.diff(keys) > 0).all())
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


class GenrePart(StrictModel):
    """What scoring needs of the real genres beside the network.

    Attributes
    ----------
    classes : tuple of str
        Genres in the order of the network's outputs.
    prior : tuple of float
        Share of each genre among the labelled tracks.
    words : WordPart, optional
    document : DocumentPart, optional
    artist_network : bool
        Whether the ONNX file has the artist network beside the tracks' one.
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
    artist_network: bool
    artist: PackedCounts
    named: PackedCounts
    album: PackedCounts
    synthetic: PackedCounts
    heads: dict[str, Head]
    has_artists: bool
    acceptance: Acceptance

    @model_validator(mode="after")
    def _parts_fit(self) -> "GenrePart":
        n = len(self.classes)
        linear = [one.bias for one in (self.words, self.document) if one]
        biases = [head.bias for head in self.heads.values() if head.bias]
        if any(len(one) != n for one in (self.prior, *linear, *biases)):
            raise ValueError(f"prior, words, documents or heads are not of {n} genres")
        for table in (self.artist, self.named, self.album, self.synthetic):
            table.check(n)
        if set(self.heads) != set(KINDS) or set(self.acceptance.thresholds) != set(KINDS):
            raise ValueError(f"heads and acceptance are not of the kinds {', '.join(KINDS)}")
        return self

    @property
    def reads_words(self) -> bool:
        """Whether words of titles and album names count."""
        return self.words is not None and self._uses((*WORD_TERMS, *ARTIST_TERMS))

    @property
    def reads_documents(self) -> bool:
        """Whether artists' documents count."""
        return self.document is not None and self._uses((*DOCUMENT_TERMS, *ARTIST_TERMS))

    @property
    def reads_text(self) -> bool:
        """Whether titles and album names are needed."""
        return self.reads_words or self.reads_documents

    @property
    def reads_statistics(self) -> bool:
        """Whether the artist network counts."""
        return self.artist_network and self._uses(ARTIST_TERMS)

    @property
    def relates_artists(self) -> bool:
        """Whether a label depends on the other tracks of its artist."""
        return self.has_artists or self._uses(NETWORK_MEAN_TERMS)

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
