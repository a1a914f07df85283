import os
import stat

import pytest

from genre_spark.platform import java

OUTPUTS = {
    'java version "1.8.0_292"': 8,
    'openjdk version "1.8.0" 2014-03-18': 8,
    'openjdk version "11.0.19" 2023-04-18': 11,
    'openjdk version "17.0.15" 2025-04-15': 17,
    'java version "21" 2023-09-19 LTS': 21,
    'openjdk version "25" 2025-09-16': 25,
    'openjdk version "26-ea" 2026-03-17': 26,
    'Picked up JAVA_TOOL_OPTIONS: -Dversion=3\\nopenjdk version "17.0.1" 2021-10-19': 17,
    "No Java runtime present, requesting install.": None,
    "": None,
}


@pytest.fixture
def make_java(tmp_path):
    """Makes the home of a Java that prints something."""

    def make(place, printed, mode=0o755, start="#!/bin/sh\n"):
        program = tmp_path / place / "bin" / "java"
        program.parent.mkdir(parents=True)
        program.write_text(f"{start}printf '%b\\n' '{printed}' >&2\n")
        program.chmod(mode)
        return tmp_path / place

    return make


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """A machine without Java: nothing set, nothing on the path, nothing in the usual places."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setattr(java, "_USUAL_PLACES", (str(tmp_path / "usual"),))
    return monkeypatch


@pytest.fixture
def install_program(nowhere, tmp_path):
    """Puts programs onto the path."""
    folder = tmp_path / "programs"
    folder.mkdir()
    nowhere.setenv("PATH", str(folder))

    def put(*names):
        for name in names:
            (folder / name).write_text("#!/bin/sh\nexit 0\n")
            (folder / name).chmod(stat.S_IRWXU)

    return put


@pytest.mark.parametrize(("printed", "version"), OUTPUTS.items())
def test_the_major_version_is_read_from_what_java_prints(make_java, printed, version):
    assert java.java_version(make_java("home", printed)) == version


def test_there_is_no_version_where_no_java_runs(make_java, tmp_path):
    assert java.java_version(tmp_path / "none") is None
    no_program = make_java("text", "", start="")
    (no_program / "bin" / "java").write_bytes(b"\x7fELF")
    assert java.java_version(no_program) is None


def test_java_home_counts_before_the_path_and_that_before_the_usual_places(nowhere, make_java):
    first = make_java("first", 'openjdk version "17.0.1"')
    second = make_java("second", 'openjdk version "25"')
    third = make_java("usual/third", 'openjdk version "21"')
    assert java.find_java_home() == third
    nowhere.setenv("PATH", f"{second}/bin:/bin")
    assert java.find_java_home() == second
    nowhere.setenv("JAVA_HOME", str(first))
    assert java.find_java_home() == first


@pytest.mark.parametrize("version", ["1.8.0_292", "11.0.19", "16.0.2", None])
def test_a_java_that_is_too_old_or_absent_is_passed_over(nowhere, make_java, tmp_path, version):
    old = make_java("old", f'openjdk version "{version}"') if version else tmp_path / "gone"
    nowhere.setenv("JAVA_HOME", str(old))
    nowhere.setenv("PATH", f"{old}/bin")
    assert java.find_java_home() is None
    new = make_java("usual/new", 'openjdk version "17"')
    for home in (str(old), ""):
        nowhere.setenv("JAVA_HOME", home)
        assert java.find_java_home() == new


def test_a_java_is_found_behind_a_link_on_the_path_and_where_a_mac_keeps_it(
    nowhere, make_java, tmp_path
):
    mac = make_java("usual/temurin-17.jdk/Contents/Home", 'openjdk version "17"')
    assert java.find_java_home() == mac
    home = make_java("real", 'openjdk version "17"')
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(home / "bin" / "java")
    nowhere.setenv("PATH", f"{tmp_path}/links:/bin")
    assert java.find_java_home() == home


@pytest.mark.parametrize(
    ("managers", "root", "command"),
    [
        (["apt-get"], True, "apt-get install -y openjdk-17-jre-headless"),
        (["apt-get"], False, "sudo apt-get install -y openjdk-17-jre-headless"),
        (["dnf"], True, "dnf install -y java-17-openjdk-headless"),
        (["apk"], True, "apk add openjdk17-jre-headless"),
        (["pacman"], False, "sudo pacman -S --noconfirm jre17-openjdk-headless"),
        (["brew"], False, "brew install openjdk@17"),
        (["brew", "apt-get"], True, "apt-get install -y openjdk-17-jre-headless"),
        ([], True, "install a Java of version 17 or newer and set JAVA_HOME"),
    ],
)
def test_the_command_to_type_is_of_the_package_manager_that_is_there(
    install_program, monkeypatch, managers, root, command
):
    install_program(*managers)
    monkeypatch.setattr(os, "geteuid", lambda: 0 if root else 1000)
    assert java.install_command() == command


def test_set_up_prints_the_home_it_found_and_nothing_else(nowhere, make_java, capsys):
    home = make_java("usual/java", 'openjdk version "17"')
    assert java.main() == 0
    assert capsys.readouterr() == (f"{home}\n", "")


@pytest.mark.parametrize(
    ("user", "managers", "told"),
    [
        (
            1000,
            ["apt-get", "sudo"],
            "genre-spark needs Java 17 or newer for Spark. Type:"
            " sudo apt-get install -y openjdk-17-jre-headless\n",
        ),
        (0, ["apk"], "No Java 17+ found; running: apk add openjdk17-jre-headless\n"),
    ],
    ids=["the command to type where it may not install", "an installation that was in vain"],
)
def test_set_up_without_a_java_fails_and_says(
    install_program, monkeypatch, capfd, user, managers, told
):
    install_program(*managers)
    monkeypatch.setattr(os, "geteuid", lambda: user)
    assert java.main() == 2
    said = capfd.readouterr()
    assert said.out == ""
    assert said.err.startswith(told)
