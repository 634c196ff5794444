"""One generic registry: lazy ``module:attribute`` entries, entry points, and "did you mean".

Adapters, sources, task plugins and metrics are all kept in one of these. Built-in entries are strings, so that
listing names imports nothing; third parties add theirs through an entry point group or by calling :meth:`register`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Generic, TypeVar, cast

from vlmbench.errors import MissingDependencyError, PluginError, UnknownNameError, VlmbenchWarning

T = TypeVar("T")


def did_you_mean(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """A sentence naming the closest of the known names, or all of them where they are few.

    Returns an empty string when nothing is known at all.
    """
    names = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    close = difflib.get_close_matches(name.casefold(), list(folded), n=limit, cutoff=0.6)
    if close:
        return f"Did you mean {' or '.join(repr(folded[match]) for match in close)}?"
    if 0 < len(names) <= 12:
        return f"Known: {', '.join(names)}."
    return ""


class Registry(Generic[T]):
    """Names to objects, imported when first asked for.

    Args:
        kind: what is registered, as it should read in a message ("model adapter").
        builtin: name to ``"module:attribute"``.
        group: the entry point group through which other packages add entries, if any.
    """

    def __init__(self, kind: str, builtin: dict[str, str], *, group: str | None = None) -> None:
        self.kind = kind
        self._group = group
        self._entries: dict[str, str | T] = dict(builtin)
        self._origin: dict[str, str] = dict.fromkeys(builtin, "vlmbench")
        self._entry_points_read = group is None

    def register(self, name: str, entry: T | str, *, origin: str = "a plugin") -> None:
        """Add an entry: an object, or ``"module:attribute"`` to import later.

        Raises:
            PluginError: the name is taken by something else.
        """
        taken = self._entries.get(name)
        if taken == entry:
            return
        if taken is not None:
            raise PluginError(
                f"{self.kind} {name!r} from {origin} is already registered by {self._origin[name]}",
                hint="Give one of them another name.",
            )
        self._entries[name] = entry
        self._origin[name] = origin

    def get(self, name: str) -> T:
        """The entry of this name, imported if need be.

        Raises:
            UnknownNameError: nobody registered the name.
            MissingDependencyError: a built-in entry needs a package that is not installed.
            PluginError: a third party's entry cannot be imported.
        """
        self._read_entry_points()
        if name not in self._entries:
            raise UnknownNameError(f"unknown {self.kind} {name!r}", hint=did_you_mean(name, self._entries) or None)
        entry = self._entries[name]
        if isinstance(entry, str):
            entry = self._load(name, entry)
            self._entries[name] = entry
        return entry

    def __contains__(self, name: object) -> bool:
        self._read_entry_points()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._read_entry_points()
        return iter(sorted(self._entries))

    def _load(self, name: str, target: str) -> T:
        module, _, attribute = target.partition(":")
        try:
            return cast(T, getattr(importlib.import_module(module), attribute))
        except ModuleNotFoundError as error:
            if self._origin[name] == "vlmbench" and error.name and not error.name.startswith("vlmbench"):
                raise MissingDependencyError(
                    f"{self.kind} {name!r} needs the package {error.name!r}, which is not installed",
                    hint=f"pip install {error.name.split('.')[0]}",
                ) from error
            raise PluginError(f"{self.kind} {name!r} ({self._origin[name]}) cannot be loaded: {error}") from error
        except Exception as error:  # a plugin may fail in any way while it is imported
            raise PluginError(f"{self.kind} {name!r} ({self._origin[name]}) cannot be loaded: {error}") from error

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        self._entry_points_read = True
        for point in entry_points(group=self._group or ""):
            origin = f"the package {point.dist.name}" if point.dist else "an installed package"
            try:
                self.register(point.name, point.value, origin=origin)
            except PluginError as error:
                warnings.warn(f"ignored: {error}", VlmbenchWarning, stacklevel=2)


def load_plugin_file(path: Path) -> None:
    """Run a Python file that registers adapters, sources or task plugins.

    Raises:
        PluginError: the file is missing, or fails while it runs.
    """
    if not path.is_file():
        raise PluginError(f"plugin file {str(path)!r} does not exist")
    name = f"vlmbench_plugin_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin file {str(path)!r} is not a Python file", hint="Its name should end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a plugin may fail in any way while it runs
        del sys.modules[name]
        raise PluginError(f"plugin file {str(path)!r} failed: {type(error).__name__}: {error}") from error
