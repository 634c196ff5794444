"""Help that registries make, when it is asked for: reading them would slow every other command down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand


def late_help(*, epilog: Callable[[], str] | None = None, **texts: Callable[[], str]) -> type[TyperCommand]:
    """A command that describes some of its parameters late.

    Args:
        epilog: makes what stands below the options, a paragraph a line.
        texts: by the parameter's name, what makes its help.
    """

    class LateHelpCommand(TyperCommand):
        def format_help(self, ctx: Any, formatter: Any) -> None:  # typer brings its own click
            for parameter in self.params:
                if parameter.name in texts:
                    parameter.help = texts[parameter.name]()  # type: ignore[attr-defined]
            self.epilog = epilog() if epilog else self.epilog
            super().format_help(ctx, formatter)

    return LateHelpCommand
