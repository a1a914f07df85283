"""Questions on a whole catalogue, round by round, as the command writes them."""

import csv
import io

import numpy as np
import pytest
from support.generated import make_tracks

from genre_spark.bundle import files
from genre_spark.catalog.catalogue import Source
from genre_spark.config import load_settings
from genre_spark.errors import InputError, OutputError
from genre_spark.pipelines import suggest
from genre_spark.pipelines.bundles import Request
from genre_spark.schema import FEATURE_NAMES
from genre_spark.source import Dataset


@pytest.fixture(scope="module")
def ask(spark, model, tmp_path_factory):
    """Asks so many questions on a catalogue in which one artist has a genre already."""
    folder = tmp_path_factory.mktemp("suggest")
    tracks = make_tracks(400, seed=2, artists=60)
    truth = dict(zip(tracks["track_id"], tracks["genre"], strict=True))
    owner = dict(zip(tracks["track_id"], tracks["artist"], strict=True))
    tracks["title"] = "=" + tracks["title"]
    # A fifth of the tracks, and all of one artist, lack all features.
    lacking = (np.arange(len(tracks)) % 5 == 0) | (tracks["artist"] == tracks["artist"].iloc[-1])
    tracks.loc[lacking, list(FEATURE_NAMES)] = np.nan
    labelled = tracks["artist"] == tracks["artist"].iloc[0]
    tracks.loc[~labelled, "genre"] = None
    tracks.to_parquet(folder / "tracks.parquet")
    source = Source(str(folder / "tracks.parquet"), Dataset())

    def of(name, number=20, given=(), check=False):
        paths = []
        for i, text in enumerate(given):
            paths.append(str(folder / f"{name}-{i}.answers"))
            (folder / f"{name}-{i}.answers").write_text(text, "utf-8")
        output = folder / name
        settings = load_settings(overrides=("epochs=4", "min_steps=20"))
        request = Request(source, files.load(model), str(output), settings, tuple(paths))
        summary = suggest.run(spark, request, number=number, likely_wrong=check)
        return summary, output.read_text("utf-8")

    return of, truth, owner, tracks["artist"].iloc[0]


def rows(text):
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_rounds_of_questions_ask_each_artist_once_and_the_same_in_every_run(ask):
    of, truth, owner, known = ask
    summary, first = of("first.csv")
    asked = rows(first)
    assert (summary.number, summary.labelled, len(asked)) == (20, 1, 20)
    assert sum(int(one["tracks"]) for one in asked) == summary.tracks
    assert {one["genre"] for one in asked} == {""}
    assert all(one["title"].startswith("'=") for one in asked)
    artists = {owner[one["track_id"]] for one in asked}
    assert len(artists) == 20
    assert known not in artists
    assert of("again.csv")[1] == first
    said = "track_id,genre\n" + "".join(
        f"{one['track_id']},{truth[one['track_id']] if i else '?'}\n" for i, one in enumerate(asked)
    )
    summary, page = of("second.html", 60, [said])
    assert summary.labelled == 20
    assert page.count("<title>Which genre is it?</title>") == 1
    second = rows(of("second.csv", 60, [said])[1])
    assert len(second) == 60 - 21
    assert not artists & {owner[one["track_id"]] for one in second}
    assert " or " in second[0]["why"]
    with pytest.raises(InputError, match="every artist has been asked about"):
        of(
            "third.csv",
            60,
            [said, "track_id,genre\n" + "".join(f"{o['track_id']},?\n" for o in second)],
        )


def test_unknown_ids_and_an_existing_file_are_refused(ask):
    of = ask[0]
    with pytest.raises(InputError, match="1 of 1 answered tracks are not among the tracks of"):
        of("unknown.csv", given=["track_id,genre\nnone,rock\n"])
    of("there.csv", 1)
    with pytest.raises(OutputError, match="may contain answers"):
        of("there.csv", 1)


def test_labels_that_held_out_predictions_contradict_are_asked_about(ask, eagerly):
    of, truth, owner, _ = ask
    genres = sorted(set(truth.values()))
    # One track of each of ten artists has the next genre's name.
    spoilt = {owner[track_id]: track_id for track_id in truth}
    spoilt = dict(list(spoilt.items())[:10]).values()
    said = {
        track_id: genres[(genres.index(genre) + (track_id in spoilt)) % len(genres)]
        for track_id, genre in truth.items()
    }
    text = "track_id,genre\n" + "".join(f"{one},{genre}\n" for one, genre in said.items())
    summary, written = of("check.csv", 8, [text], check=True)
    found = rows(written)
    assert 0 < summary.number == len(found) <= 8
    assert sum(one["track_id"] in spoilt for one in found) >= len(found) / 2
    one = next(one for one in found if one["track_id"] in spoilt)
    assert one["why"].startswith(f"labelled {said[one['track_id']]}; without this label ")
    assert one["genre"] == ""
