"""Times results in object storage: listing many records, copying them, and ``report`` on the copy.

    python perf/stored_results.py [--records 10000] [--latency 0.03]

moto's server stands in for S3, in a process of its own, behind a wait of ``--latency`` seconds a request, as between a
machine and a region. moto itself answers some hundred requests a second, so the time of the first copy is mostly
that of moto.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import socket
import tempfile
import time
from pathlib import Path
from typing import Any

from report import write_records

BUCKET = "perf"


def serve(port: int, folder: str, latency: float) -> None:
    """Serve S3 with all files of a folder in a bucket; runs in a process of its own."""
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from moto.s3.models import s3_backends
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    backend = s3_backends["123456789012"]["aws"]
    backend.create_bucket(BUCKET, "us-east-1")
    for path in sorted(Path(folder).rglob("*.json")):
        name = path.relative_to(folder).as_posix()
        backend.put_object(BUCKET, f"runs/{name}", path.read_bytes())
        backend.put_object(BUCKET, f"runs/{name.removesuffix('.json')}.parquet", b"rows")
    app = DomainDispatcherApplication(create_backend_app)

    def waiting(environ: Any, start: Any) -> Any:
        time.sleep(latency)
        return app(environ, start)

    make_server("127.0.0.1", port, waiting, threaded=True).serve_forever()


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
    begun = time.perf_counter()
    found = work()
    print(f"{what:56} {time.perf_counter() - begun:8.2f} s")
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
