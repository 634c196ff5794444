"""Defines what every part of a record is. :mod:`vlmbench.records` and the other parts use it."""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import core_schema

Count: TypeAlias = Annotated[int, Field(ge=0, le=2**53)]
"""A number of things; small enough for a number in JSON."""


class Part(BaseModel):
    """The base of every part: unknown fields of later versions are ignored, and a part never changes."""

    model_config = ConfigDict(extra="ignore", frozen=True, protected_namespaces=(), populate_by_name=True)


class _FiniteInFiles:
    """A number that may not be NaN or infinite in a file. A run writes null for such a number."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.json_or_python_schema(
            core_schema.float_schema(allow_inf_nan=False), core_schema.float_schema()
        )


FiniteNumber: TypeAlias = Annotated[float, _FiniteInFiles]
"""A number that a file must state, and that a run may lack."""
