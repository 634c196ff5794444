"""``vlmbench cache``: shows what the feature cache holds and how much time it saved, and clears it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vlmbench.cli.console import print_aside, print_line, print_table
from vlmbench.files import size_text
from vlmbench.paths import cache_root
from vlmbench.reports.table_data import Column, Table
from vlmbench.wording import counted, duration_text, either

if TYPE_CHECKING:
    from vlmbench.features.cache.files import SpaceInfo

app = typer.Typer(no_args_is_help=True, help="Show or clear the feature cache.")


@app.command("info")
def info(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the cache's folder, content and limit, and the time that it saved."""
    from vlmbench.features.cache.files import limit_bytes, spaces

    root, limit, held = cache_root(), limit_bytes(), spaces()
    if as_json:
        typer.echo(json.dumps(_as_json(root, limit, held), indent=1))
        return
    total = sum(space.size for space in held)
    print_line(f"{root}: {size_text(total)} of at most {size_text(limit)}")
    if not held:
        print_aside("Nothing is cached yet. vlmbench run keeps the features that it computes here.")
        return
    print_table(_table(held))
    note = "saved: an estimate, hits times the measured seconds per vector. VLMBENCH_CACHE_GIB sets the limit."
    print_aside(f"\n{note}")


@app.command("clear")
def clear_cache(
    model: Annotated[str | None, typer.Option(help="Only the features of models whose name fits this pattern.")] = None,
    older_than: Annotated[
        float | None,
        typer.Option(metavar="DAYS", help="Only the features that no run has opened for this number of days.", min=0),
    ] = None,
) -> None:
    """Remove cached features: all, or those that the options choose. Records stay.

    Without options, the copies of results at URLs are removed, too.
    """
    from vlmbench.features.cache.files import clear
    from vlmbench.storage.mirror import remove_copies

    cleared = clear(model=model, unused_days=older_than)
    copies = remove_copies() if model is None and older_than is None else 0
    print_line(f"freed {size_text(cleared.freed + copies)}")
    if cleared.in_use:
        files = f"{counted(cleared.in_use, 'file')} {either(cleared.in_use, 'was', 'were')}"
        print_aside(
            f"{files} left: a run is using {either(cleared.in_use, 'it', 'them')}, or permission is denied", "yellow"
        )


def _table(held: Sequence[SpaceInfo]) -> Table:
    columns = [Column("model", strong=True), Column("features of"), Column("precision", spare=2)]
    columns += [Column("device", spare=3)]
    columns += [Column(name, "right") for name in ("vectors", "size", "hits", "saved")]
    columns += [Column("last used", "right", spare=1)]
    rows = []
    for space in held:
        described = [str(space.description.get(key, "?")) for key in ("model", "encoder", "precision", "device")]
        used = datetime.fromtimestamp(space.last_used).strftime("%Y-%m-%d %H:%M")
        rows.append([*described, *_amounts([space]), used])
    if len(held) > 1:
        rows.append(["total", "", "", "", *_amounts(held), ""])
    return Table("", columns, rows, [])


def _amounts(held: Sequence[SpaceInfo]) -> list[str]:
    hits, saved = sum(space.usage.hits for space in held), sum(space.usage.saved_seconds for space in held)
    vectors, size = sum(space.vectors for space in held), sum(space.size for space in held)
    return [f"{vectors:,}", size_text(size), f"{hits:,}", duration_text(saved)]


def _as_json(root: Path, limit: int, held: Sequence[SpaceInfo]) -> dict[str, Any]:
    rows = [
        {
            **space.description,
            "file": str(space.path),
            "vectors": space.vectors,
            "bytes": space.size,
            "last_used": datetime.fromtimestamp(space.last_used).astimezone().isoformat(timespec="seconds"),
            "hits": space.usage.hits,
            "encoded": space.usage.encoded,
            "encoded_seconds": space.usage.seconds,
            "saved_seconds_estimate": space.usage.saved_seconds,
        }
        for space in held
    ]
    return {
        "root": str(root),
        "bytes": sum(space.size for space in held),
        "limit": limit,
        "vectors": sum(space.vectors for space in held),
        "hits": sum(space.usage.hits for space in held),
        "saved_seconds_estimate": sum(space.usage.saved_seconds for space in held),
        "spaces": rows,
    }
