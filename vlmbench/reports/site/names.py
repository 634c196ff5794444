"""Makes file names and anchors of the leaderboard's pages from names of models and tasks."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from vlmbench.paths import safe_name


def page_names(names: Iterable[str]) -> dict[str, str]:
    """A file name (without its ending) for each name. Different names get different file names on every file system.

    Safe names stay as they are. Two names that differ only in case get a hash each, because some file systems cannot
    tell them apart.
    """
    found: dict[str, str] = {}
    unique = sorted(set(names))
    taken: dict[str, int] = {}
    for name in unique:
        key = safe_name(name).casefold()
        taken[key] = taken.get(key, 0) + 1
    for name in unique:
        safe = safe_name(name)
        if taken[safe.casefold()] > 1:
            safe = f"{safe}-{sha256(name.encode()).hexdigest()[:8]}"
        found[name] = safe
    return found


def anchor(name: str) -> str:
    """The id of an element for a name. It begins with letters, never with a digit."""
    return f"task-{safe_name(name)}"
