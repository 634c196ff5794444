"""Object storage on the loopback interface: moto's S3 behind a proxy that drops, delays, cuts and refuses requests."""

from __future__ import annotations

import http.client
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

import pytest

SECRET = "wJalrXUtnFEMI-not-a-real-secret"
BUCKET = "bench"
_XML = '<?xml version="1.0"?><Error><Code>{code}</Code><Message>{code}</Message></Error>'
_CODES = {403: "AccessDenied", 429: "TooManyRequests", 500: "InternalError", 502: "BadGateway", 503: "SlowDown"}


@dataclass
class Fault:
    """What happens to the next requests that fit.

    Attributes:
        method: of the request.
        part: of its path.
        kind: the connection is closed without an answer; the request is done, but its answer is lost; the content of
            the answer, or of the request, is cut off; the server is silent for 2.5 seconds; or a status.
        times: how often.
    """

    method: str
    part: str
    kind: Literal["dropped", "answer lost", "cut", "upload cut", "slow"] | int
    times: int = 1


@dataclass
class ObjectStorage:
    """The storage, what will go wrong, and what it was asked.

    Attributes:
        client: boto3's client, past the proxy.
        asked: method and path of each request through the proxy.
    """

    client: Any
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fault_for(self, method: str, path: str) -> Fault | None:
        """The fault of this request, which is then used up."""
        with self.lock:
            self.asked.append(f"{method} {path}")
            for fault in self.faults:
                if fault.times and fault.method == method and fault.part in path:
                    fault.times -= 1
                    return fault
        return None

    def names(self, prefix: str = "") -> list[str]:
        """The names of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [found["Key"] for page in pages for found in page.get("Contents", ())]

    def content(self, key: str) -> bytes:
        """The content of an object."""
        found: bytes = self.client.get_object(Bucket=BUCKET, Key=key)["Body"].read()
        return found

    def put(self, key: str, content: bytes) -> None:
        """Make an object."""
        self.client.put_object(Bucket=BUCKET, Key=key, Body=content)


@contextmanager
def object_storage() -> Iterator[ObjectStorage]:
    """Start the storage, and point s3fs to it by the usual variables."""
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    backend = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    backend.start()
    host, port = backend.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in (
            ("ACCESS_KEY_ID", "AKIATEST"),
            ("SECRET_ACCESS_KEY", SECRET),
            ("DEFAULT_REGION", "us-east-1"),
        ):
            patch.setenv(f"AWS_{name}", value)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        patch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
        storage = ObjectStorage(boto3.client("s3", endpoint_url=f"http://{host}:{port}"))
        storage.client.create_bucket(Bucket=BUCKET)
        for key in storage.names():  # all servers of a process have one storage
            storage.client.delete_object(Bucket=BUCKET, Key=key)
        proxy = ThreadingHTTPServer(("127.0.0.1", 0), _handler(storage, host, port))
        proxy.daemon_threads = True
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{proxy.server_address[1]}")
        patch.setattr("vlmbench.storage.remote.DELAYS", (0.01, 0.01, 0.01))
        try:
            yield storage
        finally:
            proxy.shutdown()
            proxy.server_close()
            backend.stop()


def _handler(storage: ObjectStorage, host: str, port: int) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = storage.fault_for(self.command, self.path)
            kind = fault.kind if fault else None
            if kind == "dropped":
                return self._close()
            if kind == "slow":
                time.sleep(2.5)
                return self._close()
            if isinstance(kind, int):
                content = _XML.format(code=_CODES[kind]).encode()
                return self._answer(kind, {"Content-Type": "application/xml"}, content, len(content))
            connection = http.client.HTTPConnection(host, port)
            headers = dict(self.headers.items())
            if kind == "upload cut":
                connection.request(self.command, self.path, body=body[: len(body) // 2], headers=headers)
                connection.sock.shutdown(socket.SHUT_WR)
                connection.close()
                return self._close()
            connection.request(self.command, self.path, body=body, headers=headers)
            found = connection.getresponse()
            content = found.read()
            connection.close()
            if kind == "answer lost":
                return self._close()
            sent = content[: len(content) // 2] if kind == "cut" else content
            length = int(found.headers.get("Content-Length") or len(content))
            self._answer(found.status, dict(found.headers.items()), sent, length)
            if kind == "cut":
                self._close()
            return None

        def _answer(self, status: int, headers: dict[str, str], content: bytes, length: int) -> None:
            self.send_response(status)
            for name, value in headers.items():
                if name.lower() not in ("content-length", "connection", "transfer-encoding", "date", "server"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(content)
                self.wfile.flush()

        def _close(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def log_message(self, format: str, *args: object) -> None:
            pass

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on

    return Handler
