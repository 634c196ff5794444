"""Finds the files of local sources: an absolute path, ``~``, below the data root, or below the working directory.

All sources that read local files use it.
"""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path, PurePosixPath

from vlmbench import files
from vlmbench.cards import SourceSpec
from vlmbench.data.base import Source, SourceContext
from vlmbench.errors import DataError, MissingDataError, UsageError
from vlmbench.files import is_folder
from vlmbench.paths import user_path
from vlmbench.storage.base import Location, Url, is_url
from vlmbench.storage.locations import is_object_storage, user_location
from vlmbench.storage.schemes import WHOLE
from vlmbench.wording import listed


@dataclass(frozen=True)
class Place:
    """One of the places that a source may mean.

    Attributes:
        location: as the card writes it.
        path: the path that it means.
    """

    location: str
    path: Path


def user_data_root(text: str | Path | None) -> Location | None:
    """The data root that a user wrote: a folder or a URL of object storage; None if the user wrote none.

    Raises:
        UsageError: it is another kind of URL, has credentials, or is not complete.
        MissingDependencyError: the package for this kind of URL is not installed.
    """
    if text is None or not str(text):
        return None
    found = user_location(text)
    if isinstance(found, Url) and not is_object_storage(found.text):
        schemes = listed([f"{scheme}://" for scheme in WHOLE], "and")
        raise UsageError(
            f"the data root '{found}' is not in object storage", hint=f"Data is read from {schemes}, or from a folder."
        )
    return found


def is_at_url(source: Source, spec: SourceSpec, context: SourceContext) -> bool:
    """Whether an entry may mean data at a URL."""
    if source.remote is not None and source.remote.is_remote(spec):
        return False
    return isinstance(context.data_root, Url) or any(map(is_object_storage, (spec.location, *spec.other_locations)))


def roots(context: SourceContext) -> list[Path]:
    """The folders of this machine under which relative locations are looked up, in order."""
    found = [Path.cwd()]
    if isinstance(context.data_root, Path):
        found.insert(0, user_path(context.data_root).absolute())
    return list(dict.fromkeys(found))


def shown_roots(context: SourceContext) -> str:
    """The folders and the URL under which relative locations are looked up, in words."""
    first = [str(context.data_root)] if isinstance(context.data_root, Url) else []
    return listed([*first, *map(str, roots(context))])


def candidates(location: str, context: SourceContext) -> list[Path]:
    """The places of this machine that a location may mean, in the order they are tried. A URL means none."""
    if is_url(location):
        return []
    path = user_path(location)
    return [path] if path.is_absolute() else [root / path for root in roots(context)]


def existing_places(spec: SourceSpec, context: SourceContext) -> Iterator[Place]:
    """The places of the source that exist: first those below the data root, then those below the working directory.

    Raises:
        DataError: this user may not look at one of them.
    """
    every = [
        [Place(location, path) for path in candidates(location, context)]
        for location in (spec.location, *spec.other_locations)
    ]
    for same_root in zip_longest(*every):
        yield from (place for place in same_root if place is not None and exists(place.path))


def find_local(spec: SourceSpec, context: SourceContext) -> Place:
    """The first place of the source that exists.

    Raises:
        MissingDataError: none of them exists; the message lists them.
        DataError: this user may not look at one of them.
    """
    found = next(existing_places(spec, context), None)
    if found is None:
        raise missing(spec, context)
    return found


def exists(place: Path) -> bool:
    """Whether a file or folder exists.

    Raises:
        DataError: it is not known, because this user may not enter a folder on the way.
    """
    try:
        return place.exists()
    except OSError as error:
        raise DataError(f"{place} cannot be looked at: {error.strerror or error}") from error


def missing(spec: SourceSpec, context: SourceContext, *, looked_for: Sequence[str] | None = None) -> MissingDataError:
    """The error for a local source that has no files at any of its places.

    Args:
        looked_for: the paths to name in the message; None: the source's locations.
    """
    layouts = looked_for if looked_for is not None else [spec.location, *spec.other_locations]
    if len(layouts) == 1 and looked_for is None:
        url = layouts[0] if is_url(layouts[0]) else None
        if url is None and isinstance(context.data_root, Url) and not user_path(layouts[0]).is_absolute():
            url = f"{context.data_root}/{layouts[0]}"
        where = ", ".join([*([url] if url else []), *map(str, candidates(layouts[0], context))])
    else:
        where = f"{', '.join(layouts)} (looked in {shown_roots(context)})"
    relative = [layout for layout in layouts if not is_url(layout) and not user_path(layout).is_absolute()]
    return MissingDataError(f"{spec.kind} {spec.location!r}: not found at {where}", looked_for=relative or None)


def nearest_hint(path: Path) -> str:
    """A hint that names the part of an absolute path that exists: the typing error follows it."""
    there = next((parent for parent in path.parents if is_folder(parent)), None)
    if there is None:
        return "Check the path."
    return f"Check the path: {there} exists, and {path.relative_to(there).parts[0]!r} is not in it."


def read_text(file: Path) -> str:
    """The text of a file that describes a dataset, such as a list or a file of class names.

    Raises:
        DataError: it cannot be read, or it is neither UTF-8 nor UTF-16 or UTF-32 with a byte order mark.
    """
    try:
        return files.decoded_text(files.read_bytes(file, most=files.MOST_DATA_BYTES))
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{file} cannot be read: {error}", hint="Save it as UTF-8 text.") from error


def argument(kind: str, place: Path | str) -> str:
    """The command line's argument for a place, quoted for a shell: ``-t boxes:/data/my_set``."""
    return f"-t {shlex.quote(f'{kind}:{place}')}"


def one_of(arguments: Sequence[str], most: int | None = None) -> str:
    """Arguments of which the user should take one, joined by "or" without commas, so that each can be copied.

    Args:
        most: name at most this many.
    """
    return " or ".join((*arguments[:most], *(["…"] if most is not None and len(arguments) > most else [])))


def is_below(name: str) -> bool:
    """Whether a path that was read from a file is a valid path that stays below the folder to which it is relative."""
    path = PurePosixPath(name)
    printable = name.strip() and "\0" not in name and not any("\ud800" <= letter <= "\udfff" for letter in name)
    return bool(printable) and not path.is_absolute() and ".." not in path.parts


def files_state(named: Iterable[tuple[str, Path]], *, salt: str = "") -> str:
    """A hash of names, sizes and times: the ``state()`` of a dataset of local files.

    Args:
        named: for each file, a name that does not depend on where the dataset is, and the path. A missing file counts
            too.
        salt: a text of everything else that the dataset depends on.
    """
    digest = hashlib.sha256(salt.encode())
    for name, path in named:
        try:
            found = path.stat()
            size, changed = found.st_size, found.st_mtime_ns
        except OSError:
            size, changed = -1, -1
        digest.update(f"{name}\0{size}\0{changed}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
