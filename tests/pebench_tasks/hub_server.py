"""A stand-in for the Hugging Face hub on localhost: serves folders as dataset repositories to ``huggingface_hub``."""

import hashlib
import json
import shutil
import threading
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

GOOD_TOKEN = "hf_good"


class Hub:
    """What a test sees of the running server: its address, and the requests that it has answered."""

    def __init__(self, datasets: Mapping[str, Path], gated: Collection[str]) -> None:
        self.datasets, self.gated = dict(datasets), set(gated)
        self.requests: list[str] = []  # "GET /datasets/owner/name/resolve/..."
        self.url = ""

    def commit(self, repo_id: str) -> str:
        """40 hexadecimal digits that change with the names and sizes of the files."""
        files = [f"{name} {path.stat().st_size}" for name, path in self.files(repo_id).items()]
        return hashlib.sha1("\n".join([repo_id, *files]).encode()).hexdigest()

    def files(self, repo_id: str) -> dict[str, Path]:
        root = self.datasets[repo_id]
        return {path.relative_to(root).as_posix(): path for path in sorted(root.rglob("*")) if path.is_file()}

    def downloads(self) -> list[str]:
        """The files that were fetched, in order, as paths inside their repositories."""
        return [
            line.split("/resolve/")[1].split("/", 1)[1] for line in self.requests if line.startswith("GET /datasets/")
        ]

    def use(self, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
        """Make this server the hub of the present process and of the processes it starts, with a cache of its own."""
        from huggingface_hub import constants

        template = self.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "ENDPOINT", self.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
        monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(cache / "token"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setenv("HF_ENDPOINT", self.url)
        monkeypatch.setenv("HF_HUB_CACHE", str(cache))
        monkeypatch.setenv("HF_TOKEN_PATH", str(cache / "token"))
        monkeypatch.delenv("HF_TOKEN", raising=False)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)


@contextmanager
def serve(datasets: Mapping[str, Path], *, gated: Collection[str] = ()) -> Iterator[Hub]:
    """Serve each folder as the dataset repository of its key ("owner/name"); ``gated`` ones want ``GOOD_TOKEN``."""
    hub = Hub(datasets, gated)

    class Handler(_Handler):
        served = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    served: Hub
    protocol_version = "HTTP/1.0"  # one request per connection: a stopped server answers nothing more

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def log_message(self, format: str, *args: object) -> None:
        """Silence: the requests are in ``Hub.requests``."""

    def _answer(self, *, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self.served.requests.append(f"{self.command} {path}")
        parts = path.strip("/").split("/")
        if parts[:2] == ["api", "datasets"] and len(parts) >= 5:
            self._describe("/".join(parts[2:4]), kind=parts[4], revision=parts[5] if len(parts) > 5 else "main")
        elif parts[0] == "datasets" and len(parts) > 5 and parts[3] == "resolve":
            self._file("/".join(parts[1:3]), "/".join(parts[5:]), with_body=with_body)
        else:
            self._refuse(404, "")

    def _describe(self, repo_id: str, *, kind: str, revision: str) -> None:
        if repo_id not in self.served.datasets:
            return self._refuse(401, "RepoNotFound")  # the hub's answer about missing and private ones alike
        commit = self.served.commit(repo_id)
        if revision not in ("main", commit):
            return self._refuse(404, "RevisionNotFound")
        files = self.served.files(repo_id)
        if kind == "tree":
            entries = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": _etag(path)}
                for name, path in files.items()
            ]
            return self._json(entries)
        siblings = [{"rfilename": name} for name in files]
        return self._json({"id": repo_id, "sha": commit, "private": False, "tags": [], "siblings": siblings})

    def _file(self, repo_id: str, name: str, *, with_body: bool) -> None:
        path = self.served.files(repo_id).get(name) if repo_id in self.served.datasets else None
        if path is None:
            return self._refuse(404, "EntryNotFound")
        if repo_id in self.served.gated and self.headers.get("Authorization") != f"Bearer {GOOD_TOKEN}":
            return self._refuse(401, "GatedRepo")
        self.send_response(200)
        self.send_header("ETag", f'"{_etag(path)}"')
        self.send_header("X-Repo-Commit", self.served.commit(repo_id))
        self.send_header("Content-Length", str(path.stat().st_size))
        self.end_headers()
        if with_body:
            with path.open("rb") as file:
                shutil.copyfileobj(file, self.wfile)
        return None

    def _json(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        if code:
            self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _etag(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha1").hexdigest()
