"""Defines the result of a gate. Schema ``vlmbench.comparison/1``.

:func:`vlmbench.compare` returns it. Every format writes it, and the JSON format is exactly this.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Literal["vlmbench.comparison/1"] = "vlmbench.comparison/1"

TaskVerdict: TypeAlias = Literal["regressed", "improved", "unchanged", "inconclusive", "not comparable"]
Verdict: TypeAlias = Literal["regressed", "failed", "not comparable", "inconclusive", "passed"]
"""The verdicts, worst first. Failed: no metric regressed, but a demand of the gate file is not met."""
Kind: TypeAlias = Literal[
    "dataset", "samples", "prompts", "protocol", "version", "metric", "precision", "missing", "answers"
]
"""How two records differ. Missing: one side has no record; answers: the answers of a record cannot be paired."""
Demand: TypeAlias = Literal["must_improve", "max_class_drop", "min_speed_ratio", "max_memory_ratio"]

EXIT_CODES: dict[Verdict, int] = {"regressed": 1, "failed": 1, "not comparable": 3, "inconclusive": 1, "passed": 0}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Mismatch(_Part):
    """One difference of two records in a field that must be equal."""

    kind: Kind
    field: str
    """The field of the records."""
    baseline: str
    candidate: str
    meaning: str
    """Its effect on a comparison, and the remedy."""


class Gain(_Part):
    """How much better the candidate is; a loss is negative, also for metrics where lower is better.

    Values are fractions, or ranks. Both p-values are adjusted for the number of tasks (Holm).
    """

    value: float
    ci95: tuple[float, float] | None
    p_value: float
    """The two-sided p-value of no difference, for this task alone."""
    p_worse: float
    """The p-value of a loss beyond the tolerance."""
    p_better: float
    """The p-value of a gain."""
    error: float | None
    """The standard error; None for a single sample."""
    method: Literal["mcnemar", "bootstrap"]
    identical: bool
    """Whether all answers are equal, to the last bit."""
    samples: int
    """Paired."""
    differing: int
    """The number of samples whose answers differ in a way that can change the metric."""
    gained: int | None
    """Samples wrong in the baseline and right in the candidate; None if the metric is not a share of right answers."""
    lost: int | None
    detectable: float | None
    """The smallest loss that these samples detect with a probability of 80%; None if they cannot detect any."""
    samples_needed: int | None
    """About how many samples would settle an inconclusive task."""


class Rounding(_Part):
    """Two runs that differ only by rounding: no decision differs, and every score agrees within the tolerance.

    Both numbers are in the unit of the kind of scores. For cosines and logits it is 1, or the sample's largest score if
    that is larger; for probabilities, the change that a change of a logit causes; for boxes, the distance from the
    image's corner.
    """

    tolerance: float
    largest: float
    """The largest difference of two scores."""
    column: str
    """The column of these scores in the predictions."""


class Check(_Part):
    """A demand of the gate file on one task, and whether it is met; None if it could not be checked."""

    demand: Demand
    met: bool | None
    message: str
    limit: float | None = None
    found: float | None = None


class ClassChange(_Part):
    """The metric of one class on both sides."""

    name: str
    n: int
    baseline: float
    candidate: float
    change: float
    p_worse: float | None = None
    """The p-value of a loss beyond the floor, adjusted for all classes and tasks; None without a floor."""
    broken: bool = False
    """Whether it lost more than the gate file allows."""


class SampleFlip(_Part):
    """A sample with different answers on the two sides."""

    sample: str
    truth: str
    baseline: str
    candidate: str
    lost: bool
    """Whether the candidate's answer is worse."""


class LoneRemark(_Part):
    """A remark that the record of only one side has."""

    side: Literal["baseline", "candidate"]
    code: str
    sentence: str


class TaskComparison(_Part):
    """One task of one model on both sides."""

    task: str
    baseline_model: str
    candidate_model: str
    verdict: TaskVerdict
    metric: str | None = None
    unit: Literal["fraction", "rank"] = "fraction"
    higher_is_better: bool = True
    baseline: float | None = None
    """The values on the paired samples."""
    candidate: float | None = None
    gain: Gain | None = None
    rounding: Rounding | None = None
    """Why the task is unchanged, if its answers differ only by rounding; None if they differ or are identical."""
    equal: list[str] = []
    """Parts of the two models that are equal, as evidence: weights, image transform, ..."""
    unlike: list[str] = []
    """Parts of the two models that differ."""
    not_compared: str = ""
    """What could not be compared."""
    tolerance: float = 0.0
    margin: float = 0.0
    significance: float = 0.05
    mismatches: list[Mismatch] = []
    """The reasons why the task is not comparable."""
    overridden: list[Mismatch] = []
    """Differences that --allow permits."""
    checks: list[Check] = []
    classes: list[ClassChange] = []
    """The classes that changed most and all that broke a floor, losses first."""
    samples: list[SampleFlip] = []
    """The samples that changed most, losses first."""
    remarks: list[LoneRemark] = []
    """The remarks that only one side has."""
    tolerated: bool = False
    """Whether the task is inconclusive and the gate tolerates it."""

    @property
    def unmet(self) -> list[Check]:
        """The demands that are not met."""
        return [check for check in self.checks if check.met is False]

    @property
    def unchecked(self) -> list[Check]:
        """The demands that could not be checked."""
        return [check for check in self.checks if check.met is None]


class OverDraws(_Part):
    """An adapted model on both sides: the mean over the draws that both sides have, for each number of shots."""

    task: str
    baseline_model: str
    candidate_model: str
    method: str
    track: str
    learnt: str = ""
    """Which classes were learnt: "base-to-new" or "learnt from TASK"; empty: all of the task itself."""
    detail: str = ""
    """The settings of the method, such as "alpha=0", if it was compared with several; empty otherwise."""
    shots: int
    metric: str
    unit: Literal["fraction", "rank"] = "fraction"
    draws: int
    gain: float
    """The mean gain over the draws; a loss is negative."""
    ci95: tuple[float, float] | None
    """Its interval for other draws and other samples; None for one draw."""
    worse: int
    """In how many draws the candidate is worse."""


class SideInfo(_Part):
    """The side that was compared."""

    label: str
    """The side as the user named it."""
    models: list[str]
    records: int


class Comparison(_Part):
    """Two sides, every task's verdict, and one over all."""

    schema_: Literal["vlmbench.comparison/1"] = Field(default=SCHEMA, alias="schema")
    vlmbench: str
    """The version that compared."""
    verdict: Verdict
    exit_code: int
    baseline: SideInfo
    candidate: SideInfo
    gate: str | None
    """The gate file; None: the default gate."""
    allowed: list[str] = []
    """The kinds of difference that --allow permits."""
    tasks: list[TaskComparison]
    over_draws: list[OverDraws] = []
    """Adapted models, over their draws. The verdict judges each draw as a task of its own."""
    notes: list[str] = []
    """Notes on what was left out, with reasons."""
    command: str
    """The command that makes this comparison again."""

    def count(self, verdict: TaskVerdict) -> int:
        """The tasks with this verdict."""
        return sum(task.verdict == verdict for task in self.tasks)
