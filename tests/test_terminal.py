"""What people see of a scored catalogue."""

import copy

import pytest

from genre_spark.terminal import Terminal

MANIFEST = {
    "path": "out",
    "published": True,
    "run_id": "b",
    "model_id": "0123456789abcdef",
    "rows": {"read": 12, "accepted": 10, "labelled": 10, "imputed": 1, "reasons": {"malformed_row": 2}},
    "labels": {"genres": {"rock": 10}, "synthetic_genres": {"loud": 10}, "accepted": 0.5},
    "drift": {
        "judged": True,
        "level": "warn",
        "features": {
            "tempo": {"psi": 0.31, "ks": 0.1, "missing": 0.0, "missing_before": 0.0, "level": "warn"},
            "energy": {"psi": 0.0, "ks": 0.0, "missing": 0.0, "missing_before": 0.0, "level": "ok"},
        },
        "labels": {"genres": {"psi": 0.4, "ks": None, "level": "warn"}},
        "limits": {"min_tracks": 1000},
    },
    "incremental": {"asked": False, "in_full_because": None},
    "runs": [{"run_id": "b", "scored_at": "2", "tracks": 3}, {"run_id": "a", "scored_at": "1", "tracks": 7}],
    "replaces": None,
}  # fmt: skip


@pytest.fixture
def shown(capsys):
    def show(**changes):
        Terminal().show_labels({**copy.deepcopy(MANIFEST), **changes})
        return dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())

    return show


def test_drift_that_warns_is_named_the_farthest_first(shown):
    assert shown()["drift"] == "genres (PSI 0.40), tempo (PSI 0.31, KS 0.10)"


def test_drift_of_few_tracks_is_said_not_to_be_judged(shown):
    few = {**MANIFEST["drift"], "judged": False}
    assert shown(drift=few)["drift"] == "not judged: fewer than 1,000 tracks"


def test_no_drift_needs_no_word(shown):
    assert "drift" not in shown(drift={**MANIFEST["drift"], "features": {}, "labels": {}})


def test_an_incremental_run_says_how_much_it_scored(shown):
    asked = {"asked": True, "in_full_because": None}
    assert shown(incremental=asked)["scored"] == "3 of 10 tracks, the rest carried over"
    in_full = {"asked": True, "in_full_because": "there is no catalogue yet"}
    assert shown(incremental=in_full)["scored"] == "all tracks: there is no catalogue yet"
    assert "scored" not in shown()


def test_a_dry_run_says_what_would_be_replaced_and_changed(shown):
    old = {"run_id": "a", "scored_at": "2024-01-01", "model_id": "m", "rows": {"labelled": 9}}
    said = shown(published=False, replaces=old, changes={"added": 2, "removed": 1})
    assert said["would be published at"] == "out"
    assert said["replaces"] == "9 tracks of 2024-01-01, model m"
    assert said["would change"] == "added 2, removed 1"
    assert "labelled catalogue" not in said


def test_codes_that_a_terminal_would_obey_are_not_printed(shown):
    labels = {**MANIFEST["labels"], "genres": {"\x1b[2Jrock\r": 1}}
    assert shown(labels=labels)["genres"] == "\ufffd[2Jrock\ufffd 1"
