"""``vlmbench cache``: what the feature cache holds."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="Show or clear the feature cache.")


@app.command("info")
def info(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show where the cache is, what it holds and how large it may grow."""
    from rich.table import Table
    from rich.text import Text

    from vlmbench.cli.console import stdout
    from vlmbench.features.cache import cache_root, limit_bytes, spaces

    held = spaces()
    total = sum(space.size for space in held)
    if as_json:
        rows = [
            {**space.description, "file": str(space.path), "vectors": space.vectors, "bytes": space.size}
            for space in held
        ]
        typer.echo(
            json.dumps({"root": str(cache_root()), "bytes": total, "limit": limit_bytes(), "spaces": rows}, indent=1)
        )
        return
    console = stdout()
    console.print(
        f"{cache_root()}: {size_text(total)} of at most {size_text(limit_bytes())}",
        soft_wrap=True,
        markup=False,
    )
    if not held:
        return
    table = Table(header_style="bold", show_edge=False)
    for name in ("model", "features of", "precision"):
        table.add_column(name)
    for name in ("vectors", "size", "last used"):
        table.add_column(name, justify="right")
    for space in held:
        described = space.description
        used = datetime.fromtimestamp(space.last_used).strftime("%Y-%m-%d %H:%M")
        cells = [str(described.get(key, "?")) for key in ("model", "encoder", "precision")]
        table.add_row(*map(Text, [*cells, f"{space.vectors:,}", size_text(space.size), used]))
    console.print(table)


@app.command("clear")
def clear_cache() -> None:
    """Remove every cached feature; records stay."""
    from vlmbench.cli.console import stdout
    from vlmbench.features.cache import clear

    stdout().print(f"freed {size_text(clear())}")


def size_text(size: int) -> str:
    """Bytes in a readable unit (binary)."""
    value = float(size)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"
