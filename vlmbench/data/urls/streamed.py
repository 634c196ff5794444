"""Opens webdatasets in object storage. Their shards are never stored on this machine.

The source ``wds`` uses it. The rules for folders, splits and file names are those of shards on a disk, because they
look at a folder of empty files with the same names. The list of files in each shard is read once and kept in the cache.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from vlmbench.cards import SourceSpec
from vlmbench.data.base import READING_RULES, ImageDataset, Sample, SourceContext, SourceInfo
from vlmbench.data.formats.folder_walk import PassedOver
from vlmbench.data.formats.shards import METADATA_FILES, SHARD_COUNT, Shards, pattern_begins, shards_at
from vlmbench.data.formats.tar_index import Member, TarSample, scan_file
from vlmbench.data.formats.webdataset import read_shards
from vlmbench.data.hub.parallel import in_parallel
from vlmbench.data.hub.transfer import progress_bar
from vlmbench.data.remote import Advance
from vlmbench.data.urls.blocks import KEPT_OF_ONE_FILE, BlockFile, Blocks
from vlmbench.data.urls.listing import files_below, named_by_urls
from vlmbench.errors import DataError, StoreError
from vlmbench.files import MOST_TEXT_BYTES, read_bytes, size_text
from vlmbench.paths import cache_root
from vlmbench.storage.base import Entry, Url
from vlmbench.storage.disk import write_atomically
from vlmbench.storage.once import held
from vlmbench.storage.ranges import read_range
from vlmbench.storage.remote import RemoteFolder

_SHARDS_AT_ONCE = 6
"""Shards that are listed at the same time. With 30 ms a request and 80 MB/s a connection, eight shards of 41 MB took
2.6 s one by one and 1.4 s in fours; each takes 20 MiB of memory."""
_AT_ONCE = 16
_FORM = 1
"""The version of the lists' form in the cache."""


@dataclass(eq=False)
class StreamedWebDataset:
    """The images of tar shards in object storage. It keeps only their positions; each image is read when it is needed.

    Attributes:
        entries: each shard as it was listed, by the path that stands for it in ``images``.
    """

    info: SourceInfo
    samples: Sequence[Sample]
    images: Sequence[Member]
    classes: tuple[str, ...] | None
    templates: tuple[str, ...] | None
    entries: Mapping[Path, Entry]
    blocks: Blocks
    versions: str = field(repr=False)

    def read(self, index: int) -> bytes:
        """The encoded image of a sample.

        Raises:
            StoreError: the storage cannot be reached, or the shard has changed since it was listed. It is no
                BadSampleError, since the sample itself may be good.
        """
        member = self.images[index]
        return self.blocks.read(self.entries[member.shard], member.offset, member.size)

    def state(self) -> str:
        return self.versions


def open_streamed(url: Url, spec: SourceSpec, context: SourceContext) -> ImageDataset | None:
    """Open the webdataset at a URL: a dataset's root, a split's folder, one ``.tar``, a ``{0..9}`` or ``*`` pattern.

    Returns:
        The dataset; None if there is nothing at the URL.

    Raises:
        MissingDataError, LabelError, DataError: as :func:`vlmbench.data.sources.wds.open_source`.
        StoreError: the storage cannot be reached.
    """
    folder, rest = _anchor(url)
    remote = RemoteFolder(folder)
    listed = files_below(remote, "" if pattern_begins(rest) is not None else rest)
    if not listed:
        return None
    with TemporaryDirectory(prefix="vlmbench-shards-") as temporary:
        above = Path(temporary).resolve() / "above"
        base = above / folder.name
        contents = _with_metadata(remote, listed, rest)
        _lay_out(base, listed, contents)
        with named_by_urls([(base, folder), (above, _parent(folder) or folder)]):
            shards = shards_at(base / rest if rest else base, spec)
            return None if shards is None else _opened(remote, shards, base, listed, contents, spec, context)


