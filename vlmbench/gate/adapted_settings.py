"""Tells the settings of an adapted model's method, so that comparisons and baselines keep records of two apart.

The name of a question (:attr:`vlmbench.records.Summary.asked`) has the method, but not its settings and its version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from vlmbench.asked import method_settings
from vlmbench.records import Summary

Settings = str
"""The settings that were fixed before validation, and the method's version, as JSON; empty for a zero-shot record."""


def settings_of(record: Summary) -> Settings:
    """The settings of a record. Two records of one question are of two settings if these differ."""
    if record.transfer is None:
        return ""
    found = {"options": method_settings(record), "version": record.transfer.version}
    return json.dumps(found, sort_keys=True, default=str)


def told(settings: Settings, others: Iterable[Settings]) -> str:
    """In what settings differ from others, such as "alpha=0"; empty if there are no others.

    >>> one, two = (f'{{"options": {{"a": {a}, "b": 3}}, "version": 1}}' for a in (1, 2))
    >>> told(one, [one, two]), told(one, [one])
    ('a=1', '')
    """
    every = [_parts(other) for other in others]
    own = _parts(settings)
    return ", ".join(
        f"{name}={own[name]}" for name in own if any(str(other.get(name)) != str(own[name]) for other in every)
    )


def file_name(asked: str, settings: Settings) -> str:
    """The name of a question's file in a baseline that has records of several settings.

    >>> file_name("t with gda", "{}")
    't with gda, settings 44136fa3'
    """
    return f"{asked}, settings {sha256(settings.encode()).hexdigest()[:8]}"


def _parts(settings: Settings) -> dict[str, Any]:
    """Each setting by its name, and the method's version by the name "method version"."""
    found = json.loads(settings) if settings else {}
    return {**found.get("options", {}), "method version": found.get("version")}
