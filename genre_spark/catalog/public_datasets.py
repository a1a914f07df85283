"""The well-known public tables: what each is, and its download, for `datasets` and `fetch`."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from genre_spark._model import StrictModel
from genre_spark.errors import ConfigError, InputError, OutputError
from genre_spark.platform.storage import sha256_of
from genre_spark.source import Dataset, Download, Origin, dataset_names, load_dataset
from genre_spark.versions import __version__

# Seconds without a byte after which a connection counts as broken.
_PATIENCE = 30
# In a row, without a byte gained.
_TRIES = 3
_CHUNK = 1 << 17
_RANGE_NOT_SATISFIABLE = 416

# Several times the largest table that is known to be hosted openly.
MAX_BYTES = 20 * 2**30

Advance = Callable[[int, int | None], None]


@dataclass(frozen=True)
class KnownTable:
    """A well-known table; `how_to_get` is a command, or where to go."""

    name: str
    how_to_get: str
    dataset: Dataset
    origin: Origin

    def summary(self) -> dict[str, Any]:
        """The same for machines."""
        dataset = self.dataset.model_dump(exclude_defaults=True)
        return {"name": self.name, "get": self.how_to_get, **dataset}


def listed() -> list[KnownTable]:
    """All of them, by name."""
    return [described(name) for name in dataset_names()]


def described(name: str) -> KnownTable:
    """One of them; raises `ConfigError` if there is none of that name."""
    if name not in dataset_names():
        raise ConfigError(f"{name}: no such dataset; there are {', '.join(dataset_names())}")
    dataset = load_dataset(name)
    origin = dataset.origin
    if origin is None:
        raise ConfigError(f"{name}: its dataset file does not say where the table comes from")
    how = f"genre-spark fetch {name}" if origin.download else origin.how
    return KnownTable(name, how, dataset, origin)


def where_to(name: str, output: str | None) -> Path:
    """Where a table goes; raises `ConfigError` if it is unknown or, with where to go, not hosted openly."""
    return Path(output or _hosted(name)[0].file)


class Fetched(StrictModel):
    """A table that is there now; ``fetched`` is False where it already was."""

    dataset: str
    path: str
    bytes: int
    fetched: bool
    licence: str


def get(name: str, target: Path, advance: Advance) -> Fetched:
    """Downloads a table to `target`, from `where_to`; see `fetch`."""
    origin, download = _hosted(name)
    fetched = fetch(download, target, advance)
    size, licence = target.stat().st_size, origin.licence
    return Fetched(dataset=name, path=str(target), bytes=size, fetched=fetched, licence=licence)


def _hosted(name: str) -> tuple[Origin, Download]:
    origin = described(name).origin
    if origin.download is None:
        raise ConfigError(
            f"{name} is not among the tables that can be fetched. How to get {origin.file}:"
            f" {origin.how} ({origin.page}); then give it as --catalog, with --dataset {name}"
        )
    return origin, origin.download


def fetch(source: Download, target: Path, advance: Advance, max_bytes: int = MAX_BYTES) -> bool:
    """Puts a file where it is wanted; returns False if it was there already.

    What is there of it so far is in ``target.part``. A server that supports ``Range`` (RFC 9110, section 14)
    sends the rest only; from another one all comes again. `advance` gets the bytes that are there, and how
    many there should be if that is known. A file of more than `max_bytes` is refused, at once if the server
    states its size. Raises `OutputError` if another file is there, or it cannot be written, and `InputError`
    if the server cannot be reached or has another file.
    """
    if target.exists():
        if target.is_file() and sha256_of(target) == source.sha256:
            return False
        raise OutputError(
            f"{target}: exists and is not the file of {source.url}; delete it, or choose another"
            " name with --output"
        )
    part = target.with_name(f"{target.name}.part")
    with _writing(part):
        target.parent.mkdir(parents=True, exist_ok=True)
    # A link would lead the download into another file.
    if part.is_symlink() or (part.exists() and not part.is_file()):
        raise OutputError(f"{part}: is no plain file; delete it, or choose another name")
    _get(source.url, part, advance, max_bytes)
    found = sha256_of(part)
    if found != source.sha256:
        with suppress(OSError):
            part.unlink()
        raise InputError(
            f"{source.url}: what came is not the file that it should be: SHA-256 {found}, expected"
            f" {source.sha256}. Nothing was kept; try again, or get it from its page"
        )
    with _writing(target):
        os.replace(part, target)
    return True


def _get(url: str, part: Path, advance: Advance, max_bytes: int) -> None:
    """Tries until the file is whole, or nothing more comes."""
    failures = 0
    while True:
        before = _size(part)
        try:
            return _go_on(url, part, advance, max_bytes)
        except HTTPError as err:
            raise InputError(f"{url}: the server says {err.code} {err.reason}") from err
        except (OSError, HTTPException) as err:
            failures = 0 if (size := _size(part)) > before else failures + 1
            if failures == _TRIES:
                reason = getattr(err, "reason", err)
                told = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
                kept = (
                    f"{size:,} bytes are kept in {part}: run the same command again to go on"
                    if size
                    else "nothing came. Is there a network, and does a proxy have to be set (https_proxy)?"
                )
                raise InputError(f"{url}: {told}; {kept}") from err


def _go_on(url: str, part: Path, advance: Advance, max_bytes: int) -> None:
    """One connection's worth."""
    start = _size(part)
    headers = {"User-Agent": f"genre-spark/{__version__}"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        response = urlopen(Request(url, headers=headers), timeout=_PATIENCE)
    except HTTPError as err:
        if err.code != _RANGE_NOT_SATISFIABLE or not start:
            raise
        # Nothing is left to send: it is whole, or another file's.
        return
    with response:
        resumed = response.status == 206
        rest = response.length
        have = start if resumed else 0
        total = None if rest is None else have + rest
        _refuse_large(url, total or have, max_bytes)
        flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | (os.O_APPEND if resumed else os.O_TRUNC)
        with _writing(part):
            file = os.fdopen(os.open(part, flags, 0o666), "wb", buffering=0)
        with file:
            while chunk := response.read1(_CHUNK):
                with _writing(part):
                    file.write(chunk)
                have += len(chunk)
                _refuse_large(url, have, max_bytes)
                advance(have, total)
    if total is not None and have < total:
        raise ConnectionError(f"the connection broke off after {have:,} of {total:,} bytes")


def _refuse_large(url: str, n_bytes: int, max_bytes: int) -> None:
    if n_bytes > max_bytes:
        raise InputError(f"{url}: has more than {max_bytes:,} bytes, the limit; it is not fetched")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as err:
        raise OutputError(f"{path}: cannot be written: {err.strerror}") from err


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
