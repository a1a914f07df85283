import re
import threading
import time

import pytest

from genre_spark.cli import terminal
from genre_spark.cli.terminal import Terminal
from genre_spark.platform import progress
from genre_spark.platform.progress import Countdown, Pace, Watch, stages_of

# The number of tracks, and for each stage, share that is done and time the message.
PACES = {
    "rate and time left": (
        4_000_000,
        [(7, 0.0, 10.0, ""), (7, 0.25, 30.0, "pass 1, 1,000,000 tracks, 50,000 a second, 1:00 left")],
    ),
    "a new pass starts from zero": (
        1000,
        [(7, 1.0, 10.0, ""), (9, 0.5, 20.0, ""), (9, 0.5, 21.0, "pass 2, 500 tracks, 500 a second, 0:01 left")],
    ),
    "an unknown number of tracks": (0, [(1, 0.0, 0.0, ""), (1, 0.001, 10.0, "pass 1, 0%, 2:46:30 left")]),
}  # fmt: skip


@pytest.mark.parametrize(("n_tracks", "steps"), PACES.values(), ids=PACES)
def test_tracks_rate_and_time_left_follow_from_the_share_that_is_done(n_tracks, steps):
    pace = Pace(n_tracks)
    for stage, share, now, message in steps:
        assert pace.message(stage, share, now=now) == message


def test_counted_lines_show_the_time_left_from_the_second_on():
    countdown = Countdown()
    lines = [("epoch 1 of 24", 10), ("epoch 4 of 24", 40), ("words", 41), ("epoch 1 of 24", 50)]
    assert [countdown.message(line, now) for line, now in lines] == [
        "epoch 1 of 24", "epoch 4 of 24, 3:20 left", "words", "epoch 1 of 24",
    ]  # fmt: skip


@pytest.fixture
def plain(monkeypatch):
    monkeypatch.setattr(progress, "_EVERY", 0.02)
    return Terminal()


def test_spark_is_watched_while_it_works(spark, plain, monkeypatch, capsys):
    monkeypatch.setattr(terminal, "_BETWEEN_LINES", 0)
    plain.report_progress("resting", tracks=800)
    watch = Watch(stages_of(spark), lambda: plain.step, plain.add)
    watch.start()
    spark.sparkContext.parallelize(range(8), 8).foreach(lambda _: time.sleep(0.3))
    watch.stop()
    said = capsys.readouterr().err.splitlines()
    assert said[0] == "resting"
    assert len(said) > 1
    line = r"resting: pass 1, [1-8]00 tracks, [\d,]+ a second, \d:\d\d left"
    assert all(re.fullmatch(line, told) for told in said[1:])


@pytest.mark.parametrize(("between", "silent", "shown"), [(60, False, "resting\n"), (0, True, "")])
def test_a_line_that_stays_comes_seldom_and_a_quiet_terminal_prints_nothing(
    monkeypatch, capsys, between, silent, shown
):
    monkeypatch.setattr(terminal, "_BETWEEN_LINES", between)
    told = Terminal(silent=silent)
    told.report_progress("resting")
    told.add("pass 1, 50%, 0:10 left")
    assert capsys.readouterr() == ("", shown)


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_spark_that_has_gone_ends_the_watch_without_a_word(plain, capsys):
    asked = threading.Event()

    def gone():
        asked.set()
        raise ConnectionRefusedError

    watch = Watch(gone, lambda: plain.step, plain.add)
    watch.start()
    assert asked.wait(timeout=60)
    watch.stop()
    assert capsys.readouterr() == ("", "")
