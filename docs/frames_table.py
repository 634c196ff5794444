"""Writes the tables of columns into ``docs/frames.md``, from the code: ``python docs/frames_table.py``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from vlmbench.answers.frame_columns import FrameColumn
from vlmbench.frames.predictions import frame_views
from vlmbench.frames.result_columns import RESULT_COLUMNS
from vlmbench.kinds import kinds

PAGE = Path(__file__).with_name("frames.md")
END = "<!-- end -->"


def columns(rows: Iterable[FrameColumn]) -> str:
    """A row a column: its name, its type, its meaning."""
    lines = ["| column | type | what it says |", "| --- | --- | --- |"]
    lines += [f"| `{row.name}` | `{row.dtype}` | {row.meaning} |" for row in rows]
    return "\n".join(lines)


def views() -> str:
    """A section a kind of task, with a table a view; the first view is the usual one."""
    parts = []
    for kind in kinds():
        own = frame_views(kind.name)
        parts += [f"### {kind.title}"] if own else []
        for place, view in enumerate(own):
            asked = "" if place == 0 else f', "{view.each}"'
            parts += [f"`predictions_frame(RECORD{asked})` has {view.meaning}:", columns(view.columns)]
    return "\n\n".join(parts)


MADE = {"results": lambda: columns(RESULT_COLUMNS), "predictions": views}


def page(text: str) -> str:
    """The page with its tables as they are now."""
    for name, make in MADE.items():
        begin = f"<!-- made by frames_table.py, {name}: begin -->"
        text = re.sub(f"{begin}.*?{END}", lambda _, a=begin, m=make: f"{a}\n{m()}\n{END}", text, flags=re.DOTALL)
    return text


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text()))
