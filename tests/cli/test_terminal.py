from dataclasses import replace
from types import SimpleNamespace

import pytest
from support.generated import make_labelled, make_rows

from genre_spark.cli import views
from genre_spark.cli.terminal import Terminal
from genre_spark.clustering.results import Change
from genre_spark.pipelines.bundles import BundleSummary
from genre_spark.publishing.labels import Changes, PublishedLabels
from genre_spark.publishing.manifest import Incremental, Published, Run
from genre_spark.reporting import study_report

MANIFEST = make_labelled(
    run_id="b",
    runs=(
        Run(run_id="b", scored_at="2024-01-02T00:00:00+00:00", tracks=3),
        Run(run_id="a", scored_at="2024-01-01T00:00:00+00:00", tracks=7),
    ),
)
DRIFT = MANIFEST.drift
DISCOVERY = BundleSummary(
    bundle="models/mine",
    kind="clusters",
    model_id="0123",
    source="tracks.csv",
    rows=make_rows(100, 90),
    left_out=(),
    synthetic_genres=("calm slow", "loud fast"),
    stability={"seeds": {"mean": 0.987, "std": 0.01}},
    rules_agreement=0.912,
)


@pytest.fixture
def shown(capsys):
    def show(published=True, replaces=None, changes=None, **manifest):
        whole = MANIFEST.model_copy(update=manifest)
        made = PublishedLabels("out", published, whole, replaces, changes)
        Terminal().show(made.summary(), views.labels(made))
        return dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())

    return show


def test_drift_that_warns_is_named_the_farthest_first_and_none_needs_no_word(shown):
    assert shown()["drift"] == "other shares of genres (PSI 0.40), tempo (PSI 0.31, KS 0.10)"
    few = DRIFT.model_copy(update={"assessed": False})
    assert shown(drift=few)["drift"] == "not assessed: fewer than 1,000 tracks"
    assert "drift" not in shown(drift=DRIFT.model_copy(update={"features": {}, "labels": {}}))


def test_tracks_whose_labels_meet_a_higher_precision_meet_the_lower_ones(shown):
    labels = MANIFEST.labels.model_copy(update={"precision": {"0.9": 3, "0.95": 1, "0.8": 2}})
    assert shown(labels=labels)["precise enough for"] == "0.95: 10.0%, 0.9: 40.0%, 0.8: 60.0%"
    assert "precise enough for" not in shown()


def test_every_baseline_that_is_ahead_is_named(shown):
    measured = {"forest": 0.91, "boosting": 0.95, "lookup": 0.5, "none": None}
    baselines = {
        name: SimpleNamespace(accuracy=SimpleNamespace(mean=mean))
        for name, mean in measured.items()
    }
    of = SimpleNamespace(cnn=baselines["forest"], baselines=baselines)
    assert study_report.ahead(of) == "boosting (0.950 against 0.910)"


def test_an_incremental_run_says_how_much_it_scored(shown):
    asked = Incremental(asked=True, in_full_because=None)
    assert shown(incremental=asked)["scored"] == "3 of 10 tracks, the rest carried over"
    in_full = Incremental(asked=True, in_full_because="there is no catalogue yet")
    assert shown(incremental=in_full)["scored"] == "all tracks: there is no catalogue yet"
    assert "scored" not in shown()


def test_a_dry_run_says_what_would_be_replaced_and_changed(shown):
    old = Published(run_id="a", scored_at="2024-01-01", model_id="m", rows={"labelled": 9})
    changes = Changes(added=2, removed=1, relabelled=0, unchanged=7)
    said = shown(published=False, replaces=old, changes=changes)
    assert said["would be published at"] == "out"
    assert said["replaces"] == "9 tracks of 2024-01-01, model m"
    assert said["would change"] == "added 2, removed 1, relabelled 0, unchanged 7"
    assert "labelled catalogue" not in said


def test_codes_that_a_terminal_would_obey_are_not_printed(shown):
    labels = MANIFEST.labels.model_copy(update={"genres": {"\x1b[2Jrock\r": 1}})
    assert shown(labels=labels)["genres"] == "\ufffd[2Jrock  1"


def test_stability_and_rules_are_reported_and_nothing_of_a_change_that_was_not_asked_for(capsys):
    Terminal().show(DISCOVERY, views.bundle(DISCOVERY))
    told = capsys.readouterr().out
    assert "stability over seeds (adjusted Rand index): 0.987 ± 0.010" in told
    assert "rules agree with synthetic genres on unseen tracks: 91.2%" in told
    assert "accuracy" not in told
    assert "compared with" not in told


def test_what_became_of_earlier_synthetic_genres_is_reported(capsys):
    change = Change.model_validate(
        {
            "previous": "fedc", "tracks": 80, "moved": 0.031, "new": (7, 8), "retired": (1, 2),
            "matched": [{"id": 0, "kept": 0.9}, {"id": 3, "kept": 1}],
            "split": [{"id": 3, "into": (3, 7)}], "merged": [{"id": 0, "of": (0, 1)}],
        }
    )  # fmt: skip
    summary = DISCOVERY.model_copy(update={"change": change})
    Terminal().show(summary, views.bundle(summary))
    assert {
        "compared with: fedc", "tracks that keep their id: 96.9%", "kept: 0, 3", "new: 7, 8",
        "retired: 1, 2", "split: 3 into 3, 7", "merged: 0, 1 into 0",
    } <= set(capsys.readouterr().out.splitlines())  # fmt: skip


def test_the_next_command_can_be_copied_by_people_and_machines_get_none(capsys):
    Terminal().show_next("score", "--catalog", "my tracks.csv")
    assert capsys.readouterr().out == "next: genre-spark score --catalog 'my tracks.csv'\n"
    Terminal(as_json=True).show_next("score")
    assert capsys.readouterr().out == ""


def test_epochs_are_one_line_where_each_line_stays(capsys):
    terminal = Terminal()
    first, second = ("network, epoch 1 of 3", "network, epoch 2 of 3")
    for line in (first, second, "words", first):
        terminal.report_progress(line)
    shown = capsys.readouterr().err.splitlines()
    assert shown == [first, "words", first]


def test_of_clusters_with_labels_the_catalogue_is_published_and_labels_are_no_counts():
    made = PublishedLabels("out", True, MANIFEST, None, None)
    facts = DISCOVERY.model_copy(update={"labels": made}).facts
    assert (facts.made, facts.counts["read"], facts.labels) == (("models/mine",), 100, None)
    assert [(one.path, one.n_rows) for one in facts.published] == [("out", 10)]
    assert made.facts.counts["labelled"] == 10
    assert replace(made, published=False).facts.published == ()
