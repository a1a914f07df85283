"""Logs and metrics: neither secrets nor what a terminal would obey."""

import logging
import os

import pytest

from genre_spark.monitoring import json_logs
from genre_spark.monitoring.finished_run import FinishedRun

HOSTILE = "left out: rock\x1b[2J\nERROR: all is lost\u202e"


@pytest.fixture
def logged(capfd):
    """Logs a warning, and gives what reaches standard error."""

    def log(kind, message, *arguments):
        json_logs.configure(kind, False, "run", "score")
        logging.getLogger("genre_spark.test").warning(message, *arguments)
        return capfd.readouterr().err

    return log


def test_a_warning_is_one_line_whatever_name_it_quotes(logged):
    assert logged("text", "%s", HOSTILE) == (
        "WARNING: left out: rock\ufffd[2J ERROR: all is lost\ufffd\n"
    )


@pytest.mark.parametrize("kind", ["text", "json"])
def test_no_log_holds_a_password(logged, kind):
    told = logged(kind, "%s: metrics could not be written", "http://me:secret@host:9091")
    assert "secret" not in told
    assert "http://***@host:9091" in told


@pytest.mark.parametrize("url", ["http://me:secret@[bad", "http://me:secret@host:port/", "http://"])
def test_a_url_that_is_none_is_a_warning_without_its_password(caplog, url):
    metrics = pytest.importorskip("genre_spark.monitoring.prometheus")
    metrics.send(url, FinishedRun("score", "a", exit_code=0, seconds=1))
    assert "metrics could not be written" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("kind", ["prometheus", "openlineage"])
def test_a_file_of_somebody_else_is_neither_replaced_nor_appended_to(caplog, tmp_path, kind):
    sender = pytest.importorskip(f"genre_spark.monitoring.{kind}")
    mine, own = tmp_path / "notes.txt", tmp_path / "own"
    mine.write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    run = FinishedRun("score", "a", exit_code=0, seconds=1)
    for target in (mine, tmp_path / "pipe", own, own):
        sender.send(str(target), run)
    assert mine.read_text() == "mine"
    assert "notes.txt: holds something else; it is left as it is" in caplog.text
    assert len(caplog.records) == 2
    assert own.stat().st_size
