"""The Python API behind ``import vlmbench``: the same power as the command line."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from vlmbench.cards import ModelCard, TaskCard
from vlmbench.catalogue import find_tasks, runnable_models
from vlmbench.errors import UsageError, VlmbenchError
from vlmbench.features.precision import resolve_device
from vlmbench.gate.compare import compare
from vlmbench.models import ADAPTERS
from vlmbench.models.base import LoadOptions, Model
from vlmbench.paths import user_path
from vlmbench.records import Record
from vlmbench.registry import load_plugin_file
from vlmbench.run.execute import execute
from vlmbench.run.listener import NotesAsWarnings, PairResult
from vlmbench.run.plan import RunRequest, make_plan
from vlmbench.tasks.base import TaskOptions
from vlmbench.transfer import ZERO_SHOT

__all__ = ["compare", "evaluate", "load_model", "load_task"]

Names = str | Iterable[str]


def evaluate(
    models: Names,
    tasks: Names,
    *,
    results: str | Path = "results/runs",
    data_root: str | Path | None = None,
    limit: int | None = None,
    stratified: bool = False,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
    templates: Sequence[str] | None = None,
    protocol: Mapping[str, Any] | None = None,
    visuals: int = 0,
    transfer: str = ZERO_SHOT,
    plugins: Iterable[str | Path] = (),
    **settings: Any,
) -> list[Record]:
    """Evaluate every model on every task; records found on disk are not computed again.

    Args:
        models: what ``vlmbench run -m`` takes.
        tasks: what ``vlmbench run -t`` takes.
        results: where records go.
        data_root: where datasets are looked up.
        limit: score a seeded random subset of this size.
        stratified: that subset has every class in its proportion, where each sample has one class.
        seed: of that subset and of the bootstrap.
        class_names: used instead of the card's.
        templates: used instead of the card's.
        protocol: fields of the cards' protocols to replace, such as ``{"readout": "sclip"}``.
        visuals: draw the answers to this many samples of each task, beside the record.
        transfer: how models are adapted before they answer.
        plugins: Python files that register adapters, sources or tasks.
        settings: any other field of :class:`~vlmbench.run.plan.RunRequest` (device, precision, force, skip_bad, …).

    Returns:
        One record a pair, models first.

    Raises:
        VlmbenchError: the request is wrong, or a pair failed (the others' records are on disk).
    """
    plugin_files = tuple(user_path(plugin).absolute() for plugin in plugins)
    for path in plugin_files:
        load_plugin_file(path)
    try:
        request = RunRequest(
            models=_names(models),
            tasks=_names(tasks),
            results=user_path(results),
            data_root=user_path(data_root) if data_root is not None else None,
            options=TaskOptions(
                limit=limit,
                stratified=stratified,
                seed=seed,
                class_names=_texts("class_names", class_names),
                templates=_texts("templates", templates),
                protocol=dict(protocol or {}),
                visuals=visuals,
                transfer=transfer,
            ),
            plugins=plugin_files,
            **settings,
        )
    except TypeError as error:
        raise UsageError(f"evaluate: {error}") from error
    outcomes = execute(make_plan(request), request, NotesAsWarnings())
    return [_record(outcome) for outcome in outcomes]


def load_model(name: str, *, device: str = "auto", offline: bool = False, trust_remote_code: bool = False) -> Model:
    """One model by its card's name, YAML file or ``ADAPTER:SPEC``, ready to encode."""
    card = _one(runnable_models(name), name)
    options = LoadOptions(device=resolve_device(device), offline=offline, trust_remote_code=trust_remote_code)
    return ADAPTERS.get(card.adapter)(card, options)


def load_task(name: str) -> TaskCard:
    """One task card by its name, YAML file or ``KIND:PATH``."""
    return _one(find_tasks(name), name)


def _names(names: Names) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


def _texts(name: str, texts: Sequence[str] | None) -> tuple[str, ...] | None:
    if isinstance(texts, str):
        raise UsageError(f"evaluate: {name} is a list of texts, and {texts!r} is one text")
    return None if texts is None else tuple(texts)


CardT = TypeVar("CardT", ModelCard, TaskCard)


def _one(cards: list[CardT], name: str) -> CardT:
    if len(cards) != 1:
        raise UsageError(f"{name!r} stands for {len(cards)} cards; name one of them")
    return cards[0]


def _record(outcome: PairResult) -> Record:
    if outcome.record is not None:
        return outcome.record
    failure = outcome.failure
    message = failure.message if failure else "no record"
    raise VlmbenchError(f"{outcome.model} on {outcome.task}: {message}", hint=failure.hint if failure else None)
