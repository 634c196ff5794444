"""A table's formats but the terminal's, which is the command line's."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from vlmbench.reports.formats.html import to_html
from vlmbench.reports.formats.latex import to_latex
from vlmbench.reports.formats.markdown import to_markdown
from vlmbench.reports.formats.plain_data import to_csv, to_json
from vlmbench.reports.table import Table

FORMATS: Mapping[str, Callable[[Table], str]] = {
    "md": to_markdown,
    "csv": to_csv,
    "json": to_json,
    "html": to_html,
    "latex": to_latex,
}

__all__ = ["FORMATS", "to_csv", "to_html", "to_json", "to_latex", "to_markdown"]
