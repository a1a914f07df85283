"""What Java is started with, by the size of the table."""

import os

import pytest

from genre_spark.platform.session import is_small, local_properties

LIMIT = 32 * 2**20


@pytest.fixture
def of_size(tmp_path):
    """A file of so many bytes, none of which is written."""

    def make(name, size):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
        os.truncate(path, size)
        return str(path)

    return make


def test_a_table_of_up_to_32_mib_is_small(of_size):
    assert is_small(of_size("a.csv", LIMIT))
    assert not is_small(of_size("b.csv", LIMIT + 1))


def test_the_files_of_a_folder_count_together(of_size, tmp_path):
    of_size("t/a.parquet", LIMIT - 10)
    assert is_small(str(tmp_path / "t"))
    of_size("t/b.parquet", 20)
    assert not is_small(str(tmp_path / "t"))


@pytest.mark.parametrize("path", ["s3a://bucket/t.parquet", "absent.csv", "t/*.csv"])
def test_a_table_whose_size_is_not_known_is_not_small(path):
    assert not is_small(path)


def test_a_small_table_starts_java_without_its_second_compiler():
    assert "TieredStopAtLevel" not in local_properties()["spark.driver.extraJavaOptions"]
    small = local_properties(small=True)["spark.driver.extraJavaOptions"]
    assert "-XX:TieredStopAtLevel=1 " in f"{small} "


@pytest.mark.parametrize("small", [False, True])
def test_a_java_without_memory_ends_and_leaves_standard_output_to_the_command(small):
    given = local_properties(small=small)["spark.driver.extraJavaOptions"].split()
    assert {"-XX:+ExitOnOutOfMemoryError", "-XX:+DisplayVMOutputToStderr"} <= set(given)
