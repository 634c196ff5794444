"""Draws ``docs/architecture.svg``: ``python docs/architecture_picture.py``."""

from __future__ import annotations

from html import escape
from pathlib import Path

PICTURE = Path(__file__).with_name("architecture.svg")
WIDTH, HEIGHT = 900, 560
INK, SOFT, LINE = "#1f2937", "#4b5563", "#6b7280"
ASKS, ANSWERS, READS = "#dbeafe", "#dcfce7", "#fef3c7"
"""The grounds of what asks the questions, what answers them, and what reads the answers."""

Box = tuple[int, int, int, int, str, str, str]
BOXES: tuple[Box, ...] = (
    (30, 70, 250, 62, "Model cards", "how to load a model", ASKS),
    (325, 70, 250, 62, "Task cards", "data, prompts, protocol, metrics", ASKS),
    (620, 70, 250, 62, "Command line · Python", "cli/  api.py", ASKS),
    (
        30,
        180,
        840,
        62,
        "Run: a plan of pairs, each one model and one task",
        "run/   plan, executor, pair, run id",
        ASKS,
    ),
    (30, 290, 200, 76, "Models", "models/  encoders, heads", ANSWERS),
    (243, 290, 200, 76, "Data", "data/  folders, files, hubs", ANSWERS),
    (457, 290, 200, 76, "Features", "features/  batches, cache", ANSWERS),
    (670, 290, 200, 76, "Kinds of task", "tasks/  metrics/  transfer/", ANSWERS),
    (
        30,
        414,
        840,
        50,
        "Records: JSON with everything that could change the number, Parquet with every answer",
        "",
        READS,
    ),
    (30, 500, 200, 46, "Tables", "reports/", READS),
    (243, 500, 200, 46, "Leaderboard", "reports/site/", READS),
    (457, 500, 200, 46, "Gate", "gate/  answers/", READS),
    (670, 500, 200, 46, "Import, export", "interchange/", READS),
)
"""Left, top, width, height, title, second line, ground."""
ARROWS = (
    (155, 132, 155, 176),
    (450, 132, 450, 176),
    (745, 132, 745, 176),
    (130, 242, 130, 286),
    (343, 242, 343, 286),
    (557, 242, 557, 286),
    (770, 242, 770, 286),
    (450, 366, 450, 410),
    (130, 464, 130, 496),
    (343, 464, 343, 496),
    (557, 464, 557, 496),
    (770, 496, 770, 468),
)
"""From x, y to x, y."""


def box(left: int, top: int, width: int, height: int, title: str, below: str, ground: str) -> str:
    """A rounded box with one or two lines of text."""
    middle, centre = left + width // 2, top + height // 2
    first = centre - 5 if below else centre + 6
    texts = [f'<text x="{middle}" y="{first}" font-size="16" font-weight="600" fill="{INK}">{escape(title)}</text>']
    if below:
        texts.append(f'<text x="{middle}" y="{centre + 15}" font-size="13" fill="{SOFT}">{escape(below)}</text>')
    frame = f'<rect x="{left}" y="{top}" width="{width}" height="{height}" rx="8" fill="{ground}" stroke="{LINE}"/>'
    return "\n".join([frame, *texts])


def picture() -> str:
    """The whole SVG. It has a white ground of its own, so that it can be read on dark pages too."""
    arrows = [
        f'<line x1="{x}" y1="{y}" x2="{to_x}" y2="{to_y}" stroke="{LINE}" stroke-width="2" marker-end="url(#tip)"/>'
        for x, y, to_x, to_y in ARROWS
    ]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
            'font-family="system-ui, sans-serif" text-anchor="middle">',
            "<title>How vlmbench is built: cards and commands make a plan, a run asks each pair, everything else reads "
            "records</title>",
            '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="6" markerHeight="6" orient="auto">'
            f'<path d="M0 0 L8 4 L0 8 z" fill="{LINE}"/></marker></defs>',
            f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#ffffff"/>',
            f'<text x="{WIDTH // 2}" y="42" font-size="18" font-weight="700" fill="{INK}">'
            "A run asks questions and writes records. Everything else reads records.</text>",
            *arrows,
            *(box(*each) for each in BOXES),
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(picture(), "utf-8")
