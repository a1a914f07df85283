"""Work in processes of their own: what comes back, what is heard, what goes wrong."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genre_spark.errors import GenreSparkError
from genre_spark.platform import process_pool


def count(task, step):
    for _ in range(task):
        step()
    return task * 10, os.getpid()


def fail(task, step):
    if task == 2:
        raise ValueError("two is refused")
    return task


def die(task, step):
    if task == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return task


def test_results_come_in_the_order_of_the_tasks_and_each_step_is_heard():
    heard = {}
    found = process_pool.run(count, [3, 1, 2], lambda task, done: heard.update({task: done}))
    assert [result for result, _ in found] == [30, 10, 20]
    assert heard == {1: 1, 2: 2, 3: 3}


def test_several_tasks_leave_this_process_alone_unless_one_process_is_to_do(monkeypatch):
    monkeypatch.setattr("loky.cpu_count", lambda: 2)
    assert os.getpid() not in {
        process for _, process in process_pool.run(count, [1, 2], lambda *_: None)
    }
    assert process_pool.run(count, [1], lambda *_: None) == [(10, os.getpid())]
    told = process_pool.run(count, [1, 2], lambda *_: None, most=1)
    assert told == [(10, os.getpid()), (20, os.getpid())]


def test_an_error_in_a_process_is_raised_here():
    with pytest.raises(ValueError, match="two is refused"):
        process_pool.run(fail, [1, 2, 3], lambda *_: None)


def test_a_killed_process_is_told_in_one_line_and_the_next_work_is_done(monkeypatch):
    monkeypatch.setattr("loky.cpu_count", lambda: 2)
    with pytest.raises(GenreSparkError, match="was killed") as caught:
        process_pool.run(die, [1, 2], lambda *_: None)
    assert "\n" not in str(caught.value)
    assert [result for result, _ in process_pool.run(count, [1, 2], lambda *_: None)] == [10, 20]


def say_who_and_wait(folder, step):
    Path(folder, str(os.getpid())).touch()
    time.sleep(300)


def test_processes_end_when_the_one_that_started_them_is_killed(tmp_path):
    work = "import sys, test_crew; from genre_spark import crew;"
    work += " crew.run(test_crew.say_who_and_wait, [sys.argv[1]] * 2, print, most=2)"
    here = {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *sys.path])}
    started = subprocess.Popen([sys.executable, "-c", work, tmp_path], env=os.environ | here)
    wait_until(lambda: len(list(tmp_path.iterdir())) == 2)
    started.kill()
    started.wait()
    wait_until(lambda: not any(Path("/proc", pid.name).exists() for pid in tmp_path.iterdir()))


def wait_until(true, seconds=60):
    ends = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < ends
        time.sleep(0.2)
