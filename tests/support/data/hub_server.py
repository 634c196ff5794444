"""A small Hugging Face hub on the loopback interface, from which ``huggingface_hub`` can download.

Spoken: ``/api/datasets/ID[/revision/REV]``, ``/api/datasets/ID/tree/REV`` and, HEAD and GET with ranges,
``/datasets/ID/resolve/REV/PATH``, and the same of models (``/api/models/ID``, ``/ID/resolve/REV/PATH``); as
https://huggingface.co does, with ``X-Repo-Commit``, ``ETag`` and ``X-Error-Code``. Tars and tables are in large file
storage (known by their SHA-256), other files in git (by their object id). It can be in every kind of trouble that a
network knows: see :class:`Hub`.
"""

from __future__ import annotations

import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
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
        gated_files: the status with which files are refused, while anybody may look at the repository: 401 for
            somebody not logged in, 403 for an account without access.
        private: every request without this token is refused as for somebody not logged in.
    """

    revisions: dict[str, dict[str, bytes]] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    gated: bool = False
    gated_files: int | None = None
    private: str | None = None

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
        ranges: (path, where it was to start) of every GET of a part.
        failing: paths that contain one of these get this status.
        cut_after: GET bodies of these paths break off after so many bytes.
        gone_after: as ``cut_after``, and from then on nobody answers.
        gone: nobody answers.
        damaged: so many next GET bodies of these paths have other bytes than they should.
        stuck: GET bodies of these paths stop coming after so many bytes, until ``released``.
        released: set when the server ends.
        cdn: where large files are redirected to; the place refuses who shows it a token.
    """

    url: str = ""
    repos: dict[str, HubRepo] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    ranges: list[tuple[str, int]] = field(default_factory=list)
    failing: dict[str, int] = field(default_factory=dict)
    cut_after: dict[str, int] = field(default_factory=dict)
    gone_after: dict[str, int] = field(default_factory=dict)
    gone: bool = False
    damaged: dict[str, int] = field(default_factory=dict)
    stuck: dict[str, int] = field(default_factory=dict)
    released: threading.Event = field(default_factory=threading.Event)
    cdn: str = ""

    def repo(self, repo_id: str) -> HubRepo:
        """The repository of this name, new if there was none."""
        return self.repos.setdefault(repo_id, HubRepo())

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Return once it holds, looked at whenever the server is idle for a moment; fail after a minute."""
        deadline = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < deadline, "it never came to it"
            self.released.wait(0.02)

    def fetched(self) -> list[str]:
        """The files whose content was asked for, in the repository's paths."""
        paths = [path.partition("/resolve/")[2] for method, path in self.requests if method == "GET"]
        return sorted({path.partition("/")[2] for path in paths if path})


