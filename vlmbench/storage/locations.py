"""Makes a location, which is a path or a URL, of what a user wrote.

Every command and function that takes a results folder calls :func:`user_location`.
"""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from vlmbench.errors import MissingDependencyError, UsageError, install_command
from vlmbench.paths import user_path
from vlmbench.storage.base import Location, Url, is_url
from vlmbench.storage.schemes import NO_FOLDERS, WHOLE, Scheme, scheme_of
from vlmbench.wording import listed

_LOCAL = frozenset({"file", "local"})
_COMMON = (*WHOLE, "http", "https", "file")
_TYPO = re.compile(rf"^({'|'.join(_COMMON)})(:/(?!/)|//)(?=[^/\\])", re.IGNORECASE)
"""A URL whose ``://`` lost a character, as it does in ``Path("s3://bucket")``."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SECRET = re.compile(r"key|token|secret|passw|signature|credential|sig$|sas$|auth", re.IGNORECASE)
"""Names of parameters that carry credentials, such as those of signed addresses."""
_PORT = re.compile(r":\d{1,5}$")


def user_location(text: str | os.PathLike[str]) -> Location:
    """The location that a user wrote: a path, with ``~`` replaced, or a URL that fsspec can reach.

    ``file://`` becomes a path. In a URL, the scheme becomes lower case, and slashes that are repeated or at the end are
    dropped.

    Raises:
        UsageError: the URL has credentials, is not complete, or begins with an unknown scheme.
        MissingDependencyError: the package for this kind of URL is not installed.
    """
    written = os.fspath(text)
    if not is_url(written):
        if (typo := _TYPO.match(written)) and not os.path.lexists(user_path(written)):
            raise _mistyped(written, typo, is_text=isinstance(text, str))
        return user_path(written)
    before, _, rest = written.partition("://")
    name = before.lower()
    if "::" in rest:
        raise UsageError(
            f"the URL that begins with {name}:// chains several URLs",
            hint="Name the one place that has the folder, such as s3://BUCKET/PATH.",
        )
    _refuse_credentials(name, rest, scheme_of(name))
    if _CONTROL.search(written):
        raise UsageError(f"a URL has no line breaks or control characters: {written!r}")
    if name in _LOCAL:
        return _local(written, rest)
    parts = [part for part in rest.split("/") if part]
    if not parts or (rest.startswith("/") and name != "memory"):
        place = scheme_of(name).place
        meant = f"Did you mean {name}://{'/'.join(parts)}?" if parts else f"It looks like this: {name}://NAME/PATH."
        raise UsageError(f"{written!r} names no {place}", hint=meant)
    if any(part in (".", "..") for part in parts):
        raise UsageError(f"{written!r} has '.' or '..' as a part of its path", hint="Write the path without it.")
    _check_known(name)
    return Url(f"{name}://{'/'.join(parts)}")


def local_path(text: str | os.PathLike[str], what: str) -> Path:
    """The path of this machine that a user wrote, with ``~`` replaced, for what cannot be at a URL.

    Args:
        what: an option or file, as the subject of a message.

    Raises:
        UsageError: it is a URL. The message does not repeat it, since it may hold credentials.
    """
    written = os.fspath(text)
    path = user_path(written)
    if (is_url(written) or _TYPO.match(written)) and not os.path.lexists(path):  # Path("s3://…") drops a slash
        raise UsageError(
            f"{what} must be on this machine, and not at a URL",
            hint="Name a path here, and copy what is written there with a tool of the storage.",
        )
    return path


def is_mistyped(text: str) -> bool:
    """Whether a text would be a URL of object storage if its ``://`` were complete."""
    typo = _TYPO.match(text)
    return typo is not None and typo[1].lower() in WHOLE


def is_object_storage(text: str) -> bool:
    """Whether a text is a URL of object storage. Sources of other packages may have other URLs, which stay theirs."""
    return is_url(text) and text.partition("://")[0].lower() in WHOLE


