"""What a gate found: every format prints it, and JSON is it. Schema ``vlmbench.comparison/1``."""

from __future__ import annotations

from typing import Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

SCHEMA: Literal["vlmbench.comparison/1"] = "vlmbench.comparison/1"

TaskVerdict: TypeAlias = Literal["regressed", "improved", "unchanged", "inconclusive", "not comparable"]
Verdict: TypeAlias = Literal["regressed", "failed", "not comparable", "inconclusive", "passed"]
"""Worst first. Failed: nothing regressed, but a demand of the gate file is not met."""
Kind: TypeAlias = Literal[
    "dataset", "samples", "prompts", "protocol", "version", "metric", "precision", "missing", "answers"
]
"""In what two records differ. Missing: one side has none; answers: those of a record cannot be paired."""
Demand: TypeAlias = Literal["must_improve", "max_class_drop", "min_speed_ratio", "max_memory_ratio"]

EXIT_CODES: dict[Verdict, int] = {"regressed": 1, "failed": 1, "not comparable": 3, "inconclusive": 1, "passed": 0}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Mismatch(_Part):
    """One thing in which two records differ that must be equal."""

    kind: Kind
    field: str
    """Where in the records."""
    baseline: str
    candidate: str
    meaning: str
    """What it does to a comparison, and the remedy."""


class Gain(_Part):
    """How much better the candidate is, in the direction that is better: a loss is negative.

    Fractions, or ranks. Both p-values allow for the other tasks (Holm).
    """

    value: float
    ci95: tuple[float, float] | None
    p_value: float
    """Two-sided: no difference. For this task alone."""
    p_worse: float
    """Worse by more than the tolerance by chance alone."""
    p_better: float
    """Better by chance alone."""
    error: float | None
    """The standard error; None where a single sample leaves none."""
    method: Literal["mcnemar", "bootstrap"]
    identical: bool
    """Both gave the same answers to everything, to the last bit."""
    samples: int
    """Paired."""
    differing: int
    """Samples of which the two answered differently, as far as the metric sees."""
    gained: int | None
    """Wrong in the baseline, right in the candidate; None where the metric is no share of right answers."""
    lost: int | None
    detectable: float | None
    """The smallest loss that these samples show four times out of five; None where they show none."""
    samples_needed: int | None
    """About how many would settle an inconclusive task."""


class Rounding(_Part):
    """Two runs that agree but for rounding: no decision differs, and every score agrees within the tolerance.

    Both numbers are in the unit of the scores' kind: 1 of cosines and logits (or the sample's largest score, where that
    is more), what a logit makes of it of probabilities, the distance from the image's corner of boxes.
    """

    tolerance: float
    largest: float
    """How far two scores lie apart, at most."""
    column: str
    """Which scores: a column of the predictions."""


class Check(_Part):
    """A demand of the gate file on one task, and whether it is met; None: it could not be checked."""

    demand: Demand
    met: bool | None
    message: str
    limit: float | None = None
    found: float | None = None


class ClassChange(_Part):
    """One class's own metric on both sides."""

    name: str
    n: int
    baseline: float
    candidate: float
    change: float
    p_worse: float | None = None
    """That it lost more than the floor allows, by chance alone, over all classes and tasks. None without a floor."""
    broken: bool = False
    """It lost more than the gate file allows."""


class SampleFlip(_Part):
    """A sample that the two sides answered differently."""

    sample: str
    truth: str
    baseline: str
    candidate: str
    lost: bool
    """Worse in the candidate."""


class LoneRemark(_Part):
    """A remark that the record of one side alone has."""

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
    """On the samples that were paired."""
    candidate: float | None = None
    gain: Gain | None = None
    rounding: Rounding | None = None
    """Why the task is unchanged, where its answers agree but for rounding; None: they differ, or are identical."""
    equal: list[str] = []
    """Parts of the two models that are the same, as evidence: weights, image transform, ..."""
    unlike: list[str] = []
    """Parts that are not."""
    tolerance: float = 0.0
    margin: float = 0.0
    significance: float = 0.05
    mismatches: list[Mismatch] = []
    """Why it is not comparable."""
    overridden: list[Mismatch] = []
    """Compared in spite of these, because --allow said so."""
    checks: list[Check] = []
    classes: list[ClassChange] = []
    """That changed most, and all that broke a floor; losses first."""
    samples: list[SampleFlip] = []
    """That changed most, losses first."""
    remarks: list[LoneRemark] = []
    """That one side alone has."""
    tolerated: bool = False
    """Inconclusive, and the gate lets that pass."""

    @property
    def unmet(self) -> list[Check]:
        """Demands that are not met."""
        return [check for check in self.checks if check.met is False]

    @property
    def unchecked(self) -> list[Check]:
        """Demands that could not be checked."""
        return [check for check in self.checks if check.met is None]


class SideInfo(_Part):
    """What was compared."""

    label: str
    """As it was asked for."""
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
    """Kinds of difference that were let pass."""
    tasks: list[TaskComparison]
    notes: list[str] = []
    """What was left out, and why."""
    command: str
    """Makes this comparison again."""

    def count(self, verdict: TaskVerdict) -> int:
        """Tasks of this verdict."""
        return sum(task.verdict == verdict for task in self.tasks)
