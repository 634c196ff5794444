"""Defines the gate file's fields: how much each task may lose, and other demands. Schema ``vlmbench.gate/1``.

``vlmbench compare`` judges by them, and by their defaults if there is no gate file.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from vlmbench.catalogue import find_suite, suites
from vlmbench.errors import UsageError
from vlmbench.registry import did_you_mean

SCHEMA: Literal["vlmbench.gate/1"] = "vlmbench.gate/1"
SIGNIFICANCE = 0.05
MARGIN, RANK_MARGIN = 0.01, 0.5
"""A drop that is too small to stop a release: one point, or half a rank."""
_SUITE = "suite:"
_WORDED = re.compile(r"\s*([0-9.]+)\s*(%|points?|pt)\s*", re.IGNORECASE)

Evidence = Literal["significant", "observed"]
Reaction = Literal["fail", "warn"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Amount(_Part):
    """An amount of a metric: fixed, a share of the baseline's value, or the larger of both.

    A plain number is a fraction (0.01); in a rule that names a metric of ranks, it is in ranks. "1 point" is 0.01. "2%"
    is a share of the baseline's value.
    """

    absolute: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    relative: float = Field(default=0.0, ge=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, bool):
            raise ValueError("an amount is a number, not yes or no")
        if isinstance(value, int | float):
            return {"absolute": value}
        if isinstance(value, str):
            return _worded(value)
        return value

    def of(self, value: float) -> float:
        """The amount for a baseline with this value, in the metric's unit."""
        return max(self.absolute, self.relative * abs(value))


class Settings(_Part):
    """The demands on a task. If a rule does not set a field, an earlier matching rule sets it, or else the defaults."""

    metric: str | None = None
    """The metric to compare. Default: the record's main metric."""
    tolerance: Amount = Amount()
    """The largest accepted drop."""
    margin: Amount = Amount(absolute=MARGIN)
    """A task counts as unchanged only if a drop of this size is excluded."""
    significance: float = Field(default=SIGNIFICANCE, gt=0, lt=1)
    must_improve: bool = False
    max_class_drop: Amount | None = None
    class_evidence: Evidence = "significant"
    """Whether a class breaks its floor if it lost more beyond chance, or if it lost more in these samples."""
    min_speed_ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    max_memory_ratio: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    inconclusive: Reaction = "fail"

    @field_validator("tolerance", "margin", "max_class_drop")
    @classmethod
    def _possible(cls, amount: Amount | None, info: ValidationInfo) -> Amount | None:
        metric = info.data.get("metric")
        if amount is not None and amount.absolute > 1 and not _in_ranks(metric):
            points = f"{amount.absolute:g} points"
            raise ValueError(
                f"{amount.absolute:g} is above 1, but metrics are fractions and one point is 0.01: "
                f'write {amount.absolute / 100:g} or "{points}". If the metric is a rank, name the metric in the rule'
            )
        return amount


class Rule(Settings):
    """The settings of tasks that match a pattern."""

    tasks: list[str] = Field(min_length=1)
    """Names, patterns such as "imagenet*", or "suite:NAME"."""

    @field_validator("tasks")
    @classmethod
    def _known(cls, patterns: list[str]) -> list[str]:
        return _checked(patterns)


