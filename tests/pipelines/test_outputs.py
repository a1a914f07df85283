"""Commands refuse an output that would destroy what they read, before any work."""

import pytest

from genre_spark.catalog.catalogue import Source
from genre_spark.config import Dataset, load_settings
from genre_spark.errors import OutputError
from genre_spark.pipelines import cluster, train


@pytest.mark.parametrize("output", ["tracks/model", "tracks"])
def test_a_bundle_is_not_written_into_the_table_that_it_is_made_from(tmp_path, output):
    (tmp_path / "tracks").mkdir()
    source, settings = Source(str(tmp_path / "tracks"), Dataset()), load_settings()
    written = str(tmp_path / output)
    with pytest.raises(OutputError, match="lies inside the input"):
        cluster.run(None, source, written, settings)
    with pytest.raises(OutputError, match="lies inside the input"):
        train.run(None, source, str(tmp_path / "clusters"), written, settings)
