"""Where a well-known table comes from, and how one gets it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

Url = Annotated[str, Field(pattern=r"^https?://\S+$")]
Count = Annotated[int, Field(ge=1)]


class Download(BaseModel):
    """A file that anybody may download.

    Parameters
    ----------
    url : str
        Of one version that never changes.
    sha256 : str
        Of that file's bytes, 64 hexadecimal digits. Without it nobody could tell half a file from
        a whole one, so a table without it cannot be fetched.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Url
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Origin(BaseModel):
    """Where a table comes from.

    Parameters
    ----------
    page : str
        What to read about it.
    licence : str
        As its page states it.
    file : str
        Name of the table's file.
    rows, genres : int
        How many it has, at least about; genres absent where it has none.
    size : int
        Bytes of the file, about.
    download : Download, optional
        Where it is hosted openly.
    how : str
        Otherwise: how to get it, in few words.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    page: Url
    licence: str
    file: str
    rows: Count
    genres: Count | None = None
    size: Count | None = None
    download: Download | None = None
    how: str = ""

    @model_validator(mode="after")
    def _can_be_had(self) -> "Origin":
        if (self.download is None) == (not self.how):
            raise ValueError("either download or how should say how to get the table")
        return self
