"""Random edits of a catalogue, and models to label it with: for incremental scoring."""

import random

import numpy as np
import pandas as pd

from genre_spark.bundle import files
from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.pipelines import score as score_pipeline
from genre_spark.platform import atomic_directory
from genre_spark.publishing.labels import LabelRequest
from genre_spark.schema import TEXT_COLUMNS, labelled_columns
from genre_spark.source import Dataset
from support.generated import (
    make_genre_part,
    make_manifest,
    make_tracks,
    with_scoring,
    write_bundle,
)
from support.networks import make_network

# Few features make small plans; what is tested depends on none of them.
FEATURES = ("energy", "key", "tempo")
SETTINGS = load_settings(overrides=("max_quarantined=1", "max_imputed=1"))
ARTISTS = tuple(f"Artist 1-{i}" for i in range(8))
KNOWN = {"model": ARTISTS[:3], "other artists known": ARTISTS[2:5], "other network": ARTISTS[:3]}


class RunEndedError(Exception):
    """Stands for whatever ends a run before its time."""


def start(n=60):
    """A catalogue of few artists, each with an album or two."""
    tracks = make_tracks(n, seed=1, artists=len(ARTISTS), albums=12)[[*TEXT_COLUMNS, *FEATURES]]
    return tracks.astype(dict.fromkeys(FEATURES, object))


def make_models(spark, folder):
    """Paths of three bundles that differ in what their names say."""
    paths = {}
    for name, known in KNOWN.items():
        network = make_network(seed=1 if name == "other network" else 0, scaled=4)
        manifest = make_manifest(network, features=FEATURES)
        keys = spark.createDataFrame([(artist,) for artist in known], "artist string")
        keys = np.array([row[0] for row in keys.selectExpr("xxhash64(artist)").collect()])
        manifest = with_scoring(manifest, network, genres=make_genre_part(artists=keys.tolist()))
        paths[name] = str(write_bundle(folder / name, manifest, network))
    return paths


def request(source, model, output, settings=None, **options):
    return LabelRequest(source, files.load(model), str(output), settings or SETTINGS, **options)


def score(spark, tracks, model, output, table=None, settings=None, **options):
    """Labels a catalogue that stands in a file of its own."""
    table = table or output.parent / f"{output.name}.parquet"
    tracks.astype(dict.fromkeys(FEATURES, str)).to_parquet(table)
    source = Source(str(table), Dataset())
    return score_pipeline.run(spark, request(source, model, output, settings, **options)).summary()


def interrupt(spark, tracks, model, output, at):
    """An incremental run that fails where `publish` does one of its steps."""
    original = getattr(atomic_directory, at)

    def fail(*_):
        raise RunEndedError

    setattr(atomic_directory, at, fail)
    try:
        score(spark, tracks, model, output, incremental=True)
    except RunEndedError:
        return
    finally:
        setattr(atomic_directory, at, original)
    raise AssertionError("was not interrupted")


def labels(folder):
    """The labelled rows but for when they were made, in order."""
    # Where it is a directory's name, pandas takes the id for a category, and puts it last.
    rows = pd.read_parquet(folder).astype({"synthetic_genre_id": "int32"})
    rows = rows[[name for name in labelled_columns(True) if name in rows and name != "scored_at"]]
    return rows.sort_values("track_id").reset_index(drop=True)


def quarantine(folder):
    rows = pd.read_parquet(folder / "_quarantine")
    return rows.astype(str).sort_values(list(rows)).reset_index(drop=True)


def assert_equal(one, other):
    """Two labelled catalogues hold the same rows, to the last bit, and the same quarantine."""
    pd.testing.assert_frame_equal(labels(one), labels(other), check_exact=True)
    pd.testing.assert_frame_equal(quarantine(one), quarantine(other))


# Each edit takes a catalogue and a random generator, and gives a catalogue.


def _some(tracks, rng, most=4):
    return rng.choice(
        tracks.index, size=min(len(tracks), int(rng.integers(1, most + 1))), replace=False
    )


def _set(tracks, rows, column, value):
    tracks = tracks.copy()
    tracks.loc[rows, column] = value
    return tracks


def _add(tracks, rng):
    new = make_tracks(int(rng.integers(1, 4)), seed=int(rng.integers(2, 10_000)), artists=6)
    new["artist"] = rng.choice([*ARTISTS, "Artist new"], len(new))
    return pd.concat([tracks, new[list(tracks)].astype(object)], ignore_index=True)


def _without(tracks, gone):
    left = tracks[~gone].reset_index(drop=True)
    return left if len(left) > 10 else tracks


