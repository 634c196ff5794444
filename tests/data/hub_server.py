"""A small Hugging Face hub on the loopback interface, from which ``huggingface_hub`` can download.

Spoken: ``/api/datasets/ID[/revision/REV]``, ``/api/datasets/ID/tree/REV`` and, HEAD and GET with ranges,
``/datasets/ID/resolve/REV/PATH``; as https://huggingface.co does, with ``X-Repo-Commit``, ``ETag`` and
``X-Error-Code``.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit


@dataclass
class HubRepo:
    """One dataset repository.

    Attributes:
        revisions: commit to files.
        branches: branch or tag to commit.
        gated: every request is refused as for an account without access.
        private: every request is refused as for somebody not logged in.
    """

    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    private: bool = False

    def commit(self, files: Mapping[str, bytes], branch: str = "main") -> str:
        """Set a branch to these files; returns the commit's hash."""
        digest = hashlib.sha1(usedforsecurity=False)
        for name, content in sorted(files.items()):
            digest.update(name.encode() + b"\0" + content)
        sha = digest.hexdigest()
        self.revisions[sha] = dict(files)
        self.branches[branch] = sha
        return sha


@dataclass
class Hub:
    """What the server holds and what it was asked.

    Attributes:
        url: for HF_ENDPOINT.
        repos: by ``org/name``.
        requests: ("GET", path) of every request so far.
        failing: paths that contain one of these get this status.
        cut_after: GET bodies of these paths break off after so many bytes.
    """

    url: str = ""
    repos: dict[str, HubRepo] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)

    def repo(self, repo_id: str) -> HubRepo:
        """The repository of this name, new if there was none."""
        return self.repos.setdefault(repo_id, HubRepo())

    def fetched(self) -> list[str]:
        """The files whose content was asked for, in the repository's paths."""
        paths = [path.partition("/resolve/")[2] for method, path in self.requests if method == "GET"]
        return sorted({path.partition("/")[2] for path in paths if path})


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve a :class:`Hub` until the block ends; then nobody listens at its address."""
    hub = Hub()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.requests.append((self.command, path))
        for part, status in self.hub.failing.items():
            if part in path:
                return self._fail(status, "", "The test says so.")
        segments = path.removeprefix("api/").split("/")
        if len(segments) < 3 or segments[0] != "datasets":
            return self._fail(404, "", "Unknown path")
        repo = self.hub.repos.get("/".join(segments[1:3]))
        if repo is None:
            return self._fail(404, "RepoNotFound", "Repository not found")
        if repo.private:
            return self._fail(401, "RepoNotFound", "Invalid username or password.")
        if repo.gated:
            return self._fail(403, "GatedRepo", "Access to this dataset is restricted.")
        verb = segments[3] if len(segments) > 3 else "revision"
        # A ref such as refs/pr/1 comes as one quoted segment, which unquoting has split: none is used here.
        revision = segments[4] if len(segments) > 4 else "main"
        sha = repo.branches.get(revision, revision)
        if sha not in repo.revisions:
            return self._fail(404, "RevisionNotFound", f"Invalid rev id: {revision}")
        files = repo.revisions[sha]
        if path.startswith("api/"):
            return self._json(_tree(files) if verb == "tree" else _info("/".join(segments[1:3]), sha, files))
        name = "/".join(segments[5:])
        if name not in files:
            return self._fail(404, "EntryNotFound", "Entry not found", {"X-Repo-Commit": sha})
        return self._file(files[name], sha, self.hub.cut_after.get(path.partition("/resolve/")[2].partition("/")[2]))

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _file(self, content: bytes, sha: str, cut: int | None) -> None:
        etag = hashlib.sha256(content).hexdigest()
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        start = int(first or 0)
        body = content[start : int(last) + 1 if last else None]
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        if first:
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        self._send(206 if first else 200, body, headers, cut)

    def _json(self, data: object) -> None:
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"error": message}).encode()
        self._send(status, body, {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})})

    def _send(self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body if cut is None else body[:cut])
        if cut is not None:
            self.close_connection = True


def _info(repo_id: str, sha: str, files: Mapping[str, bytes]) -> dict[str, object]:
    siblings = [{"rfilename": name} for name in files]
    return {"id": repo_id, "sha": sha, "siblings": siblings, "private": False, "gated": False, "tags": []}


def _tree(files: Mapping[str, bytes]) -> list[dict[str, object]]:
    return [
        {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha256(content).hexdigest()[:40]}
        for name, content in files.items()
    ]
