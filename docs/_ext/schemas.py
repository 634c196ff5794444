"""Makes the reference of schemas: every field of records, cards and protocols, with its type and meaning.

The meaning is the text below the field in the code, or its line under ``Attributes:``.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from itertools import pairwise
from typing import Any

from pydantic import BaseModel

from vlmbench import records
from vlmbench.record_parts.transfer import TransferCost, TransferInfo, TransferQuestion
from vlmbench.remarks.base import Remark

PARTS: tuple[tuple[str, str, type[Any]], ...] = (
    ("The record", "", records.Record),
    ("Model", "model", records.ModelInfo),
    ("Given answers", "model.answers", records.GivenFile),
    ("Task", "task", records.TaskInfo),
    ("Dataset", "task.dataset", records.DatasetInfo),
    ("Metric", "metrics.NAME", records.MetricValue),
    ("Class", "per_class[]", records.ClassResult),
    ("Transfer", "transfer", TransferInfo),
    ("Cost of transfer", "transfer.cost", TransferCost),
    ("Predictions", "predictions", records.Predictions),
    ("Run", "run", records.RunInfo),
    ("Cache", "run.cache", records.CacheUse),
    ("Environment", "environment", records.Environment),
    ("Remark", "remarks[]", Remark),
    ("Bad sample", "bad_samples[]", records.BadSample),
    ("Imported", "imported", records.Imported),
    ("Failure", "", records.Failure),
    ("Transfer of a failure", "transfer", TransferQuestion),
)
"""Each part of the schema: its heading, where it is in a record, and its class."""


def markdown() -> str:
    """A section for each part, with an entry for each field."""
    return "\n\n".join(section(title, path, part) for title, path, part in PARTS)


def entries(part: type[Any]) -> str:
    """The fields of one part alone."""
    known = meanings(part)
    return "\n\n".join(
        f"`{name}` *{kind}*\n: {known[field][:1].upper()}{known[field][1:]}" for name, kind, field in fields(part)
    )


def section(title: str, path: str, part: type[Any]) -> str:
    """The section of one part."""
    summary = paragraphs(part.__doc__ or "").split("\n\nAttributes:")[0]
    place = f"`{path}`: " if path else ""
    return "\n\n".join([f"## {title}", f"{place}{summary}", entries(part)])


def fields(part: type[Any]) -> list[tuple[str, str, str]]:
    """The name in JSON, the type and the name in Python of each field."""
    if issubclass(part, BaseModel):
        return [
            (field.alias or name, kind(part, name, None if field.is_required() else field.default), name)
            for name, field in part.model_fields.items()
        ]
    return [(name, kind(part, name, None), name) for name in part.__dataclass_fields__]


def kind(part: type[Any], name: str, default: object) -> str:
    """The type of a field as it is written in the code, without what only pydantic reads, and its default.

    A default that says that there is nothing (None, no text, no entry) is left out.
    """
    text = next(written[name] for written in map(written_types, part.__mro__) if name in written)
    text = re.sub(r"^Annotated\[(.+?), AfterValidator\(bounded\)\]$", r"\1", text)
    text = re.sub(r"Literal\[([^\]]+)\]", lambda found: found[1].replace(", ", " | ").replace("'", '"'), text)
    text = text.replace("FiniteNumber", "float").replace("Count", "int").replace("Reason", "str")
    stated = f", by default {default}" if default not in (None, "", (), [], {}) else ""
    return re.sub(r"([\\*_\[\]<>|])", r"\\\1", text + stated)


def written_types(part: type[Any]) -> dict[str, str]:
    """The annotations of a class's own fields, as text."""
    return {
        node.target.id: ast.unparse(node.annotation)
        for node in _body(part)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def meanings(part: type[Any]) -> dict[str, str]:
    """The meaning of each field of a class and its bases: the string below it, or its line under ``Attributes:``."""
    found: dict[str, str] = {}
    for owner in reversed(part.__mro__):
        body = _body(owner)
        for node, below in pairwise(body):
            if (
                isinstance(node, ast.AnnAssign)
                and isinstance(node.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
            ):
                found[node.target.id] = paragraphs(str(below.value.value))
        _, _, attributes = inspect.cleandoc(owner.__doc__ or "").partition("Attributes:\n")
        for name, text in re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", attributes, re.MULTILINE):
            found.setdefault(name, paragraphs(text))
    return found


def paragraphs(text: str) -> str:
    """A docstring as Markdown, each paragraph on one line."""
    plain = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", inspect.cleandoc(text)).replace("``", "`")
    return "\n\n".join(" ".join(part.split()) for part in plain.split("\n\n"))


def _body(owner: type[Any]) -> list[ast.stmt]:
    if not owner.__module__.startswith("vlmbench."):
        return []
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(owner))).body
    return tree.body if isinstance(tree, ast.ClassDef) else []