def _opened(
    remote: RemoteFolder,
    shards: Shards,
    base: Path,
    listed: Sequence[Entry],
    contents: Mapping[str, bytes],
    spec: SourceSpec,
    context: SourceContext,
) -> StreamedWebDataset:
    by_name = {entry.name: entry for entry in listed}
    entries = {tar: by_name[tar.relative_to(base).as_posix()] for tar in shards.tars}
    found = read_shards(
        shards,
        SourceInfo(spec.kind, spec.location, split=shards.split),
        context,
        scan=partial(_samples, _Lists(remote, entries)),
    )
    digest = sha256()
    for tar, entry in entries.items():
        digest.update(f"{tar.name}\0{entry.size}\0{entry.version}\n".encode())
    for name, content in sorted(contents.items()):
        digest.update(f"{name}\0{sha256(content).hexdigest()}\n".encode())
    blocks = Blocks(partial(read_range, remote))
    return StreamedWebDataset(
        found.info,
        found.samples,
        found.images,
        found.classes,
        found.templates,
        entries,
        blocks,
        digest.hexdigest(),
    )


def _anchor(url: Url) -> tuple[Url, str]:
    """The folder to list, and the file or pattern in it; the latter is empty if the URL is a folder."""
    begins = pattern_begins(url.text)
    end = begins if begins is not None else len(url.text) if url.text.endswith(".tar") else None
    if end is None:
        return url, ""
    before = url.text[:end].rpartition("/")[0]
    return Url(before), url.text[len(before) + 1 :]


def _parent(url: Url) -> Url | None:
    """The folder above; None for a bucket, or for a repository of a hub (``hf://datasets/org/name``)."""
    parts = url.text.partition("://")[2].split("/")
    own = 1 if url.scheme != "hf" else 3 if parts[0] in ("datasets", "spaces") else 2
    return None if len(parts) <= own else Url(url.text.rpartition("/")[0])


def _with_metadata(remote: RemoteFolder, listed: Sequence[Entry], rest: str) -> dict[str, bytes]:
    """The content of the files that describe a dataset, by their paths below the folder; "../" is the folder above."""
    wanted = {entry.name for entry in listed if entry.name.rpartition("/")[2] in (*METADATA_FILES, SHARD_COUNT)}
    if large := [entry for entry in listed if entry.name in wanted and entry.size > MOST_TEXT_BYTES]:
        raise DataError(
            f"'{remote.url}/{large[0].name}' has {size_text(large[0].size)}, and at most "
            f"{size_text(MOST_TEXT_BYTES)} are read"
        )
    jobs = [(remote, name, name) for name in sorted(wanted)]
    if rest and pattern_begins(rest) is None:  # only the shard itself was listed
        jobs += [(remote, name, name) for name in METADATA_FILES if name not in wanted]
    if (parent := _parent(remote.url)) is not None:
        above = RemoteFolder(parent)
        jobs += [(above, name, f"../{name}") for name in METADATA_FILES]

    def read(job: tuple[RemoteFolder, str, str]) -> bytes | None:
        folder, name, _ = job
        try:
            return folder.read(name)
        except FileNotFoundError:
            return None

    found: dict[str, bytes] = {}
    for index, content in in_parallel(read, jobs, workers=_AT_ONCE):
        if isinstance(content, BaseException):
            raise content
        if content is not None:
            found[jobs[index][2]] = content
    return found


def _lay_out(base: Path, listed: Iterable[Entry], contents: Mapping[str, bytes]) -> None:
    """Make empty files with the names of the listed ones, and the files that describe the dataset.

    Raises:
        DataError: a name is too long, or the disk is full.
    """
    try:
        base.mkdir(parents=True)
        for name in [*(entry.name for entry in listed if entry.name not in contents), *contents]:
            path = base.parent / name[3:] if name.startswith("../") else base / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(contents.get(name, b""))
    except OSError as error:
        raise DataError(f"the names of the shards cannot be laid out: {error.strerror or error}") from error