def results_location(text: str | os.PathLike[str]) -> Location:
    """As :func:`user_location`, for a folder whose files must be listed.

    Raises:
        UsageError: as there; also for http and https, which have no list of a folder.
        MissingDependencyError: as there.
    """
    found = user_location(text)
    if isinstance(found, Url) and found.scheme in NO_FOLDERS:
        raise UsageError(
            f"'{found}': a web server has no list of the files in a folder, so results cannot be there",
            hint="Use the storage's own scheme, such as s3://BUCKET/PATH or gs://BUCKET/PATH. For storage that is not "
            "Amazon's but answers like it, set AWS_ENDPOINT_URL.",
        )
    return found


def _mistyped(written: str, typo: re.Match[str], *, is_text: bool) -> UsageError:
    name, rest = typo[1].lower(), written[typo.end() :]
    _refuse_credentials(name, rest, scheme_of(name))
    hint = f"Did you mean {name}://{rest}?"
    if not is_text:
        hint += " Give a URL as text: a Path drops one of its slashes."
    return UsageError(f"{written!r} is neither a folder nor a URL", hint=hint)


def _refuse_credentials(name: str, rest: str, scheme: Scheme) -> None:
    """Refuse a URL with a password or token. The message does not repeat the URL."""
    authority = rest.partition("/")[0]
    login = authority.rpartition("@")[0]
    buckets = name in WHOLE and not scheme.login
    pair = ":" in (login if "@" in authority else authority if buckets else _PORT.sub("", authority))
    plain = bool(login) and (not scheme.login or name in NO_FOLDERS)
    query = re.split(r"[?#]", rest, maxsplit=1)
    names = [key for key, _ in parse_qsl(re.sub("[?#]", "&", query[1]), keep_blank_values=True)] if query[1:] else []
    if pair or plain or any(map(_SECRET.search, names)):
        raise UsageError(
            f"a URL that begins with {name}:// has credentials in it, which others could read in lists of processes, "
            "logs and records",
            hint=f"Take them out, and give them through {scheme.credentials}. If they were real, others may have seen "
            "them: change them.",
        )


def _local(written: str, rest: str) -> Path:
    host, slash, path = rest.partition("/")
    if host not in ("", "localhost") or not slash:
        raise UsageError(
            f"{written!r} is not the URL of a file of this machine",
            hint=f"Write three slashes, as in file:///home/me/runs, or the path alone: {rest}",
        )
    if os.name == "nt":
        from urllib.request import url2pathname

        return user_path(url2pathname(f"/{path}"))
    return user_path(f"/{unquote(path)}")


def _check_known(name: str) -> None:
    """Check that fsspec and the package for a scheme can be imported."""
    if importlib.util.find_spec("fsspec") is None:
        raise MissingDependencyError(
            f"{name}:// needs the package fsspec, which is not installed", hint="pip install fsspec"
        )
    import difflib

    from fsspec.registry import available_protocols, get_filesystem_class, known_implementations

    try:
        get_filesystem_class(name)
    except ValueError as error:
        near = difflib.get_close_matches(name, available_protocols(), n=1)
        known_ones = listed([f"{each}://" for each in WHOLE])
        hint = f"Did you mean {near[0]}://?" if near else f"Known are {known_ones}."
        raise UsageError(f"{name}:// is no storage that fsspec knows", hint=hint) from error
    except ImportError as error:
        known = known_implementations.get(name, {})
        package = str(known.get("class", name)).partition(".")[0]
        missing = importlib.util.find_spec(package) is None
        if package == "fsspec":  # its own class needs another package, which its note names
            said = known.get("err") or str(error).partition(": ")[0]
            raise MissingDependencyError(f"{name}:// needs another package: {said}") from error
        raise MissingDependencyError(
            f"{name}:// needs the package {package}, which {'is not installed' if missing else f'fails: {error}'}",
            hint=install_command(package),
        ) from error
