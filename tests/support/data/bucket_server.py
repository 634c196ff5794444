"""An S3 server on the loopback interface, made by moto, whose answers can be made to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "data"
Fault = Callable[[dict[str, Any], Callable[..., Any], Callable[..., Any]], Iterable[bytes]]
"""Answers a request in place of the server: (the request, the function that starts the answer, the server)."""


def status(code: int, name: str = "") -> Fault:
    """Answer with a status, and with an error code as S3 writes it."""

    def answer(environ: dict[str, Any], start: Callable[..., Any], app: Callable[..., Any]) -> Iterable[bytes]:
        body = f"<Error><Code>{name or code}</Code><Message>made to fail</Message></Error>".encode()
        start(f"{code} Made", [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else body]

    return answer


def dropped(environ: dict[str, Any], start: Callable[..., Any], app: Callable[..., Any]) -> Iterable[bytes]:
    """Close the connection in the middle of the answer."""
    body = b"".join(app(environ, start))
    yield body[: len(body) // 2]
    raise ConnectionAbortedError("the test closes the connection")


class BucketServer:
    """A running server with one bucket.

    Attributes:
        requests: the method and the path of each request, with its range.
    """

    def __init__(self) -> None:
        self._app = DomainDispatcherApplication(create_backend_app)
        self._lock = Lock()
        self._faults: list[tuple[str, Fault]] = []
        self.requests: list[tuple[str, str, str]] = []
        self._server = make_server("127.0.0.1", 0, self, threaded=True)
        self.url = f"http://127.0.0.1:{self._server.port}"

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        with self._lock:
            self.requests.append((method, path, environ.get("HTTP_RANGE", "")))
            place = next((n for n, (part, _) in enumerate(self._faults) if part in f"{method} {path}"), None)
            fault = self._faults.pop(place)[1] if place is not None else None
        return fault(environ, start, self._app) if fault else self._app(environ, start)

    def fail(self, part: str, *faults: Fault) -> None:
        """Let the next requests fail whose method and path have this part, one for each fault."""
        self._faults += [(part, fault) for fault in faults]

    def forget(self) -> None:
        """Forget requests, and faults that no request met."""
        self.requests.clear()
        self._faults.clear()

    def reads(self) -> list[str]:
        """The paths of the objects of which bytes were asked for."""
        return [path for method, path, _ in self.requests if method == "GET" and path.strip("/") != BUCKET]

    def put(self, name: str, content: bytes) -> None:
        """Put an object into the bucket."""
        self._files().pipe_file(f"{BUCKET}/{name}", content)

    def put_folder(self, folder: Path, name: str) -> str:
        """Put the files of a folder under a name, and return their URL."""
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                self.put(f"{name}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return f"s3://{BUCKET}/{name}"

    def remove(self, name: str) -> None:
        """Remove an object."""
        self._files().rm_file(f"{BUCKET}/{name}")

    def _files(self) -> Any:
        import s3fs

        return s3fs.S3FileSystem(use_listings_cache=False)

    def __enter__(self) -> BucketServer:
        Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def bucket_server() -> Iterator[BucketServer]:
    """A server that the usual variables of the environment name."""
    with BucketServer() as server, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "testing")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "very-secret-key")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_PROFILE", raising=False)
        server._files().mkdir(BUCKET)
        server.forget()
        yield server
