"""Files on the local disk and on anything that Hadoop reads, by the same calls."""

import ctypes
import hashlib
import os
import shutil
import stat
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias
from urllib.parse import unquote, urlparse

from genre_spark.errors import InputError, OutputError

if TYPE_CHECKING:
    from genre_spark.platform.hadoop import HadoopStorage

# What publishing needs of a file system.
Storage: TypeAlias = "LocalStorage | HadoopStorage"

# Linux, renameat2(2): paths are relative to the current folder; swap the two.
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
MAX_FILES = 100  # of what is fetched whole: a bundle has half a dozen
_HEAD = 2**16  # bytes in which the mark of an own file is looked for
MAX_SMALL = 8 * 2**20  # bytes of a file that is read whole: a manifest of 80,000 files has so many


def is_remote(path: str) -> bool:
    """Whether the path names a file system other than the local one."""
    return urlparse(path).scheme not in ("", "file")


def local_path(path: str) -> Path:
    """A local path or ``file:`` URI as a `Path`."""
    return Path(unquote(urlparse(path).path)) if path.startswith("file:") else Path(path)


def read_small(path: Path, most: int = MAX_SMALL) -> bytes:
    """A small file that somebody else may have put there, whole; opening it never blocks.

    Raises `InputError` if it is not a plain file (but a pipe, a device, a folder), is a link out of
    its folder, or has more than `most` bytes. Raises `OSError` if it is missing or cannot be
    read.
    """
    real, inside = path.resolve(strict=True), path.parent.resolve()
    if not real.is_relative_to(inside):
        raise InputError(f"{path}: is a link to a file outside of {inside}")
    with _opened(real) as file:
        return within_limit(file.read(most + 1), str(path), most)


def _opened(path: Path) -> BinaryIO:
    # Opening a device can already do something, and a pipe waits for somebody to write.
    if not stat.S_ISREG(path.stat().st_mode):
        raise InputError(f"{path}: is not a plain file")
    return open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_file(path: Path, content: bytes) -> None:
    """Writes a file that readers see whole, old or new, whenever the process is killed."""
    real = path.resolve()
    if real.exists() and not real.is_file():  # /dev/stdout, or a pipe
        real.write_bytes(content)
        return
    made = real.with_name(f".{real.name}.{uuid.uuid4().hex}.tmp")
    try:
        made.write_bytes(content)
        if real.exists():
            shutil.copymode(real, made)
        made.replace(real)
    finally:
        made.unlink(missing_ok=True)


def check_own(path: Path, mark: str) -> None:
    """Refuses to write to a file that has something else in it than genre-spark writes there.

    Raises `OutputError`.

    `mark`: Stands near the beginning of each file that may be replaced, or appended to.
    """
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return
    if mark not in LocalStorage().beginning(str(path), _HEAD):
        raise OutputError(f"{path}: holds something else; it is left as it is")


def within_limit(content: bytes, path: str, most: int = MAX_SMALL) -> bytes:
    """The content of a small file, of which at most one byte beyond `most` was read.

    Raises `InputError` if it is larger.
    """
    if len(content) > most:
        raise InputError(f"{path}: has more than {most:,} bytes, the limit for such a file")
    return content


