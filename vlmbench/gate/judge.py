"""Makes a comparison from two sides: pairs and measures every task, judges it, and gives one verdict over all.

:func:`vlmbench.compare` calls it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from vlmbench._version import __version__
from vlmbench.answers.rounding import TOLERANCE
from vlmbench.errors import UsageError
from vlmbench.gate.budgets import check_budgets
from vlmbench.gate.classes import against_floor, class_changes, floor_check, most_changed
from vlmbench.gate.entry import Entry
from vlmbench.gate.evidence import Evidence, Incomparable, gather_evidence
from vlmbench.gate.lone_remarks import lone_remarks, remark_notes
from vlmbench.gate.mismatches import mismatch
from vlmbench.gate.outcome import (
    Check,
    ClassChange,
    Comparison,
    Gain,
    Kind,
    Mismatch,
    Rounding,
    SideInfo,
    TaskComparison,
    TaskVerdict,
)
from vlmbench.gate.over_draws import over_draws
from vlmbench.gate.policy import Gate, Terms, matches, required_names
from vlmbench.gate.record_pairs import RecordPair, pair_entries
from vlmbench.gate.sides import Side
from vlmbench.gate.verdict import Contest, is_open, judge_all, overall


@dataclass(frozen=True)
class CompareRequest:
    """What to compare, and how.

    Attributes:
        gate: the demands.
        gate_file: the file of the demands; None: the default gate.
        allow: kinds of difference that do not prevent a comparison.
        allow_inconclusive: inconclusive tasks pass, even if the gate file says no.
        baseline_model: only this model of the baseline.
        candidate_model: only this model of the candidate.
        command: the command that makes the comparison again.
        begun: called with each task before its answers are read.
    """

    gate: Gate = field(default_factory=Gate)
    gate_file: str | None = None
    allow: tuple[Kind, ...] = ()
    allow_inconclusive: bool = False
    baseline_model: str | None = None
    candidate_model: str | None = None
    command: str = ""
    begun: Callable[[str], None] = lambda task: None


@dataclass(frozen=True)
class _Weighed:
    """A task that can be compared, before it is judged."""

    pair: RecordPair
    terms: Terms
    evidence: Evidence
    contest: Contest


def compare_sides(baseline: Side, candidate: Side, request: CompareRequest) -> Comparison:
    """Compare every task that both sides have.

    Raises:
        UsageError: models cannot be paired, no task exists, or an amount in the gate file does not fit its metric.
    """
    pairs = pair_entries(
        baseline.entries,
        candidate.entries,
        baseline_model=request.baseline_model,
        candidate_model=request.candidate_model,
    )
    required = None if request.gate.required is None else required_names(request.gate.required)
    tasks, weighed = list(_nowhere(required or (), pairs)), []
    left_out: dict[tuple[str, str], list[str]] = {}
    for pair in pairs:
        if pair.baseline is None or pair.candidate is None:
            found = _one_sided(pair, baseline, candidate)
            if _is_required(required, pair):
                tasks.append(_incomparable(pair, [found]))
            else:
                left_out.setdefault((pair.baseline_model, found.meaning), []).append(pair.named)
            continue
        if failed := _failed_since(candidate, pair.candidate):
            tasks.append(_incomparable(pair, [failed]))
            continue
        request.begun(pair.named)
        terms = request.gate.terms(pair.task)
        try:
            evidence = gather_evidence(pair.baseline, pair.candidate, terms.settings, request.allow)
        except Incomparable as reason:
            tasks.append(_incomparable(pair, reason.mismatches, reason.overridden))
        else:
            weighed.append(_Weighed(pair, terms, evidence, _contest(terms, evidence)))
    judged = judge_all([each.contest for each in weighed])
    floors = sum(bool(each.evidence.classes) for each in weighed)
    for each, (verdict_of_task, gain) in zip(weighed, judged, strict=True):
        tolerate = request.allow_inconclusive or each.terms.settings.inconclusive == "warn"
        tasks.append(_compared(each, verdict_of_task, gain, floors=floors, tolerate=tolerate))
    notes = [*baseline.notes, *candidate.notes, *_left_out(left_out), *_unpaired(candidate, pairs, request)]
    if not tasks:
        raise UsageError("the two sides have no task in common" + "".join(f"\n{note}" for note in notes))
    tasks.sort(key=lambda task: (task.baseline_model, task.task))
    notes += [*_idle(request.gate, [pair.task for pair in pairs]), *_mixed(pairs), *remark_notes(tasks)]
    verdict, exit_code = overall(tasks)
    return Comparison(
        vlmbench=__version__,
        verdict=verdict,
        exit_code=exit_code,
        baseline=_info(baseline, request.baseline_model),
        candidate=_info(candidate, request.candidate_model),
        gate=request.gate_file,
        allowed=list(request.allow),
        tasks=tasks,
        over_draws=over_draws([each.evidence for each in weighed]),
        notes=notes,
        command=request.command,
    )


def _is_required(required: Sequence[str] | None, pair: RecordPair) -> bool:
    """Whether both sides must have the task: the gate file requires it, or without a gate file the baseline has it."""
    return pair.baseline is not None if required is None else matches(pair.task, required)


def _nowhere(required: Sequence[str], pairs: Sequence[RecordPair]) -> Iterator[TaskComparison]:
    """The tasks that the gate file requires and both sides lack."""
    there = {pair.task for pair in pairs}
    for name in required:
        if not any(matches(task, [name]) for task in there):
            found = mismatch("missing", "task", "no record", "no record", "The gate file requires this task. Run it.")
            yield TaskComparison(
                task=name, baseline_model="–", candidate_model="–", verdict="not comparable", mismatches=[found]
            )


def _left_out(found: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[str]:
    """Notes on tasks that only one side has and the gate does not require, by model and reason."""
    for (model, meaning), names in found.items():
        yield f"{', '.join(names)} of {model} left out: {meaning}"


def _unpaired(candidate: Side, pairs: Sequence[RecordPair], request: CompareRequest) -> Iterator[str]:
    """A note on the candidate's models that are not compared."""
    if request.candidate_model is None:
        paired = {pair.candidate_model for pair in pairs}
        if others := sorted({entry.record.model.name for entry in candidate.entries} - paired):
            yield (
                f"models of the candidate that the baseline lacks are not compared: {', '.join(others)} "
                "(--candidate-model NAME compares one)"
            )


