"""Makes the reference of the command line: every command with its arguments, options, defaults and help."""

from __future__ import annotations

import inspect
import io
import re
from collections.abc import Iterator, Mapping
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer

from vlmbench.cli.main import app

_WORDS: Mapping[type, str] = {Path: "PATH", int: "INTEGER", float: "NUMBER"}
"""What an option's value is called, by its type; anything else is a TEXT."""
_SPECIAL = re.compile(r"([\\*_{}\[\]<>#|$~])")


def markdown() -> str:
    """A section for each command, in the order of ``vlmbench --help``."""
    return "\n\n".join(section(command, path) for path, command in commands(typer.main.get_command(app), "vlmbench"))


def commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every command below this one and itself, with the words that call it. The root is left out."""
    if " " in path:
        yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from commands(below, f"{path} {name}")


def section(command: Any, path: str) -> str:
    """The section of one command."""
    context = command.make_context(path, [], resilient_parsing=True)
    with redirect_stdout(io.StringIO()):
        command.get_help(context)  # some commands describe their parameters only now
    level = "#" * (path.count(" ") + 1)
    parts = [f"{level} {path}", paragraphs(command.help or ""), f"```text\n{usage(command, path)}\n```"]
    kinds = value_kinds(command)
    shown = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    parts += [definition(parameter, context, kinds) for parameter in shown if parameter.name != "help"]
    if command.epilog:
        parts.append(listed(command.epilog))
    return "\n\n".join(parts)


def usage(command: Any, path: str) -> str:
    """How the command is called, on one line."""
    words = [path, "[OPTIONS]"]
    for parameter in command.params:
        if parameter.param_type_name == "argument":
            name = shown_name(parameter)
            words.append(name if parameter.required else f"[{name}]")
    return " ".join(words + ["COMMAND …"] * hasattr(command, "commands"))


def shown_name(argument: Any) -> str:
    """An argument's name in the reference."""
    return str(argument.metavar or argument.name.upper())


def definition(parameter: Any, context: Any, kinds: Mapping[str, str]) -> str:
    """A parameter as an entry of a definition list: its names, then what it means and its default."""
    is_argument = parameter.param_type_name == "argument"
    names = [f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts)]
    if is_argument:
        names = [f"`{shown_name(parameter)}`"]
    kind = "" if is_argument or getattr(parameter, "is_flag", False) else kinds.get(parameter.name, "")
    default = shown_default(parameter)
    facts = ["Required."] * bool(parameter.required) + [f"Default: {default}."] * bool(default)
    meaning = " ".join([escaped(parameter.help or ""), *facts]).strip()
    return f"{', '.join(names)}{f' *{kind}*' if kind else ''}\n: {meaning}"


def value_kinds(command: Any) -> dict[str, str]:
    """What each parameter of a command takes, by its name: TEXT, PATH, INTEGER with its range."""
    callback = inspect.unwrap(command.callback) if command.callback else None
    hints = get_type_hints(callback, include_extras=True) if callback else {}
    kinds = {}
    for name, hint in hints.items():
        value, *stated = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        words = next((word for kind, word in _WORDS.items() if kind in flattened(value)), "TEXT")
        low = next((info.min for info in stated if getattr(info, "min", None) is not None), None)
        high = next((info.max for info in stated if getattr(info, "max", None) is not None), None)
        metavar = next((info.metavar for info in stated if getattr(info, "metavar", None)), words)
        kinds[name] = metavar + f" from {low}" * (low is not None) + f" to {high}" * (high is not None)
    return kinds


def flattened(hint: Any) -> set[Any]:
    """The plain types in a type: of ``list[Path] | None``, ``Path`` among others."""
    return {hint}.union(*(flattened(inner) for inner in get_args(hint)))


def shown_default(parameter: Any) -> str:
    """The default as ``--help`` shows it, in Markdown; nothing for a switch that is off."""
    stated, default = getattr(parameter, "show_default", None), parameter.default
    if isinstance(stated, str):
        return escaped(stated)
    if getattr(parameter, "is_flag", False):
        both = bool(parameter.secondary_opts)
        return f"`{parameter.opts[0] if default else parameter.secondary_opts[0]}`" if both else ""
    has_text = isinstance(default, (str, int, float, Path)) and stated is not False
    return f"`{default}`" if has_text and str(default) else ""


def listed(epilog: str) -> str:
    """What follows the options: a heading, then a line an entry."""
    first, *rest = [line.strip() for line in epilog.splitlines() if line.strip()]
    return "\n".join([escaped(first), "", *(f"- {escaped(line)}" for line in rest)])


def paragraphs(text: str) -> str:
    """Help as Markdown: its paragraphs, each on one line."""
    found = re.split(r"\n\s*\n", text.replace("\b", "").strip())
    return "\n\n".join(escaped(" ".join(paragraph.split())) for paragraph in found)


def escaped(text: str) -> str:
    """Text whose signs mean nothing to Markdown; what is between backticks stays code."""
    pieces = text.split("`")
    return "`".join(piece if number % 2 else _SPECIAL.sub(r"\\\1", piece) for number, piece in enumerate(pieces))
