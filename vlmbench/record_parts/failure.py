"""Defines the schema of the note that a pair gave no answer. Runs make it, and :mod:`vlmbench.store` keeps it."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from vlmbench.record_parts.base import Part
from vlmbench.record_parts.transfer import TransferQuestion

FAILURE_SCHEMA: Literal["vlmbench.failure/1"] = "vlmbench.failure/1"


class Environment(Part):
    """The software that computed the answer."""

    vlmbench: str
    """The version of vlmbench."""
    python: str
    """The version of Python."""
    platform: str
    """The operating system and its version."""
    packages: dict[str, str]
    """The version of each package that may change a number."""
    git: str | None = None
    """The commit of the code, if it runs from a Git checkout."""


class Failure(Part):
    """A pair that gave no answer, with the reason. It is kept beside records and is not one of them."""

    schema_: Literal["vlmbench.failure/1"] = Field(default=FAILURE_SCHEMA, alias="schema")
    """The version of the schema."""
    model: str
    """The name of the model."""
    task: str
    """The name of the task."""
    transfer: TransferQuestion | None = None
    """How the model should have been adapted; None: not at all."""
    status: Literal["failed", "unsupported"]
    """Whether it went wrong, or the model cannot be asked such a question."""
    error: str
    """The exception's class name."""
    message: str
    """What went wrong."""
    hint: str | None = None
    """What to do about it."""
    started: str
    """When the pair began: date and time with the time zone (ISO 8601)."""
    environment: Environment
    """Where it ran."""

    @model_serializer(mode="wrap")
    def _without_transfer(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave transfer out of the notes of zero-shot runs, which stay as older versions wrote them."""
        return {name: value for name, value in dump(self).items() if value or name != "transfer"}

    def logged(self, log: str) -> Failure:
        """The same failure, with the name of its log in the message."""
        return self.model_copy(update={"message": f"{self.message} (log: {log})"})

    @property
    def asked(self) -> str:
        """The name of the question, as in :attr:`vlmbench.records.Summary.asked`."""
        return self.task if self.transfer is None else self.transfer.named(self.task)