def _one_sided(pair: RecordPair, baseline: Side, candidate: Side) -> Mismatch:
    side, model = ("baseline", pair.baseline_model) if pair.baseline is None else ("candidate", pair.candidate_model)
    failures = (baseline if pair.baseline is None else candidate).failures
    failed = [failure for failure in failures if (failure.model, failure.asked) == (model, pair.task)]
    failed.sort(key=lambda failure: failure.started)
    reason = (
        f"The {side} failed: {failed[-1].message}"
        if failed
        else f"The {side} has no record of this task. Run it, or remove it from the gate file's required tasks."
    )
    before, after = ("no record" if entry is None else "a record" for entry in (pair.baseline, pair.candidate))
    return mismatch("missing", "task", before, after, reason)


def _failed_since(side: Side, entry: Entry) -> Mismatch | None:
    """The failure of the candidate's last run of a pair, if it failed: an older record does not describe that run."""
    record = entry.record
    for failure in side.failures:
        same = (failure.model, failure.asked) == (record.model.name, record.asked)
        if same and failure.started > record.run.started:
            meaning = f"The candidate's last run of this task failed after its record was made: {failure.message}"
            return mismatch("missing", "run.started", "–", f"{record.run.started}, failed {failure.started}", meaning)
    return None


def _mixed(pairs: Sequence[RecordPair]) -> Iterator[str]:
    """Notes on models with records of several sets of weights, for example if a results folder was used again."""
    for side in ("baseline", "candidate"):
        found: dict[str, dict[tuple[str, ...], str]] = {}
        for pair in pairs:
            entry = pair.baseline if side == "baseline" else pair.candidate
            if entry is not None:
                found.setdefault(entry.record.model.name, {}).setdefault(entry.record.model.key, pair.named)
        for model, kinds in found.items():
            if len(kinds) > 1:
                tasks = ", ".join(f"{task} (weights {key[0][:8]})" for key, task in kinds.items())
                yield f"the {side}'s records of {model} come from {len(kinds)} different models: {tasks}"