def _swap_two(tracks, rng):
    """Two tracks of one artist change places: sums over the artist stay as they were."""
    tracks = tracks.copy()
    own = tracks.index[tracks["artist"] == rng.choice(ARTISTS)]
    if len(own) >= 2:
        one, other = rng.choice(own, 2, replace=False)
        columns = list(FEATURES)
        tracks.loc[[one, other], columns] = tracks.loc[[other, one], columns].to_numpy()
    return tracks


def _add_twins(tracks, rng):
    """Two tracks that are equal but for their ids."""
    twins = tracks.loc[[rng.choice(tracks.index)] * 2].copy()
    twins["track_id"] = [f"twin {rng.integers(100)}" for _ in range(2)]
    return pd.concat([tracks, twins], ignore_index=True)


def _take_features(tracks, rng):
    gone = rng.permutation(FEATURES)[: int(rng.integers(1, len(FEATURES) + 1))]
    return _set(tracks, _some(tracks, rng), list(gone), "nan")


def _rename_an_artist(tracks, rng):
    """Nothing else changes; but an artist may become, or cease to be, a known one."""
    old, new = rng.choice(ARTISTS), rng.choice([*ARTISTS, "Artist renamed"])
    return tracks.assign(artist=tracks["artist"].replace({old: new}))


def _sets(column, value, most=4):
    """Sets a column of some tracks to what a random generator, and the tracks, give."""
    return lambda tracks, rng: _set(tracks, _some(tracks, rng, most), column, value(rng, tracks))


EDITS = {
    "add": _add,
    "remove": lambda tracks, rng: _without(tracks, tracks.index.isin(_some(tracks, rng))),
    "remove_an_artist": lambda tracks, rng: _without(
        tracks, tracks["artist"] == rng.choice(ARTISTS)
    ),
    "change_a_feature": _sets("energy", lambda rng, _: round(float(rng.uniform(0.05, 0.95)), 3)),
    "spoil_a_feature": lambda tracks, rng: _set(
        tracks, _some(tracks, rng), str(rng.choice(FEATURES)), rng.choice(["x", "nan"])
    ),
    "spoil_a_row": _sets(list(FEATURES), lambda *_: "x", most=2),
    "lose_features": _take_features,
    "mend": _sets(list(FEATURES), lambda *_: [0.5, 5.0, 120.0], most=10),
    "move_to_an_artist": _sets("artist", lambda rng, _: rng.choice([*ARTISTS, "Artist new"])),
    "rename_an_artist": _rename_an_artist,
    "lose_the_artist": _sets("artist", lambda *_: None),
    "move_to_an_album": _sets(
        "album", lambda rng, t: rng.choice([*t["album"].dropna().unique(), "Album new"])
    ),
    "swap_two": _swap_two,
    "add_twins": _add_twins,
    "repeat_rows": lambda tracks, rng: pd.concat(
        [tracks, tracks.loc[_some(tracks, rng)]], ignore_index=True
    ),
    "lose_an_id": _sets("track_id", lambda *_: None, most=1),
    "shuffle": lambda tracks, rng: tracks.sample(
        frac=1, random_state=int(rng.integers(1000))
    ).reset_index(drop=True),
}
BY_STEPS, AT_ONCE = "by steps", "at once"
# Steps of `publish` at which a run is interrupted.
MOMENTS = ("_recover", "write_manifest", "_switch")
EVENTS = ("", "", *KNOWN, *MOMENTS)


def sequence(number):
    """Two or three steps by chance, the same for the same number; see `play`."""
    rng = random.Random(number)
    return [
        (rng.choice(sorted(EDITS)), rng.choice(EVENTS), rng.randrange(10_000))
        for _ in range(rng.randint(2, 3))
    ]


def play(spark, sequence, models, folder):
    """Plays steps, each with an incremental run after it, and ends with a full run to compare with.

    A step is an edit, a model or a moment to be interrupted at (or ``""``), and a seed.
    """
    tracks, model, by_steps = start(), models["model"], folder / BY_STEPS
    if not by_steps.exists():
        score(spark, tracks, model, by_steps)
    for edit, event, seed in sequence:
        tracks = EDITS[edit](tracks, np.random.default_rng(seed))
        model = models.get(event, model)
        if event in MOMENTS:
            before = labels(by_steps)
            interrupt(spark, tracks, model, by_steps, event)
            pd.testing.assert_frame_equal(labels(by_steps), before, check_exact=True)
        found = score(spark, tracks, model, by_steps, incremental=True)
        assert found["incremental"]["in_full_because"] is None
    score(spark, tracks, model, folder / AT_ONCE)
    assert_equal(by_steps, folder / AT_ONCE)
