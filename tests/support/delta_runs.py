"""Publishes Delta tables one after the other, until killed; needs no Java."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
from pyarrow import parquet as pq
from pyspark.sql import types as T

from genre_spark.config import load_settings
from genre_spark.publishing.delta import DeltaTables

_SCHEMA = T.StructType([T.StructField("generation", T.LongType())])
_TABLE = SimpleNamespace(schema=_SCHEMA)
_SPARK = SimpleNamespace(
    conf=SimpleNamespace(get=lambda key: "", set=lambda key, value: None),
    read=SimpleNamespace(parquet=lambda path: _TABLE),
)


def publish(folder: str, generation: int) -> None:
    """Publishes some rows and some quarantined ones of a generation, which is its run's id."""
    form = DeltaTables(_SPARK, folder, load_settings(overrides=("table_format=delta",)))
    with form.publishing(switch=True, run_id=f"{generation:012x}") as target:
        for place, rows in ((target.staging, 3), (target.quarantine, 1 + generation % 2)):
            name = "part-00000-01234567-89ab-cdef-0123-456789abcdef-c000.snappy.parquet"
            Path(place).mkdir(parents=True)
            pq.write_table(pa.table({"generation": [generation] * rows}), f"{place}/{name}")
        content = {"rows": {"quarantined": 1 + generation % 2}, "model_id": "x"}
        manifest = SimpleNamespace(model_dump=lambda **_: content)
        target.complete(manifest, _TABLE)


def publish_forever(folder: str, first: int, ready) -> None:
    """Publishes generation after generation; says when the first one, which loads libraries, is there."""
    for generation in itertools.count(first):
        publish(folder, generation)
        ready.set()