def _incomparable(pair: RecordPair, found: Sequence[Mismatch], overridden: Sequence[Mismatch] = ()) -> TaskComparison:
    return TaskComparison(
        task=pair.named,
        baseline_model=pair.baseline_model,
        candidate_model=pair.candidate_model,
        verdict="not comparable",
        mismatches=list(found),
        overridden=list(overridden),
        remarks=lone_remarks(pair.baseline.record, pair.candidate.record) if pair.baseline and pair.candidate else [],
    )


def _contest(terms: Terms, evidence: Evidence) -> Contest:
    value = evidence.difference.baseline
    return Contest(
        evidence.difference,
        evidence.higher_is_better,
        tolerance=terms.tolerance(value, evidence.unit),
        margin=terms.margin(value, evidence.unit),
        significance=terms.settings.significance,
    )


def _compared(weighed: _Weighed, verdict: TaskVerdict, gain: Gain, *, floors: int, tolerate: bool) -> TaskComparison:
    settings, evidence, contest = weighed.terms.settings, weighed.evidence, weighed.contest
    classes, checks = _classes(weighed, floors)
    if any(check.met is False for check in checks):
        verdict = "regressed"
    if settings.must_improve:
        checks.append(_improvement(verdict))
    checks += check_budgets(evidence.baseline, evidence.candidate, settings)
    task = TaskComparison(
        task=weighed.pair.named,
        baseline_model=weighed.pair.baseline_model,
        candidate_model=weighed.pair.candidate_model,
        verdict=verdict,
        metric=evidence.metric,
        unit=evidence.unit,
        higher_is_better=evidence.higher_is_better,
        baseline=evidence.difference.baseline,
        candidate=evidence.difference.candidate,
        gain=gain,
        rounding=_rounding(evidence),
        equal=list(evidence.equal),
        unlike=list(evidence.unlike),
        not_compared=evidence.not_compared,
        tolerance=contest.tolerance,
        margin=contest.margin,
        significance=contest.significance,
        overridden=list(evidence.overridden),
        checks=checks,
        classes=most_changed(classes),
        samples=list(evidence.flips),
        remarks=lone_remarks(evidence.baseline, evidence.candidate),
    )
    return task.model_copy(update={"tolerated": tolerate and is_open(task)})


def _rounding(evidence: Evidence) -> Rounding | None:
    found = evidence.rounding
    return None if found is None else Rounding(tolerance=TOLERANCE, largest=found.largest, column=found.column)


def _classes(weighed: _Weighed, floors: int) -> tuple[list[ClassChange], list[Check]]:
    """How each class changed, and the result of the floor if the gate has one; ``floors`` tasks have a floor."""
    settings, evidence = weighed.terms.settings, weighed.evidence
    floor = settings.max_class_drop
    if floor is None:
        before, after = evidence.baseline.per_class, evidence.candidate.per_class
        return (class_changes(before, after) if evidence.same_samples else []), []
    if evidence.classes is None:
        message = f"classes of {evidence.metric} cannot be paired: {evidence.no_classes}"
        return [], [Check(demand="max_class_drop", met=None, message=message)]
    changes = against_floor(evidence.classes, floor, settings.class_evidence, settings.significance, tasks=floors)
    return changes, [floor_check(changes, floor)]


def _improvement(verdict: TaskVerdict) -> Check:
    if verdict == "improved":
        return Check(demand="must_improve", met=True, message="it improved beyond chance")
    return Check(
        demand="must_improve", met=False, message=f"the gate file demands a gain beyond chance; the task is {verdict}"
    )


def _idle(gate: Gate, tasks: Sequence[str]) -> Iterator[str]:
    for place in gate.idle_rules(tasks):
        yield f"gate file: rules[{place}] matches no task ({', '.join(gate.rules[place].tasks)})"


def _info(side: Side, model: str | None) -> SideInfo:
    names = [entry.record.model.name for entry in side.entries]
    return SideInfo(
        label=side.label,
        models=sorted({name for name in names if model in (None, name)}),
        records=sum(model in (None, name) for name in names),
    )
