"""Classes that are kept for Java's next start."""

import os
import subprocess
import sys

import pytest

RUN = "import sys; sys.prefix = sys.argv[1]; from genre_spark.pipelines import class_archive as made; "


def outcome(prefix, code):
    """Of some code in a process of its own whose Python environment lies elsewhere."""
    command = [sys.executable, "-c", RUN + code, str(prefix)]
    return subprocess.run(command, capture_output=True, text=True, timeout=600)


@pytest.mark.long
def test_java_starts_with_the_classes_that_were_kept(tmp_path):
    done = outcome(tmp_path, "made.main()")
    archive = tmp_path / "share" / "genre-spark" / "spark-classes.jsa"
    assert (done.returncode, done.stdout.strip()) == (0, str(archive))
    assert [path.name for path in archive.parent.iterdir()] == [archive.name]
    logged = tmp_path / "classes.log"
    java = f"-Xlog:class+load:file={logged}"
    started = (
        "from genre_spark.platform.session import get_session;"
        f"import os; os.environ['SPARK_SUBMIT_OPTS'] = '{java}';"
        "get_session('local[1]', small=True);"
        # What Java logs is complete once it has ended.
        "from pyspark import SparkContext; java = SparkContext._gateway.proc;"
        "SparkContext._active_spark_context.stop(); SparkContext._gateway.shutdown();"
        "java.stdin.close(); java.wait()"
    )
    assert outcome(tmp_path, started).returncode == 0
    loaded = [line for line in logged.read_text().splitlines() if " org.apache.spark." in line]
    kept = sum("shared objects file (top)" in line for line in loaded)
    from_jars = sum("source: jar:" in line or "source: file:" in line for line in loaded)
    assert kept > 1000 > 20 * from_jars


def test_a_folder_that_cannot_be_written_is_reported_in_one_line(tmp_path):
    (tmp_path / "share").touch()
    done = outcome(tmp_path, "made.main()")
    assert done.returncode != 0
    assert done.stderr.startswith("genre-spark: error: ")
    assert len(done.stderr.splitlines()) == 1
    assert os.fspath(tmp_path) in done.stderr
