"""Arrays in a JSON file: little-endian bytes, compressed, in base64."""

import base64
import math
import zlib
from typing import Literal

import numpy as np
from pydantic import model_validator

from genre_spark._model import StrictModel

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
