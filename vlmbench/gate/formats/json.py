"""Writes a comparison as JSON, and its JSON Schema. ``vlmbench compare --format json`` and ``--schema`` use it."""

from __future__ import annotations

import json

from vlmbench.gate.outcome import Comparison
from vlmbench.gate.registry import GateFormat


def to_json(comparison: Comparison) -> str:
    """Every field, with full precision."""
    return comparison.model_dump_json(by_alias=True, indent=1) + "\n"


def json_schema() -> str:
    """The JSON Schema (2020-12) of :func:`to_json`."""
    schema = Comparison.model_json_schema(by_alias=True, mode="serialization")
    return json.dumps({"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}, indent=1) + "\n"


FORMAT = GateFormat("json", to_json)
