"""The same labels by the same worker code in one plain process: Polars, ONNX Runtime, pyarrow.

    python benchmarks/one_process.py --catalog tracks --model models/reference --output labels.parquet

No Spark, no checks of the input, no quarantine, no verified switch. For one thread set
OMP_NUM_THREADS, OPENBLAS_NUM_THREADS and POLARS_MAX_THREADS to 1.
"""

import argparse
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import xxhash

from genre_spark.bundle import files
from genre_spark.bundle.manifest import ScoringPart
from genre_spark.features.artist_batches import (
    ALBUM_KEY,
    ALBUM_TEXT,
    ARTIST_KEY,
    FEATURES,
    GROUP,
    TITLE_TEXT,
)
from genre_spark.features.track_inputs import lists
from genre_spark.schema import ALBUM, ARTIST, TITLE, TRACK_ID
from genre_spark.scoring.worker import HAS_GENRE, IS_AMBIGUOUS, MISSING, OWN_HASH, Labeller

_PARTITION = 1_000_000


def main() -> None:
    """Labels a catalogue whose tracks are clean and whose artists fit a partition each."""
    parser = argparse.ArgumentParser(description="Labels a catalogue in one process.")
    for name in ("--catalog", "--model", "--output"):
        parser.add_argument(name, required=True)
    given = parser.parse_args()
    label(given.catalog, given.model, given.output)


def label(catalog: str, model: str, output: str) -> None:
    """Writes the labels of a catalogue of Parquet files."""
    pa.set_cpu_count(1)
    opened = files.load(model)
    scoring = opened.manifest.scoring
    labeller = Labeller(scoring, opened.onnx)
    texts = [ARTIST, ALBUM, *([TITLE] if scoring.reads_text else [])]
    names = [TRACK_ID, *texts, *scoring.scaler.features]
    where = f"{catalog}/*.parquet" if Path(catalog).is_dir() else catalog
    tracks = pl.read_parquet(where, columns=names)
    keys = {name: _keys(tracks[name]) for name in (ARTIST, ALBUM)}
    writer = None
    # Whole artists at a time, so that memory stays bounded.
    part = keys[ARTIST].fill_null(0).to_numpy().view(np.uint64) % max(1, len(tracks) // _PARTITION)
    for i in np.unique(part):
        rows = np.flatnonzero(part == i)
        batch = _rows(
            tracks[rows], {name: key.take(pa.array(rows)) for name, key in keys.items()}, scoring
        )
        for found in labeller.batches(iter([batch])):
            labels = labeller.label(found)
            writer = writer or pq.ParquetWriter(output, labels.schema, compression="snappy")
            writer.write_batch(labels)
    if writer:
        writer.close()


def _rows(tracks: pl.DataFrame, keys: dict[str, pa.Array], scoring: ScoringPart) -> pa.RecordBatch:
    n = len(tracks)
    raw = tracks.select(
        pl.col(name).cast(pl.Float32).fill_null(float("nan")) for name in scoring.scaler.features
    )
    lone = pa.array(-1 - np.arange(n))
    columns = {
        TRACK_ID: tracks[TRACK_ID].to_arrow().cast(pa.string()),
        GROUP: pc.coalesce(keys[ARTIST], lone),
        ARTIST_KEY: keys[ARTIST],
        ALBUM_KEY: keys[ALBUM],
        FEATURES: lists(raw.to_numpy(order="c")),
        MISSING: pa.array(np.zeros(n, np.int64)),
        HAS_GENRE: pa.nulls(n, pa.bool_()),
        IS_AMBIGUOUS: pa.nulls(n, pa.bool_()),
        OWN_HASH: pa.array(np.arange(n)),
    }
    if scoring.reads_text:
        columns[TITLE_TEXT] = tracks[TITLE].to_arrow().cast(pa.string())
        columns[ALBUM_TEXT] = tracks[ALBUM].to_arrow().cast(pa.string())
    return pa.RecordBatch.from_pydict(columns)


def _keys(names: pl.Series) -> pa.Array:
    """As Spark's ``xxhash64``; each name is hashed once."""
    unique = names.unique()
    hashes = [None if n is None else xxhash.xxh64_intdigest(n.encode(), 42) for n in unique]
    signed = [h if h is None or h < 2**63 else h - 2**64 for h in hashes]
    table = pl.DataFrame({"name": unique, "key": pl.Series(signed, dtype=pl.Int64)})
    joined = pl.DataFrame({"name": names}).join(
        table, on="name", how="left", nulls_equal=True, maintain_order="left"
    )
    return joined["key"].to_arrow()


if __name__ == "__main__":
    main()
