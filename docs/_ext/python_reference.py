"""Makes the Python reference: an entry for each name of ``vlmbench.__all__``, in its order."""

from __future__ import annotations

import ast
import importlib
import inspect
from functools import cache

from pydantic import BaseModel

import vlmbench

WITHOUT_ENTRY = frozenset({"__version__"})
"""Names that need no explanation."""


def markdown() -> str:
    """A block of autodoc for each public name: functions, classes with their members, and modules with theirs."""
    return "\n\n".join(entry(name) for name in vlmbench.__all__ if name not in WITHOUT_ENTRY)


def entry(name: str) -> str:
    """The heading and the autodoc block of one public name."""
    what, signature = getattr(vlmbench, name), ""
    if isinstance(what, type) and issubclass(what, BaseModel):
        directive, options, signature = "autoclass", ["   :members: main"], "()"
    elif isinstance(what, type):
        directive, options = "autoclass", ["   :members:"]
    elif callable(what):
        directive, options = "autofunction", []
    else:
        directive, options = "automodule", ["   :members:"]
    lines = [f".. {directive}:: vlmbench.{name}{signature}", *options]
    return f"## {name}\n\n```{{eval-rst}}\n" + "\n".join(lines) + "\n```"


def public_modules() -> set[str]:
    """The modules that define the public names."""
    return {getattr(getattr(vlmbench, name), "__module__", "vlmbench") for name in vlmbench.__all__}


def names(module: str, dotted: str) -> bool:
    """Whether a module knows a name: defined or imported there, for types only or for all."""
    return exists(f"{module}.{dotted}") or dotted.partition(".")[0] in _bound(module)


@cache
def _bound(module: str) -> frozenset[str]:
    """Every name that the text of a module defines or imports."""
    nodes = list(ast.walk(ast.parse(inspect.getsource(importlib.import_module(module)))))
    imported = [alias for node in nodes if isinstance(node, (ast.Import, ast.ImportFrom)) for alias in node.names]
    assigned = [node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    defined = [node.name for node in nodes if isinstance(node, (ast.ClassDef, ast.FunctionDef))]
    return frozenset([*(alias.asname or alias.name for alias in imported), *assigned, *defined])


def exists(name: str) -> bool:
    """Whether Python finds a module or an attribute under a dotted name."""
    parts = name.strip(".").split(".")
    for length in range(len(parts), 0, -1):
        try:
            found: object = importlib.import_module(".".join(parts[:length]))
        except (ImportError, ValueError):
            continue
        for attribute in parts[length:]:
            annotated = getattr(found, "__annotations__", {})
            if not hasattr(found, attribute) and attribute not in annotated:
                return False
            found = getattr(found, attribute, None)
        return True
    return False
