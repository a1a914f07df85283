"""What is fetched or read whole is limited first."""

import os

import pytest

from genre_spark.errors import InputError
from genre_spark.platform.atomic_directory import MANIFEST, require_manifest
from genre_spark.platform.storage import MAX_FILES, MAX_SMALL, LocalStorage, read_small


def make(folder, n_files=1, size=10, inside=False):
    folder.mkdir()
    for i in range(n_files):
        (folder / f"{i}").write_bytes(bytes(size))
    if inside:
        (folder / "folder").mkdir()
    return str(folder)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"size": 1001}, "has 1,001 bytes, the limit is 1,000"),
        ({"n_files": MAX_FILES + 1, "size": 1}, "at most 100 files are fetched"),
        ({"inside": True}, "1 of them folders"),
        ({"n_files": 3}, None),
    ],
)
def test_what_is_too_large_or_too_many_is_not_copied(storage, tmp_path, given, told):
    source = storage.resolve(make(tmp_path / "source", **given))
    if told:
        with pytest.raises(InputError, match=told):
            storage.download(source, tmp_path / "copy", 1000)
        assert not (tmp_path / "copy").exists()
    else:
        storage.download(source, tmp_path / "copy", 1000)
        assert len([one for one in (tmp_path / "copy").iterdir() if one.suffix != ".crc"]) == 3


def odd(folder, what):
    """A file that must not be opened, or not be read whole."""
    path = folder / "small.json"
    if what == "pipe":
        os.mkfifo(path)
    elif what == "folder":
        path.mkdir()
    elif what == "large":
        with path.open("wb") as file:
            file.truncate(MAX_SMALL + 1)
    else:
        path.symlink_to(what)
    return path


@pytest.mark.parametrize(
    ("what", "told"),
    [
        ("pipe", "is not a plain file"),
        ("folder", "is not a plain file"),
        ("large", "more than 8,388,608 bytes"),
        ("/dev/zero", "is a link to a file outside of"),
        ("../secret", "is a link to a file outside of"),
    ],
)
def test_a_small_file_of_a_stranger_neither_hangs_nor_leaks_nor_fills_memory(tmp_path, what, told):
    (tmp_path / "secret").write_text("password")
    (tmp_path / "in").mkdir()
    path = odd(tmp_path / "in", what)
    with pytest.raises(InputError, match=told):
        read_small(path)
    path.rename(path.with_name(MANIFEST))
    with pytest.raises(InputError, match=told):
        require_manifest(LocalStorage(), str(tmp_path / "in"))


def test_a_small_file_is_read_through_links_that_stay_in_its_folder(storage, tmp_path):
    (tmp_path / "real.json").write_text("{}")
    (tmp_path / "link.json").symlink_to("real.json")
    assert storage.read_text(str(tmp_path / "link.json")) == "{}"


def test_a_large_file_of_a_stranger_is_not_read_whole(storage, tmp_path):
    path = odd(tmp_path, "large")
    with pytest.raises(InputError, match="more than 8,388,608 bytes"):
        storage.read_text(str(path))
