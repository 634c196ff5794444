"""Follows a page as a reader would: types its shell lines, runs its Python, writes its files.

A fenced block is one of these:

- ``bash`` or ``sh``: a shell reads it, in the page's folder. ``vlmbench`` itself runs in this process, where starting
  costs nothing, and ``python`` in a copy of it. ``exit=1`` behind the language is the exit code that the block must
  have.
- ``python``: it runs in this process, in one namespace a page, in the page's folder.
- any language with a file name behind it (``yaml gate.yaml``, ``python my_adapter.py``): the text is written to that
  file.
- ``text`` without a file name: what a program prints. It is not run.

``<!-- not run: REASON -->`` on the line before a block says why it is not run. Files that the reader has already, such
as a checkpoint, are put there by ``prepare(folder)`` in ``tests/docs/before/<page>.py``.
"""

from __future__ import annotations

import os
import re
import runpy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from repository import REPOSITORY
from shell import obeyed, path_with, write_client

from vlmbench.cli.doctor import REGISTRIES
from vlmbench.registry import load_target

_FENCE = re.compile(
    r"(?:^<!-- not run: (?P<why>[^\n]+) -->\n+)?^```(?P<language>[\w{}-]*) ?(?P<information>\S*)[^\n]*\n"
    r"(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_SHELL = ("bash", "sh", "console")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; ``why`` says why it is not run."""

    language: str
    information: str
    text: str
    line: int
    why: str | None

    @property
    def file(self) -> str | None:
        """The file that the reader is to write, if it is one."""
        return self.information if "." in self.information and "=" not in self.information else None


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, those that show Markdown or a directive of the site included."""
    text = page.read_text("utf-8")
    return [
        Block(
            found["language"],
            found["information"],
            found["text"],
            text.count("\n", 0, found.start("text")) + 1,
            found["why"],
        )
        for found in _FENCE.finditer(text)
    ]


def follow(page: Path, here: Path) -> dict[str, Any]:
    """Do all that the page says, in order, in an empty folder. Returns the namespace of its Python."""
    before = REPOSITORY / "tests" / "docs" / "before" / f"{page.stem}.py"
    if before.exists():
        runpy.run_path(str(before))["prepare"](here)
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with same_registries():
        for block in blocks(page):
            place = f"{page.name}, line {block.line}"
            if block.why is not None or block.language.startswith("{"):
                continue
            if block.file is not None:
                (here / block.file).parent.mkdir(parents=True, exist_ok=True)
                (here / block.file).write_text(block.text, "utf-8")
            elif block.language == "text":
                continue
            elif block.language in _SHELL:
                codes = block.information.removeprefix("exit=").split("|")  # 0|1 if the code depends on the machine
                ended, written = typed(block.text, here)
                assert ended in [int(code or 0) for code in codes], f"{place}\n{written}"
            elif block.language == "python":
                with pytest.MonkeyPatch.context() as patch:
                    patch.chdir(here)
                    exec(compile(block.text, place, "exec"), namespace)
            else:
                pytest.fail(f"{place}: a block of {block.language or 'no language'} is neither run nor marked why not")
    return namespace


@contextmanager
def same_registries() -> Iterator[None]:
    """Remove what a page registers at the end: other tests of this process ask what vlmbench itself has."""
    registries = [load_target(target) for target in REGISTRIES]
    before = [frozenset(registry) for registry in registries]
    try:
        yield
    finally:
        for registry, names in zip(registries, before, strict=True):
            for name in frozenset(registry) - names:
                registry.remove(name)


def typed(text: str, here: Path) -> tuple[int, str]:
    """Let a shell read the lines, which stops at the first that fails. Returns its exit code and what it wrote."""
    with tempfile.TemporaryDirectory() as programs:
        write_client(Path(programs), "python")
        environment = os.environ | {"PATH": path_with(Path(programs))}
        return obeyed(["bash", "-e", "-c", text], where=here, environment=environment)
