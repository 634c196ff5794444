"""Times results in object storage: listing many records, copying them, and ``report`` on the copy.

    python perf/stored_results.py [--records 10000] [--latency 0.03]

A small server of Python's library stands in for S3, in a process of its own. It waits ``--latency`` seconds before each
answer, as between a machine and a region, and lists a thousand names an answer. moto's server is too slow for this: it
sorts all names for each answer.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import tempfile
import time
from bisect import bisect_left, bisect_right
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

from report import write_records

BUCKET = "perf"
PAGE = 1000
"""S3 lists this number of names in an answer."""


def serve(port: int, folder: str, latency: float) -> None:
    """Serve the files of a folder as objects, in a process of its own."""
    files: dict[str, Path] = {}
    for path in Path(folder).rglob("*.json"):
        name = f"runs/{path.relative_to(folder).as_posix()}"
        files[name] = path
        files[name.removesuffix(".json") + ".parquet"] = path
    names, sizes = sorted(files), {name: path.stat().st_size for name, path in files.items()}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            time.sleep(latency)
            path, _, query = self.path.partition("?")
            asked = dict(parse_qsl(query, keep_blank_values=True))
            if "list-type" in asked:
                return self._send(_page(names, sizes, asked).encode(), "application/xml")
            name = unquote(path).removeprefix(f"/{BUCKET}/")
            return self._send(files[name].read_bytes(), "application/json")

        def _send(self, content: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    ThreadingHTTPServer.request_queue_size = 128  # more than asks at once
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


def _page(names: list[str], sizes: dict[str, int], asked: dict[str, str]) -> str:
    """One answer of ListObjectsV2: at most a thousand names or folders, and where the next answer begins."""
    prefix, sign, after = asked.get("prefix", ""), asked.get("delimiter", ""), asked.get("continuation-token", "")
    parts: list[str] = []
    place = bisect_right(names, after) if after else bisect_left(names, prefix)
    last = ""
    while place < len(names) and names[place].startswith(prefix) and len(parts) < PAGE:
        last = names[place]
        rest = last[len(prefix) :]
        if sign and sign in rest:
            last = f"{prefix}{rest.partition(sign)[0]}{sign}"
            parts.append(f"<CommonPrefixes><Prefix>{last}</Prefix></CommonPrefixes>")
            last += chr(0x10FFFF)
            place = bisect_left(names, last)
        else:
            parts.append(
                f"<Contents><Key>{last}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
                f"<ETag>&quot;{place}&quot;</ETag><Size>{sizes[last]}</Size><StorageClass>STANDARD</StorageClass></Contents>"
            )
            place += 1
    more = place < len(names) and names[place].startswith(prefix)
    token = f"<NextContinuationToken>{last}</NextContinuationToken>" if more else ""
    return (
        '<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
        f"<Name>{BUCKET}</Name><Prefix>{prefix}</Prefix><IsTruncated>{str(more).lower()}</IsTruncated>"
        f"<KeyCount>{len(parts)}</KeyCount>{token}{''.join(parts)}</ListBucketResult>"
    )


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_server() -> None:
    """Wait until the server listens, which it does when it has all files; at most five minutes."""
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", int(os.environ["AWS_ENDPOINT_URL"].rpartition(":")[2]))) == 0:
                return
        time.sleep(0.5)
    raise SystemExit("the server has not started")


def timed(what: str, work: Any) -> Any:
    """Do something, and print how long it took."""
    begun, used = time.perf_counter(), time.process_time()
    found = work()
    used = time.process_time() - used
    print(f"{what:56} {time.perf_counter() - begun:8.2f} s, {used:.2f} s of the processor", flush=True)
    return found


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=10_000)
    parser.add_argument("--latency", type=float, default=0.03)
    asked = parser.parse_args()
    port = free_port()
    os.environ.update(AWS_ACCESS_KEY_ID="perf", AWS_SECRET_ACCESS_KEY="perf", AWS_DEFAULT_REGION="us-east-1")
    os.environ["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryDirectory() as work:
        os.environ["VLMBENCH_CACHE"] = f"{work}/cache"
        write_records(Path(work, "runs"), asked.records)
        server = multiprocessing.get_context("spawn").Process(
            target=serve, args=(port, f"{work}/runs", asked.latency), daemon=True
        )
        server.start()
        try:
            _measure(asked.records)
        finally:
            server.terminate()


def _measure(count: int) -> None:
    from vlmbench.reports.entries import gather
    from vlmbench.storage.base import Url
    from vlmbench.storage.mirror import readable
    from vlmbench.storage.remote import RemoteFolder
    from vlmbench.store import ResultStore

    url = Url(f"s3://{BUCKET}/runs")
    folder = RemoteFolder(url)
    wait_for_server()
    listed = timed(f"list {count:,} records and their tables", lambda: list(folder.entries()))
    assert len(listed) == 2 * count
    files, root = folder._files()
    timed("list them in one sequence of requests", lambda: files.find(root, detail=True))
    copy = timed("first copy: list and fetch every record", lambda: readable(url.text))
    timed("copy again: nothing is new", lambda: readable(url.text))
    timed("read the copy, as `report` does", lambda: gather(ResultStore(copy).summaries()))


if __name__ == "__main__":
    main()
