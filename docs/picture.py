"""Draw the README's picture from real records: ``python docs/picture.py results/demo docs/demo.svg``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

from vlmbench.reports.builders.results import results_table
from vlmbench.reports.formats.terminal.render import TerminalTable
from vlmbench.store import ResultStore


def main(results: Path, picture: Path) -> None:
    """Write the results table of a folder as an SVG."""
    console = Console(record=True, width=134, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), ("vlmbench demo", "bold")))
    console.print(TerminalTable(results_table(ResultStore(results), title="Zero-shot results of the demo")))
    console.save_svg(str(picture), title="vlmbench", theme=MONOKAI)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
