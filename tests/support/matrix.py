"""Runs tests under several versions of Python and pyspark, each pair in an environment of its own.

Started by ``make test-matrix``. A Python that this machine does not have is said to be skipped, which
is no failure; the last lines say which pairs passed.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENTS = ROOT / ".venv" / "matrix"
# Every pyspark with the oldest Python, every Python with the newest pyspark.
PAIRS = ("3.11:4.0", "3.11:4.1", "3.11:4.2", "3.11:4.3", "3.12:4.3", "3.13:4.3")
# What may differ between versions of Spark, pandas' Python or Arrow.
TESTS = [
    f"tests/{name}"
    for name in ("test_api.py", "test_model.py", "bundle", "catalog/test_validation.py", "scoring")
]
# As pytest has it of a run without failures.
_CLOSING = re.compile(r"\d+ (?:passed|failed|skipped|error)\S*[^=]*in [\d.]+s.*")


def find_python(version: str) -> str | None:
    """An interpreter of a version that starts: pyenv has names on the PATH that do not."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    places = sorted(pyenv.glob(f"{version}.*/bin/python{version}"))
    for candidate in (shutil.which(f"python{version}"), *map(str, places)):
        if candidate and _says(candidate) == version:
            return candidate
    return None


def prepare(python: str, pair: str) -> Path:
    """The interpreter of an environment with all that the tests need, made once."""
    folder = ENVIRONMENTS / pair.replace(":", "-")
    own, stamp = folder / "bin" / "python", folder / ".ready"
    wanted = (ROOT / "constraints.txt").read_text() + (ROOT / "setup.py").read_text()
    if stamp.is_file() and stamp.read_text() == wanted:
        return own
    subprocess.run([python, "-m", "venv", "--clear", folder], check=True)
    lines = [line for line in wanted.splitlines() if not line.startswith(("pyspark", "py4j"))]
    pinned = [line for line in lines if re.match(r"[\w.-]+==", line)]
    limits = folder / "constraints.txt"
    limits.write_text("\n".join([*pinned, f"pyspark=={pair.split(':')[1]}.*", ""]))
    command = [own, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*command, "--constraint", limits, "--editable", f"{ROOT}[test]"], check=True)
    stamp.write_text(wanted)
    return own


def outcome_of(pair: str, tests: list[str]) -> tuple[str, bool]:
    """What became of a pair, in words, and whether it is no failure."""
    python = find_python(pair.split(":")[0])
    if python is None:
        return "skipped: no such Python here", True
    try:
        own = prepare(python, pair)
    except subprocess.CalledProcessError as err:
        return f"not installed: {err.cmd[2]} ended with {err.returncode}", False
    env = {**os.environ, "PYSPARK_PYTHON": str(own), "PYTHONPATH": str(ROOT)}
    command = [own, "-m", "pytest", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(command, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True)
    print(done.stdout[-4000:], flush=True)
    closing = _CLOSING.findall(done.stdout)
    said = closing[-1] if closing else f"exit code {done.returncode}"
    return f"{'passed' if done.returncode == 0 else 'FAILED'}: {said}", done.returncode == 0


def _says(python: str) -> str | None:
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None


def main() -> int:
    """Prints which pairs passed; 1 where one failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="*", default=PAIRS, metavar="PYTHON:PYSPARK")
    parser.add_argument("--tests", default=" ".join(TESTS), help="what pytest runs")
    parser.add_argument("--prepare", action="store_true", help="only make the environments")
    given = parser.parse_args()
    tests = ["--collect-only", "tests/test_schema.py"] if given.prepare else given.tests.split()
    found = {}
    for pair in given.pairs:
        print(f"== Python {pair.replace(':', ', pyspark ')}", flush=True)
        found[pair] = outcome_of(pair, tests)
    for pair, (said, _) in found.items():
        print(f"Python {pair.replace(':', ', pyspark ')}: {said}")
    return 0 if all(fine for _, fine in found.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
