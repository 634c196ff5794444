"""Makes help texts that list the entries of a registry, at the time when the help is printed.

``report``, ``compare``, ``export`` and ``import`` use it, because loading registries earlier would slow down every
command.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from typer.core import TyperCommand


def late_help(*, epilog: Callable[[], str] | None = None, **texts: Callable[[], str]) -> type[TyperCommand]:
    """A command class that makes some of its help texts when the help is printed.

    Args:
        epilog: makes the text below the options, one paragraph per line.
        texts: by the parameter's name, the function that makes its help.
    """

    class LateHelpCommand(TyperCommand):
        def format_help(self, ctx: Any, formatter: Any) -> None:  # typer brings its own click
            for parameter in self.params:
                if parameter.name in texts:
                    parameter.help = texts[parameter.name]()  # type: ignore[attr-defined]
            self.epilog = epilog() if epilog else self.epilog
            super().format_help(ctx, formatter)

    return LateHelpCommand
