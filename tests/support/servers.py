"""What stands for servers that genre-spark reports to."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest


@contextmanager
def posts():
    """A server on this machine: its URL, and what is posted there, as (path, headers, body)."""
    seen = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers, body.decode()))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Server) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", seen
        server.shutdown()


@contextmanager
def mlflow_store(folder):
    """A store of MLflow in SQLite; its own settings are what they were afterwards."""
    import mlflow

    before = mlflow.get_tracking_uri()
    with pytest.MonkeyPatch.context() as patch:
        # `set_experiment` would hold for the tests after these.
        patch.setenv("MLFLOW_EXPERIMENT_NAME", "genres")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        mlflow.create_experiment("genres", artifact_location=(folder / "artifacts").as_uri())
        yield
        mlflow.set_tracking_uri(before)
