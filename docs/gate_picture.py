"""Draw the guide's picture from a real comparison: ``python docs/gate_picture.py BASELINE CANDIDATE docs/gate.svg``."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

import vlmbench
from vlmbench.cli.compare import print_comparison


def main(baseline: str, candidate: str, picture: Path) -> None:
    """Write what ``vlmbench compare`` prints as an SVG."""
    console = Console(record=True, width=120, file=io.StringIO(), force_terminal=True)
    console.print(Text.assemble(("$ ", "green"), (f"vlmbench compare {baseline} {candidate}", "bold")))
    print_comparison(vlmbench.compare(baseline, candidate), console)
    console.save_svg(str(picture), title="vlmbench", theme=MONOKAI)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
