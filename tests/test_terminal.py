"""What people see of a discovery."""

from genre_spark.discovery import Change, Match, Merge, Split
from genre_spark.terminal import Terminal

SUMMARY = {
    "rows": {"accepted": 90, "read": 100, "reasons": {}},
    "left_out": (),
    "synthetic_genres": ["calm slow", "loud fast"],
    "stability": {"seeds": {"mean": 0.987, "spread": 0.01}},
    "rules_agreement": 0.912,
    "model_id": "0123",
    "bundle": "models/mine",
}


def test_stability_and_rules_are_told_and_nothing_of_a_change_that_was_not_asked_for(capsys):
    Terminal().show_bundle(SUMMARY)
    told = capsys.readouterr().out
    assert "same groups over seeds (adjusted Rand index): 0.987 ± 0.010" in told
    assert "rules agree with synthetic genres on unseen tracks: 91.2%" in told
    assert "accuracy" not in told
    assert "compared with" not in told


def test_what_became_of_earlier_synthetic_genres_is_told(capsys):
    change = Change(
        previous="fedc",
        tracks=80,
        moved=0.031,
        matched=(Match(id=0, kept=0.9), Match(id=3, kept=1)),
        new=(7, 8),
        retired=(1, 2),
        split=(Split(id=3, into=(3, 7)),),
        merged=(Merge(id=0, of=(0, 1)),),
    )
    Terminal().show_bundle({**SUMMARY, "change": change.model_dump()})
    lines = capsys.readouterr().out.splitlines()
    for line in (
        "compared with: fedc",
        "tracks that keep their id: 96.9%",
        "kept: 0, 3",
        "new: 7, 8",
        "retired: 1, 2",
        "split: 3 into 3, 7",
        "merged: 0, 1 in 0",
    ):
        assert line in lines
