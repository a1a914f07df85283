"""Downloads from a server on this machine that is as good, or as bad, as each test needs."""

import hashlib
import http.server
import re
import threading

import pytest

from genre_spark.catalog import public_datasets
from genre_spark.errors import InputError, OutputError
from genre_spark.source import Download

CONTENT = bytes(range(256)) * 1500
HALF = 200_000


class Server(http.server.ThreadingHTTPServer):
    """Sends `content`; of each of the next answers only as many bytes as the next of `breaks` says."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.breaks, self.knows_range, self.ranges = CONTENT, [], True, []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/table.csv"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked = self.headers.get("Range")
        self.server.ranges.append(asked)
        if self.path == "/moved.csv":
            self.send_response(302)
            self.send_header("Location", self.server.url)
            return self.end_headers()
        if self.path != "/table.csv":
            return self.send_error(404)
        content = self.server.content
        start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1]) if asked else 0
        if not self.server.knows_range:
            start = 0
        if start and start >= len(content):
            return self.send_error(416)
        body = content[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.server.breaks.pop(0)] if self.server.breaks else body)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with Server() as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        yield server
        server.shutdown()


@pytest.fixture
def fetch(server, tmp_path):
    """Fetches into a new folder; gives the file and what was told of the way."""

    def run(content=CONTENT, path="table.csv"):
        source = Download(
            url=server.url.replace("table.csv", path), sha256=hashlib.sha256(content).hexdigest()
        )
        told = []
        target = tmp_path / "data" / "mine.csv"
        fetched = public_datasets.fetch(source, target, lambda *bytes_of: told.append(bytes_of))
        return fetched, target, told

    return run


@pytest.fixture
def part(tmp_path):
    """Where the part of a file is that has come; its folder is there."""
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "mine.csv.part"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("path", ["table.csv", "moved.csv"], ids=["at once", "redirected"])
def test_a_file_comes_whole_under_its_name_and_nothing_else_stays(fetch, path):
    fetched, target, told = fetch(path=path)
    assert fetched
    assert target.read_bytes() == CONTENT
    assert names(target.parent) == ["mine.csv"]
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_connection_that_breaks_is_taken_up_where_it_ended(server, fetch):
    server.breaks = [HALF, 1000]
    assert fetch()[1].read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={HALF}-", f"bytes={HALF + 1000}-"]


def test_a_server_without_range_sends_all_again(server, fetch):
    server.knows_range, server.breaks = False, [HALF]
    _, target, told = fetch()
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT))


def test_a_connection_that_gains_nothing_is_given_up_and_what_came_is_kept(server, fetch, tmp_path):
    server.breaks = [HALF, 0, 0, 0]
    with pytest.raises(
        InputError, match=f"after {HALF:,} of {len(CONTENT):,}.*{HALF:,} bytes are kept"
    ):
        fetch()
    assert names(tmp_path / "data") == ["mine.csv.part"]
    # The same command goes on from there.
    server.ranges.clear()
    assert fetch()[1].read_bytes() == CONTENT
    assert server.ranges == [f"bytes={HALF}-"]


@pytest.mark.parametrize("aim", ["mine.txt", "nowhere"])
def test_a_link_in_the_place_of_the_part_is_not_followed(fetch, tmp_path, part, aim):
    (tmp_path / "mine.txt").write_text("mine")
    part.symlink_to(tmp_path / aim)
    with pytest.raises(OutputError, match="is no plain file"):
        fetch()
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert not (tmp_path / "nowhere").exists()


def test_a_file_beyond_the_limit_is_not_fetched(server, tmp_path):
    source = Download(url=server.url, sha256=hashlib.sha256(CONTENT).hexdigest())
    target = tmp_path / "mine.csv"
    with pytest.raises(InputError, match="has more than 1,000 bytes, the limit"):
        public_datasets.fetch(source, target, lambda *_: None, max_bytes=1000)
    assert names(tmp_path) in ([], ["mine.csv.part"])
    assert all(path.stat().st_size <= 1000 for path in tmp_path.iterdir())


def test_a_wrong_checksum_leaves_nothing_behind(fetch, tmp_path):
    with pytest.raises(InputError, match="not the file that it should be"):
        fetch(content=b"another file")
    assert names(tmp_path / "data") == []


@pytest.mark.parametrize(
    "content", [b"?" * HALF, CONTENT + b"more than there is"], ids=["another file", "longer"]
)
def test_a_part_of_another_file_is_found_out_and_thrown_away(fetch, part, content):
    part.write_bytes(content)
    with pytest.raises(InputError, match="not the file that it should be"):
        fetch()
    assert not part.exists()
    # And one that is the whole file is taken.
    part.write_bytes(CONTENT)
    assert fetch()[1].read_bytes() == CONTENT


def test_a_file_that_is_there_is_not_fetched_again(server, fetch):
    fetch()
    server.ranges.clear()
    assert fetch()[0] is False
    assert server.ranges == []


def test_another_file_of_that_name_is_left_as_it_is(server, fetch, part):
    target = part.with_name("mine.csv")
    target.write_text("my own")
    with pytest.raises(OutputError, match="exists and is not the file"):
        fetch()
    assert target.read_text() == "my own"
    assert server.ranges == []


def test_what_the_server_refuses_is_reported(fetch):
    with pytest.raises(InputError, match=r"nothing\.csv: the server says 404 Not Found"):
        fetch(path="nothing.csv")


def test_a_server_that_does_not_answer_is_reported_with_what_to_try(server, tmp_path):
    server.server_close()
    source = Download(url=server.url, sha256="0" * 64)
    with pytest.raises(InputError, match=r"Connection refused; nothing came\. Is there a network"):
        public_datasets.fetch(source, tmp_path / "mine.csv", lambda *_: None)


def test_a_folder_that_cannot_be_written_is_reported(server, fetch, tmp_path):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot be written"):
        fetch()
