"""The manifest of a labelled catalogue, and what readers may rely on, as JSON Schema."""

import re
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
)

from genre_spark._model import Count, SparseModel, StrictModel, Timestamp
from genre_spark.bundle.manifest import LabelProfile
from genre_spark.catalog.rows import RowCounts
from genre_spark.config import Settings
from genre_spark.errors import InputError
from genre_spark.monitoring.drift import Drift
from genre_spark.platform.atomic_directory import MANIFEST, read_manifest
from genre_spark.platform.storage import Storage
from genre_spark.schema import EXPLAINED_COLUMNS, LABEL_COLUMNS
from genre_spark.source import Dataset

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_INT, _LONG = 2**31, 2**63
# Spark's types of values, as Parquet readers give them to JSON.
_TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "int": {"type": "integer", "minimum": -_INT, "maximum": _INT - 1},
    "bigint": {"type": "integer", "minimum": -_LONG, "maximum": _LONG - 1},
    "float": {"type": "number"},
    "double": {"type": "number"},
    "boolean": {"type": "boolean"},
    "timestamp": {"type": "string", "format": "date-time"},
}
# As published manifests have them.
_ORDER_OF_ROWS = (
    "read", "accepted", "duplicates", "ambiguous", "with_genre", "labelled", "imputed",
    "without_features", "missing", "quarantined", "fingerprint", "reasons", "values",
)  # fmt: skip


def labelled_schema() -> dict[str, Any]:
    """JSON Schema of a row of a labelled catalogue."""
    columns = {}
    for name, one in (LABEL_COLUMNS | EXPLAINED_COLUMNS).items():
        told = "; ".join(filter(None, (one.meaning, one.absent)))
        columns[name] = {**_type(one.kind), **one.limits, "description": told}
        if one.absent:
            columns[name]["type"] = [columns[name]["type"], "null"]
    return {
        "$schema": _DIALECT,
        "title": "A row of a labelled catalogue",
        "type": "object",
        "properties": columns,
        "required": list(LABEL_COLUMNS),
        "additionalProperties": False,
    }


def manifest_schema() -> dict[str, Any]:
    """JSON Schema of a labelled catalogue's ``_manifest.json``."""
    return {"$schema": _DIALECT, **Manifest.model_json_schema(by_alias=True)}


def _type(kind: str) -> dict[str, Any]:
    """Of a value, or of an array of structs of values."""
    structs = re.fullmatch(r"array<struct<(.*)>>", kind)
    if not structs:
        return _TYPES[kind]
    fields = dict(field.split(":") for field in structs[1].split(","))
    item = {
        "type": "object",
        "properties": {name: _TYPES[of] for name, of in fields.items()},
        "required": list(fields),
        "additionalProperties": False,
    }
    return {"type": "array", "items": item}


class Model(StrictModel):
    """The bundle that made the labels."""

    path: str
    created_at: Timestamp


class Source(SparseModel):
    """The table that was labelled; ``version`` is of a Delta table."""

    path: str
    format: str | None
    version: Count | None = None
    dataset: Dataset
    fingerprint: str


class Incremental(StrictModel):
    """Whether labels were to be carried over, and if not, why."""

    asked: bool
    in_full_because: str | None


class Run(StrictModel):
    """A run that made some of the rows."""

    run_id: str | None
    scored_at: Timestamp
    tracks: Count


class LabelledRows(RowCounts):
    """Row counts of the labelled table: read = labelled + quarantined, and `accepted` = `labelled`."""

    labelled: Count
    quarantined: Count

    @model_serializer(mode="wrap")
    def _in_order(self, serialize: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = serialize(self)
        return {name: written[name] for name in _ORDER_OF_ROWS}


class Labels(LabelProfile, SparseModel):
    """How many tracks have which label; with --explain, which feature spoke for it first."""

    reasons: dict[str, dict[str, dict[str, Count]]] | None = None


Hash = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class Manifest(StrictModel):
    """What ``_manifest.json`` says."""

    made_by: Literal["genre-spark"]
    run_id: str
    scored_at: Timestamp
    model_id: Hash
    model: Model
    source: Source
    software: dict[str, str]
    incremental: Incremental
    runs: tuple[Run, ...]
    rows: LabelledRows
    checksum: Hash
    columns: dict[str, str] = Field(alias="schema")
    labels: Labels
    drift: Drift
    settings: Settings
    finished_at: Timestamp
    seconds: Annotated[float, Field(ge=0)]
    # Bytes by relative path; what is not in it is never deleted.
    files: dict[str, Count]


class Published(BaseModel):
    """A published catalogue, whichever version of genre-spark wrote its manifest.

    `manifest`: None where another version wrote it; not part of summaries.
    """

    run_id: str | None = None
    scored_at: str | None = None
    model_id: str | None = None
    rows: dict[str, Any] | None = None
    manifest: Manifest | None = Field(None, exclude=True)


def find(storage: Storage, path: str) -> Published | None:
    """The published catalogue at a path; None where there is none of genre-spark's."""
    content = read_manifest(storage, path)
    return None if content is None else published(content)


def published(content: dict[str, Any]) -> Published:
    """A published catalogue, by the content of its manifest."""
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError:
        manifest = None
    try:
        return Published.model_validate(content | {"manifest": manifest})
    except ValidationError:
        return Published()


def checked(content: dict[str, Any], path: str) -> Manifest:
    """A manifest by its content. Raises `InputError` if another version of genre-spark wrote it."""
    try:
        return Manifest.model_validate(content)
    except ValidationError as err:
        place = ".".join(map(str, err.errors()[0]["loc"]))
        raise InputError(
            f"{path}: {MANIFEST} is not as this version writes it ({place}): it was changed, or"
            " another version of genre-spark made it; score again"
        ) from err
