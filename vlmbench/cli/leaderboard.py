"""``vlmbench leaderboard``: a static site from records."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vlmbench.cli.console import print_aside, print_line, print_note
from vlmbench.errors import UsageError
from vlmbench.paths import user_path


def leaderboard(
    results: Annotated[Path, typer.Option(help="The results folder.")] = Path("results/runs"),
    output: Annotated[Path, typer.Option("--output", "-o", help="The site's folder.")] = Path("site"),
    published: Annotated[bool, typer.Option(help="Show published numbers beside those that were measured.")] = True,
    title: Annotated[str, typer.Option(help="The site's title.")] = "VLM leaderboard",
) -> None:
    """Write a site that opens from a file or any web server: table, plots, a page for each model and each task.

    It needs no network. A folder of an earlier build is brought up to date; other files in it stay.
    """
    results = user_path(results)
    if not results.is_dir():
        raise UsageError(f"no results folder {str(results)!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    write_site(results, user_path(output), with_published=published, title=title)


def write_site(results: Path, output: Path, *, with_published: bool, title: str) -> None:
    """Write the site, name what was left out of it, and print where it is."""
    from vlmbench.reports.published import published as published_numbers
    from vlmbench.reports.site import build_site
    from vlmbench.reports.site.assets import without_charts

    if said := without_charts():
        print_note(said)
    numbers = published_numbers() if with_published else []
    built = build_site(results, output, published=numbers, title=title)
    for note in built.notes:
        print_note(f"{note}")
    counted = f"{built.models:,} models, {built.tasks:,} tasks, {built.files:,} files"
    print_aside(f"Leaderboard: {counted}")
    print_line(str(built.index))
