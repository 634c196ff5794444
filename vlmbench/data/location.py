"""Where a local source's files are: absolute, ``~``, under the data root, or under the working directory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from vlmbench.cards import SourceSpec
from vlmbench.data.base import SourceContext
from vlmbench.errors import DataError, MissingDataError, UsageError
from vlmbench.registry import did_you_mean


def candidates(location: str, context: SourceContext) -> list[Path]:
    """The places that a location may mean, in the order they are tried."""
    path = Path(location).expanduser()
    if path.is_absolute():
        return [path]
    roots = [Path.cwd()]
    if context.data_root is not None:
        roots.insert(0, context.data_root.expanduser().absolute())
    return list(dict.fromkeys(root / path for root in roots))


def find_local(spec: SourceSpec, context: SourceContext) -> Path:
    """The first of :func:`candidates` that exists.

    Raises:
        MissingDataError: none does; the message lists them.
        DataError: one may not be looked at.
    """
    places = candidates(spec.location, context)
    for place in places:
        if exists(place):
            return place
    raise missing(spec, places)


def exists(place: Path) -> bool:
    """Whether something is there.

    Raises:
        DataError: a folder on the way may not be entered, so that nobody can know.
    """
    try:
        return place.exists()
    except OSError as error:
        raise DataError(f"{place} cannot be looked at: {error.strerror or error}") from error


def missing(spec: SourceSpec, places: list[Path]) -> MissingDataError:
    """The error of a local source of which nothing is there."""
    return MissingDataError(f"{spec.kind} {spec.location!r}: not found at {', '.join(str(p) for p in places)}")


def files_state(files: Iterable[tuple[str, Path]], *, salt: str = "") -> str:
    """A hash of names, sizes and times: the ``state()`` of a dataset of local files.

    Args:
        files: (name that does not depend on where the dataset lies, path). One that is gone counts too.
        salt: whatever else the dataset depends on.
    """
    digest = hashlib.sha256(salt.encode())
    for name, path in files:
        try:
            found = path.stat()
            size, changed = found.st_size, found.st_mtime_ns
        except OSError:
            size, changed = -1, -1
        digest.update(f"{name}\0{size}\0{changed}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


def check_options(spec: SourceSpec, known: tuple[str, ...]) -> None:
    """Refuse what a source does not understand: a misspelt option would change nothing, silently.

    Raises:
        UsageError: an option is not among the known, or ``folders`` is given to no image folder.
    """
    if spec.folders is not None and spec.kind != "imagefolder":
        raise UsageError(f"{spec.kind} {spec.location!r}: `folders` is for image folders only")
    for option in spec.options:
        if option not in known:
            hint = did_you_mean(option, known) or "It takes no options."
            raise UsageError(f"{spec.kind} {spec.location!r}: unknown option {option!r}", hint=hint)
