"""Lay out what ``pip install vlmbench`` brings, and nothing of any extra: links to this environment's packages.

A second torch would take minutes and gigabytes. Links to the distributions that vlmbench requires, and to those that
these require, take a second, and show a requirement that is missing from the list just as well.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "vlmbench"


def required(name: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    """What a distribution requires here with these extras: names, and the extras asked of each."""
    for line in distribution(name).requires or ():
        requirement = Requirement(line)
        wanted = [
            requirement.marker is None or requirement.marker.evaluate({"extra": extra}) for extra in extras or {""}
        ]
        if any(wanted):
            yield canonicalize_name(requirement.name), frozenset(requirement.extras)


def closure(name: str) -> list[Distribution]:
    """All that a distribution needs without its extras, itself left out."""
    known: set[tuple[str, frozenset[str]]] = set()
    found: dict[str, Distribution] = {}
    waiting = [(canonicalize_name(name), frozenset[str]())]
    while waiting:
        one = waiting.pop()
        if one in known:
            continue
        known.add(one)
        try:
            found[one[0]] = distribution(one[0])
            waiting += required(*one)
        except PackageNotFoundError:  # for another platform, or optional: what needs it says so
            print(f"not here: {one[0]}", file=sys.stderr)
    found.pop(canonicalize_name(name))
    return list(found.values())


def link(distributions: list[Distribution], site: Path) -> int:
    """Link every file or folder that a distribution has at the top of its site-packages; how many there are."""
    made = 0
    for one in distributions:
        for top in sorted({file.parts[0] for file in one.files or () if file.parts[0] not in ("..", "__pycache__")}):
            source, target = Path(str(one.locate_file(top))), site / top
            if source.exists() and not target.exists():
                target.symlink_to(source)
                made += 1
    return made


def main() -> None:
    """``python .ci/base_environment.py SITE_PACKAGES``."""
    site = Path(sys.argv[1])
    found = closure(ROOT)
    print(f"{len(found)} distributions, {link(found, site)} links")


if __name__ == "__main__":
    main()
