"""The pydantic base of all files that genre-spark writes and reads, and field types they share."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    WithJsonSchema,
    model_serializer,
)


def _is_iso(text: str) -> str:
    datetime.fromisoformat(text)
    return text


Finite = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
# A time as the files have it: kept as it was written.
Timestamp = Annotated[
    str, AfterValidator(_is_iso), WithJsonSchema({"type": "string", "format": "date-time"})
]


def now() -> str:
    """The present time as a `Timestamp`, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class StrictModel(BaseModel):
    """Immutable; refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class SparseModel(StrictModel):
    """Leaves fields that were not given out of files."""

    @model_serializer(mode="wrap")
    def _given(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = serialize(self)
        names = {
            field.serialization_alias or field.alias or name: name
            for name, field in type(self).model_fields.items()
        }
        return {
            key: value
            for key, value in written.items()
            if names.get(key, key) in self.model_fields_set
        }
