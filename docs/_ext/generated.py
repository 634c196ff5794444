"""Fills in the parts of a page that are made from the code, and reads docstrings for autodoc.

Sphinx puts the Markdown that the maker NAME writes in the place of a line ``<!-- generated: NAME -->``. Other programs
that show Markdown see a comment there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cli_reference
import python_reference
import schemas
from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.autodoc import Options
from sphinx.ext.napoleon import Config
from sphinx.ext.napoleon.docstring import GoogleDocstring

from vlmbench.cards import ModelCard, SourceSpec, TaskCard
from vlmbench.tasks.detection.protocol import DetectionProtocol
from vlmbench.tasks.segmentation.protocol import SegmentationProtocol

MAKERS: Mapping[str, Callable[[], str]] = {
    "command line": cli_reference.markdown,
    "python": python_reference.markdown,
    "record": schemas.markdown,
    "model card": partial(schemas.entries, ModelCard),
    "task card": partial(schemas.entries, TaskCard),
    "source of a task card": partial(schemas.entries, SourceSpec),
    "segmentation protocol": partial(schemas.entries, SegmentationProtocol),
    "detection protocol": partial(schemas.entries, DetectionProtocol),
}
"""What can be generated, by the name in the comment."""

_MARK = re.compile(r"^<!-- generated: ([\w ]+) -->$", re.MULTILINE)


def filled(text: str) -> str:
    """The page with its generated parts.

    Raises:
        KeyError: no maker has the name.
    """
    return _MARK.sub(lambda found: MAKERS[found[1]](), text)


def _fill(app: Sphinx, docname: str, source: list[str]) -> None:
    source[0] = filled(source[0])


def _plain_if_it_exists(
    app: Sphinx, env: BuildEnvironment, node: pending_xref, text: nodes.TextElement
) -> nodes.TextElement | None:
    """Leave a name of Python without a link if it exists but has no entry on the page; else the warning stays."""
    if node.get("refdomain") != "py":
        return None
    target, scopes = node["reftarget"], {node.get("py:module") or "vlmbench", *python_reference.public_modules()}
    known = python_reference.exists(target) or python_reference.exists(f"builtins.{target}")
    return text if known or any(python_reference.names(scope, target) for scope in scopes) else None


def _google_style(app: Sphinx, what: Any, name: str, obj: object, options: Options, lines: list[str]) -> None:
    """Read docstrings in Google's style. Of attributes they are plain text, whose colons mean nothing."""
    if what not in ("attribute", "data", "property"):
        settings: Any = Config(napoleon_use_rtype=False)
        read = GoogleDocstring(lines, settings, app, what, name, obj, options)
        lines[:] = read.lines()


def setup(app: Sphinx) -> dict[str, bool]:
    """Called by Sphinx."""
    app.connect("source-read", _fill)
    app.connect("autodoc-process-docstring", _google_style)
    app.connect("missing-reference", _plain_if_it_exists)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
