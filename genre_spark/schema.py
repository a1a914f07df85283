"""Columns, units, ranges and words: declared once, rendered to Spark and to numpy elsewhere."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

TRACK_ID = "track_id"
ARTIST = "artist"
# All artists that a track names, as array<string>; optional. `ARTIST` is the first of them.
ARTISTS = "artists"
ALBUM = "album"
TITLE = "title"
GENRE = "genre"
# All genres of the rows of a track that stands under several; null for any other track.
GENRES = "genres"
# Which service or program measured a track's features; optional, where there are several.
FEATURE_SOURCE = "feature_source"
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

_BY_CLUSTERS = "null with a clusters bundle"
_BY_FEATURES = "null where neither the track nor its artist's other tracks have features"


class LabelColumn(NamedTuple):
    """A column of the labelled catalogue, the contract with those who read it.

    Attributes
    ----------
    kind : str
        Its type in Spark's DDL.
    absent : str
        Where it is null; empty for never.
    limits : dict of str to object
        In the words of JSON Schema.
    """

    kind: str
    meaning: str = ""
    absent: str = ""
    limits: Mapping[str, Any] = {}


_SHARE = {"minimum": 0, "maximum": 1}
_WHY = "array<struct<feature:string,effect:float>>", "with --explain; the strongest feature first"
LABEL_COLUMNS = {
    TRACK_ID: LabelColumn("string", "unique", limits={"minLength": 1, "maxLength": MAX_ID_LENGTH}),
    "synthetic_genre_id": LabelColumn("int", "stable id", _BY_FEATURES, {"minimum": 0}),
    "synthetic_genre": LabelColumn("string", "name", _BY_FEATURES, {"minLength": 1}),
    "synthetic_genre_distance": LabelColumn(
        "float",
        "to its center, in the units in which tracks are compared",
        _BY_FEATURES,
        {"minimum": 0},
    ),
    "genre": LabelColumn(
        "string", "most probable genre", f"null where nothing is known of the track; {_BY_CLUSTERS}"
    ),
    "genre_confidence": LabelColumn("float", "calibrated probability", _BY_CLUSTERS, _SHARE),
    # Not "float": 0.95 as one is less than 0.95, and `genre_precision >= 0.95` must hold.
    "genre_precision": LabelColumn(
        "double",
        "precision that labels of such confidence meet with 95 % certainty",
        f"null where none can be promised; {_BY_CLUSTERS}",
        _SHARE,
    ),
    "genre_accepted": LabelColumn(
        "boolean", "genre_precision is at least target_precision", _BY_CLUSTERS
    ),
    "genre_top3": LabelColumn(
        "array<struct<genre:string,probability:float>>",
        "the most probable first",
        _BY_CLUSTERS,
        {"maxItems": 3},
    ),
    "n_imputed": LabelColumn("int", "features that the track lacks", limits={"minimum": 0}),
    "model_id": LabelColumn(
        "string", "content hash of the model", limits={"pattern": "^[0-9a-f]{16}$"}
    ),
    "input_hash": LabelColumn("bigint", "hash of what the model read for this track"),
    "scored_at": LabelColumn("timestamp", "when the run began that made this row"),
}
# What `score --explain` adds after them: the features that support a label most.
WHY_SYNTHETIC, WHY_GENRE = "synthetic_genre_why", "genre_why"
EVIDENCE = "genre_evidence"
EXPLAINED_COLUMNS = {
    WHY_SYNTHETIC: LabelColumn(*_WHY, limits={"maxItems": 3}),
    WHY_GENRE: LabelColumn(*_WHY, _BY_CLUSTERS, {"maxItems": 3}),
    EVIDENCE: LabelColumn(
        "int",
        "with --explain; labelled tracks of the artist, of other artists on the track and of the album",
        _BY_CLUSTERS,
        {"minimum": 0},
    ),
}
LABELLED_COLUMNS = {name: one.kind for name, one in LABEL_COLUMNS.items()}
WHY_COLUMNS = {name: one.kind for name, one in EXPLAINED_COLUMNS.items()}

# By which its files may be parted into directories. Readers take the values from the directories'
# names: others than whole numbers would come back as another type in some of them.
PartitionColumn = Literal["synthetic_genre_id"]
PARTITION_COLUMNS: tuple[PartitionColumn, ...] = get_args(PartitionColumn)

# In which a labelled catalogue may be published; see `publishing.destination`.
TableFormat = Literal["parquet", "delta"]
TABLE_FORMATS: tuple[TableFormat, ...] = get_args(TableFormat)


def labelled_columns(explain: bool) -> dict[str, str]:
    """Columns of a labelled catalogue, in order, with or without those that say why."""
    return LABELLED_COLUMNS | WHY_COLUMNS if explain else dict(LABELLED_COLUMNS)


# The same in every row of a run; the workers leave them to Spark.
RUN_COLUMNS = ("model_id", "scored_at")
