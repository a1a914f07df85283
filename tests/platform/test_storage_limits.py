"""What is fetched whole is limited before it is copied."""

import pytest

from genre_spark.errors import InputError
from genre_spark.platform.hadoop import HadoopStorage
from genre_spark.platform.storage import MAX_FILES, LocalStorage


@pytest.fixture(params=["local", "hadoop"])
def storage(request):
    """The local disk, reached directly and as Hadoop reaches any file system."""
    if request.param == "local":
        return LocalStorage()
    return HadoopStorage(request.getfixturevalue("spark"), "file:///")


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
    ],
)
def test_what_is_too_large_or_too_many_is_not_copied(storage, tmp_path, given, told):
    source = storage.resolve(make(tmp_path / "source", **given))
    with pytest.raises(InputError, match=told):
        storage.download(source, tmp_path / "copy", 1000)
    assert not (tmp_path / "copy").exists()


def test_what_is_within_the_limits_is_copied(storage, tmp_path):
    source = storage.resolve(make(tmp_path / "source", n_files=3))
    storage.download(source, tmp_path / "copy", 1000)
    assert len([path for path in (tmp_path / "copy").iterdir() if path.suffix != ".crc"]) == 3
