"""The pydantic base of all files that genre-spark writes and reads, and field types they share."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Finite = Annotated[float, Field(allow_inf_nan=False)]


class StrictModel(BaseModel):
    """Immutable; refuses unknown fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)
