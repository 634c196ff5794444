"""Names as file names and anchors of the site."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from vlmbench.paths import safe_name


def page_names(names: Iterable[str]) -> dict[str, str]:
    """A file name without its ending for each name, different for different names on any file system.

    Names that are safe as they are stay; two that differ in case alone get a hash each, since some file systems do not
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
    """An element's id for a name; letters in front, so that none begins with a digit."""
    return f"task-{safe_name(name)}"
