"""Reads gate files (`vlmbench compare --gate FILE`). Errors name the line in the file."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from vlmbench.errors import UsageError
from vlmbench.files import read_bytes
from vlmbench.gate.policy import Amount, Gate, Rule, Settings
from vlmbench.registry import did_you_mean

_PARTS: dict[str, type[BaseModel]] = {"defaults": Settings, "rules": Rule}
_AMOUNTS = ("tolerance", "margin", "max_class_drop")
_UNKNOWN = "extra_forbidden"
_NO_AMOUNT = "model_type"
_MOST_BYTES = 2**20
"""Far larger than any real gate file."""
_DEEPEST = 20
"""Far deeper than any real gate file: the amount of a rule is at level four."""


def read_gate(path: Path) -> Gate:
    """A gate file.

    Raises:
        UsageError: the file cannot be read, is not YAML, or has a wrong field or value. The message lists every fault
            with its line.
    """
    text = _text(path)
    try:
        _refuse_bombs(path, text)
        loader = yaml.SafeLoader(text)
        root = loader.get_single_node()
        data = None if root is None else loader.construct_document(root)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: for example an impossible date
        raise UsageError(f"{path}: not valid YAML: {error}") from error
    _refuse_repeated(path, root)
    if not isinstance(data, dict):
        raise UsageError(
            f"{path}: a gate file is a mapping of fields, not {'empty' if data is None else type(data).__name__}",
            hint=f"Its fields: {', '.join(_fields(Gate))}.",
        )
    try:
        return Gate.model_validate(data)
    except ValidationError as error:
        faults = [_fault(path, root, problem["loc"], problem) for problem in error.errors()]
        raise UsageError("\n".join(dict.fromkeys(faults)), hint="Nothing was compared.") from error


def _text(path: Path) -> str:
    try:
        piped = str(path).startswith(("/dev/", "/proc/"))  # the shell gives <(...) such a name
        data = read_bytes(path, most=_MOST_BYTES, given_by_user=piped)
        return data.decode("utf-8-sig")
    except FileNotFoundError as error:
        raise UsageError(f"there is no gate file {str(path)!r}", hint="Omit --gate to use the default gate.") from error
    except OSError as error:
        if error.errno == errno.EFBIG:
            raise UsageError(f"{str(path)!r} is above {_MOST_BYTES // 2**20} MiB, so it is not a gate file") from error
        raise UsageError(f"gate file {str(path)!r} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"gate file {str(path)!r} is not UTF-8: {error}", hint="Save it as UTF-8.") from error


def _refuse_bombs(path: Path, text: str) -> None:
    """Refuse aliases and deep nesting.

    A few lines of aliases to aliases can expand to billions of values, an alias to its own parent never ends, and
    thousands of brackets take very long to read.
    """
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent):
            raise UsageError(
                f"{path}:{line}: *{event.anchor}: a gate file cannot have aliases",
                hint="Write out the value. For several tasks, write one rule that names them all.",
            )
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > _DEEPEST:
            raise UsageError(f"{path}:{line}: nested too deeply for a gate file")


def _fault(path: Path, root: Any, place: Sequence[Any], problem: Any) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == _UNKNOWN:
        message = f"unknown field. {did_you_mean(str(place[-1]), _fields(_schema(place)))}".rstrip()
    elif problem["type"] == _NO_AMOUNT and place[-1] in _AMOUNTS:
        message = 'write an amount: 0.005, "0.5 points" (the same), "2%" (of the baseline), or absolute: and relative:'
    elif problem["type"] != "value_error" and isinstance(problem["input"], str | int | float):
        message = f"{message}, not {problem['input']!r}"
    return f"{path}:{_line(root, place)}: {_named(place)}: {message}"


def _schema(place: Sequence[Any]) -> type[BaseModel]:
    """The schema that the siblings of an unknown field belong to."""
    if len(place) > 1 and place[-2] in _AMOUNTS:
        return Amount
    return _PARTS.get(str(place[0]), Gate) if len(place) > 1 else Gate


def _fields(schema: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in schema.model_fields.items()]


def _named(place: Sequence[Any]) -> str:
    """A place in the file as text: rules[0].tolerance."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".") or "file"


def _line(node: Any, place: Sequence[Any]) -> int:
    """The line, counted from 1, of the field with this path of keys. If the file lacks it, the line of its parent."""
    line = node.start_mark.line
    for part in place:
        if isinstance(node, yaml.MappingNode):
            found = [(key, value) for key, value in node.value if key.value == str(part)]
            if not found:
                break
            line, node = found[0][0].start_mark.line, found[0][1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
            node = node.value[part]
            line = node.start_mark.line
        else:
            break
    return int(line) + 1


def _refuse_repeated(path: Path, node: Any) -> None:
    """Refuse two fields with one name: YAML would silently keep only the last."""
    if isinstance(node, yaml.MappingNode):
        lines: dict[str, int] = {}
        for key, value in node.value:
            if isinstance(key.value, str):
                line = key.start_mark.line + 1
                if key.value in lines:
                    raise UsageError(
                        f"{path}:{line}: {key.value!r} occurs twice; the first is in line {lines[key.value]}",
                        hint="Keep one of them.",
                    )
                lines[key.value] = line
            _refuse_repeated(path, value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _refuse_repeated(path, item)