@contextmanager
def running_hub(hub: Hub | None = None) -> Iterator[Hub]:
    """Serve a hub until the block ends; then nobody listens at its address. One that ran before gets the same again."""
    hub = hub or Hub()
    hub.gone = False
    hub.released.clear()

    class Handler(_Handler):
        pass

    Handler.hub = hub
    server = _Server(("127.0.0.1", urlsplit(hub.url).port or 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        hub.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that leaves in the middle is part of the tests: only other errors are printed."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]


class _Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path).strip("/")
        self.hub.requests.append((self.command, path))
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if self.hub.gone:
            self.close_connection = True
            return None
        for part, status in self.hub.failing.items():
            if part in path:
                return self._fail(status, "", "The test says so.")
        delivering = path.startswith("cdn/")
        if delivering and token:
            return self._fail(400, "", "A token is nothing for strangers.")
        segments = path.removeprefix("api/").removeprefix("cdn/").split("/")
        if segments[0] == "models":
            segments[0] = "datasets"
        elif len(segments) > 3 and segments[2] == "resolve":  # a file of a model has no such word before it
            segments = ["datasets", *segments]
        if len(segments) < 3 or segments[0] != "datasets":
            return self._fail(404, "", "Unknown path")
        repo = self.hub.repos.get("/".join(segments[1:3]))
        if repo is None:
            return self._fail(404, "RepoNotFound", "Repository not found")
        if repo.private and token != repo.private and not delivering:
            return self._fail(401, "RepoNotFound", "Invalid username or password.")
        if repo.gated or (repo.gated_files and not path.startswith("api/")):
            return self._fail(repo.gated_files or 403, "GatedRepo", "Access to this dataset is restricted.")
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
        if self.hub.cdn and not delivering and _is_large(name):
            return self._redirect(f"{self.hub.cdn}/cdn/{path}", files[name], sha)
        return self._file(name, files[name], sha)

    do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass

    def _redirect(self, address: str, content: bytes, sha: str) -> None:
        linked = {"X-Linked-Etag": f'"{content_hash("x.tar", content)}"', "X-Linked-Size": str(len(content))}
        self._send(302, b"", {"Location": address, "X-Repo-Commit": sha, **linked})

    def _file(self, name: str, content: bytes, sha: str) -> None:
        first, _, last = self.headers.get("Range", "").removeprefix("bytes=").partition("-")
        start = int(first or 0)
        body = content[start : int(last) + 1 if last else None]
        headers = {"ETag": f'"{content_hash(name, content)}"', "X-Repo-Commit": sha, "Accept-Ranges": "bytes"}
        if first:
            headers["Content-Range"] = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
        if self.command == "HEAD":
            return self._send(206 if first else 200, body, headers)
        if first:
            self.hub.ranges.append((name, start))
        if self.hub.damaged.get(name, 0):
            self.hub.damaged[name] -= 1
            body = bytes(byte ^ 1 for byte in body)
        self.hub.gone = self.hub.gone or name in self.hub.gone_after
        cut = self.hub.gone_after.get(name, self.hub.cut_after.get(name))
        self._send(206 if first else 200, body, headers, cut, self.hub.stuck.get(name))

    def _json(self, data: object) -> None:
        self._send(200, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _fail(self, status: int, code: str, message: str, headers: Mapping[str, str] | None = None) -> None:
        body = json.dumps({"error": message}).encode()
        self._send(status, body, {"X-Error-Code": code, "X-Error-Message": message, **(headers or {})})

    def _send(
        self, status: int, body: bytes, headers: Mapping[str, str], cut: int | None = None, stuck: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.close_connection = cut is not None or stuck is not None
        self.wfile.write(body[:stuck] if cut is None else body[:cut])
        if stuck is not None:
            self.wfile.flush()
            self.hub.released.wait()


def content_hash(name: str, content: bytes) -> str:
    """By what the hub knows a file: large files by their SHA-256, others as git does."""
    if _is_large(name):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _is_large(name: str) -> bool:
    return name.endswith((".tar", ".parquet"))


def _info(repo_id: str, sha: str, files: Mapping[str, bytes]) -> dict[str, object]:
    siblings = [_sibling(name, content) for name, content in files.items()]
    return {"id": repo_id, "sha": sha, "siblings": siblings, "private": False, "gated": False, "tags": []}


def _sibling(name: str, content: bytes) -> dict[str, object]:
    described: dict[str, object] = {"rfilename": name, "size": len(content), "blobId": content_hash("", content)}
    if _is_large(name):
        described["lfs"] = {"size": len(content), "sha256": content_hash(name, content), "pointerSize": 130}
    return described


def _tree(files: Mapping[str, bytes]) -> list[dict[str, object]]:
    return [_entry(name, content) for name, content in files.items()]


def _entry(name: str, content: bytes) -> dict[str, object]:
    described: dict[str, object] = {
        "type": "file",
        "path": name,
        "size": len(content),
        "oid": content_hash("", content),
    }
    if _is_large(name):
        described["lfs"] = {"size": len(content), "oid": content_hash(name, content), "pointerSize": 130}
    return described
