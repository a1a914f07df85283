"""What Java says at every start stays off the screen; whatever else it says does not."""

import os
import subprocess
import sys

import pytest

from genre_spark.platform import session

NOTICES = [
    "WARNING: Using incubator modules: jdk.incubator.vector",
    "netlib-blas: JNI_OnLoad: dlopen(libblas.so.3) failed: libblas.so.3: no such file",
    "WARNING: sun.misc.Unsafe::arrayBaseOffset has been called by x",
    "Picked up JAVA_TOOL_OPTIONS: -Xmx1g",
]
WORDS = [
    "12:00:00 ERROR TaskScheduler: lost executor",
    "WARNING: disk is full",
    "java.lang.OutOfMemoryError: Java heap space",
]


def test_known_notices_are_dropped_and_all_else_is_passed_on(tmp_path):
    said = "\n".join([*NOTICES[:2], *WORDS, *NOTICES[2:], "the end, without a line break"])
    (tmp_path / "said").write_text(said)
    with (tmp_path / "screen").open("wb") as screen:
        session._pass_on(os.open(tmp_path / "said", os.O_RDONLY), screen.fileno())
    told = (tmp_path / "screen").read_text().splitlines()
    assert told == [*WORDS, "the end, without a line break"]


def test_the_last_words_of_a_process_that_dies_at_once_are_reported_before_its_error(capfd):
    code = "import sys; print(*sys.argv[1:], sep='\\n', file=sys.stderr); sys.exit(1)"
    command = [sys.executable, "-c", code, *WORDS, NOTICES[0]]
    with pytest.raises(subprocess.CalledProcessError), session.stderr_without() as stderr:
        subprocess.run(command, stderr=stderr, check=True)
    assert capfd.readouterr().err.splitlines() == WORDS
