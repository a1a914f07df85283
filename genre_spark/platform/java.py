"""Finds the Java that Spark needs, or installs one. Standard library only: it runs before set-up."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

OLDEST = 17
_USUAL_PLACES = (
    "/usr/lib/jvm",
    "/usr/java",
    "/opt/java",
    "/opt/homebrew/opt/openjdk@17",
    "/usr/local/opt/openjdk@17",
    "/Library/Java/JavaVirtualMachines",
)
# Package manager to the words that install a Java with it.
_INSTALLERS = {
    "apt-get": "apt-get install -y openjdk-17-jre-headless",
    "dnf": "dnf install -y java-17-openjdk-headless",
    "apk": "apk add openjdk17-jre-headless",
    "pacman": "pacman -S --noconfirm jre17-openjdk-headless",
    "brew": "brew install openjdk@17",
}


def find_java_home() -> Path | None:
    """The home of a Java of version `OLDEST` or newer, or None.

    Looked for in ``JAVA_HOME``, on the ``PATH``, and where package managers put it.
    """
    for home in _candidates():
        if (java_version(home) or 0) >= OLDEST:
            return home
    return None


def java_version(home: Path) -> int | None:
    """Major version of the Java in a folder, or None where none runs there."""
    try:
        command = [str(home / "bin" / "java"), "-version"]
        printed = subprocess.run(command, capture_output=True, text=True, timeout=60).stderr
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', printed)
    return int(found[1]) if found else None


def install_command() -> str:
    """The one command that installs a Java on this machine."""
    for manager, command in _INSTALLERS.items():
        if shutil.which(manager):
            needs_root = manager != "brew" and os.geteuid() != 0
            return f"sudo {command}" if needs_root else command
    return f"install a Java of version {OLDEST} or newer and set JAVA_HOME"


def _candidates() -> Iterator[Path]:
    if home := os.environ.get("JAVA_HOME"):
        yield Path(home)
    if on_path := shutil.which("java"):
        yield Path(on_path).resolve().parent.parent
    for place in map(Path, _USUAL_PLACES):
        yield place
        for found in sorted(place.glob("*")) if place.is_dir() else ():
            yield found
            yield found / "Contents" / "Home"


def _install() -> bool:
    """Installs where the package manager may be used without a password."""
    command = install_command()
    if not shutil.which(command.split()[0]) or command.startswith("sudo"):
        return False
    print(f"No Java {OLDEST}+ found; running: {command}", file=sys.stderr)
    if command.startswith("apt-get"):
        subprocess.run(["apt-get", "update", "-q"], stdout=sys.stderr)
    return subprocess.run(command.split(), stdout=sys.stderr).returncode == 0


def main() -> int:
    """Prints the Java home, installing one if need be; 2 and the command to type otherwise."""
    home = find_java_home() or (_install() and find_java_home())
    if home:
        print(home)
        return 0
    message = f"genre-spark needs Java {OLDEST} or newer for Spark. Type: {install_command()}"
    print(message, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main())
