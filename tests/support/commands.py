"""The real command lines, on generated tracks."""

import contextlib
import io
import json
import logging
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from genre_spark.cli import job, main
from genre_spark.platform import signals
from genre_spark.schema import FEATURE_NAMES
from support.generated import make_tracks

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent


def options(*settings):
    return [word for setting in settings for word in ("--set", setting)]


# Enough to learn what generated genres sound like, and no more.
QUICK = options("k_max=11", "epochs=8", "min_steps=0", "restarts=1", "max_iterations=6")
LOCAL = ("--master", "local[2]")
# For tables of some rows, compiling code for each query costs more than running it.
PLAIN = "--conf spark.sql.codegen.wholeStage=false --conf spark.sql.codegen.factoryMode=NO_CODEGEN"
TRACKS, REPEATED, DIRTY = 800, 20, 10


# What Java and TensorFlow say at every start.
NOISE = ("incubator modules", "netlib", "absl::InitializeLog", "oneDNN", "cpu_feature_guard")


def run(command, *, expect=0, noise=NOISE, **env):
    """Runs a command; its standard output, once its exit code is the expected one.

    Of `NOISE`, no more than `noise` may reach the screen.
    """
    environment = {**os.environ, "PYSPARK_PYTHON": sys.executable, **env}
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env=environment, cwd=ROOT
    )
    assert done.returncode == expect, done.stderr[-3000:]
    assert [one for one in NOISE if one in done.stderr and one not in noise] == []
    return done.stdout if expect == 0 else done.stderr


def genre_spark(*arguments, **kwargs):
    return run([BIN / "genre-spark", *arguments, *LOCAL], noise=(), **kwargs)


class Commands:
    """Commands in this process, on the session that tests share: nothing has to be started for one."""

    def __init__(self, spark):
        self._spark = spark

    def __call__(self, *arguments, expect=0):
        """As `run`."""
        out, err = io.StringIO(), io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            # A command would stop the session at its end, and answer to signals from then on.
            patch.setattr(job.Job, "spark", lambda job, table=None: self._spark)
            patch.setattr(signals, "raise_at_signals", lambda: None)
            patch.setattr(logging.getLogger(), "handlers", [])
            patch.setattr(sys, "argv", ["genre-spark", *map(str, arguments)])
            with pytest.raises(SystemExit) as ended:
                main()
        assert (ended.value.code or 0) == expect, err.getvalue()[-3000:]
        return out.getvalue() if expect == 0 else err.getvalue()


class Shell:
    """Commands in a process of their own, one after the other, without the libraries of training.

    The file `imported` is there once one of these libraries was asked for.
    """

    def __init__(self, folder):
        self._folder, self._orders = folder, 0
        self.imported = folder / "imported"
        (folder / "traps").mkdir()
        for name in ("tensorflow", "keras", "scipy", "sklearn"):
            (folder / "traps" / f"{name}.py").write_text(
                f"open({str(self.imported)!r}, 'a').write('{name}\\n')\n"
                f"raise ImportError('no {name} here')\n"
            )
        self._process = subprocess.Popen(
            [sys.executable, ROOT / "tests" / "support" / "shell.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYSPARK_PYTHON": sys.executable,
                "PYSPARK_SUBMIT_ARGS": f"{PLAIN} pyspark-shell",
                "PYTHONPATH": os.pathsep.join([str(folder / "traps"), str(ROOT)]),
            },
            cwd=ROOT,
        )

    def __call__(self, *arguments, expect=0):
        """As `run`."""
        # Others each time: Java keeps those of the command that started it.
        self._orders += 1
        files = [self._folder / f"{self._orders}.{kind}" for kind in ("out", "err")]
        order = {"arguments": [*map(str, arguments), *LOCAL], "files": list(map(str, files))}
        self._process.stdin.write(json.dumps(order) + "\n")
        self._process.stdin.flush()
        code = self._process.stdout.readline()
        out, err = (file.read_text() for file in files)
        assert code == f"{expect}\n", err[-3000:]
        assert [one for one in NOISE if one in err] == []
        return out if expect == 0 else err

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def labels(folder):
    """A labelled catalogue as pandas reads it, in order."""
    return pd.read_parquet(folder).sort_values("track_id").reset_index(drop=True)


def write_catalogue(folder):
    """Tracks as CSV, some rows repeated and some that no model could use."""
    tracks = make_tracks(TRACKS, seed=5, artists=80)
    tracks = tracks.astype(dict.fromkeys(FEATURE_NAMES, object))
    dirty = tracks.head(DIRTY).assign(track_id=[f"dirty{i}" for i in range(DIRTY)])
    dirty[["energy", "valence", "tempo", "loudness"]] = "damaged"
    path = folder / "tracks.csv"
    pd.concat([tracks, tracks.head(REPEATED), dirty]).to_csv(path, index=False)
    return path
