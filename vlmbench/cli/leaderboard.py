"""``vlmbench leaderboard``: writes a static site from the records of a results folder.

``vlmbench demo`` writes its site with it, too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmbench.cli.console import print_aside, print_line, print_note
from vlmbench.errors import UsageError
from vlmbench.paths import RESULTS, user_path
from vlmbench.wording import counted


def leaderboard(
    results: Annotated[Path, typer.Option(help="The results folder.")] = RESULTS,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write the site to.")] = Path("site"),
    published: Annotated[bool, typer.Option(help="Show published numbers beside measured ones.")] = True,
    title: Annotated[str, typer.Option(help="The site's title.")] = "VLM leaderboard",
) -> None:
    """Write the leaderboard as a site: a table, plots, and a page for each model and each task.

    The site opens from a file or from any web server, and loads nothing from the network. If the folder has an earlier
    site, it is updated; other files in the folder stay.
    """
    results = user_path(results)
    if not results.is_dir():
        raise UsageError(f"no results folder {str(results)!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    write_site(results, user_path(output), with_published=published, title=title)


def write_site(results: Path, output: Path, *, with_published: bool, title: str, few_shot: Path | None = None) -> None:
    """Write the site, print a note for each record left out, and print the path of its first page.

    Args:
        few_shot: another results folder, whose records of adapted models are shown, too.
    """
    from vlmbench.reports.published import published as published_numbers
    from vlmbench.reports.site import build_site
    from vlmbench.reports.site.assets import without_charts

    if said := without_charts():
        print_note(said)
    numbers = published_numbers() if with_published else []
    built = build_site(results, output, published=numbers, title=title, few_shot=few_shot)
    for note in built.notes:
        print_note(f"{note}")
    print_aside(f"Leaderboard of {counted(built.models, 'model')} and {counted(built.tasks, 'task')}:")
    print_line(str(built.index))
