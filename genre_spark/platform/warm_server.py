"""A Spark Connect server of this user on this machine that outlives the commands which use it.

It is pyspark's reusable local server (``pyspark.sql.connect.local_server``), kept in a folder that
only its user can enter. One file there is locked by every command for as long as it works (shared)
and by whoever stops the server (exclusive); its time is that of the last use. Another file holds the
identity of the server: what it was started with. A server of another identity is replaced.
"""

import fcntl
import hashlib
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from genre_spark.errors import ConfigError, OutputError

if TYPE_CHECKING:
    from pyspark.sql.connect.client import DefaultChannelBuilder

# Seconds without a command after which the server ends by itself; its memory is then free again.
IDLE = "GENRE_SPARK_WARM_IDLE"
_IDLE_SECONDS = 1800.0
_DISCOVERY = "SPARK_LOCAL_CONNECT_DISCOVERY"
# Prefixes of variables that a server takes over from the command that starts it.
_INHERITED = ("SPARK_", "PYSPARK_", "HADOOP_", "JAVA_", "JDK_", "PYTHON", "AWS_", "AZURE_", "GOOGLE_",
              "OMP_", "LD_LIBRARY_PATH", "TMPDIR", "TZ")  # fmt: skip
# Those that pyspark sets itself for a server or its clients.
_OURS = {_DISCOVERY, "SPARK_CONNECT_AUTHENTICATE_TOKEN", "SPARK_CONNECT_MODE_ENABLED"}
_STOPPING_SECONDS = 20.0
_LISTENS = "0A"  # state of a socket in /proc/net/tcp


@contextmanager
def serving(master: str, properties: Mapping[str, str]) -> Iterator[str]:
    """The URL of a running server, which does not end before the block does.

    Raises `ConfigError` if it does not start, or a command uses a server of another identity.

    `master`: ``local[...]``.
    `properties`: Spark's settings for its start.
    """
    folder = _folder()
    os.environ[_DISCOVERY] = str(folder / "server.json")
    with _used(folder, _identity(master, properties)) as use:
        before = _pid(folder)
        url = _reach(master, properties)
        if (pid := _pid(folder)) != before:
            _watch_in_background(folder, pid)
        _refuse_foreign(int(url.rpartition(":")[2]))
        yield url
        os.utime(use.fileno())


def stop() -> bool:
    """Stops the server; False where none runs. Raises `OutputError` if a command uses it."""
    folder = _folder()
    with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
        if not free:
            raise OutputError("the warm server works for another command: end that first")
        return _end(folder)


def watch(folder: Path, pid: int, idle: float) -> None:
    """Stops the server `pid` once no command has used it for `idle` seconds."""
    while _pid(folder) == pid and _is_alive(pid):
        time.sleep(min(30.0, max(0.2, idle / 4)))
        with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
            if (
                free
                and _pid(folder) == pid
                and time.time() - (folder / "use").stat().st_mtime > idle
            ):
                _end(folder)


def channel(url: str) -> "DefaultChannelBuilder":
    """A channel that sends the token to 127.0.0.1 alone.

    Under the name ``localhost`` another user might listen on ::1, where the server does not.
    """
    from pyspark.sql.connect.client import DefaultChannelBuilder

    class Loopback(DefaultChannelBuilder):
        @property
        def endpoint(self) -> str:
            return f"ipv4:127.0.0.1:{self._port}"

    return Loopback(url)


def _folder() -> Path:
    """The folder of the server's files, which nobody else can have made or can enter."""
    folder = Path(tempfile.gettempdir(), f"genre-spark-warm-{os.getuid()}")
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ConfigError(
            f"{folder}: must be a folder that only you can enter (mode 700); remove it, or run"
            " without --warm"
        )
    return folder


def _identity(master: str, properties: Mapping[str, str]) -> str:
    """A hash of all that a server keeps from its start: options, environment, installed code."""
    from pyspark.version import __version__

    package = Path(__file__).resolve().parents[1]
    code = sorted((str(file), file.stat().st_mtime_ns) for file in package.rglob("*.py"))
    environment = {
        name: value
        for name, value in os.environ.items()
        if name.startswith(_INHERITED) and name not in _OURS
    }
    parts = [master, dict(properties), __version__, sys.executable, code, environment]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@contextmanager
def _used(folder: Path, identity: str) -> Iterator[IO[str]]:
    """A shared lock, under which the server that runs, if any, has this identity."""
    while True:
        with _locked(folder, fcntl.LOCK_SH) as use:
            if use and _read(folder / "identity") == identity:
                yield use
                return
        with _locked(folder, fcntl.LOCK_EX | fcntl.LOCK_NB) as free:
            if not free:
                raise ConfigError(
                    "the warm server works for a command of another version, environment or with"
                    " another --master: wait for its end, or run without --warm"
                )
            _end(folder)
            (folder / "identity").write_text(identity, encoding="utf-8")


@contextmanager
def _locked(folder: Path, kind: int) -> Iterator[IO[str] | None]:
    """The locked file; None where another process holds the lock."""
    with (folder / "use").open("a", encoding="utf-8") as file:
        try:
            fcntl.flock(file, kind)
        except BlockingIOError:
            yield None
            return
        yield file


def _reach(master: str, properties: Mapping[str, str]) -> str:
    from pyspark.errors import PySparkException
    from pyspark.sql.connect.local_server import reuse_or_start_local_connect_server

    # The default port is that of whatever other server of Spark Connect.
    wanted = {**properties, "spark.local.connect.server.port": str(_free_port())}
    try:
        return reuse_or_start_local_connect_server(master, wanted)
    except (PySparkException, OSError, subprocess.SubprocessError) as err:
        reason = " ".join(str(err).split())
        raise ConfigError(f"the warm server does not start: {reason}; run without --warm") from err


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _end(folder: Path) -> bool:
    """Ends the server and waits for it: its memory and its port are needed by the next."""
    from pyspark.sql.connect.local_server import stop_local_connect_server

    os.environ[_DISCOVERY] = str(folder / "server.json")
    pid = _pid(folder)
    stopped = bool(stop_local_connect_server())
    if stopped and pid:
        until = time.monotonic() + _STOPPING_SECONDS
        while _is_alive(pid) and time.monotonic() < until:
            time.sleep(0.05)
        if _is_alive(pid):
            os.kill(pid, signal.SIGKILL)
    return stopped


def _watch_in_background(folder: Path, pid: int | None) -> None:
    idle = float(os.environ.get(IDLE) or _IDLE_SECONDS)
    call = f"warm_server.watch(warm_server.Path({str(folder)!r}), {pid}, {idle})"
    subprocess.Popen(
        [sys.executable, "-c", f"from genre_spark.platform import warm_server; {call}"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        cwd="/",
    )


def _refuse_foreign(port: int) -> None:
    """Refuses a port on which another user listens: it would get the token, and give the labels."""
    owners = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):  # only Linux has them
            for line in Path(table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENS and int(fields[1].rpartition(":")[2], 16) == port:
                    owners.add(int(fields[7]))
    if owners - {os.getuid()}:
        raise ConfigError(
            f"another user listens on port {port}, where the warm server should: run without --warm"
        )


def _pid(folder: Path) -> int | None:
    try:
        return int(json.loads(_read(folder / "server.json"))["pid"])
    except (ValueError, KeyError, TypeError):
        return None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's process by now
        return False
    return True
