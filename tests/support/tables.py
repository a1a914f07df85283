"""Tables that are looked into, and a good row of one."""

from genre_spark.catalog import advice, inspection
from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.source import Dataset, load_dataset

# Each text column and feature as CSV has it.
GOOD = {
    "artist": "A", "album": "B", "title": "C", "genre": "rock",
    "danceability": "0.5", "energy": "0.5", "key": "5", "loudness": "-6", "mode": "1",
    "speechiness": "0.1", "acousticness": "0.2", "instrumentalness": "0", "liveness": "0.1",
    "valence": "0.4", "tempo": "120", "duration_ms": "200000",
}  # fmt: skip


def inspected(spark, path, folder, fmt=None):
    """What inspect finds, and the dataset file that it writes."""
    settings = load_settings().catalog
    found = inspection.inspect(spark, Source(str(path), Dataset(), fmt), False, settings)
    advice.write(found, folder / "mine.yaml")
    return found, load_dataset(str(folder / "mine.yaml"))
