"""What tests of storages share."""

import pytest

from genre_spark.platform.storage import LocalStorage


@pytest.fixture(params=["local", pytest.param("hadoop", marks=pytest.mark.spark)])
def storage(request):
    """The local disk, reached directly and as Hadoop reaches any file system."""
    if request.param == "local":
        return LocalStorage()
    from genre_spark.platform.hadoop import HadoopStorage

    return HadoopStorage(request.getfixturevalue("spark"), "file:///")
