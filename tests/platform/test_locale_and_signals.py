"""A process in another locale, or one that is asked to end, loses and leaves nothing."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from genre_spark.platform import signals

ROOT = Path(__file__).resolve().parents[2]
PATH = os.pathsep.join([str(ROOT), str(ROOT / "tests")])


@pytest.mark.parametrize("locale", ["C", "en_US.ISO-8859-1"])
def test_a_bundle_is_written_and_read_in_any_locale(tmp_path, locale):
    program = textwrap.dedent("""
        import sys
        from pathlib import Path

        from genre_spark.bundle import files
        from support.generated import make_manifest, make_profile

        folder = Path(sys.argv[1])
        names = tuple(f"演歌 ✓ {i}" for i in range(12))
        manifest = make_manifest()
        synthetic = manifest.scoring.synthetic.model_copy(update={"names": names})
        scoring = manifest.scoring.model_copy(update={"synthetic": synthetic})
        manifest = manifest.model_copy(
            update={"scoring": scoring, "model_id": files.model_id(scoring, None)}
        )
        files.write_files(folder, manifest, make_profile(), "# Une carte ✓\\n")
        assert files.load(folder).manifest.scoring.synthetic.names == names
        assert (folder / files.CARD).read_bytes().decode("utf-8") == "# Une carte ✓\\n"
    """)
    script = tmp_path / "write.py"
    script.write_text(program, encoding="utf-8")
    (tmp_path / "bundle").mkdir()
    # Without these Python would take UTF-8 whatever the locale is.
    environment = {
        **os.environ, "LC_ALL": locale, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": PATH,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "bundle")],
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")[-2000:]


@pytest.mark.parametrize(
    ("sent", "said"),
    [
        (signal.SIGTERM, "terminated"),
        (signal.SIGINT, "stopped"),
        (signal.SIGHUP, "the terminal is gone"),
        (signal.SIGQUIT, "quit"),
    ],
)
def test_a_command_that_is_asked_to_end_releases_its_lock(tmp_path, sent, said):
    program = textwrap.dedent("""
        import sys, time

        import click

        from genre_spark.cli.entry_point import run
        from genre_spark.platform.atomic_directory import publishing
        from genre_spark.platform.storage import LocalStorage

        @click.command()
        def command():
            storage = LocalStorage()
            with publishing(storage, sys.argv[1]) as target:
                storage.make_dirs(target.staging)
                print("ready", flush=True)
                time.sleep(100)

        sys.argv, path = sys.argv[:1], sys.argv[1]
        sys.argv.append(path)
        command.params = []
        command.context_settings = {"ignore_unknown_options": True, "allow_extra_args": True}
        run(command)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "out")],
        env={**os.environ, "PYTHONPATH": PATH},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    assert list(tmp_path.glob(".out.lock-*"))
    process.send_signal(sent)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 128 + sent, told
    assert told == f"genre-spark: {said}\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="children are listed on Linux alone")
@pytest.mark.parametrize("own_session", [True, False])
def test_what_was_started_when_somebody_interrupts_is_ended(own_session):
    started = []

    def interrupted():
        with signals.ending_children():
            started.append(subprocess.Popen(["sleep", "100"], start_new_session=own_session))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert started[0].wait(timeout=60) == -signal.SIGKILL
