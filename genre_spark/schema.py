"""Columns, units, ranges and words: declared once, rendered to Spark and to numpy elsewhere."""

from dataclasses import dataclass
from typing import Literal, get_args

TRACK_ID = "track_id"
ARTIST = "artist"
# All artists that a track names, as array<string>; optional. `ARTIST` is the first of them.
ARTISTS = "artists"
ALBUM = "album"
TITLE = "title"
GENRE = "genre"
# All genres of the rows of a track that stands under several; null for any other track.
GENRES = "genres"
TEXT_COLUMNS = (TRACK_ID, ARTIST, ALBUM, TITLE, GENRE)

# What tables and pictures call the network, beside the baselines.
MODEL = "CNN"

# Characters; a longer id is a mistake of whoever wrote the table.
MAX_ID_LENGTH = 1000

# What tracks share: the catalogue's context is taken over these.
GROUPS = (ARTIST, ALBUM)


@dataclass(frozen=True)
class AudioFeature:
    """One audio feature of a track, as Spotify's API defined it.

    Parameters
    ----------
    name : str
        Canonical column name.
    low, high : float
        Bounds of the possible values, inclusive, in `unit`.
    unit : str
        Unit of the raw value; empty for a proportion.
    encoding : str
        How the models see it, a name in `features.ENCODINGS`.
    low_word, high_word : str
        What a listener calls a low and a high value; empty where there is no such word.
    integer : bool
        Whether only whole numbers are possible.
    per_unit : float
        Raw values are divided by this for display.
    display_unit : str
        Unit after that division.
    word_bound : float, optional
        No value below it deserves the high word, and none above it the low word.

    References
    ----------
    Spotify for Developers, "Get Track's Audio Features".
    """

    name: str
    low: float
    high: float
    encoding: str = "linear"
    low_word: str = ""
    high_word: str = ""
    unit: str = ""
    integer: bool = False
    per_unit: float = 1.0
    display_unit: str = ""
    word_bound: float | None = None


# A tempo, danceability or time signature of 0 means that the analysis found no beat: it is not
# a slow track but an unknown one. The same holds for key -1. So those bounds lie above 0 (-1).
_ABOVE_ZERO = 1e-9
_DAY_MS = 24 * 3600 * 1000

AUDIO_FEATURES = (
    AudioFeature("danceability", _ABOVE_ZERO, 1, "linear", "", "danceable", word_bound=0.5),
    AudioFeature("energy", 0, 1, "linear", "calm", "energetic", word_bound=0.5),
    AudioFeature("key", 0, 11, "circular", unit="pitch class", integer=True),
    AudioFeature(
        "loudness", -70, 12, "linear", "quiet", "loud", unit="dB", display_unit="dB", word_bound=-9
    ),
    AudioFeature("mode", 0, 1, "linear", "minor", "major", integer=True),
    AudioFeature("speechiness", 0, 1, "log_share", "", "wordy", word_bound=0.1),
    AudioFeature("acousticness", 0, 1, "root", "electric", "acoustic", word_bound=0.5),
    AudioFeature("instrumentalness", 0, 1, "root", "vocal", "instrumental", word_bound=0.5),
    AudioFeature("liveness", 0, 1, "log_share", "studio", "live", word_bound=0.8),
    AudioFeature("valence", 0, 1, "linear", "dark", "cheerful", word_bound=0.5),
    AudioFeature(
        "tempo", 1, 350, "log", "slow", "fast", unit="BPM", display_unit="BPM", word_bound=110
    ),
    AudioFeature(
        "duration_ms", 1000, _DAY_MS, "log", "short", "long",
        unit="ms", per_unit=60_000, display_unit="min", word_bound=210_000,
    ),
)  # fmt: skip

# Extras that have a known meaning; any other numeric extra may take every finite value.
KNOWN_EXTRAS = (
    AudioFeature("time_signature", 1, 16, unit="beats", integer=True, display_unit="beats"),
    AudioFeature("year", 1860, 2100, "linear", "old", "recent", unit="year", integer=True),
)

_MAX_FINITE = 1e300
_BY_NAME = {feature.name: feature for feature in AUDIO_FEATURES + KNOWN_EXTRAS}


def feature(name: str) -> AudioFeature:
    """The declaration of a feature; a numeric extra of any range where it is not a known one."""
    return _BY_NAME.get(name) or AudioFeature(name, -_MAX_FINITE, _MAX_FINITE)


def unknown(name: str) -> tuple[float, ...]:
    """What analysers write for "nothing found" in a feature that cannot have the value.

    A mode of -1 is how some write minor.
    """
    return (0.0,) if name == "mode" else (0.0, -1.0)


FEATURE_NAMES = tuple(feature.name for feature in AUDIO_FEATURES)
# Which of them a track lacks is counted by the bits of a bigint.
MAX_FEATURES = 63

# The labelled catalogue, as Spark's DDL: the contract with those who read it.
LABELLED_COLUMNS = {
    TRACK_ID: "string",
    "synthetic_genre_id": "int",
    "synthetic_genre": "string",
    "synthetic_genre_distance": "float",
    "genre": "string",
    "genre_confidence": "float",
    # Not "float": 0.95 as one is less than 0.95, and `genre_precision >= 0.95` must hold.
    "genre_precision": "double",
    "genre_accepted": "boolean",
    "genre_top3": "array<struct<genre:string,probability:float>>",
    "n_imputed": "int",
    "model_id": "string",
    "input_hash": "bigint",
    "scored_at": "timestamp",
}

# By which its files may be parted into directories. Readers take the values from the directories'
# names: others than whole numbers would come back as another type in some of them.
PartitionColumn = Literal["synthetic_genre_id"]
PARTITION_COLUMNS: tuple[PartitionColumn, ...] = get_args(PartitionColumn)

# In which a labelled catalogue may be published; see `publishing.formats`.
TableFormat = Literal["parquet", "delta"]
TABLE_FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)

# What `score --explain` adds after them: the features that support a label most.
WHY_SYNTHETIC, WHY_GENRE = "synthetic_genre_why", "genre_why"
EVIDENCE = "genre_evidence"
WHY_COLUMNS = {
    **dict.fromkeys((WHY_SYNTHETIC, WHY_GENRE), "array<struct<feature:string,effect:float>>"),
    # Labelled tracks of the artist, of other artists on the track and of the album.
    EVIDENCE: "int",
}


def labelled_columns(explain: bool) -> dict[str, str]:
    """Columns of a labelled catalogue, in order, with or without those that say why."""
    return LABELLED_COLUMNS | WHY_COLUMNS if explain else dict(LABELLED_COLUMNS)


# The same in every row of a run; the workers leave them to Spark.
RUN_COLUMNS = ("model_id", "scored_at")
