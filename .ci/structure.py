"""The shape of the package: no module imports in a circle, types included, and no folder holds too many modules."""

from __future__ import annotations

import sys
from pathlib import Path

import grimp

PACKAGE = "vlmbench"
MOST_MODULES = 22
"""In one folder: beyond that its names are no longer read at a glance."""


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """The groups of modules that import each other, directly or not (Tarjan's strongly connected components)."""
    order: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        order[module] = lowest[module] = len(order)
        stack.append(module)
        for other in imports[module]:
            if other not in order:
                visit(other)
                lowest[module] = min(lowest[module], lowest[other])
            elif other in stack:
                lowest[module] = min(lowest[module], order[other])
        if lowest[module] == order[module]:
            place = stack.index(module)
            if len(group := stack[place:]) > 1:
                found.append(sorted(group))
            del stack[place:]

    sys.setrecursionlimit(10_000)
    for module in sorted(imports):
        if module not in order:
            visit(module)
    return found


def crowded(package: Path) -> list[str]:
    """Folders of the package with more modules than a reader takes in."""
    folders = {path.parent for path in package.rglob("*.py")}
    counts = {folder: len(list(folder.glob("*.py"))) for folder in folders}
    return [f"{folder}: {count} modules" for folder, count in sorted(counts.items()) if count > MOST_MODULES]


def main() -> int:
    """Print what is wrong; 1 where anything is."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=False, cache_dir=None)
    imports = {module: graph.find_modules_directly_imported_by(module) for module in graph.modules}
    problems = [f"imports in a circle: {', '.join(group)}" for group in circles(imports)]
    problems += crowded(Path(__file__).parents[1] / PACKAGE)
    print("\n".join(problems) or f"{len(imports)} modules, no import circle, no crowded folder")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
