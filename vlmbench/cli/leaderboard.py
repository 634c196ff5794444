"""``vlmbench leaderboard``: writes a static site from the records of a results folder.

``vlmbench demo`` writes its site with it, too.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from vlmbench.cli.console import print_aside, print_line, print_note
from vlmbench.errors import UsageError
from vlmbench.paths import RESULTS, safe_name
from vlmbench.storage.base import Url
from vlmbench.storage.locations import results_location
from vlmbench.storage.mirror import readable
from vlmbench.wording import counted


def leaderboard(
    results: Annotated[str, typer.Option(metavar="PATH", help="The results folder, or its URL.")] = str(RESULTS),
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="PATH", help="The folder to write the site to, or its URL.")
    ] = "site",
    published: Annotated[bool, typer.Option(help="Show published numbers beside measured ones.")] = True,
    title: Annotated[str, typer.Option(help="The site's title.")] = "VLM leaderboard",
) -> None:
    """Write the leaderboard as a site: a table, plots, and a page for each model and each task.

    The site opens from a file or from any web server, and loads nothing from the network. If the folder has an earlier
    site, it is updated; other files in the folder stay.
    """
    place = results_location(output)
    folder = readable(results)
    if not folder.is_dir():
        raise UsageError(f"no results folder {str(folder)!r}", hint="Make one with `vlmbench run` or `vlmbench demo`.")
    if isinstance(place, Path):
        write_site(folder, place, with_published=published, title=title)
        return
    with TemporaryDirectory(prefix="vlmbench-site-") as made:
        site = Path(made, safe_name(place.name))
        write_site(folder, site, with_published=published, title=title, place=place)


def write_site(
    results: Path,
    output: Path,
    *,
    with_published: bool,
    title: str,
    few_shot: Path | None = None,
    place: Url | None = None,
) -> None:
    """Write the site, print a note for each record left out, and print the path of its first page.

    Args:
        few_shot: another results folder, whose records of adapted models are shown, too.
        place: where the site is put when it is complete; None: it stays where it was written.
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
    if place is None:
        print_line(str(built.index))
        return
    from vlmbench.storage.remote import upload

    upload(output, place, last=built.index.name)
    print_line(f"{place}/{built.index.name}")