class _Lists:
    """The lists of the files in shards, from the cache or from the storage."""

    def __init__(self, remote: RemoteFolder, entries: Mapping[Path, Entry]) -> None:
        self._remote = remote
        self._entries = entries
        self._found: dict[Path, tuple[list[TarSample], PassedOver]] | None = None

    def get(self, shard: Path, load: frozenset[str]) -> tuple[list[TarSample], PassedOver]:
        """The samples of a shard and what was passed over in it. The first call lists all shards."""
        if self._found is None:
            self._found = self._all(load)
        return self._found[shard]

    def _all(self, load: frozenset[str]) -> dict[Path, tuple[list[TarSample], PassedOver]]:
        found = {}
        what = f"listing {self._remote.url}"
        with held(_folder() / f"{sha256(what.encode()).hexdigest()[:32]}.lock", what):
            for shard, entry in self._entries.items():
                if (kept := _kept(self._place(entry, load), shard)) is not None:
                    found[shard] = kept
            missing = [shard for shard in self._entries if shard not in found]
            size = sum(self._entries[shard].size for shard in missing)
            with progress_bar(what, size) as advance:
                found |= self._listed(missing, load, advance)
        return found

    def _listed(
        self, shards: Sequence[Path], load: frozenset[str], advance: Advance
    ) -> dict[Path, tuple[list[TarSample], PassedOver]]:
        def list_one(shard: Path) -> tuple[list[TarSample], PassedOver]:
            found = _scanned(self._remote, self._entries[shard], shard, load)
            _keep(self._place(self._entries[shard], load), *found)
            advance(self._entries[shard].size)
            return found

        done = dict(in_parallel(list_one, shards, workers=_SHARDS_AT_ONCE))
        found = {}
        for number, shard in enumerate(shards):
            result = done[number]
            if isinstance(result, BaseException):
                raise result
            found[shard] = result
        return found

    def _place(self, entry: Entry, load: frozenset[str]) -> Path:
        known = (_FORM, READING_RULES, self._remote.url.text, entry.name, entry.size, entry.version, sorted(load))
        return _folder() / f"{sha256(json.dumps(known).encode()).hexdigest()}.json"


def _folder() -> Path:
    return cache_root() / "shards"


def _samples(lists: _Lists, shard: Path, *, load: frozenset[str], passed: PassedOver) -> list[TarSample]:
    samples, passed_here = lists.get(shard, load)
    passed.add_all(passed_here)
    return samples


def _scanned(
    remote: RemoteFolder, entry: Entry, shard: Path, load: frozenset[str]
) -> tuple[list[TarSample], PassedOver]:
    passed = PassedOver()
    file = BlockFile(Blocks(partial(read_range, remote), KEPT_OF_ONE_FILE), entry)
    try:
        return list(scan_file(file, entry.size, shard, load=load, passed=passed)), passed  # type: ignore[arg-type]
    except OSError as error:
        raise DataError(f"shard {shard} cannot be read: {error.strerror or error}") from error


def _keep(place: Path, samples: Sequence[TarSample], passed: PassedOver) -> None:
    content = {
        "samples": [
            [
                sample.key,
                {suffix: [member.offset, member.size] for suffix, member in sample.members.items()},
                {suffix: b64encode(small).decode() for suffix, small in sample.small.items()},
            ]
            for sample in samples
        ],
        "passed": [passed.reasons, passed.suffixes, passed.examples],
    }
    with suppress(StoreError):  # a full disk: the next run lists the shard again
        write_atomically(place, json.dumps(content, separators=(",", ":")).encode(), durable=False)


def _kept(place: Path, shard: Path) -> tuple[list[TarSample], PassedOver] | None:
    """The list of a shard from the cache; None if it is not there or cannot be read."""
    try:
        content = json.loads(read_bytes(place))
        samples = [
            TarSample(
                key,
                {suffix: Member(shard, int(offset), int(size)) for suffix, (offset, size) in members.items()},
                {suffix: b64decode(text) for suffix, text in small.items()},
            )
            for key, members, small in content["samples"]
        ]
        reasons, suffixes, examples = content["passed"]
        return samples, PassedOver(Counter(reasons), Counter(suffixes), list(examples))
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # written by another version, or cut off
        return None
