"""Two sources as a third party would write them: one of local folders, one whose files are on a web server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote
from urllib.request import urlopen

from vlmbench.cards import SourceSpec
from vlmbench.data.base import ImageDataset, Source, SourceContext, SourceInfo
from vlmbench.data.image_files import ImageFiles
from vlmbench.data.location import find_local
from vlmbench.data.remote import Advance, FileKey, RemoteFile, Verified, mismatch, verify_files
from vlmbench.errors import DataError, MissingDataError, VlmbenchError


def open_versions(spec: SourceSpec, context: SourceContext) -> ImageDataset:
    """Open ``<location>/<revision>/<split>/<class folder>/*.<suffix>``."""
    found = find_local(spec, context)
    root = found.path / (spec.revision or "v1") / (spec.split or "test")
    folders = spec.folders or sorted(path.name for path in root.iterdir())
    suffix = spec.options.get("suffix", "png")
    files = [
        (path.relative_to(root).as_posix(), label)
        for label, folder in enumerate(folders)
        for path in sorted((root / folder).glob(f"*.{suffix}"))
    ]
    info = SourceInfo(spec.kind, found.location, spec.revision, spec.split)
    return ImageFiles(root, info, files, context.class_names or tuple(folders))


VERSIONS = Source(open_versions, ("suffix",), folders=True, other_locations=True, split=True, revision=True)


@dataclass(frozen=True)
class Part:
    """One file on the server."""

    url: str
    file: RemoteFile

    @property
    def key(self) -> FileKey:
        return self.url, self.file.path

    @property
    def missing(self) -> int:
        return self.file.size or 0


@dataclass(frozen=True)
class BucketData:
    """The files that the server's index lists below a split."""

    url: str
    folder: Path
    revision: str
    files: tuple[RemoteFile, ...]
    offline: bool

    @property
    def notes(self) -> list[str]:
        return ["the server was not asked"] if self.offline else []

    def missing(self) -> list[Part]:
        return [] if self.offline else [self.again(file) for file in self.files if self.cached(file) is None]

    def again(self, file: RemoteFile) -> Part:
        return Part(self.url, file)

    def cached(self, file: RemoteFile) -> Path | None:
        path = self.folder / file.path
        return path if path.is_file() and path.stat().st_size == file.size else None

    def verify(self) -> Verified:
        return verify_files(
            f"bucket {self.url!r}", [(file, path) for file in self.files if (path := self.cached(file))]
        )

    def check(self) -> None:
        if absent := [file.path for file in self.files if self.cached(file) is None]:
            raise MissingDataError(f"bucket {self.url!r}: not in the cache: {absent[0]}", hint="Run vlmbench fetch.")


@dataclass(frozen=True)
class Buckets:
    """A web server as a remote.

    Attributes:
        cache: where files are kept.
    """

    cache: Path

    def is_remote(self, spec: SourceSpec) -> bool:
        return spec.location.startswith("http://")

    def look_up(self, spec: SourceSpec, *, offline: bool) -> BucketData:
        folder = self.folder(spec.location)
        kept = folder / "index.json"
        if not offline:
            with urlopen(f"{spec.location}/index.json", timeout=10) as answer:
                content = answer.read()
            folder.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(content)
        if not kept.is_file():
            raise MissingDataError(f"bucket {spec.location!r}: not in the cache", hint="Run vlmbench fetch.")
        index = json.loads(kept.read_bytes())
        files = (RemoteFile(**file) for file in index["files"])
        wanted = tuple(file for file in files if file.path.startswith(f"{spec.split or 'test'}/"))
        return BucketData(spec.location, folder, index["version"], wanted, offline)

    def transfer(
        self, wanted: Sequence[Sequence[Part]], *, workers: int, advance: Advance
    ) -> Mapping[FileKey, VlmbenchError]:
        failed: dict[FileKey, VlmbenchError] = {}
        for part in {part.key: part for parts in wanted for part in parts}.values():
            path = self.folder(part.url) / part.file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with urlopen(f"{part.url}/{quote(part.file.path)}", timeout=10) as answer:
                    path.write_bytes(answer.read())
            except OSError as error:
                failed[part.key] = DataError(f"bucket {part.url!r}: {part.file.path}: {error}")
                continue
            advance(part.missing)
            if wrong := mismatch(path, part.file):
                failed[part.key] = DataError(f"bucket {part.url!r}: {part.file.path}: {wrong}")
        return failed

    def folder(self, location: str) -> Path:
        """Where one server's files are kept."""
        return self.cache / hashlib.sha256(location.encode()).hexdigest()[:16]

    def cache_folder(self) -> Path:
        return self.cache

    def open(self, spec: SourceSpec, context: SourceContext) -> ImageDataset:
        """Fetch what is missing, and open the folder."""
        data = self.look_up(spec, offline=context.offline)
        for error in self.transfer([data.missing()], workers=1, advance=lambda _: None).values():
            raise error
        data.check()
        split = spec.split or "test"
        classes = sorted({file.path.split("/")[1] for file in data.files})
        files = [(file.path.removeprefix(f"{split}/"), classes.index(file.path.split("/")[1])) for file in data.files]
        info = SourceInfo(spec.kind, spec.location, data.revision, split)
        return ImageFiles(data.folder / split, info, files, tuple(classes))


def bucket_source(cache: Path) -> Source:
    """The source of a web server's files."""
    remote = Buckets(cache)
    return Source(remote.open, ("region",), split=True, remote=remote)


def write_index(folder: Path, version: str = "7") -> int:
    """Write the index of a folder that is to be served; returns how many bytes its files have."""
    files = [
        {
            "path": path.relative_to(folder).as_posix(),
            "size": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        for path in sorted(folder.rglob("*.png"))
    ]
    (folder / "index.json").write_text(json.dumps({"version": version, "files": files}))
    return sum(int(str(file["size"])) for file in files)


class _Handler(SimpleHTTPRequestHandler):
    asked: list[str]

    def __init__(self, *arguments: object, asked: list[str], directory: str) -> None:
        self.asked = asked
        super().__init__(*arguments, directory=directory)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """Serve a folder on the loopback interface; gives its address and the paths that are asked for."""
    asked: list[str] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, asked=asked, directory=str(folder)))
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", asked
    finally:
        server.shutdown()
        server.server_close()
