"""Reads what the options of ``vlmbench run`` give: settings, and files of class names and templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from vlmbench.errors import UsageError
from vlmbench.files import MOST_TEXT_BYTES, decoded_text, read_bytes
from vlmbench.markup import is_blank
from vlmbench.paths import user_path


def parse_settings(settings: list[str], readout: str | None, *, flag: str = "--set") -> dict[str, Any]:
    """``KEY=VALUE`` from the command line; values as YAML has them (numbers, true, lists in brackets, words).

    Raises:
        UsageError: the text is not KEY=VALUE, the value is not YAML, or a key is set twice.
    """
    import yaml

    from vlmbench.cards import parse_yaml

    found: dict[str, Any] = {}
    for setting in [*settings, *([f"readout={readout}"] if readout is not None else [])]:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{flag} takes KEY=VALUE, not {setting!r}")
        if key.strip() in found:
            raise UsageError(f"{key.strip()!r} is set twice")
        try:
            found[key.strip()] = parse_yaml(value)
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise UsageError(f"{flag} {setting!r}: the value cannot be read: {error}") from error
    return found


def read_lines(path: Path | None) -> tuple[str, ...] | None:
    """The trimmed lines of a text file, without empty lines at its end; None for no file.

    Raises:
        UsageError: the file cannot be read, is empty, or has an empty line in the middle, which would shift labels.
    """
    if path is None:
        return None
    try:
        text = decoded_text(read_bytes(user_path(path), most=MOST_TEXT_BYTES, given_by_user=True))
    except OSError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {str(path)!r}: {error}", hint="Save it as UTF-8.") from error
    lines = [line.strip() for line in text.replace("\ufeff", "").split("\n")]  # joined files keep their marks
    while lines and is_blank(lines[-1]):
        lines.pop()
    if not lines:
        raise UsageError(f"{str(path)!r} is empty")
    for number, line in enumerate(lines, 1):
        if is_blank(line):
            raise UsageError(f"{str(path)!r} has an empty line {number}")
    return tuple(lines)
