"""Logs and metrics: neither secrets nor what a terminal would obey."""

import logging
import os

import pytest

from genre_spark.monitoring import json_logs
from genre_spark.monitoring.finished_run import FinishedRun

HOSTILE = "left out: rock\x1b[2J\nERROR: all is lost\u202e"


@pytest.fixture
def logged(capfd):
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


RUN = FinishedRun("score", "a", exit_code=0, seconds=1)
UNREACHABLE = [
    "{tmp}/no/folder", "http://me:secret@127.0.0.1:9", "http://me:secret@[bad",
    "http://me:secret@host:port/", "http://",
]  # fmt: skip


@pytest.mark.parametrize("target", UNREACHABLE)
@pytest.mark.parametrize("kind", ["prometheus", "openlineage"])
def test_where_nothing_can_be_sent_is_a_warning_without_a_password(caplog, tmp_path, kind, target):
    sender = pytest.importorskip(f"genre_spark.monitoring.{kind}")
    sender.send(target.format(tmp=tmp_path), RUN)
    (told,) = [one for one in caplog.messages if "could not be" in one]
    assert "secret" not in told


@pytest.mark.parametrize("kind", ["prometheus", "openlineage"])
def test_a_file_of_somebody_else_is_neither_replaced_nor_appended_to(caplog, tmp_path, kind):
    sender = pytest.importorskip(f"genre_spark.monitoring.{kind}")
    mine, own = tmp_path / "notes.txt", tmp_path / "own"
    mine.write_text("mine")
    os.mkfifo(tmp_path / "pipe")
    for target in (mine, tmp_path / "pipe", own, own):
        sender.send(str(target), RUN)
    assert mine.read_text() == "mine"
    assert "notes.txt: holds something else; it is left as it is" in caplog.text
    assert len(caplog.records) == 2
    assert own.stat().st_size