class Gate(_Part):
    """A gate file."""

    schema_: Literal["vlmbench.gate/1"] = Field(default=SCHEMA, alias="schema")
    significance: float = Field(default=SIGNIFICANCE, gt=0, lt=1)
    """The probability that any task is called regressed or improved although nothing changed."""
    inconclusive: Reaction = "fail"
    defaults: Settings = Settings()
    required: list[str] | None = None
    """Tasks that both sides must have; None: every task of the baseline."""
    rules: list[Rule] = []

    @field_validator("required")
    @classmethod
    def _known(cls, patterns: list[str] | None) -> list[str] | None:
        return None if patterns is None else _checked(patterns)

    def terms(self, task: str) -> Terms:
        """The demands on a task. For each field, the last matching rule that sets it wins."""
        fields = {"significance": self.significance, "inconclusive": self.inconclusive} | _set(self.defaults)
        ranked: set[str] = set()
        for rule in self.rules:
            if matches(task, rule.tasks):
                own = {name: value for name, value in _set(rule).items() if name != "tasks"}
                fields |= own
                ranked = ranked | own.keys() if _in_ranks(rule.metric) else ranked - own.keys()
        return Terms(Settings.model_construct(**fields), frozenset(ranked))

    def idle_rules(self, tasks: Sequence[str]) -> list[int]:
        """The indices of rules that match no task: a name may be misspelt, or a task may be missing."""
        return [i for i, rule in enumerate(self.rules) if not any(matches(task, rule.tasks) for task in tasks)]


@dataclass(frozen=True)
class Terms:
    """The settings of one task.

    Attributes:
        settings: the combined settings of its rules.
        in_ranks: the names of fields whose amounts are in ranks, because their rule names a metric of ranks. All other
            amounts are fractions.
    """

    settings: Settings
    in_ranks: frozenset[str] = frozenset()

    def tolerance(self, baseline: float, unit: str) -> float:
        """The largest accepted drop, in the metric's unit."""
        return self._amount("tolerance", self.settings.tolerance, baseline, unit, otherwise=0.0)

    def margin(self, baseline: float, unit: str) -> float:
        """The drop that must be excluded before a task counts as unchanged. It is never below the tolerance."""
        margin = self._amount("margin", self.settings.margin, baseline, unit, otherwise=RANK_MARGIN)
        return max(margin, self.tolerance(baseline, unit))

    def _amount(self, name: str, amount: Amount, baseline: float, unit: str, *, otherwise: float) -> float:
        if unit == "rank" and name not in self.in_ranks:  # a fraction is not a number of ranks, but a share is
            return max(otherwise, amount.relative * abs(baseline))
        return amount.of(baseline)


def matches(task: str, patterns: Sequence[str]) -> bool:
    """Whether names, patterns or suites include a task."""
    return any(
        task in _suite_tasks(pattern) if pattern.startswith(_SUITE) else fnmatchcase(task, pattern)
        for pattern in patterns
    )


def required_names(patterns: Sequence[str]) -> list[str]:
    """Names and patterns, with each suite replaced by its tasks: all of them are required."""
    spelled = [_suite_tasks(name) if name.startswith(_SUITE) else [name] for name in patterns]
    return list(dict.fromkeys(name for names in spelled for name in names))


def _checked(patterns: list[str]) -> list[str]:
    for pattern in patterns:
        if pattern.startswith(_SUITE):
            _suite_tasks(pattern)
    return patterns


def _suite_tasks(pattern: str) -> list[str]:
    name = pattern.removeprefix(_SUITE)
    try:
        suite = find_suite(name)
    except UsageError as error:
        raise ValueError(error.message) from error
    if suite is None:
        hint = did_you_mean(name, [known.name for known in suites()])
        raise ValueError(f"unknown suite {name!r}. {hint}".rstrip())
    return suite.tasks


def _worded(text: str) -> Mapping[str, float]:
    found = _WORDED.fullmatch(text)
    try:
        number = float(found[1]) if found else math.nan
    except ValueError:
        number = math.nan
    if found is None or math.isnan(number):
        raise ValueError(f'{text!r} is not an amount: write 0.005, "0.5 points" (the same), or "2%" (of the baseline)')
    share = number / 100
    return {"relative": share} if found[2] == "%" else {"absolute": share}


def _in_ranks(metric: str | None) -> bool:
    return metric is not None and metric.endswith("_rank")


def _set(settings: Settings) -> dict[str, Any]:
    """The fields that the gate file sets."""
    return {name: getattr(settings, name) for name in settings.model_fields_set}