class LocalStorage:
    """The local disk; needs no Java. `hadoop.HadoopStorage` has the same methods.

    Paths are what `resolve` gave, and below them.
    """

    # Whether a directory is renamed in one step, and not file by file.
    renames_whole = True

    def resolve(self, path: str) -> str:
        """The absolute form of a path, without symbolic links and without a slash at its end."""
        return os.path.realpath(local_path(path))

    def exists(self, path: str) -> bool:
        """Whether there is a file or directory."""
        return local_path(path).exists()

    def is_dir(self, path: str) -> bool:
        """Whether there is a directory."""
        return local_path(path).is_dir()

    def names(self, directory: str) -> list[str]:
        """Names in a directory, sorted, without Hadoop's checksum files."""
        return without_checksums(os.listdir(local_path(directory)))

    def files(self, directory: str) -> dict[str, int] | None:
        """Bytes of every file below a directory, by relative path; None where it is none.

        Links are files, an empty folder is ``name/``; Hadoop's checksums of files are left out.
        """
        top = local_path(directory)
        if top.is_symlink() or not top.is_dir():
            return None
        found = {}
        for folder, folders, names in os.walk(top, onerror=_refuse):
            linked = [name for name in folders if os.path.islink(os.path.join(folder, name))]
            beside = {f".{name}.crc" for name in names}
            for name in {*names, *linked} - beside:
                path = Path(folder, name)
                found[path.relative_to(top).as_posix()] = path.lstat().st_size
            if not (names or folders) and folder != str(top):
                found[f"{Path(folder).relative_to(top).as_posix()}/"] = 0
        return found

    def delete_file(self, path: str) -> None:
        """Deletes a file, with Hadoop's checksum of it; never a directory."""
        found = local_path(path)
        with _writing(path):
            found.unlink(missing_ok=True)
            found.with_name(f".{found.name}.crc").unlink(missing_ok=True)

    def delete_empty(self, directory: str) -> None:
        """Deletes a directory and those in it, if no file is left in them."""
        for folder, _, _ in os.walk(local_path(directory), topdown=False):
            with suppress(OSError):  # not empty
                os.rmdir(folder)

    def sync(self, path: str) -> None:
        """Returns once a directory, with all that is below it, would survive a power cut."""
        with _writing(path):
            for folder, _, names in os.walk(local_path(path)):
                for name in (*names, "."):
                    _sync_one(Path(folder, name))

    def sync_names(self, directory: str) -> None:
        """Returns once the names in a directory would survive a power cut."""
        with _writing(directory):
            _sync_one(local_path(directory))

    def make_dirs(self, path: str) -> None:
        """Creates a directory and its parents."""
        try:
            with _writing(path):
                local_path(path).mkdir(parents=True, exist_ok=True)
        except FileExistsError as err:
            raise OutputError(f"{path}: cannot be created: there is a file") from err

    def delete(self, path: str) -> None:
        """Deletes a file or a whole directory, if it is there."""
        found = local_path(path)
        with _writing(path):
            if found.is_dir() and not found.is_symlink():
                shutil.rmtree(found)
            else:
                found.unlink(missing_ok=True)

    def rename(self, source: str, target: str) -> None:
        """Moves to a path where nothing is yet."""
        if self.exists(target):
            raise OutputError(f"{target}: appeared while a new one was being made")
        moved = local_path(source)
        with _writing(target):
            moved.rename(local_path(target))
            # Hadoop's checksum of a file, which nobody would find under the new name.
            moved.with_name(f".{moved.name}.crc").unlink(missing_ok=True)

    def exchange(self, one: str, other: str) -> bool:
        """Swaps two directories in one atomic step; False where that is not possible."""
        renameat2 = getattr(ctypes.CDLL(None), "renameat2", None)
        if renameat2 is None:
            return False
        first, second = (os.fsencode(local_path(path)) for path in (one, other))
        return renameat2(_AT_FDCWD, first, _AT_FDCWD, second, _RENAME_EXCHANGE) == 0

    def read_text(self, path: str, most: int = MAX_SMALL) -> str:
        """A small UTF-8 file, whole; see `read_small`."""
        return read_small(local_path(path), most).decode("utf-8")

    def beginning(self, path: str, n_bytes: int) -> str:
        """At most so many bytes of a file, as UTF-8; what is none becomes U+FFFD."""
        with _opened(local_path(path)) as file:
            return file.read(n_bytes).decode("utf-8", errors="replace")

    def write_text(self, path: str, text: str) -> None:
        """Writes a small UTF-8 file, over an old one if there is one; on a local disk in one step."""
        with _writing(path):
            replace_file(local_path(path), text.encode("utf-8"))

    def create_new(self, path: str, text: str) -> bool:
        """Writes a file only if there is none, atomically; False where there was one."""
        whole = local_path(f"{path}-{uuid.uuid4().hex}")
        try:
            # A link appears with its content, where a new file would be empty for an instant.
            with _writing(path):
                whole.write_text(text, encoding="utf-8")
                os.link(whole, local_path(path))
        except FileExistsError:
            return False
        finally:
            # On a read-only disk this fails too, where nothing is to be deleted.
            with suppress(OSError):
                whole.unlink()
        return True

    def age(self, path: str) -> float | None:
        """Seconds since a file was last written; None where there is none."""
        try:
            return time.time() - local_path(path).stat().st_mtime
        except FileNotFoundError:
            return None

    def download(self, source: str, target: Path, max_bytes: int) -> None:
        """Copies the files of a directory, and of none within it, to the local disk.

        Raises `InputError` if there are folders in it, more than `MAX_FILES` files or more than
        `max_bytes`.
        """
        entries = list(os.scandir(local_path(source)))
        folders = sum(entry.is_dir() for entry in entries)
        check_download(source, [entry.stat().st_size for entry in entries], folders, max_bytes)
        shutil.copytree(local_path(source), target)

    def upload(self, source: Path, target: str) -> None:
        """Copies a local directory to a path where nothing is yet."""
        with _writing(target):
            shutil.copytree(source, local_path(target))


def check_download(source: str, sizes: Sequence[int], folders: int, max_bytes: int) -> None:
    """Refuses what is too large to be fetched, before it is. Raises `InputError`."""
    if folders or len(sizes) > MAX_FILES:
        raise InputError(
            f"{source}: holds {len(sizes)} files and folders, {folders} of them folders; at most"
            f" {MAX_FILES} files are fetched"
        )
    if sum(sizes) > max_bytes:
        raise InputError(f"{source}: has {sum(sizes):,} bytes, the limit is {max_bytes:,}")


def _refuse(err: OSError) -> None:
    raise OutputError(f"{err.filename}: cannot be listed: {err.strerror}") from err


def _sync_one(path: Path) -> None:
    if path.is_symlink():
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


@contextmanager
def _writing(path: str) -> Iterator[None]:
    """Tells a failure to write as the user's error that it mostly is."""
    try:
        yield
    except FileExistsError:
        raise
    except OSError as err:
        raise OutputError(f"{path}: cannot be written: {err.strerror}") from err


def without_checksums(names: Iterable[str]) -> list[str]:
    """Names, sorted, without the files that Hadoop keeps beside its own on a local disk."""
    return sorted(name for name in names if not name.endswith(".crc"))
