"""Maps names to objects that are imported only when they are asked for, and suggests a name for a misspelt one.

Adapters, sources, kinds of task, transfer methods, executors, tables and formats each have one registry. Built-in
entries are the files of a folder, so a new file there is a new entry. Listing the names imports nothing. Other packages
add entries through an entry point group or with :meth:`Registry.register`.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from hashlib import sha256
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from vlmbench.errors import MissingDependencyError, PluginError, UnknownNameError, VlmbenchWarning, install_command

T = TypeVar("T")
_PACKAGE = Path(__file__).parent


def modules_in(folder: str, attribute: str, *, file: str = "", beside: Collection[str] = ()) -> dict[str, str]:
    """The entries of one folder of this package: name to ``"module:attribute"``.

    Args:
        folder: below this package, such as ``"data/sources"``.
        attribute: what each module calls its entry.
        file: every subfolder that has a file of this name is an entry, named after the subfolder. Without it, every
            module of the folder is an entry, named after the module, with ``-`` for ``_``.
        beside: modules of the folder that are not entries.
    """
    place = f"{_PACKAGE.name}.{folder.replace('/', '.')}"
    if file:
        found = sorted(path.parent.name for path in (_PACKAGE / folder).glob(f"*/{file}.py"))
        return {name: f"{place}.{name}.{file}:{attribute}" for name in found}
    names = sorted(path.stem for path in (_PACKAGE / folder).glob("[!_]*.py") if path.stem not in beside)
    return {name.replace("_", "-"): f"{place}.{name}:{attribute}" for name in names}


def load_target(target: str) -> Any:
    """Import what ``"module:attribute"`` names.

    Raises:
        ImportError, AttributeError: there is no such module or attribute.
    """
    module, _, attribute = target.partition(":")
    return getattr(importlib.import_module(module), attribute)


def load_checked(target: str, what: str, origin: str) -> Any:
    """Import what ``"module:attribute"`` names, and turn any error on the way into one that names the entry.

    Args:
        what: for messages, such as ``"model adapter 'conse'"``.
        origin: who registered it; "vlmbench" for a built-in entry.

    Raises:
        MissingDependencyError: a built-in entry needs a package that is not installed.
        PluginError: it cannot be imported.
    """
    try:
        return load_target(target)
    except (Exception, SystemExit) as error:  # a plugin may fail in any way while it is imported
        lacking = error.name if isinstance(error, ModuleNotFoundError) else None
        if origin == "vlmbench" and lacking and not lacking.startswith("vlmbench"):
            raise MissingDependencyError(
                f"{what} needs the package {lacking!r}, which is not installed",
                hint=install_command(lacking.split(".")[0]),
            ) from error
        raise PluginError(f"{what} ({origin}) cannot be loaded: {error}") from error


_AS_CLOSE = 0.1
"""A known name is not suggested if it is less similar than the closest one by this much."""


def did_you_mean(name: str, known: Iterable[str], *, limit: int = 3) -> str:
    """A sentence with the closest of the known names, or with all of them if they are few.

    It is empty if there are no known names.
    """
    names = sorted(known)
    folded = {candidate.casefold(): candidate for candidate in names}
    wanted = str(name).casefold()  # a caller in Python may give anything
    close = difflib.get_close_matches(wanted, list(folded), n=limit, cutoff=0.6)
    if close:
        likeness = [difflib.SequenceMatcher(None, match, wanted).ratio() for match in close]
        close = [match for match, alike in zip(close, likeness, strict=True) if alike > likeness[0] - _AS_CLOSE]
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
        expects: the class of every entry, if they have one.
    """

    def __init__(
        self, kind: str, builtin: dict[str, str], *, group: str | None = None, expects: type | None = None
    ) -> None:
        self.kind = kind
        self.group = group
        self._expects = expects
        self._entries: dict[str, str | T] = dict(builtin)
        self._origin: dict[str, str] = dict.fromkeys(builtin, "vlmbench")
        self._modules: dict[str, str] = {}
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
        self._modules.pop(name, None)

    def remove(self, name: str) -> None:
        """Take an entry out again; tests use it."""
        del self._entries[name], self._origin[name]

    def get(self, name: str) -> T:
        """The entry of this name, imported if needed.

        Raises:
            UnknownNameError: no entry has this name.
            MissingDependencyError: a built-in entry needs a package that is not installed.
            PluginError: a third party's entry cannot be imported.
        """
        if name not in self:
            raise UnknownNameError(f"unknown {self.kind} {name!r}", hint=did_you_mean(name, self._entries) or None)
        entry = self._entries[name]
        if isinstance(entry, str):
            self._modules[name] = entry.partition(":")[0]
            entry = cast(T, load_checked(entry, f"{self.kind} {name!r}", self._origin[name]))
            self._entries[name] = entry
        if self._expects is not None and not isinstance(entry, self._expects):
            raise PluginError(
                f"{self.kind} {name!r} ({self._origin[name]}) is a {type(entry).__name__}, not a "
                f"{self._expects.__name__}"
            )
        if self._expects is not None and getattr(entry, "name", name) != name:
            raise PluginError(f"{self.kind} {name!r} ({self._origin[name]}) calls itself {entry.name!r}")  # type: ignore[attr-defined]
        return entry

    def module_of(self, name: str) -> str | None:
        """The module that an entry was imported from; None if it was registered as an object, or is not imported."""
        return self._modules.get(name)

    def __contains__(self, name: object) -> bool:
        if name not in self._entries:  # reading the list of installed packages takes longer than everything else
            self._read_entry_points()
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        self._read_entry_points()
        return iter(sorted(self._entries))

    def usable(self) -> list[T]:
        """Every entry that can be imported. Each of the others is a warning."""
        found = []
        for name in self:
            try:
                found.append(self.get(name))
            except (PluginError, MissingDependencyError) as error:
                warnings.warn(f"ignored: {error}", VlmbenchWarning, stacklevel=2)
        return found

    def _read_entry_points(self) -> None:
        if self._entry_points_read:
            return
        self._entry_points_read = True
        for point in entry_points(group=self.group or ""):
            origin = f"the package {point.dist.name}" if point.dist else "an installed package"
            try:
                self.register(point.name, point.value, origin=origin)
            except PluginError as error:
                warnings.warn(f"ignored: {error}", VlmbenchWarning, stacklevel=2)


def load_plugin_file(path: Path) -> None:
    """Run a Python file that registers adapters, sources or task plugins; once, as long as it stays the same.

    Raises:
        PluginError: the file is missing, or fails while it runs.
    """
    if not path.is_file():
        raise PluginError(f"plugin file {str(path)!r} does not exist")
    content = sha256(f"{path.resolve()}\n".encode() + path.read_bytes()).hexdigest()[:16]
    name = f"vlmbench_plugin_{path.stem}_{content}"
    if name in sys.modules:
        return
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise PluginError(f"plugin file {str(path)!r} is not a Python file", hint="Its name should end in .py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # a plugin may fail in any way while it runs
        del sys.modules[name]
        raise PluginError(f"plugin file {str(path)!r} failed: {type(error).__name__}: {error}") from error
